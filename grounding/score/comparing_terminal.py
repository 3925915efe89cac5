"""How comparisons look: two models side by side, and one file under every protocol; tab-separated in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from grounding.metrics.base import Figure, Scores
from grounding.metrics.intervals import Difference
from grounding.metrics.names import LESS_IS_BETTER, NEITHER_IS_BETTER, NO_SHARES
from grounding.metrics.protocols import PROTOCOLS
from grounding.score.compare import Comparison
from grounding.score.terminal import NOTHING, interval, new_table, number, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

FLIPS = 10
BETTER, WORSE = "green", "red"


def show_comparison(comparison: Comparison, flips: int = FLIPS, stream: TextIO | None = None) -> None:
    """Prints the comparison with its first `flips` flips: designed in a terminal, else tab-separated lines."""
    stream = stream or sys.stdout
    if not stream.isatty():
        stream.writelines("\t".join(cells) + "\n" for cells in comparison_lines(comparison, flips))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    title = Text.assemble(
        (f"{comparison.first['dataset']}  ·  {comparison.scoring}  ·  protocol {comparison.protocol}\n\n", "dim"),
        ("first   ", "dim"),
        visible(_name(comparison.first)),
        ("\nsecond  ", "dim"),
        visible(_name(comparison.second)),
        (f"\n\n{comparison.joined:,} questions that both answer", "dim"),
    )
    console.print()
    parts: list[RenderableType] = [title, _differences(comparison), _counts(comparison)]
    if comparison.flips and flips:
        parts.append(_flips(comparison, flips))
    for part in parts:
        console.print(Padding(part, (0, 2, 1, 2)))
    for note in comparison.notes:
        console.print(Padding(Text(f"! {visible(note)}", style="yellow"), (0, 2, 0, 2)))
    if comparison.notes:
        console.print()


def comparison_lines(comparison: Comparison, flips: int) -> Iterator[tuple[str, ...]]:
    """What was compared; each figure's first, second, difference, low, high and n; counts; flips; notes."""
    yield "about", "first", visible(_name(comparison.first))
    yield "about", "second", visible(_name(comparison.second))
    yield "about", "protocol", comparison.protocol
    for name, found in comparison.figures.items():
        values = (found.first, found.second, found.difference, found.low, found.high)
        yield "difference", name, *("" if value is None else f"{value:.4f}" for value in values), str(found.n)
    yield "count", "questions in both", str(comparison.joined)
    for name, count in _table_of(comparison).items():
        yield "count", name, str(count)
    for flip in comparison.flips[:flips]:
        yield "gained" if flip.gained else "lost", *map(visible, (flip.id, flip.phrase, flip.picture))
    for note in comparison.notes:
        yield "note", visible(note)


def show_protocols(scores: Mapping[str, Scores], stream: TextIO | None = None) -> None:
    """Prints what one file scores under each protocol: a line a protocol."""
    stream = stream or sys.stdout
    names = _telling(next(iter(scores.values())))
    if not stream.isatty():
        stream.write("\t".join(("protocol", *names)) + "\n")
        for protocol, one in scores.items():
            figures = _aligned(one, names)
            cells = ["" if figure.value is None else f"{figure.value:.4f}" for figure in figures]
            stream.write("\t".join((protocol, *cells)) + "\n")
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    first = next(iter(scores.values()))
    wide = console.width >= 110
    names = names if wide else names[:5]
    table = new_table("protocol", *names, *(("rule",) if wide else ()))
    table.columns[0].no_wrap = True
    if wide:
        table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    for protocol, one in scores.items():
        shown: list[RenderableType] = []
        for name, figure in zip(names, _aligned(one, names), strict=True):
            share = name not in NO_SHARES
            low = f"  {interval(figure, share)}" if name == first.headline else ""
            shown.append(Text.assemble(number(figure.value, share), (low, "dim")))
        rule = [Text(PROTOCOLS[protocol].rule, style="dim")] if wide else []
        table.add_row(protocol, *shown, *rule)
    title = (
        f"{first.about.get('dataset', '')}  ·  {first.about.get('model', '')}  ·  {first.counts['scored']:,} questions"
    )
    console.print()
    for part in (Text(visible(title), style="dim"), table):
        console.print(Padding(part, (0, 2, 1, 2)))


def _aligned(scores: Scores, names: list[str]) -> list[Figure]:
    """The figures in the places of `names`: a headline that names its overlap is called otherwise elsewhere."""
    own = _telling(scores)
    return [scores.figures[own[place]] for place in range(len(names))]


def _telling(scores: Scores) -> list[str]:
    """The first figures that a protocol can change."""
    return [name for name in scores.figures if name != "several boxes"][:6]


def _name(header: Mapping[str, object]) -> str:
    codec = f", {header['codec']}" if header.get("codec") else ""
    return f"{header['model']}{codec}, seed {header.get('seed')}"


def _table_of(comparison: Comparison) -> dict[str, int]:
    return {
        "both right": comparison.both_right,
        "only the first right": comparison.first_right,
        "only the second right": comparison.second_right,
        "neither right": comparison.neither,
    }


def _differences(comparison: Comparison) -> Table:
    table = new_table("", "first", "second", "difference", "95 % interval", "of")
    for name, found in comparison.figures.items():
        share = name not in NO_SHARES
        style = "bold" if name == comparison.headline else ""
        cells = (number(found.first, share), number(found.second, share), _signed(found, name), _reach(found, share))
        table.add_row(name, *cells, f"{found.n:,}", style=style)
    return table


def _signed(found: Difference, name: str) -> Text:
    """The difference with its sign; green or red where its interval leaves out 0 and one of the two is better."""
    from rich.text import Text

    if found.difference is None:
        return Text(NOTHING, style="dim")
    better = (found.difference > 0) != (name in LESS_IS_BETTER)
    told = found.clear and name not in NEITHER_IS_BETTER
    return Text(_plus(found.difference, name not in NO_SHARES), style=(BETTER if better else WORSE) if told else "")


def _reach(found: Difference, share: bool) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{_plus(found.low, share)} to {_plus(found.high, share)}"


def _plus(value: float, share: bool) -> str:
    text = f"{100 * value:+.1f}" if share else f"{value:+.2f}"
    return text[1:] if not float(text) else text.replace("-", "−")


def _counts(comparison: Comparison) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False, show_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, count in _table_of(comparison).items():
        table.add_row(name, f"{count:,}")
    return table


def _flips(comparison: Comparison, most: int) -> Table:
    from rich.text import Text

    table = new_table(f"flips, {min(most, len(comparison.flips)):,} of {len(comparison.flips):,}", "", "", "")
    for column in table.columns[1:]:
        column.justify, column.no_wrap, column.overflow = "left", False, "fold"
    for flip in comparison.flips[:most]:
        mark = Text("gained", style=BETTER) if flip.gained else Text("lost", style=WORSE)
        error = flip.first_error if flip.gained else flip.second_error
        words = Text.assemble(visible(flip.phrase), (f"  {error or ''}", "dim"))
        table.add_row(visible(flip.id), mark, words, Text(visible(flip.picture), style="dim"))
    return table
