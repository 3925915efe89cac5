"""How answers look: in a terminal a table with score bars in the drawn picture's colours, in a pipe plain text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from grounding.codecs import Codec
    from grounding.result import Grounding, Region

BAR_CELLS = 10
_VISIBLE = {code: " " if chr(code).isspace() else "\ufffd" for code in (*range(32), *range(127, 160))}
"""Control characters to what stands for them: a model's words must not steer the terminal, nor break a line in two."""


def show(
    answers: Sequence[Grounding], *, source: str, drawn_to: str | None = None, stream: TextIO | None = None
) -> None:
    """Prints the answers: designed where `stream` (stdout) is a terminal, else tab-separated, a line a region."""
    stream = stream or sys.stdout
    if not stream.isatty():
        for answer in answers:
            if len(answers) > 1:
                stream.write(f"# {_visible(answer.phrase)}\n")
            stream.write(plain(answer))
        if drawn_to:
            stream.write(f"drawn to {drawn_to}\n")
        return
    from rich.console import Console

    render(answers, Console(file=stream, highlight=False), source=source, drawn_to=drawn_to)


def plain(grounding: Grounding) -> str:
    """What a pipe gets: the answer's words or number, then `x1 y1 x2 y2 <tab> score <tab> label` for each region."""
    lines = []
    if grounding.task in ("caption", "describe"):
        lines.append(says(grounding))
    elif grounding.task == "count":
        lines.append(str(grounding.count))
    elif not grounding.found:
        lines.append("nothing there")
    for region in grounding.regions:
        score = "-" if region.score is None else f"{region.score:.3f}"
        lines.append("\t".join((" ".join(f"{edge:.1f}" for edge in region.box), score, name(grounding, region))))
    return "".join(line + "\n" for line in lines)


def says(grounding: Grounding) -> str:
    """The words of a caption or a description, without places."""
    if grounding.task == "describe" and grounding.best is not None and grounding.best.label:
        return _visible(grounding.best.label)
    return _visible(grounding.text.strip())


def name(grounding: Grounding, region: Region) -> str:
    """What a region is called: its own label, else the words of the caption that name it, else the phrase asked for."""
    if region.label:
        return _visible(region.label)
    if grounding.task == "caption" and region.span is not None:
        return _visible(grounding.text[slice(*region.span)])
    return _visible(grounding.phrase)


def _visible(words: str) -> str:
    return words.translate(_VISIBLE)


def render(answers: Sequence[Grounding], console: Console, *, source: str, drawn_to: str | None = None) -> None:
    """The designed form, onto a rich console."""
    from rich.padding import Padding
    from rich.text import Text

    def line(text: RenderableType) -> None:
        console.print(Padding(text, (0, 0, 0, 2)))

    for answer in answers:
        console.print()
        line(_headline(answer))
        if answer.regions:
            line(_table(answer))
        for problem in answer.problems:
            line(Text(f"! the model's text is {problem.kind}: {_visible(problem.message)}", style="yellow"))
    console.print()
    line(Text(_footer(answers, source), style="dim"))
    if drawn_to:
        line(Text.assemble(("drawn to ", "dim"), (drawn_to, "underline")))
    console.print()


def _headline(grounding: Grounding) -> Text:
    from rich.text import Text

    from grounding.draw import colors_of

    if grounding.task == "caption":
        text = Text(_visible(grounding.text) or "(no words)", style="bold")
        for region, color in zip(grounding.regions, colors_of(grounding), strict=True):
            if region.span is not None:
                text.stylize(f"bold {color}", *region.span)
        return text
    if grounding.task == "describe":
        return Text(says(grounding) or "(no words)", style="bold")
    asked = _visible(grounding.phrase)
    if grounding.task == "count":
        return Text.assemble((f"{grounding.count}  ", "bold"), asked)
    if not grounding.found:
        return Text.assemble(("Nothing there", "bold"), f" for “{asked.replace(' ; ', '” or “')}”")
    return Text(asked.replace(" ; ", ", "), style="bold")


