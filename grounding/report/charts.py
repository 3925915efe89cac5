"""Owns the charts: figures in, SVG out, with every length a plain function of the number it stands for.

Bars lie in an <svg> without a viewBox and are measured in percent of its width, so that they stretch with the page
while the words beside them keep their size. The others have a viewBox. Colours are classes of report.css.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grounding.metrics.base import Calibration, Figure

LETTERS = ("a", "b")
"""Classes of the first and the second model."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart: a name, and one figure a model."""

    name: str
    figures: tuple[Figure | None, ...]
    texts: tuple[str, ...]
    """The figures in words."""
    note: str = ""
    """Such as how many questions it is of."""


def bars(rows: Sequence[Bar], most: float = 1.0) -> str:
    """Rows of name, bar with its interval as a whisker, and value; `most` is where the track ends."""
    return '<div class="bars">' + "".join(_bar_row(row, most) for row in rows) + "</div>"


def _bar_row(row: Bar, most: float) -> str:
    drawn = "".join(
        f'<div class="bar-line">{bar(figure, most, letter)}<span class="bar-value">{html.escape(text)}</span></div>'
        for figure, text, letter in zip(row.figures, row.texts, LETTERS, strict=False)
    )
    note = f'<span class="bar-note">{html.escape(row.note)}</span>' if row.note else ""
    return f'<div class="bar-row"><div class="bar-name">{html.escape(row.name)}{note}</div>{drawn}</div>'


def bar(figure: Figure | None, most: float = 1.0, letter: str = "a") -> str:
    """One bar; only its track where nothing was measured."""
    shapes = '<rect class="track" x="0" y="3" width="100%" height="10" rx="2"/>'
    if figure is not None and figure.value is not None:
        shapes += f'<rect class="fill {letter}" x="0" y="3" width="{_percent(figure.value, most)}" height="10" rx="2"/>'
        if figure.low is not None and figure.high is not None:
            low, high = _percent(figure.low, most), _percent(figure.high, most)
            shapes += f'<line class="whisker" x1="{low}" x2="{high}" y1="8" y2="8"/>'
            shapes += "".join(f'<line class="whisker" x1="{x}" x2="{x}" y1="4.5" y2="11.5"/>' for x in (low, high))
    return f'<svg class="bar" width="100%" height="16" aria-hidden="true">{shapes}</svg>'


def span(figure: Figure, reach: float, letter: str = "a") -> str:
    """A difference on a line from -reach to reach with 0 in the middle: its interval, and a dot for its value."""

    def at(value: float) -> str:
        return f"{min(max(50 + 50 * value / reach, 0), 100):.3f}%"

    shapes = '<line class="rail" x1="0" x2="100%" y1="10" y2="10"/>'
    shapes += '<line class="zero" x1="50%" x2="50%" y1="1" y2="19"/>'
    if figure.low is not None and figure.high is not None:
        shapes += f'<line class="reach {letter}" x1="{at(figure.low)}" x2="{at(figure.high)}" y1="10" y2="10"/>'
    if figure.value is not None:
        shapes += f'<circle class="dot {letter}" cx="{at(figure.value)}" cy="10" r="5"/>'
    return f'<svg class="span" width="100%" height="20" aria-hidden="true">{shapes}</svg>'


def stack(parts: Sequence[tuple[str, int]]) -> str:
    """One bar of parts, each (class, how many), as long as its share of them all."""
    whole = sum(count for _, count in parts) or 1
    shapes, start = [], 0
    for name, count in parts:
        if count:
            x, width = _percent(start, whole), _percent(count, whole)
            shapes.append(f'<rect class="{html.escape(name)}" x="{x}" y="0" width="{width}" height="26"/>')
        start += count
    return f'<svg class="stack" width="100%" height="26" aria-hidden="true">{"".join(shapes)}</svg>'


# ---- charts with axes

NAMED = (0.5, 0.75, 0.9)
"""Thresholds whose values are written beside the curve."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 408.0, 14.0, 232.0


def curve(curves: Sequence[Sequence[tuple[float, float]]], what: str) -> str:
    """Shares over rising thresholds, one line a model; `what` is the name of the threshold's axis."""
    places = sorted({x for line in curves for x, _ in line})
    low, high = places[0], places[-1]
    width = (high - low) or 1.0

    def across(x: float) -> float:
        return _LEFT + (x - low) / width * (_RIGHT - _LEFT)

    step = 0.1 if width <= 0.6 else 0.2
    start = 0.1 * math.ceil(low * 10 - 1e-9)
    ticks = [round(start + step * index, 3) for index in range(int((high - start) / step + 1e-9) + 1)]
    shapes = [_grid(), *(_tick(across(x), f"{x:g}") for x in ticks), _axis_name(what)]
    for line, letter in zip(curves, LETTERS, strict=False):
        points = [(across(x), _up(y)) for x, y in line]
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        if len(curves) == 1:
            floor = f"{points[-1][0]:.2f},{_BOTTOM:g} {points[0][0]:.2f},{_BOTTOM:g}"
            shapes.append(f'<polygon class="area {letter}" points="{path} {floor}"/>')
        shapes.append(f'<polyline class="line {letter}" points="{path}"/>')
        for (x, y), (threshold, share) in zip(points, line, strict=True):
            title = f"<title>{html.escape(what)} {threshold:g}: {100 * share:.1f} %</title>"
            named = threshold in NAMED
            radius = 4 if named else 2.4
            shapes.append(f'<circle class="spot {letter}" cx="{x:.2f}" cy="{y:.2f}" r="{radius}">{title}</circle>')
            if named and len(curves) == 1:
                beside = min(max(x + 3, _LEFT + 14), _RIGHT - 8)
                shapes.append(f'<text class="over" x="{beside:.2f}" y="{y - 10:.2f}">{100 * share:.1f}</text>')
    return _chart("curve", f"share of answers over the {what}", shapes)


