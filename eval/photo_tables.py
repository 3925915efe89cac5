"""The tables of eval.photos: figures of several models by split, their differences, and what else is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.published import REFCOCO
from eval.tables import NOTHING, Row, Table, percent
from grounding.metrics.absent import BY_SCORE, FALSE_POSITIVES
from grounding.metrics.base import Calibration, Column, Figure, Scores
from grounding.metrics.calibration import calibration_of
from grounding.metrics.intervals import Difference, ratio_differences, ratio_figures
from grounding.metrics.judging import EMPTY, state_of
from grounding.score.dispatch import Scored

ACCURACY, OVERLAP = "acc@0.5", "mean IoU"
SURE = "0.5"
"""A score from which on a false box is a confident one."""


@dataclass(frozen=True)
class Group:
    """The expressions of one column."""

    heading: str
    splits: tuple[str, ...]
    """As the lines of the file call them; none: all."""

    @property
    def published_as(self) -> str:
        """The data set whose published figures belong to the column; of several splits nobody published any."""
        return self.splits[0].replace("_", ":") if len(self.splits) == 1 else ""


_NAMES = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocog": "RefCOCOg"}
_SPLITS = {"refcoco": ("val", "testA", "testB"), "refcoco+": ("val", "testA", "testB"), "refcocog": ("val", "test")}
FAMILY = tuple(f"{name}_{split}" for name, splits in _SPLITS.items() for split in splits)
"""The splits of the three data sets."""
GROUPS = (
    *(Group(f"{_NAMES[name]} {split}", (f"{name}_{split}",)) for name in _NAMES for split in _SPLITS[name]),
    *(Group(f"all {title}", tuple(f"{name}_{split}" for split in _SPLITS[name])) for name, title in _NAMES.items()),
    Group("all three", FAMILY),
)
ALWAYS = ", always a box"
"""Ends the name of a model that was asked for a box in any case."""
ALL = Group("all", ())
"""The only column, where no line names a split of the three data sets."""


@dataclass(frozen=True)
class Answered:
    """One model's answers to the expressions, and its figures of the labelled photographs."""

    name: str
    scored: Scored
    absent: Scores | None = None
    """Of names that a photograph does not show; None where they were not asked."""
    objects: Scores | None = None
    """Of every object; None where that was not asked."""

    def within(self, group: Group) -> NDArray[np.bool_]:
        """(N,) which of the questions belong to the group."""
        splits = [row.meta.get("split") for row in self.scored.predictions.rows]
        return np.array([not group.splits or split in group.splits for split in splits], bool)

    @property
    def groups(self) -> list[Group]:
        """Those that any of its questions belong to, the widest last."""
        return [group for group in GROUPS if self.within(group).any()] or [ALL]

    def figures(self, group: Group) -> dict[str, Figure]:
        """Accuracy and mean IoU of the group's questions, with intervals over its pictures."""
        chosen = self.within(group)
        return ratio_figures(_columns(self.scored, chosen), _pictures(self.scored, chosen)) if chosen.any() else {}

    def less(self, other: Answered, group: Group) -> Difference | None:
        """How much more accurate it is than another model on the group's questions, which both were asked."""
        chosen = self.within(group)
        same = [row.id for row in self.scored.predictions.rows] == [row.id for row in other.scored.predictions.rows]
        if not chosen.any() or not same:
            return None
        first, second = (_columns(scored, chosen) for scored in (other.scored, self.scored))
        return ratio_differences(first, second, _pictures(self.scored, chosen))[ACCURACY]

    @property
    def calibration(self) -> Calibration | None:
        """Of the scores of its boxes for the expressions of the widest group; None where it gives no scores."""
        chosen = self.within(self.groups[-1]).tolist()
        answers = [
            (verdict.score, verdict.value > 0)
            for verdict, counts in zip(self.scored.measured.verdicts, chosen, strict=True)
            if counts and verdict.region is not None
        ]
        return calibration_of([score for score, _ in answers], [right for _, right in answers], len(answers))

    @property
    def silent(self) -> Figure:
        """The share of expressions with something to find of which it says that there is nothing."""
        chosen = self.within(self.groups[-1]) & np.array([bool(case.truth.regions) for case in self.scored.cases], bool)
        none = [state_of(case) == EMPTY for case in self.scored.cases]
        column = Column.mean(none, among=chosen)
        return ratio_figures({"none": column.within(chosen)}, self.scored.pictures)["none"]


