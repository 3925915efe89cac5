"""Owns the words around the charts: headline, figures, rates, what they were measured under, and two models' flips."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from grounding.data.predictions import Header
from grounding.metrics.base import Figure
from grounding.metrics.intervals import Difference
from grounding.report.charts import LETTERS, Bar, bar, bars, span, stack
from grounding.report.sides import Side, class_of, key_of
from grounding.report.wording import (
    NOTHING,
    esc,
    interval,
    is_coco,
    is_share,
    less_is_better,
    number,
    plural,
    points,
    title_of,
)
from grounding.score import Comparison

RATES_ALWAYS = ("unreadable", "empty", "out of range", "duplicate", "truncated")
"""Rates that every report states, also where they are 0."""


def headline_of(sides: Sequence[Side], comparison: Comparison | None) -> str:
    """The one figure of each model that stands for the whole, large; of two models their difference too."""
    blocks = [_headline(side, len(sides) > 1) for side in sides]
    name = sides[0].scores.headline
    difference = comparison.figures.get(name) if comparison is not None else None
    if difference is not None and difference.difference is not None:
        share = is_share(name)
        value = number(difference.difference, share, signed=True).removesuffix(" %")
        unit = '<span class="unit">points</span>' if share else ""
        clear = "" if difference.clear else ": no clear difference"
        blocks.append(
            '<div class="headline"><p class="who">B minus A</p>'
            '<p class="headline-name">Same questions, same pictures</p>'
            f'<p class="headline-value">{esc(value)}{unit}</p>'
            f'<p class="headline-interval">95 % interval {esc(interval(_figure(difference), share, signed=True))}'
            f"{clear}</p></div>"
        )
    return "".join(blocks)


def _headline(side: Side, named: bool) -> str:
    name = side.scores.headline
    figure, share = side.scores.figures.get(name, Figure(None)), is_share(name)
    value, within = number(figure.value, share), interval(figure, share)
    who = f'<p class="who">{key_of(side)}</p>' if named else ""
    less = ", less is better" if less_is_better(name) else ""
    unit = '<span class="unit">%</span>' if value.endswith(" %") else ""
    measured = f"95 % interval {within}" if within else ""
    if not named and (pictures := side.scores.counts.get("pictures")):
        measured += f"{', over ' if within else 'Over '}{plural(pictures, 'picture')}"
    return (
        f'<div class="headline">{who}<p class="headline-name">{esc(title_of(name))}{less}</p>'
        f'<p class="headline-value">{esc(value.removesuffix(" %"))}{unit}</p>'
        f'<p class="headline-interval">{esc(measured)}</p></div>'
    )


def facts_of(sides: Sequence[Side]) -> str:
    """What no figure may be read without, in short: it stands beside the headline."""
    first = sides[0]
    rows = [
        ("Questions", _together([_asked(side) for side in sides])),
        ("Protocol", f"{first.scores.protocol}: {first.rule}"),
        ("Model", _together([_model(side.header) for side in sides])),
        ("Prompt", _together([side.header.prompt or "not recorded" for side in sides])),
    ]
    return _list(rows, "facts-list")


def _model(header: Header) -> str:
    read = f", read as {header.codec}" if header.codec else ""
    return header.model + read + (f", rounding {header.rounding}" if header.rounding else "")


def _list(rows: Iterable[tuple[str, str]], kind: str) -> str:
    cells = (f'<dt>{esc(name)}</dt><dd class="{class_of(name)}">{esc(text)}</dd>' for name, text in rows)
    return f'<dl class="{kind}">{"".join(f"<div>{cell}</div>" for cell in cells)}</dl>'


def conditions_of(sides: Sequence[Side]) -> str:
    """What the figures were measured under: a list of names and values."""
    first = sides[0]
    source = f"\nAfter {first.protocol.source}" if first.protocol else ""
    rows: list[tuple[str, str]] = [
        ("Data set", _together([side.header.dataset for side in sides])),
        ("Questions", _together([_asked(side) for side in sides])),
        ("Protocol", f"{first.scores.protocol}: {first.rule}{source}"),
        ("Model", _together([side.header.model for side in sides])),
    ]
    each: list[tuple[str, Callable[[Header], str]]] = [
        ("Codec", lambda header: header.codec or "none: this model writes no text"),
        ("Rounding", lambda header: header.rounding or "none"),
        ("Prompt", lambda header: header.prompt or "not recorded"),
        ("Seed", lambda header: str(header.seed)),
        ("Options", lambda header: _pairs(header.options) or "none"),
        ("Versions", lambda header: _pairs(header.versions) or "not recorded"),
        ("Source", lambda header: header.source or "not recorded"),
        ("Fingerprint", lambda header: header.fingerprint or "not recorded"),
    ]
    rows += [(name, _together([read(side.header) for side in sides])) for name, read in each]
    return _list(rows, "conditions")


def _asked(side: Side) -> str:
    expected, found = side.header.expected, side.header.samples
    published = "no published count is known" if expected is None else f"{expected:,} expected as published"
    answered = len(side.predictions.rows)
    if found is None:
        return f"{answered:,} answered; the data set was streamed and {published}"
    return f"{found:,} found, {published}" + ("" if answered == found else f"; {answered:,} answered so far")


def _together(texts: Iterable[str]) -> str:
    """The text that all models share, or each under its model's letter."""
    known = list(texts)
    if len(set(known)) == 1:
        return known[0]
    return "\n".join(f"{letter.upper()}: {text}" for letter, text in zip(LETTERS, known, strict=False))