def reliability(calibrations: Sequence[Calibration | None]) -> str:
    """How often answers of a score are right, over that score: on the dashed line where the score tells the truth.

    A disc's area is how many answers lie in the bin.
    """
    side = _BOTTOM - _TOP
    left = (_LEFT + _RIGHT - side) / 2

    def across(x: float) -> float:
        return left + x * side

    shapes = [_grid(left, left + side), *(_tick(across(x), f"{100 * x:g}") for x in (0, 0.25, 0.5, 0.75, 1))]
    shapes.append(_axis_name("the model's score, %", left, left + side))
    shapes.append(f'<line class="ideal" x1="{across(0):g}" y1="{_up(0):g}" x2="{across(1):g}" y2="{_up(1):g}"/>')
    for calibration, letter in zip(calibrations, LETTERS, strict=False):
        if calibration is None:
            continue
        most = max(calibration.counts, default=1)
        for x, y, count in zip(calibration.confidence, calibration.accuracy, calibration.counts, strict=True):
            radius = 2 + 9 * (count / most) ** 0.5
            title = f"<title>score {100 * x:.0f} %, right {100 * y:.1f} % of {count:,}</title>"
            place = f'cx="{across(min(max(x, 0), 1)):.2f}" cy="{_up(y):.2f}"'
            shapes.append(f'<circle class="disc {letter}" {place} r="{radius:.2f}">{title}</circle>')
    return _chart("reliability", "how often answers are right over the model's score", shapes)


def histogram(counts: Sequence[Mapping[int, int]], ends: tuple[int, int]) -> str:
    """How often an answer was off by how much: one column a model and a number, those beyond the `ends` in the last."""
    low, high = ends
    numbers = range(low, high + 1)
    gathered = [
        {n: sum(many for off, many in table.items() if min(max(off, low), high) == n) for n in numbers}
        for table in counts
    ]
    wholes = [sum(table.values()) or 1 for table in gathered]
    most = max(max(table[n] / whole for n in numbers) for table, whole in zip(gathered, wholes, strict=True)) or 1.0
    slot = (_RIGHT - _LEFT + 24) / len(numbers)
    width = slot * 0.72 / len(counts)
    shapes = [f'<line class="axis" x1="{_LEFT - 24:g}" x2="{_RIGHT:g}" y1="{_BOTTOM:g}" y2="{_BOTTOM:g}"/>']
    for index, number in enumerate(numbers):
        start = _LEFT - 24 + slot * (index + 0.14)
        bound = "≤ " if number == low else "≥ " if number == high else ""
        name = f"{bound}{number:+d}".replace("-", "−") if number else "0"
        shapes.append(_tick(start + slot * 0.36, name))
        for place, (table, whole, letter) in enumerate(zip(gathered, wholes, LETTERS, strict=False)):
            share = table[number] / whole
            height = share / most * (_BOTTOM - _TOP - 16)
            x = start + place * width
            title = f"<title>off by {name}: {table[number]:,} answers</title>"
            shapes.append(
                f'<rect class="fill {letter}" x="{x:.2f}" y="{_BOTTOM - height:.2f}" width="{width * 0.94:.2f}" '
                f'height="{height:.2f}">{title}</rect>'
            )
            if table[number] and len(counts) == 1:
                place_of = f'x="{x + width / 2:.2f}" y="{_BOTTOM - height - 5:.2f}"'
                shapes.append(f'<text class="over" {place_of}>{table[number]:,}</text>')
    shapes.append(_axis_name("said minus true"))
    return _chart("histogram", "how many answers are off by how much", shapes)


def _grid(left: float = _LEFT, right: float = _RIGHT) -> str:
    lines = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _up(share)
        name = "axis" if share == 0 else "rule"
        lines.append(f'<line class="{name}" x1="{left:g}" x2="{right:g}" y1="{y:g}" y2="{y:g}"/>')
        lines.append(f'<text class="up" x="{left - 8:g}" y="{y + 4:g}">{100 * share:g}</text>')
    return "".join(lines)


def _tick(x: float, text: str) -> str:
    return f'<text class="along" x="{x:.2f}" y="{_BOTTOM + 18:g}">{html.escape(text)}</text>'


def _axis_name(text: str, left: float = _LEFT, right: float = _RIGHT) -> str:
    return f'<text class="axis-name" x="{(left + right) / 2:g}" y="{_BOTTOM + 36:g}">{html.escape(text)}</text>'


def _chart(name: str, label: str, shapes: Sequence[str]) -> str:
    opening = f'<svg class="chart {name}" viewBox="0 0 420 272" role="img" aria-label="{html.escape(label)}">'
    return f"{opening}{''.join(shapes)}</svg>"


def _up(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _percent(value: float, most: float) -> str:
    return f"{100 * min(max(value / most, 0.0), 1.0):.3f}%"
