"""How a fetch is told: designed where stdout is a terminal, plain lines in a pipe."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grounding.data.fetching.catalog import PICTURES, Published, RemoteFile
from grounding.data.fetching.download import amount
from grounding.data.fetching.sets import RECORD, Fetched, is_here, room_needed, root_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def before(entry: Published, files: Sequence[RemoteFile], out: Path) -> None:
    """What will come, how much of it, and under which licence."""
    missing = [file for file in files if not is_here(file, out)]
    known = [file.size for file in missing if file.size is not None]
    unknown = len(missing) - len(known)
    size = amount(sum(known)) if known else ""
    more = f"{unknown} file{'s' * (unknown > 1)} of unknown length" if unknown else ""
    come = " and ".join(filter(None, (size, more))) or "nothing: all of it is here"
    room = f"; takes up to {amount(room_needed(files, out))} in {out}" if known else ""
    if not sys.stdout.isatty():
        print(f"{entry.title}: to fetch {come}{room}")
        print(f"licence: annotations {entry.licence}; pictures {entry.photo_licence} ({entry.about})", flush=True)
        return
    from rich.text import Text

    rows = (
        ("to fetch", f"{come}{room}"),
        ("licence", f"annotations: {entry.licence}"),
        ("", f"pictures: {entry.photo_licence}"),
        ("about", entry.about),
    )
    _console().print(Text(f"\n {entry.title}\n", style="bold"), _pairs(rows))


def after(entry: Published, done: Sequence[Fetched], out: Path) -> None:
    """What came and how sure it is, what is left to do by hand, and the command that uses it."""
    if sys.stdout.isatty():
        _after_in_terminal(entry, done, out)
        return
    for file in done:
        sure = {
            "published": f"sha256 as published, {file.sha256[:12]}...",
            "recorded": f"sha256 as recorded before, {file.sha256[:12]}...",
            "nothing": f"no published checksum; sha256 of what came is {file.sha256}",
        }[file.checked]
        print(f"{'fetched' if file.came else 'here   '}  {file.name}  {amount(file.bytes)}, {_files(file)}; {sure}")
    for name, note in _left(entry, out):
        print(f"{name}: {note}")
    print(f"\n{_next(entry, out)}")


def _after_in_terminal(entry: Published, done: Sequence[Fetched], out: Path) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for look in ("", "bold", "", "", "dim"):
        table.add_column(style=look, justify="right" if not look else "left", overflow="fold")
    for file in done:
        sure = {
            "published": "sha256 as published",
            "recorded": "sha256 as recorded before",
            "nothing": f"none published; sha256 {file.sha256[:12]}…",
        }[file.checked]
        mark = Text("✓" if file.came else "=", style="green")
        table.add_row(mark, file.name, amount(file.bytes), _files(file), sure)
    console = _console()
    console.print("", Padding(table, (0, 0, 0, 1)))
    notes = [("checksums", f"of what came, recorded in {out / RECORD}, for the next time")]
    console.print("", _pairs([*notes, *_left(entry, out)]))
    console.print(Text.assemble("\n ", (_next(entry, out), "cyan"), "\n"), soft_wrap=True)


def catalog(sets: Sequence[Published]) -> None:
    """What there is: a table in a terminal, tab-separated in a pipe."""
    rows = [_row(entry) for entry in sets]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=False)
    for title, look in (
        ("name", {"style": "bold", "no_wrap": True}),
        ("what it is", {}),
        ("annotations", {"justify": "right", "no_wrap": True}),
        ("pictures", {"justify": "right", "no_wrap": True}),
        ("checksums", {}),
        ("licence", {"style": "dim"}),
    ):
        table.add_column(title, **look)
    for row in rows:
        table.add_row(*row)
    console = _console()
    console.print("\n Published data sets, fetched with [bold cyan]grounding data fetch NAME[/]\n")
    console.print(table)
    console.print(
        " [dim]The licence is that of the annotations; what holds for pictures is told before they are fetched.\n"
        " refcoco, refcoco+, refcocog, mdetr and grefcoco share their pictures, which are fetched once.[/]\n"
    )


def _row(entry: Published) -> tuple[str, str, str, str, str, str]:
    with_sum = sum(file.sha256 is not None for file in entry.files)
    sums = {0: "none", len(entry.files): "published"}.get(with_sum, f"{with_sum} of {len(entry.files)} files")
    pictures = _size(entry.chosen("pictures")) or "by hand"
    return entry.name, entry.title, _size(entry.chosen("annotations")), pictures, sums, entry.licence


def _size(files: Sequence[RemoteFile]) -> str:
    """Their length together; `?` for what nobody states, "" for no files."""
    known = [file.size for file in files if file.size is not None]
    if not files or not known:
        return "?" if files else ""
    return amount(sum(known)) + (" + ?" if len(known) < len(files) else "")


def _files(file: Fetched) -> str:
    return f"{file.files:,} files" if file.files > 1 else "1 file"


def _left(entry: Published, out: Path) -> list[tuple[str, str]]:
    """What is left to do before a model can be asked."""
    left = [("by hand", entry.by_hand)] if entry.by_hand else []
    if entry.chosen(PICTURES) and not (out / entry.images).is_dir():
        left.append(("pictures", f"not here yet: grounding data fetch {entry.name} --only pictures"))
    return left


def _next(entry: Published, out: Path) -> str:
    """The command that uses what came; without pictures it still counts the questions and names what is missing."""
    folder = out / entry.images
    images = f" --images {shlex.quote(str(folder))}" if folder.is_dir() else ""
    answers = entry.dataset.replace(":", "-") + ".jsonl"
    return f"grounding predict {entry.dataset} --root {shlex.quote(str(root_of(entry, out)))}{images} --out {answers}"


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _pairs(rows: Sequence[tuple[str, str]]) -> Table:
    """Names in one column, dim, and what they are in the next."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
