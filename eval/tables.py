"""Tables of figures: designed in a terminal, Markdown in a pipe, so that what a program prints can be pasted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from grounding.metrics.base import Figure

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

NOTHING = "–"


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    name: str
    cells: Sequence[str]
    """One for each column after the first; "" where there is nothing to say."""
    ours: bool = False
    """Whether it was measured now, rather than read in a paper."""


@dataclass(frozen=True)
class Table:
    """A table with a title, and sentences under it."""

    title: str
    columns: Sequence[str]
    """Headings, the first over the names."""
    rows: Sequence[Row]
    notes: Sequence[str] = ()


def percent(figure: Figure | None) -> str:
    """`93.4 (92.9-93.9)`; a dash where nothing was measured."""
    if figure is None or figure.value is None:
        return NOTHING
    if figure.low is None or figure.high is None:
        return f"{100 * figure.value:.1f}"
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"


def plain(figure: Figure | None) -> str:
    """As `percent`, for a value that is no share: `0.42 (0.38-0.47)`."""
    if figure is None or figure.value is None:
        return NOTHING
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def print_table(table: Table, stream: TextIO | None = None) -> None:
    """Prints it to `stream` (stdout)."""
    stream = stream or sys.stdout
    if stream.isatty():
        _print_designed(table, stream)
    else:
        stream.write(markdown(table) + "\n")
        stream.flush()


def markdown(table: Table) -> str:
    """The table as Markdown, its title and its notes around it."""
    lines = [f"## {table.title}", "", _line(table.columns), "|" + " --- |" * len(table.columns)]
    for row in table.rows:
        name = f"**{row.name}**" if row.ours else row.name
        lines.append(_line([name, *row.cells]))
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes), ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _print_designed(table: Table, stream: TextIO) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    console.print()
    console.print(Padding(Text(table.title, style="bold"), (0, 0, 0, 1)))
    for columns in _fitting(table, console.width):
        console.print(_drawn(table, columns))
    for note in table.notes:
        console.print(Padding(Text(note, style="dim"), (0, 0, 0, 1)))
    console.print()


LONGEST_NAME = 32
"""Characters of a row's name before it is folded."""


def _fitting(table: Table, width: int) -> list[list[int]]:
    """The columns behind the names, in groups that fit beside the names: a number is never folded."""
    names = max(len(table.columns[0]), *(len(row.name) for row in table.rows)) if table.rows else 0
    room = width - min(names, LONGEST_NAME) - 2
    groups: list[list[int]] = [[]]
    left = room
    for number, heading in enumerate(table.columns[1:]):
        cells = [(row.cells[number], row.ours) for row in table.rows]
        lines = [line for cell, ours in cells for line in (_lines(cell) if ours else (cell,))]
        wanted = max(map(len, [heading, *lines])) + 3
        if groups[-1] and wanted > left:
            groups.append([])
            left = room
        groups[-1].append(number)
        left -= wanted
    return groups


def _drawn(table: Table, columns: Sequence[int]) -> RichTable:
    """The names and these columns."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=False)
    shown.add_column(table.columns[0], overflow="fold", max_width=LONGEST_NAME)
    for number in columns:
        shown.add_column(table.columns[1 + number], justify="right", no_wrap=True)
    first_published = next((i for i, row in enumerate(table.rows) if not row.ours), None)
    for place, row in enumerate(table.rows):
        if place and place == first_published:
            shown.add_section()
        style = "bold" if row.ours else "dim"
        shown.add_row(Text(row.name, style), *(_cell(row.cells[number], row.ours) for number in columns))
    return shown


def _lines(cell: str) -> tuple[str, str]:
    """A value and the interval that is written under it."""
    value, _, interval = cell.partition(" ")
    return value, interval.strip("()")


def _cell(cell: str, ours: bool) -> Text:
    """The value bright, its interval dim under it."""
    from rich.text import Text

    value, interval = _lines(cell)
    if not ours:
        return Text(cell, style="dim")
    return Text.assemble((value, "bold"), ("\n" + interval, "dim")) if interval else Text(value, "bold")