def _pairs(table: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in table.items() if value is not None and value not in ({}, []))


def notes_of(sides: Sequence[Side], comparison: Comparison | None) -> str:
    """What has to be said beside any figure, each sentence once; "" where there is nothing."""
    said: dict[str, None] = {}
    for side in sides:
        others = [note for other in sides if other is not side for note in other.scores.notes]
        for note in side.scores.notes:
            own = f"{side.letter.upper()}: " if len(sides) > 1 and note not in others else ""
            said[own + _sentence(note)] = None
        expected = side.header.expected
        found = side.header.samples
        if expected is not None and found is not None and expected != found and not side.header.notes:
            said[f"{expected:,} questions were expected as published; {found:,} were found"] = None
    said |= dict.fromkeys(map(_sentence, comparison.notes if comparison else ()))
    items = "".join(f"<li>{_with_code(note)}</li>" for note in said)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _with_code(note: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(note))


def _sentence(note: str) -> str:
    """The note with a capital, unless it begins with a name such as `refcoco:testA`."""
    return note[:1].upper() + note[1:] if note.partition(" ")[0].rstrip(",").isalpha() else note


# ---- figures


def figures_of(sides: Sequence[Side], comparison: Comparison | None) -> str:
    """A table of every figure with its interval; with two models, of both and their difference.

    COCO's twelve numbers get a table of their own.
    """
    names = list(dict.fromkeys(name for side in sides for name in side.scores.figures))
    coco = [name for name in names if is_coco(name)]
    parts = [part for part in (coco, [name for name in names if name not in coco]) if part]
    if sides[0].scores.headline not in coco:
        parts.reverse()
    if len(sides) == 1:
        tables = [_figures_of_one(sides[0], part) for part in parts]
    else:
        tables = [_figures_of_two(sides, part, comparison.figures if comparison else {}) for part in parts]
    return "".join(tables) if len(tables) == 1 else f'<div class="parts">{"".join(tables)}</div>'


