"""How a data set is told: designed where stdout is a terminal, a line a fact in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from grounding.data.summary import SIZES, Summary, by_kind, words_told

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_SHOWN_KINDS = 10
_SHOWN_MISSING = 3
_VISIBLE = {code: " " if chr(code).isspace() else "\ufffd" for code in (*range(32), *range(127, 160))}


def show_summary(summary: Summary, stream: TextIO | None = None) -> None:
    """Prints what is in the data set and what is wrong with it."""
    stream = stream or sys.stdout
    if stream.isatty():
        from rich.console import Console

        render(summary, Console(file=stream, highlight=False))
        return
    for label, text, mark in (("name", summary.name, ""), ("source", summary.source, ""), *_facts(summary)):
        stream.write(f"{label}\t{_seen(text)}{f' ({mark})' if mark else ''}\n")
    for kind, count, kept, first in by_kind(summary.problems):
        stream.write(f"problem\t{kind}\t{count}\t{kept} kept\t{_seen(first.where)}: {_seen(first.message)}\n")
    for note in summary.notes:
        stream.write(f"note\t{_seen(note)}\n")


def show_readers(stream: TextIO | None = None) -> None:
    """Prints every name that a data set can be opened by."""
    from grounding.data.opening import FILE, READERS

    stream = stream or sys.stdout
    rows = [(reader.form, reader.what) for reader in (*READERS.values(), FILE)]
    if not stream.isatty():
        for form, what in rows:
            stream.write(f"{form}\t{what}\n")
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 1), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim")
    for form, what in rows:
        name, _, splits = form.partition(":")
        table.add_row(Text.assemble((name, "bold"), (f":{splits}" if splits else "", "cyan")), what)
    console = Console(file=stream, highlight=False)
    console.print(Text("\n  What can be opened, with --root and --images for where it lies\n"))
    console.print(Padding(table, (0, 0, 1, 1)))


def render(summary: Summary, console: Console) -> None:
    """The designed form, onto a rich console."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    def put(what: RenderableType) -> None:
        console.print(Padding(what, (0, 0, 0, 2)))

    console.print()
    put(Text(_seen(summary.name), style="bold"))
    put(Text(_seen(summary.source), style="dim"))
    console.print()
    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text, mark in _facts(summary):
        table.add_row(label, _value(label, text, mark, summary))
    put(table)
    if summary.problems:
        console.print()
        put(_problems(summary))
    for note in summary.notes:
        console.print()
        put(Text.assemble(("! ", "bold yellow"), _seen(note)))
    console.print()


def _value(label: str, text: str, mark: str, summary: Summary) -> Text:
    from rich.text import Text

    good = mark.startswith("as published") or mark == "all there"
    value = Text(_seen(text))
    if mark:
        value.append(f"  {'✓ ' if good else ''}{mark}", style="green" if good else "yellow")
    if label == "sizes":
        legend = [(word, shade) for word, shade in zip(text.split(", "), _SHADES, strict=True)]
        value = Text("  ").join([_bar([summary.sizes[name] for name, _ in SIZES]), *(Text(*entry) for entry in legend)])
    return value


_SHADES = ("#8cc8ec", "#3f93cc", "#0d6fae")


def _bar(counts: list[int], cells: int = 24) -> Text:
    """A bar of three shades in the shares of the counts; whatever is there at all has a cell."""
    from rich.text import Text

    total = sum(counts)
    wide = [max(round(cells * count / total), 1) if count else 0 for count in counts]
    wide[wide.index(max(wide))] += cells - sum(wide)
    return Text.assemble(*(("█" * width, shade) for width, shade in zip(wide, _SHADES, strict=True)))


def _problems(summary: Summary) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", show_edge=False)
    table.add_column("problem", style="yellow", no_wrap=True)
    table.add_column("entries", justify="right")
    table.add_column("kept", justify="right", style="dim")
    table.add_column("the first of them", overflow="fold")
    for kind, count, kept, first in by_kind(summary.problems):
        where = Text.assemble((_seen(first.where), "bold"), " ", _seen(first.message))
        table.add_row(kind, f"{count:,}", f"{kept:,}" if kept else "–", where)
    return table


def _facts(summary: Summary) -> list[tuple[str, str, str]]:
    """Label, value and a mark beside it, in the order to show them; an empty mark says nothing."""
    expected = summary.expected
    mark = ""
    if expected is not None:
        mark = "as published" if expected == summary.samples else f"{expected:,} published"
    facts = [("samples", f"{summary.samples:,}", mark), ("scored as", summary.scoring, "")]
    missing = len(summary.missing)
    facts.append(("pictures", f"{summary.pictures:,}", f"{missing:,} missing" if missing else "all there"))
    if missing:
        more = f" and {missing - _SHOWN_MISSING:,} more" if missing > _SHOWN_MISSING else ""
        facts.append(("missing", ", ".join(summary.missing[:_SHOWN_MISSING]) + more, ""))
    if len(summary.tasks) > 1:
        facts.append(("tasks", _most(summary.tasks), ""))
    parts = [f"{summary.regions:,}"]
    parts += [f"{summary.masks:,} with masks"] if summary.masks else []
    parts += [f"{summary.crowds:,} groups beside them"] if summary.crowds else []
    parts += [f"{summary.empty:,} samples without any"] if summary.empty else []
    facts.append(("true regions", ", ".join(parts), ""))
    if summary.regions:
        sizes = ", ".join(f"{name} {summary.sizes[name] / summary.regions:.0%}" for name, _ in SIZES)
        facts.append(("sizes", sizes, ""))
    words = words_told(summary.words)
    if words:
        facts.append(("words a phrase", f"{words['mean']:.1f} ({words['least']} to {words['most']})", ""))
    if summary.names:
        facts.append(("names asked for", f"{summary.names:,}", ""))
    if summary.kinds:
        facts.append(("kinds", _most(summary.kinds), ""))
    facts.append(("fingerprint", summary.fingerprint, ""))
    return facts


def _most(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{name} {count:,}" for name, count in ordered[:_SHOWN_KINDS])
    return told + (f" and {len(ordered) - _SHOWN_KINDS} more" if len(ordered) > _SHOWN_KINDS else "")


def _seen(text: str) -> str:
    """Without control characters: a file's words must not steer the terminal."""
    return text.translate(_VISIBLE)
