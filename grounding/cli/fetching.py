"""The command `grounding data fetch`: published data sets, downloaded and checked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grounding.cli.arguments import Commands
from grounding.errors import InputError

if TYPE_CHECKING:
    from grounding.data.fetching.catalog import Published, RemoteFile
    from grounding.data.fetching.sets import Fetched, Watch

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
    from grounding.data.fetching.catalog import CATALOG, published
    from grounding.data.fetching.sets import fetch

    if args.list:
        _show_list(list(CATALOG.values()))
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
        _announce(entry, files, out)
        with _watched() as watch:
            try:
                done = fetch(files, out, source=source, keep_archives=args.keep_archives, watch=watch)
            except KeyboardInterrupt:
                watch.tell(f"stopped; what came is kept in {out}, and the same command goes on from there")
                raise
        _report(entry, done, out)


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


def _announce(entry: Published, files: Sequence[RemoteFile], out: Path) -> None:
    """What will come, how much of it, and the licence."""
    from grounding.data.fetching.download import amount
    from grounding.data.fetching.sets import is_here, room_needed

    missing = [file for file in files if not is_here(file, out)]
    known = [file.size for file in missing if file.size is not None]
    unknown = len(missing) - len(known)
    size = amount(sum(known)) if known else ""
    more = f"{unknown} file{'s' * (unknown > 1)} of unknown length" if unknown else ""
    come = " and ".join(filter(None, (size, more))) or "nothing: all of it is here"
    print(f"{entry.title}: to fetch {come}", end="")
    print(f"; takes up to {amount(room_needed(files, out))} in {out}" if known else "")
    print(f"licence: {entry.licence} ({entry.about})", flush=True)


def _report(entry: Published, done: Sequence[Fetched], out: Path) -> None:
    """What came and how sure it is, what is left to do by hand, and the command that uses it."""
    from grounding.data.fetching.download import amount

    for file in done:
        held = f"{file.files:,} files" if file.files > 1 else "1 file"
        sure = {
            "published": f"sha256 as published, {file.sha256[:12]}...",
            "recorded": f"sha256 as recorded before, {file.sha256[:12]}...",
            "nothing": f"no published checksum; sha256 of what came is {file.sha256}",
        }[file.checked]
        print(f"{'fetched' if file.came else 'here   '}  {file.name}  {amount(file.bytes)}, {held}; {sure}")
    if entry.by_hand:
        print(f"by hand: {entry.by_hand}")
    if entry.dataset:
        images = f" --images {_shown(out / entry.images)}" if entry.images else ""
        answers = entry.dataset.replace(":", "-") + ".jsonl"
        print(f"\ngrounding predict {entry.dataset} --root {_shown(out)}{images} --out {answers}")


def _shown(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


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


def _show_list(sets: Sequence[Published]) -> None:
    """The catalog: a table in a terminal, tab-separated in a pipe."""
    rows = [_row(entry) for entry in sets]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=False, expand=True)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it is", ratio=3)
    table.add_column("annotations", justify="right", no_wrap=True)
    table.add_column("pictures", justify="right", no_wrap=True)
    table.add_column("checksums", ratio=2)
    table.add_column("licence", style="dim", ratio=4)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    console.print("\n Published data sets, fetched with [bold]grounding data fetch NAME[/]\n")
    console.print(table)
    console.print(
        " [dim]The pictures of refcoco, refcoco+, refcocog, mdetr and grefcoco are the same train2014.zip, "
        "fetched once.[/]\n"
    )


def _row(entry: Published) -> tuple[str, str, str, str, str, str]:
    with_sum = sum(file.sha256 is not None for file in entry.files)
    sums = {0: "none published", len(entry.files): "published"}.get(with_sum, f"{with_sum} of {len(entry.files)}")
    pictures = _size(entry.chosen("pictures")) or "by hand"
    return entry.name, entry.title, _size(entry.chosen("annotations")), pictures, sums, entry.licence


def _size(files: Sequence[RemoteFile]) -> str:
    """Their length together; `?` for what nobody states, "" for no files."""
    from grounding.data.fetching.download import amount

    known = [file.size for file in files if file.size is not None]
    if not files or not known:
        return "?" if files else ""
    return amount(sum(known)) + (" + ?" if len(known) < len(files) else "")
