"""Owns how far scores are from being right as often as they say: ten bins of equal width, and their ECE."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.metrics.base import Calibration

BINS = 10
"""Of equal width over 0 to 1, as in Guo et al., ICML 2017, whose figures others compare with."""


def calibration_of(scores: Sequence[float | None], right: Sequence[bool], asked: int) -> Calibration | None:
    """Scores of judged regions against whether those are right; None where no score is a probability.

    `asked`: how many answers (or regions) there are in all, so that `scored` says what share had a score. Scores
    outside 0 to 1 are no probabilities: None, rather than a figure of something squeezed into them.
    """
    known = [(score, hit) for score, hit in zip(scores, right, strict=True) if score is not None]
    if not known or any(not 0 <= score <= 1 for score, _ in known):
        return None
    values, hits = np.array([score for score, _ in known]), np.array([hit for _, hit in known], np.float64)
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    there = counts > 0
    confidence = np.bincount(bins, values, minlength=BINS)[there] / counts[there]
    accuracy = np.bincount(bins, hits, minlength=BINS)[there] / counts[there]
    ece = float((np.abs(confidence - accuracy) * counts[there]).sum() / len(known))
    rows = (tuple(map(float, confidence)), tuple(map(float, accuracy)), tuple(map(int, counts[there])))
    return Calibration(*rows, ece=ece, scored=len(known) / max(asked, 1))
