"""Owns the figures of phrases with nothing to find: how often a model shows a place all the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.errors import InputError
from grounding.metrics.base import Case, Column, Figure, Measured, Verdict
from grounding.metrics.errors import error_of_state
from grounding.metrics.intervals import ratio_figures
from grounding.metrics.judging import EMPTY, best_place, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol

HEADLINE = "rejected"
FALSE_POSITIVES = "false-positive rate"
BY_SCORE = "score at least"
LIMITS = tuple(step / 10 for step in range(1, 10))


def measure(cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"]) -> Measured:
    """Share of phrases rejected with a clean "nothing there" (the headline), and the false-positive rate.

    The two do not add up to 1 where answers are unreadable or failed: those show no place, and reject nothing. Where
    the model gives scores, the group "score at least" has the rate when surer regions alone count, from 0.1 to 0.9.
    `protocol` says nothing of this, and is not used. Raises InputError where something is there.
    """
    if present := [case.id for case in cases if case.truth.regions]:
        raise InputError(
            f"{len(present):,} of {len(cases):,} phrases have something to find, such as {present[0]!r}: "
            "score them as rec or generalized"
        )
    states = [state_of(case) for case in cases]
    rejected = np.array([state == EMPTY for state in states], bool)
    shown = np.array([bool(case.answer and case.answer.regions) for case in cases], bool)
    figures = {HEADLINE: Column.mean(rejected), FALSE_POSITIVES: Column.mean(shown)}
    places = [best_place(case.answer) for case in cases]
    surest = [
        case.answer.regions[place].score if case.answer is not None and place is not None else None
        for case, place in zip(cases, places, strict=True)
    ]
    verdicts = tuple(
        Verdict(case.id, float(right), None, error_of_state(state, False), score, place)
        for case, right, state, score, place in zip(cases, rejected, states, surest, places, strict=True)
    )
    return Measured(
        HEADLINE,
        figures,
        verdicts,
        grouped=(HEADLINE, FALSE_POSITIVES),
        groups=_by_score(surest, [case.picture for case in cases]),
    )


def _by_score(surest: Sequence[float | None], pictures: Sequence[str]) -> dict[str, dict[str, dict[str, Figure]]]:
    """The false-positive rate when only regions that score at least so much count; {} where there are no scores."""
    if all(score is None for score in surest):
        return {}
    columns = {
        f"{limit:.1f}": Column.mean([score is not None and score >= limit for score in surest]) for limit in LIMITS
    }
    figures = ratio_figures(columns, pictures)
    return {BY_SCORE: {limit: {FALSE_POSITIVES: figure} for limit, figure in figures.items()}}
