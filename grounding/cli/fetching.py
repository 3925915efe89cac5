"""The command `grounding data fetch`: published data sets, downloaded and checked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grounding.cli.arguments import Commands
from grounding.errors import InputError

if TYPE_CHECKING:
    from grounding.data.fetching.sets import Watch

OUT = "data"


def add_fetching(data: Commands) -> None:
    """Adds the commands of this file."""
    fetch = data.add("fetch", "download published data sets, checked and unpacked", _fetch)
    fetch.add_argument("names", nargs="*", metavar="name", help="such as refcoco, coco or flickr30k; see --list")
    fetch.add_argument("--list", action="store_true", help="show what can be fetched, and stop")
    fetch.add_argument("--out", default=OUT, metavar="DIR", help=f"where it goes (default: {OUT})")
    fetch.add_argument("--only", choices=("annotations", "pictures"), help="fetch only these")
    fetch.add_argument(
        "--from",
        dest="source",
        metavar="URL_OR_DIR",
        help="a mirror of your own: a folder that holds the files under the names they are published as",
    )
    fetch.add_argument("--keep-archives", action="store_true", help="keep archives once they are unpacked")


def _fetch(args: argparse.Namespace) -> None:
    """Fetches data sets; says before what comes and under which licence, and after what to do with it."""
    from grounding.cli import fetching_shown as shown
    from grounding.data.fetching.catalog import CATALOG, published
    from grounding.data.fetching.sets import fetch

    if args.list:
        shown.catalog(list(CATALOG.values()))
        return
    if not args.names:
        raise InputError(f"say what to fetch: {', '.join(CATALOG)}; --list shows them")
    sets = [published(name) for name in args.names]
    source = _source(args.source)
    out = Path(args.out).expanduser()
    for entry in sets:
        files = entry.chosen(args.only)
        if not files:
            print(f"{entry.title}: no {args.only} can be fetched; {entry.by_hand}")
            continue
        shown.before(entry, files, out)
        with _watched() as watch:
            try:
                done = fetch(files, out, source=source, keep_archives=args.keep_archives, watch=watch)
            except KeyboardInterrupt:
                watch.tell(f"stopped; what came is kept in {out}, and the same command goes on from there")
                raise
        shown.after(entry, done, out)


def _source(given: str | None) -> str | None:
    """The address of --from. Raises InputError where it is neither a folder nor an address."""
    from grounding.data.fetching.addresses import check_address

    if given is None:
        return None
    folder = Path(given).expanduser()
    if folder.is_dir():
        return folder.resolve().as_uri()
    if "://" not in given:
        raise InputError(f"--from {given} is no folder, and no http:, https: or file: address")
    return check_address(given)


@contextmanager
def _watched() -> Iterator[Watch]:
    """Progress on stderr: a bar where it is a terminal, else a line for each step and for what went wrong."""
    from grounding.data.fetching.sets import Watch

    if not sys.stderr.isatty():

        def line(text: str) -> None:
            print(text, file=sys.stderr, flush=True)

        yield Watch(begin=lambda step, name: line(f"{step} {name}"), tell=line)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield Watch(
            begin=lambda step, name: bars.reset(task, description=f"{step} [bold]{name}[/]", total=None),
            progress=lambda done, total: bars.update(task, completed=done, total=total),
            tell=lambda sentence: bars.console.print(sentence, style="yellow", markup=False, highlight=False),
        )