def _columns(scored: Scored, chosen: NDArray[np.bool_]) -> dict[str, Column]:
    columns = scored.columns
    return {name: Column(columns[name].above[chosen], columns[name].below[chosen]) for name in (ACCURACY, OVERLAP)}


def _pictures(scored: Scored, chosen: NDArray[np.bool_]) -> list[str]:
    return [picture for picture, counts in zip(scored.pictures, chosen.tolist(), strict=True) if counts]


def tables(models: Sequence[Answered]) -> list[Table]:
    """All of them; the first model is the one that the others stand beside."""
    groups = models[0].groups
    made = [_by_split("Acc@0.5 on photographs", ACCURACY, models, groups, published=True)]
    made.append(_by_split("Mean IoU on photographs", OVERLAP, models, groups))
    if len(models) > 1:
        made.append(_differences(models, groups))
    for place, model in enumerate(models[1:], 1):  # the others give a box always: that is the fair comparison
        if model.name.endswith(ALWAYS) and models[place + 1 :]:
            made.append(_differences(models[place:], groups))
    return [*made, _besides(models)]


def _by_split(
    title: str, figure: str, models: Sequence[Answered], groups: Sequence[Group], *, published: bool = False
) -> Table:
    rows = []
    for model in models:
        found = [model.figures(group) for group in groups]
        rows.append(Row(model.name, [percent(figures.get(figure)) for figures in found], ours=True))
    for paper in REFCOCO if published else ():
        figures = [paper.figures.get(group.published_as) for group in groups]
        cells = ["" if value is None else f"{value:.2f}".removesuffix("0") for value in figures]
        if any(cells):
            rows.append(Row(f"{paper.system}, {paper.source}", cells))
    notes = ["95 % intervals over pictures"]
    if published:
        counts = [f"{group.heading} {int(models[0].within(group).sum()):,}" for group in groups]
        notes.append(f"expressions: {', '.join(counts)}; published figures are of the whole splits")
    return Table(title, ["%", *(group.heading for group in groups)], rows, notes)


def _differences(models: Sequence[Answered], groups: Sequence[Group]) -> Table:
    """The first model less each of the others."""
    rows = []
    for other in models[1:]:
        found = [models[0].less(other, group) for group in groups]
        rows.append(Row(f"less {other.name}", [_points(difference) for difference in found], ours=True))
    note = (
        "paired: both models' answers to the same questions, drawn anew by pictures; * where the interval leaves out 0"
    )
    return Table(f"{models[0].name}, Acc@0.5 in points above the others", ["points", *_headings(groups)], rows, [note])


def _headings(groups: Sequence[Group]) -> list[str]:
    return [group.heading for group in groups]


def _points(difference: Difference | None) -> str:
    if difference is None or difference.difference is None:
        return NOTHING
    if difference.low is None or difference.high is None:
        return f"{100 * difference.difference:+.1f}"
    clear = "*" if difference.clear else ""
    return f"{100 * difference.difference:+.1f}{clear} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"


def _besides(models: Sequence[Answered]) -> Table:
    """False boxes, calibration, and COCO's AP."""
    rows = []
    for model in models:
        calibration, absent, objects = model.calibration, model.absent, model.objects
        boxed = absent.figures.get(FALSE_POSITIVES) if absent else None
        sure = absent.groups.get(BY_SCORE, {}).get(SURE, {}).get(FALSE_POSITIVES) if absent else None
        if sure is None and boxed is not None and boxed.value == 0:
            sure = boxed  # no false box, so none of any score
        cells = [
            percent(model.silent),
            NOTHING if calibration is None else f"{100 * calibration.ece:.1f}",
            percent(boxed),
            percent(sure),
            *(percent(objects.figures.get(name) if objects else None) for name in ("AP", "AP50", "APl", "recall@0.5")),
        ]
        rows.append(Row(model.name, cells, ours=True))
    columns = ["says “none” though it is there", "ECE", "box for an absent name", f"the same, scored {SURE} or more"]
    notes = [
        "“none” and ECE (ten bins, scores of the boxes given): of all expressions",
        "absent names, AP and recall: of the labelled photographs; AP is COCO's, of 80 names",
    ]
    asked = next((model.absent for model in models if model.absent is not None), None)
    if asked is not None:
        counts = asked.counts
        notes.append(f"{counts['scored']:,} absent names were asked of {counts['pictures']:,} photographs")
    return Table("Beside it", ["%", *columns, "AP", "AP50", "AP, large", "recall@0.5"], rows, notes)
