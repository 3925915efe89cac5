"""How scores look: in a terminal a designed page of tables, in a pipe tab-separated lines, one a figure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from grounding.metrics.base import Figure, Scores
from grounding.metrics.errors import ERRORS
from grounding.metrics.names import NO_SHARES
from grounding.metrics.protocols import PROTOCOLS
from grounding.score.completeness import WITHOUT_BOXES

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

Groups: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Figure]]]

NOTHING = "–"
ACCENT = "#3987e5"
BAR_CELLS = 40
RATES_TO_A_LINE = 3
MOST_GROUPS = 12
"""Of one way of grouping, such as the eighty classes of COCO, in a terminal; a pipe gets them all."""
WIDEST_NAME = 28
"""Cells that the name of a group may take; a longer one goes on in the next line."""
_UNSEEN = {
    code: " " if chr(code).isspace() else "\ufffd"
    for code in (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000))
}
"""Control characters, for words of a file must not steer the terminal, nor break a line in two; and halves of
surrogate pairs, which JSON can hold and no stream can write."""


def show_scores(scores: Scores, stream: TextIO | None = None) -> None:
    """Prints the scores: designed where `stream` (stdout) is a terminal, else `plain_lines`."""
    stream = stream or sys.stdout
    if not stream.isatty():
        stream.writelines("\t".join(cells) + "\n" for cells in plain_lines(scores))
        return
    from rich.console import Console

    render_scores(scores, Console(file=stream, highlight=False))


def plain_lines(scores: Scores) -> Iterator[tuple[str, ...]]:
    """(section, name, value, low, high, n): what was asked, figures, rates, groups, errors, notes, in this order."""
    for name, value in statement(scores):
        yield "about", name, visible(value)
    for name, figure in scores.figures.items():
        yield "headline" if name == scores.headline else "figure", name, *_cells(figure)
    for name, figure in scores.rates.items():
        yield "rate", name, *_cells(figure)
    for way, groups in scores.groups.items():
        for group, figures in groups.items():
            for name, figure in figures.items():
                yield way, f"{visible(group)}: {name}", *_cells(figure)
    for name, count in scores.errors.items():
        yield "error", name, str(count)
    if scores.calibration is not None:
        yield "calibration", "ECE", f"{scores.calibration.ece:.4f}"
    for note in scores.notes:
        yield "note", visible(note)


def _cells(figure: Figure) -> tuple[str, str, str, str]:
    return *("" if x is None else f"{x:.4f}" for x in (figure.value, figure.low, figure.high)), str(figure.n)  # type: ignore[return-value]


def statement(scores: Scores) -> Iterator[tuple[str, str]]:
    """What has to be said with any figure: data, counts, protocol, model, codec, rounding, prompt, seed, versions."""
    about, counts = scores.about, scores.counts
    protocol = PROTOCOLS[scores.protocol]
    yield "data set", _source(about)
    expected = f"{counts['expected']:,} as published, " if "expected" in counts else ""
    asked = f"{counts['samples']:,} found here, " if "samples" in counts else ""
    yield "questions", f"{expected}{asked}{counts['scored']:,} scored, about {counts['pictures']:,} pictures"
    if scores.scoring in WITHOUT_BOXES:
        yield "measured as", f"{scores.scoring}; no boxes are compared, so protocols do not differ"
    else:
        yield "measured as", scores.scoring
        yield "protocol", f"{protocol.name}: {protocol.rule}"
        yield "source", protocol.source
    for name in ("model", "codec", "rounding", "prompt", "seed"):
        value = about.get(name)
        yield name, NOTHING if value is None else str(value)
    for name in ("options", "versions"):
        if values := about.get(name):
            yield name, ", ".join(f"{key} {value}" for key, value in values.items())


def _source(about: Mapping[str, Any]) -> str:
    parts = [str(about.get("dataset", NOTHING)), str(about.get("source") or "")]
    if about.get("fingerprint"):
        parts.append(f"fingerprint {about['fingerprint']}")
    return ", ".join(filter(None, parts))


def render_scores(scores: Scores, console: Console) -> None:
    """The designed form, onto a rich console."""
    from rich.padding import Padding
    from rich.text import Text

    def block(part: RenderableType) -> None:
        console.print(Padding(part, (0, 2, 1, 2)))

    console.print()
    block(_title(scores))
    block(_figures(scores))
    if scores.groups:
        block(_groups(scores.groups, console))
    if scores.errors:
        block(_errors(scores))
    block(_rates(scores))
    block(_statement(scores))
    for note in scores.notes:
        style = "bold red" if note.startswith("NOT FINISHED") else "yellow"
        console.print(Padding(Text(f"! {visible(note)}", style=style), (0, 2, 0, 2)))
    if scores.notes:
        console.print()


def _title(scores: Scores) -> RenderableType:
    """The headline figure, large and alone, with its bar and interval."""
    from rich.console import Group
    from rich.text import Text

    figure = scores.figures[scores.headline]
    share = scores.headline not in NO_SHARES
    name = f"{scores.about.get('dataset', '')}  ·  {scores.about.get('model', '')}"
    if scores.scoring not in WITHOUT_BOXES:
        name += f"  ·  protocol {scores.protocol}"
    if scores.counts.get("unfinished"):
        name += "  ·  NOT FINISHED"
    line = Text.assemble(
        (f"{scores.headline}  ", "bold"),
        (number(figure.value, share) + (" %" if share and figure.value is not None else ""), f"bold {ACCENT}"),
        (f"   {interval(figure, share)}" if figure.low is not None else "", "dim"),
    )
    parts: list[RenderableType] = [Text(visible(name), style="dim"), Text(), line]
    if share and figure.value is not None:
        parts.append(bar(figure))
    return Group(*parts)


def bar(figure: Figure, cells: int = BAR_CELLS) -> Text:
    """A bar from 0 to 1 filled to the figure, the reach of its interval paler."""
    from rich.text import Text

    value = min(max(figure.value or 0.0, 0.0), 1.0)
    low = value if figure.low is None else max(figure.low, 0.0)
    high = value if figure.high is None else min(figure.high, 1.0)
    to_low, to_high = round(low * cells), max(round(high * cells), round(low * cells))
    return Text.assemble(
        ("━" * to_low, ACCENT), ("━" * (to_high - to_low), f"dim {ACCENT}"), ("─" * (cells - to_high), "dim")
    )


def _figures(scores: Scores) -> Table:
    table = new_table("", "value", "95 % interval", "of")
    for name, figure in scores.figures.items():
        share = name not in NO_SHARES
        style = "bold" if name == scores.headline else ""
        table.add_row(name, number(figure.value, share), interval(figure, share), f"{figure.n:,}", style=style)
    return table


def _groups(groups: Groups, console: Console) -> RenderableType:
    """All groups under the same columns, so that they can be compared; the first figure with its interval.

    Where they have no room, the intervals go first, then the last columns, which are named.
    """
    from rich.console import Group
    from rich.measure import Measurement
    from rich.text import Text

    names = list(dict.fromkeys(name for parts in groups.values() for table in parts.values() for name in table))
    unbounded = console.options.update(max_width=10_000)
    for count, wide in ((len(names), True), *((count, False) for count in range(len(names), 0, -1))):
        table = _groups_table(groups, names[:count], wide)
        if Measurement.get(console, unbounded, table).maximum <= console.width - 4:
            break
    if count == len(names):
        return table
    return Group(table, Text(f"  no room for {', '.join(names[count:])}: see --out, or a wider terminal", style="dim"))


def _groups_table(groups: Groups, names: Sequence[str], wide: bool) -> Table:
    from rich.text import Text

    reach = ("",) if wide else ()
    new = new_table("", names[0], *reach, *names[1:], "of")
    new.columns[0].max_width = WIDEST_NAME
    for way, parts in groups.items():
        new.add_row(Text(way, style="dim"))
        for group, figures in list(parts.items())[:MOST_GROUPS]:
            cells = [_cell(figures.get(name), name) for name in names]
            if wide:
                cells.insert(1, _reach(figures.get(names[0]), names[0]))
            count = max(figure.n for figure in figures.values())
            new.add_row(f"  {visible(group)}", *cells, Text(f"{count:,}", style="dim"))
        if len(parts) > MOST_GROUPS:
            new.add_row(Text(f"  and {len(parts) - MOST_GROUPS:,} more, in --out", style="dim"))
    return new


def _cell(figure: Figure | None, name: str) -> Text:
    from rich.text import Text

    value = NOTHING if figure is None else number(figure.value, name not in NO_SHARES)
    return Text(value, style="dim" if value == NOTHING else "")


def _reach(figure: Figure | None, name: str) -> Text:
    from rich.text import Text

    return Text("" if figure is None else interval(figure, name not in NO_SHARES), style="dim")


def _errors(scores: Scores) -> Table:
    """How many answers are wrong in which way, the most first, with a bar of their share of all errors."""
    from rich.text import Text

    total = sum(scores.errors.values())
    table = new_table("wrong answers", "", "", "")
    table.columns[0].no_wrap = True
    table.columns[2].justify = table.columns[3].justify = "left"
    table.columns[3].no_wrap = False
    for name, count in sorted(scores.errors.items(), key=lambda item: -item[1]):
        cells = max(1, round(16 * count / total))
        table.add_row(name, f"{count:,}", Text("■" * cells, style=ACCENT), Text(ERRORS.get(name, ""), style="dim"))
    return table


def _rates(scores: Scores) -> RenderableType:
    """Every rate, those that are not 0 brighter."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
    for _ in range(2 * RATES_TO_A_LINE):
        grid.add_column(no_wrap=True)
    cells = []
    for name, figure in scores.rates.items():
        style = "bold" if figure.value else "dim"
        cells += [Text(name, style="dim"), Text(f"{number(figure.value, True)} %  ", style=style, justify="right")]
    for start in range(0, len(cells), 2 * RATES_TO_A_LINE):
        grid.add_row(*cells[start : start + 2 * RATES_TO_A_LINE])
    parts: list[RenderableType] = [Text("of all answers", style="dim"), grid]
    if scores.calibration is not None:
        ece, scored = scores.calibration.ece, scores.calibration.scored
        line = f"the model's scores: ECE {ece:.3f}; {100 * scored:.0f} % of the answers with a place have one"
        parts += [Text(), Text(line, style="dim")]
    return Group(*parts)


def _statement(scores: Scores) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for name, value in statement(scores):
        table.add_row(name, visible(value))
    return table


def new_table(first: str, *others: str) -> Table:
    """A table without lines: names on the left, numbers on the right."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", show_edge=False)
    table.add_column(first, overflow="fold")
    for other in others:
        heading = other.replace(" ", "\n", 1) if len(other) > 13 else other
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def number(value: float | None, share: bool) -> str:
    """`93.4` for a share, `0.42` for another number; a dash where nothing was measured."""
    if value is None:
        return NOTHING
    return f"{100 * value:.1f}" if share else f"{value:.2f}"


def interval(figure: Figure, share: bool) -> str:
    """`92.9–93.9`; "" where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{number(figure.low, share)}–{number(figure.high, share)}"


def visible(words: str) -> str:
    """The words without characters that steer a terminal or that it cannot write."""
    return words.translate(_UNSEEN)
