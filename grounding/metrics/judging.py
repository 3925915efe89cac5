"""Owns whether an answer can be judged at all, and the rates of what is wrong with answers: part of every score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.metrics.base import Case, Column
from grounding.result import Grounding

FAILED, UNREADABLE, EMPTY, ANSWERED = "failed", "unreadable", "empty", "answered"
"""What an answer can be: none at all; without a region though its text said something else; clean and without a
region ("none"); with regions. The first two are wrong whatever was asked, and never leave the denominator."""

_MARKED = {
    "out of range": "out_of_range",
    "duplicate": "duplicate",
    "truncated": "truncated",
    "inverted": "inverted",
    "unknown token": "unknown_token",
}
"""Rate to the kind of `grounding.result.Problem` that it counts."""


def state_of(case: Case) -> str:
    """One of FAILED, UNREADABLE, EMPTY, ANSWERED.

    Unreadable: no region came out, and the text was not a clean "nothing there" either, so that something in it was
    noted as a problem: prose, broken or cut-off markup, places outside the picture.
    """
    if case.answer is None:
        return FAILED
    if case.answer.regions:
        return ANSWERED
    return UNREADABLE if case.answer.problems else EMPTY


def best_place(answer: Grounding | None) -> int | None:
    """The number of the region that stands for an answer where one is asked (`Grounding.best`); None without any."""
    best = answer.best if answer is not None else None
    if best is None or answer is None:
        return None
    return next(number for number, region in enumerate(answer.regions) if region is best)


def ranked_places(answer: Grounding) -> list[int]:
    """Numbers of its regions, the surest first, those without a score last; the first is `best_place`."""
    scores = answer.scores
    return sorted(range(len(scores)), key=lambda place: np.inf if (score := scores[place]) is None else -score)


def rates_of(cases: Sequence[Case]) -> dict[str, Column]:
    """Shares of all questions whose answer is unreadable, empty, out of range, duplicate, truncated ... or failed."""
    states = np.array([state_of(case) for case in cases])
    kinds = [{problem.kind for problem in case.answer.problems} if case.answer else set() for case in cases]
    rates = {"unreadable": Column.mean(states == UNREADABLE), "empty": Column.mean(states == EMPTY)}
    rates |= {name: Column.mean([kind in seen for seen in kinds]) for name, kind in _MARKED.items()}
    rates["failed"] = Column.mean(states == FAILED)
    return rates