def _figures_of_one(side: Side, names: Sequence[str]) -> str:
    rows = []
    bounded = any(side.scores.figures[name].low is not None for name in names)
    for name in names:
        figure, share = side.scores.figures[name], is_share(name)
        strong = ' class="strong"' if name == side.scores.headline else ""
        cells = [("value", esc(number(figure.value, share)))]
        if bounded:
            cells.append(("interval", esc(interval(figure, share))))
        cells += [("drawn", bar(figure) if share else ""), ("of", f"of {figure.n:,}" if figure.n else "")]
        row = "".join(f'<td class="{kind}">{content}</td>' for kind, content in cells)
        rows.append(f'<tr{strong}><th scope="row">{esc(title_of(name))}</th>{row}</tr>')
    titles = ["Figure", "Value", *(["95 % interval"] if bounded else [])]
    head = "".join(f'<th scope="col">{title}</th>' for title in titles) + "<td></td><td></td>"
    return f'<table class="figures one"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _figures_of_two(sides: Sequence[Side], names: Sequence[str], differences: Mapping[str, Difference]) -> str:
    shares = [difference for name, difference in differences.items() if is_share(name)]
    ends = [abs(end) for share in shares for end in (share.low, share.difference, share.high) if end]
    rows = []
    for name in names:
        share = is_share(name)
        cells = "".join(_value_cell(side, name) for side in sides)
        difference = differences.get(name)
        drawn = text = ""
        if difference is not None and difference.difference is not None:
            figure = _figure(difference)
            drawn = span(figure, 1.08 * max(ends, default=1.0)) if share else ""
            text = f"<b>{esc(points(figure, share))}</b> <small>{esc(interval(figure, share, signed=True))}</small>"
        cells += f'<td class="difference" data-of="B minus A"><span>{text or NOTHING}</span>{drawn}</td>'
        rows.append(f'<tr><th scope="row">{esc(title_of(name))}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{key_of(side)}</th>' for side in sides)
    head = f'<tr><td></td>{heads}<th scope="col">B minus A</th></tr>'
    return f'<table class="figures two"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _value_cell(side: Side, name: str) -> str:
    figure, share = side.scores.figures.get(name, Figure(None)), is_share(name)
    within = interval(figure, share)
    small = f" <small>{esc(within)}</small>" if within else ""
    return f'<td class="value" data-of="{side.letter.upper()}">{esc(number(figure.value, share))}{small}</td>'


def _figure(difference: Difference) -> Figure:
    return Figure(difference.difference, difference.low, difference.high, difference.n)


def rates_of(sides: Sequence[Side]) -> str:
    """How often answers were unreadable, empty and so on; those that must be stated also where they are 0."""
    names = [name for side in sides for name in side.scores.rates]
    shown = [
        name
        for name in dict.fromkeys(names)
        if name in RATES_ALWAYS or any(side.scores.rates.get(name, Figure(0)).value for side in sides)
    ]
    rows = []
    for name in shown:
        figures = tuple(side.scores.rates.get(name) for side in sides)
        rows.append(Bar(title_of(name), figures, tuple(map(_rate, figures))))
    return bars(rows) if rows else ""


def _rate(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return number(None)
    count = f" · {round(figure.value * figure.n):,}" if figure.n else ""
    return number(figure.value) + count


# ---- two models


def flips_of(sides: Sequence[Side], comparison: Comparison) -> str:
    """How many questions both, one or neither got right: a bar, and buttons that choose them below."""
    parts = (
        ("both", "Both right", "", comparison.both_right),
        ("only-a", "Only A right", sides[0].name, comparison.first_right),
        ("only-b", "Only B right", sides[1].name, comparison.second_right),
        ("neither", "Neither right", "", comparison.neither),
    )
    items = "".join(
        f'<li><button type="button" class="part-button" data-pair="{name}"><span class="key part {name}"></span>'
        f'<span class="part-name">{words}<small>{esc(who)}</small></span><span class="counts"><b>{count:,}</b>'
        f"<span>{100 * count / max(comparison.joined, 1):.1f} %</span></span></button></li>"
        for name, words, who, count in parts
    )
    return stack([(f"part {name}", count) for name, _, _, count in parts]) + f'<ul class="legend">{items}</ul>'