def _table(grounding: Grounding) -> RenderableType:
    """A row a region, without columns that say nothing: names where all are the phrase, scores where there are none."""
    from rich.table import Table
    from rich.text import Text

    from grounding.draw import colors_of

    named = any(name(grounding, region) != _visible(grounding.phrase) for region in grounding.regions)
    scored = any(region.score is not None for region in grounding.regions)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    table.add_column("", justify="right")
    if named:
        table.add_column("what", overflow="fold")
    for edge in ("left", "top", "right", "bottom"):
        table.add_column(edge, justify="right", no_wrap=True)
    if scored:
        table.add_column("score", no_wrap=True)
    for number, (region, color) in enumerate(zip(grounding.regions, colors_of(grounding), strict=True), 1):
        cells = [Text.assemble((f"{number} ", "dim"), ("■", color))]
        cells += [Text(name(grounding, region))] if named else []
        cells += [Text(f"{edge:.1f}") for edge in region.box]
        cells += [_bar(region.score, color)] if scored else []
        table.add_row(*cells)
    return table


def _bar(score: float | None, color: str) -> Text:
    """`━━━━╸───── 0.46`; a dash where the model gives no score."""
    from rich.text import Text

    if score is None:
        return Text("–", style="dim")
    full, half = divmod(round(min(max(score, 0.0), 1.0) * BAR_CELLS * 2), 2)
    cells = "━" * full + "╸" * half
    return Text.assemble((cells, color), ("─" * (BAR_CELLS - len(cells)), "dim"), f" {score:.2f}")


def _footer(answers: Sequence[Grounding], source: str) -> str:
    parts = [f"{source}, {answers[0].width} × {answers[0].height} px"]
    if all(answer.seconds is not None for answer in answers):
        seconds = sum(answer.seconds or 0.0 for answer in answers)
        took = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
        parts.append(took if len(answers) == 1 else f"{took} for {len(answers)} phrases")
    if answers[0].model:
        parts.append(answers[0].model)
    return " · ".join(parts)


def show_codecs(stream: TextIO | None = None) -> None:
    """Prints every family of box texts with the same box as it writes it: a table, or tab-separated in a pipe."""
    from grounding.codecs import CODECS, get_codec

    stream = stream or sys.stdout
    rows = [(name, _example(codec := get_codec(name)), codec.tasks, tuple(codec.rules)) for name in CODECS]
    if not stream.isatty():
        for family, example, tasks, readings in rows:
            stream.write("\t".join((family, example, " ".join(tasks), " ".join(readings))) + "\n")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=False, expand=True)
    table.add_column("family", style="bold", no_wrap=True)
    table.add_column("its text", overflow="fold", ratio=5)
    table.add_column("what it can be asked", style="dim", overflow="fold", ratio=3)
    table.add_column("other readings", ratio=2)
    for family, example, tasks, readings in rows:
        table.add_row(family, Text(example, style="cyan"), ", ".join(tasks), Text(", ".join(readings[1:]) or "–"))
    console = Console(file=stream, highlight=False)
    console.print("\n A cat from (64, 120) to (320, 360) px in a picture of 640 × 480, as each family writes it\n")
    console.print(table)


def _example(codec: Codec) -> str:
    """What the family should write for a cat in a picture of 640 x 480, on one line."""
    from grounding.errors import InputError
    from grounding.result import Region

    try:
        canvas = codec.canvas(640, 480)
    except InputError:  # it counts pixels of the picture as the model is given it
        canvas = codec.canvas(640, 480, input_size=(644, 476))
    point = "point" in codec.tasks and not {"detect", "locate"} & set(codec.tasks)
    task = "point" if point else "detect" if "detect" in codec.tasks else codec.tasks[0]
    region = Region((64, 120, 320, 360), label="cat", point=(192, 240) if point else None)
    return " ".join(codec.encode(task, regions=[region], canvas=canvas).split())
