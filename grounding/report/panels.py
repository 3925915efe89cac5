"""Owns the panels of charts: curve, what went wrong, groups of questions, off-by counts, reliability.

A panel appears only where it has something to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from grounding.metrics.base import Figure
from grounding.metrics.errors import ERRORS
from grounding.report.charts import Bar, bars, curve, histogram, reliability, stack
from grounding.report.sides import Side, class_of, key_of
from grounding.report.wording import esc, is_share, number, title_of

RIGHT = "right"
"""What the taxonomy calls an answer without an error."""
OFF_BY = (-5, 5)
"""Where the columns of a count's histogram end."""


def panels_of(sides: Sequence[Side]) -> str:
    """Every panel that these models' scores have something for."""
    ways = dict.fromkeys(way for side in sides for way in side.scores.groups)
    groups = "".join(_group(way, sides) for way in ways)
    panels = [_taxonomy(sides), _curve(sides), _off_by(sides), _reliability(sides)]
    return "".join(panels) + (f'<div class="groups">{groups}</div>' if groups else "")


def _panel(name: str, title: str, lead: str, content: str) -> str:
    words = f'<h3>{esc(title)}</h3><p class="lead">{esc(lead)}</p>'
    return f'<section class="panel {class_of(name)}">{words}{content}</section>'


def _curve(sides: Sequence[Side]) -> str:
    curves = [side.scores.curve for side in sides]
    if not all(len(line) > 1 for line in curves):
        return ""
    measure = sides[0].measure
    sign = "over" if sides[0].protocol and sides[0].protocol.strict else "at least"
    heads = "".join(f'<th scope="col">{esc(side.name)}</th>' for side in sides)
    rows = "".join(
        f'<tr><th scope="row">{threshold:g}</th>'
        + "".join(f"<td>{esc(number(dict(line).get(threshold)))}</td>" for line in curves)
        + "</tr>"
        for threshold, _ in curves[0]
    )
    table = (
        f'<details><summary>As a table</summary><table class="plain"><thead><tr><th scope="col">{esc(measure)}</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></details>"
    )
    drawn = curve(curves, f"{measure} threshold")
    what = "Accuracy"
    lead = f"Share of answers, in percent, whose {measure} with the truth is {sign} the threshold."
    if sides[0].scores.scoring == "detection":
        what = "Recall"
        lead = f"Share of true boxes, in percent, that were found with an {measure} {sign} the threshold."
    return _panel("curve", f"{what} over the {measure} threshold", lead, drawn + table)


def _taxonomy(sides: Sequence[Side]) -> str:
    if not any(side.scores.errors for side in sides):
        return ""
    names = list(dict.fromkeys([*ERRORS, *(name for side in sides for name in side.scores.errors)]))
    names = [name for name in names if any(side.scores.errors.get(name) for side in sides)]
    right = [sum(verdict.error is None for verdict in side.scores.verdicts) for side in sides]
    tables = [{RIGHT: count, **side.scores.errors} for side, count in zip(sides, right, strict=True)]
    drawn = ""
    for side, table in zip(sides, tables, strict=True):
        who = f'<p class="who">{key_of(side)}</p>' if len(sides) > 1 else ""
        drawn += who + stack([(f"error {class_of(name)}", table.get(name, 0)) for name in (RIGHT, *names)])
    items = ""
    for name in (RIGHT, *names):
        counts = "".join(
            (f'<span class="model-letter {side.letter}">{side.letter.upper()}</span>' if len(sides) > 1 else "")
            + f"<b>{table.get(name, 0):,}</b><span>{100 * table.get(name, 0) / (sum(table.values()) or 1):.1f} %</span>"
            for side, table in zip(sides, tables, strict=True)
        )
        items += (
            f'<li><button type="button" class="part-button" data-error="{esc(name)}">'
            f'<span class="key error {class_of(name)}"></span><span class="part-name">{esc(title_of(name))}'
            f'<small>{esc(ERRORS.get(name, ""))}</small></span><span class="counts">{counts}</span></button></li>'
        )
    lead = "Every answer is one of these. Choose one to see its answers below."
    return _panel("errors", "What went wrong", lead, f'{drawn}<ul class="legend">{items}</ul>')


def _off_by(sides: Sequence[Side]) -> str:
    """How far counts are off, where counts were asked."""
    if sides[0].scores.scoring != "counting":
        return ""
    answered = [[row for row in side.predictions.rows if row.answer is not None] for side in sides]
    tables = [Counter(row.answer.count - row.truth.count for row in rows if row.answer) for rows in answered]
    if not all(tables):
        return ""
    drawn = histogram(tables, OFF_BY)
    return _panel("off-by", "How far off the counts are", "Number said minus true number, over all answers.", drawn)


_WAYS = {
    "size": ("By size of the thing", "Small is under 32 × 32 pixels, large from 96 × 96 on, as COCO has it."),
    "share": ("By share of the picture", "The thing's area as a part of its picture's."),
    "length": ("By length of the phrase", ""),
    "kind": ("By kind of question", "The data set says which kind."),
    "score at least": ("Only sure places", "When places that score less do not count."),
    "category": ("By category", "The data set's own names."),
    "kind by words": ("By kind of phrase", "Judged from its words alone, as the data set does not say."),
}


def _group(way: str, sides: Sequence[Side]) -> str:
    tables = [side.scores.groups.get(way, {}) for side in sides]
    names = list(dict.fromkeys(name for table in tables for name in table))
    if len(names) < 2:  # one group is the whole
        return ""
    known = [name for table in tables for figures in table.values() for name in figures]
    if not known:
        return ""
    shown = sides[0].scores.headline if sides[0].scores.headline in known else known[0]
    share = is_share(shown)
    rows, values = [], [1e-9]
    for name in names:
        figures: tuple[Figure | None, ...] = tuple(table.get(name, {}).get(shown) for table in tables)
        values += [end for figure in figures if figure for end in (figure.value, figure.high) if end is not None]
        count = next((figure.n for figure in figures if figure is not None), 0)
        texts = tuple(number(figure.value if figure else None, share) for figure in figures)
        rows.append(Bar(name, figures, texts, f"of {count:,}"))
    title, lead = _WAYS.get(way, (f"By {way}", ""))
    drawn = bars(rows, 1.0 if share else max(values))
    lead = f"{title_of(shown)}. {lead}".strip()
    return _panel("long" if len(rows) > 16 else "group", title, lead, drawn)


def _reliability(sides: Sequence[Side]) -> str:
    if sides[0].scores.scoring in ("counting", "absent"):  # whose metrics ask no score whether it is right
        return ""
    calibrations = [side.scores.calibration for side in sides]
    title = "Can its scores be trusted?" if len(sides) == 1 else "Can their scores be trusted?"
    words = []
    for side, calibration in zip(sides, calibrations, strict=True):
        who = f"{side.name}: " if len(sides) > 1 else ""
        if calibration is None:
            words.append(f"{who}no scores that can be read as chances, so that nothing can be said of them.")
        else:
            words.append(
                f"{who}ECE {100 * calibration.ece:.1f} points (expected calibration error); "
                f"{100 * calibration.scored:.0f} % of the answers have a score."
            )
    if all(calibration is None for calibration in calibrations):
        lead = "This model gives" if len(sides) == 1 else "These models give"
        lead += " no scores that can be read as chances. None is made up here, so there is no diagram."
        return _panel("silent", title, lead, "")
    lead = "How often answers of a score are right, in percent; on the dashed line where the score tells the truth."
    return _panel("trust", title, f"{' '.join(words)} {lead}", reliability(calibrations))
