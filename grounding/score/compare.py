"""Owns compare(): two models on the same questions, their paired differences, and the questions that flipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.data.predictions import Predictions
from grounding.errors import InputError
from grounding.metrics.base import Column, Figure
from grounding.metrics.intervals import Difference, ratio_differences
from grounding.metrics.protocols import DEFAULT_PROTOCOL
from grounding.score.dispatch import Scored, about_of, measured_cases

RIGHT = 0.5
"""From this value on a verdict counts as right; most are 0 or 1, and a mask's is its IoU."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that one model got right and the other wrong."""

    id: str
    picture: str
    phrase: str
    first: float
    """What the first model's answer was worth."""
    second: float
    first_error: str | None
    second_error: str | None

    @property
    def gained(self) -> bool:
        """Whether the second model is the one that is right."""
        return self.second > self.first


@dataclass(frozen=True)
class Comparison:
    """Two files of predictions on the questions that both answer; differences are the second less the first."""

    first: Mapping[str, Any]
    """The header of its predictions, as JSON."""
    second: Mapping[str, Any]
    scoring: str
    protocol: str
    headline: str
    joined: int
    """How many questions both files have: all figures here are of these."""
    only_first: tuple[str, ...]
    """Ids that the second file lacks."""
    only_second: tuple[str, ...]
    differing: tuple[str, ...]
    """Ids under which the files ask different things; they are left out."""
    figures: Mapping[str, Difference]
    both_right: int
    first_right: int
    """How many only the first got right."""
    second_right: int
    neither: int
    flips: tuple[Flip, ...]
    """Those that only one got right, in the order of the first file."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, all flips among them."""
        return asdict(self)


def compare(
    first: Predictions | str | Path,
    second: Predictions | str | Path,
    protocol: str = DEFAULT_PROTOCOL,
    *,
    scoring: str | None = None,
    partial: bool = False,
    **options: Any,
) -> Comparison:
    """What the second file of predictions does better or worse than the first, question by question.

    The files are joined by id. Both are measured on the joined questions alone; each figure's difference has a 95 %
    interval in which both see the same pictures drawn. Raises InputError where `score` would, where no id is in both
    files, or where the two are measured in different ways.
    """
    one = measured_cases(first, protocol, scoring=scoring, partial=partial, **options)
    two = measured_cases(second, protocol, scoring=scoring, partial=partial, **options)
    if one.scoring != two.scoring:
        raise InputError(
            f"the files are measured as {one.scoring} and as {two.scoring}: say which, such as --as {one.scoring}"
        )
    places = {case.id: number for number, case in enumerate(two.cases)}
    shared = [(number, places[case.id]) for number, case in enumerate(one.cases) if case.id in places]
    same: list[tuple[int, int]] = []
    other: list[tuple[int, int]] = []
    for pair in shared:
        (same if _same_question(one, two, *pair) else other).append(pair)
    if not same:
        raise InputError("the two files have no question in common: they were made of different data sets")
    left, right = np.array([pair[0] for pair in same]), np.array([pair[1] for pair in same])
    known = {case.id for case in one.cases}
    verdicts = [(one.measured.verdicts[a], two.measured.verdicts[b]) for a, b in same]
    hits = [(a.value >= RIGHT, b.value >= RIGHT) for a, b in verdicts]
    flips = tuple(
        Flip(
            one.cases[a].id,
            one.cases[a].picture,
            one.cases[a].truth.phrase,
            mine.value,
            theirs.value,
            mine.error,
            theirs.error,
        )
        for (a, _), (mine, theirs), (hit, hit_too) in zip(same, verdicts, hits, strict=True)
        if hit != hit_too
    )
    differing = tuple(one.cases[place].id for place, _ in other)
    only = tuple(case.id for case in one.cases if case.id not in places)
    other_only = tuple(id for id in places if id not in known)
    return Comparison(
        about_of(one.predictions),
        about_of(two.predictions),
        one.scoring,
        one.protocol,
        one.measured.headline,
        len(same),
        only,
        other_only,
        differing,
        _differences(one, two, left, right),
        sum(a and b for a, b in hits),
        sum(a and not b for a, b in hits),
        sum(b and not a for a, b in hits),
        sum(not a and not b for a, b in hits),
        flips,
        _notes(one, len(same), only, other_only, differing),
    )


def _same_question(one: Scored, two: Scored, a: int, b: int) -> bool:
    mine, theirs = one.cases[a].truth, two.cases[b].truth
    return (mine.phrase, mine.regions, mine.width, mine.height) == (
        theirs.phrase,
        theirs.regions,
        theirs.width,
        theirs.height,
    )


def _differences(one: Scored, two: Scored, left: np.ndarray, right: np.ndarray) -> dict[str, Difference]:
    """Every figure of both: sums over questions with their interval; others, such as AP, of whole files only."""
    paired = ratio_differences(_chosen(one, left), _chosen(two, right), [one.cases[place].picture for place in left])
    differences: dict[str, Difference] = {}
    for name, figure in one.measured.figures.items():
        other = two.measured.figures.get(name)
        if name in paired:
            differences[name] = paired[name]
        elif isinstance(figure, Figure) and isinstance(other, Figure) and len(left) == len(one.cases) == len(two.cases):
            known = figure.value is not None and other.value is not None
            between = other.value - figure.value if known else None  # type: ignore[operator]
            differences[name] = Difference(figure.value, other.value, between, n=figure.n)
    return differences


def _chosen(scored: Scored, places: np.ndarray) -> dict[str, Column]:
    return {name: Column(column.above[places], column.below[places]) for name, column in scored.columns.items()}


def _notes(
    one: Scored, joined: int, only: tuple[str, ...], other_only: tuple[str, ...], differing: tuple[str, ...]
) -> tuple[str, ...]:
    notes = []
    for ids, what in (
        (only, "only in the first file"),
        (other_only, "only in the second file"),
        (differing, "other questions under the same id"),
    ):
        if ids:
            named = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
            notes.append(f"{len(ids):,} left out, {what}: {named}")
    whole = [name for name, figure in one.measured.figures.items() if isinstance(figure, Figure)]
    if whole and notes:
        notes.append(f"not compared, as they are of whole files: {', '.join(whole)}")
    elif whole:
        notes.append(f"without an interval, as they are no sums over questions: {', '.join(whole)}")
    if only or other_only or differing:
        notes.append(f"all figures are of the {joined:,} questions that both files have")
    return tuple(notes)
