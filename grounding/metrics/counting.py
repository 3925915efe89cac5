"""Owns the figures of one phrase and a number: exact, within one, and the mean distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.metrics.base import Case, Column, Measured, Verdict
from grounding.metrics.errors import TOO_FEW, TOO_MANY, error_of_state
from grounding.metrics.judging import ANSWERED, EMPTY, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol

HEADLINE = "exact"


def measure(cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"]) -> Measured:
    """Share of exact counts, of counts at most one off, and the mean absolute error.

    The count is how many regions there are (`Grounding.count`), on both sides: an answer that says "3" and shows two
    places has counted two, and its text has a problem. An unreadable or failed answer counts as wrong, and is as far
    off as saying 0, at least 1. `protocol` says nothing of numbers, and is not used.
    """
    states = [state_of(case) for case in cases]
    true = np.array([case.truth.count for case in cases], np.float64)
    said = np.array([case.answer.count if case.answer is not None else 0 for case in cases], np.float64)
    clean = np.array([state in (EMPTY, ANSWERED) for state in states], bool)
    off = np.where(clean, np.abs(said - true), np.maximum(true, 1.0))
    exact = clean & (off == 0)
    verdicts = []
    for index, (case, state) in enumerate(zip(cases, states, strict=True)):
        error = None
        if not exact[index]:
            unlike = TOO_FEW if said[index] < true[index] else TOO_MANY
            error = error_of_state(state, bool(true[index])) or unlike
        verdicts.append(Verdict(case.id, float(exact[index]), None, error))
    return Measured(
        HEADLINE,
        {
            HEADLINE: Column.mean(exact),
            "within one": Column.mean(clean & (off <= 1)),
            "mean absolute error": Column.mean(off),
        },
        tuple(verdicts),
        grouped=(HEADLINE, "within one", "mean absolute error"),
    )
