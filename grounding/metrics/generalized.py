"""Owns the figures of one phrase and none, one or several boxes (gRefCOCO): Pr@(F1=1, IoU>=0.5), N-acc, T-acc.

As henghuiding/gRefCOCO, mdetr/datasets/refexp.py, has them: regions scoring under 0.7 are left out; the pair of boxes
that overlaps most is matched first, then the next of those left; a question is right where every box is matched and
none is left over. That file takes GIoU for the overlap: to reproduce its figures use the protocol `mdetr-giou`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.boxes import Boxes
from grounding.metrics.base import Case, Column, Measured, Verdict
from grounding.metrics.calibration import calibration_of
from grounding.metrics.errors import Neighbours, error_of_state, set_error
from grounding.metrics.judging import ANSWERED, EMPTY, ranked_places, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol
from grounding.metrics.rec import CURVE

THRESHOLD = 0.5
SCORE_THRESHOLD = 0.7


def measure(
    cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"], score_threshold: float = SCORE_THRESHOLD
) -> Measured:
    """Pr@(F1=1), N-acc (nothing said of phrases without target), T-acc (something said of those with), and F1.

    `score_threshold`: regions with a score under it are left out; those without a score stay. F1 of a question is 1
    where nothing is there and nothing is said; precision and recall are over all boxes. An unreadable or failed answer
    is no "nothing": it is wrong for either kind of phrase.
    """
    states = [state_of(case) for case in cases]
    kept = [_kept(case, score_threshold) for case in cases]
    states = [EMPTY if state == ANSWERED and not left else state for state, left in zip(states, kept, strict=True)]
    something = np.array([bool(case.truth.regions) for case in cases], bool)
    found = np.array([len(places) for places in kept])
    true = np.array([len(case.truth.regions) for case in cases])
    neighbours = Neighbours(cases)
    verdicts, hits, f1 = [], np.zeros(len(cases)), np.zeros(len(cases))
    values = np.zeros((len(CURVE), len(cases)))
    scores: list[float | None] = []
    matched: list[bool] = []
    for index, case in enumerate(cases):
        boxes = _boxes(case, kept[index])
        if found[index] and true[index]:
            overlaps = protocol.matrix(boxes, case.truth.boxes)
            order = greedy_matches(overlaps)
            pairs = [pair for pair in order if protocol.passes(overlaps[pair], THRESHOLD)]
            overlap = float(sum(overlaps[pair] for pair in order) / max(found[index], true[index]))
            values[:, index] = [_all_match(overlaps, order, protocol, threshold) for threshold in CURVE]
        else:
            pairs, overlap = [], None
            values[:, index] = states[index] == EMPTY and not something[index]
        hits[index] = len(pairs)
        clean = states[index] == EMPTY and not something[index]
        f1[index] = 1.0 if clean else 2 * len(pairs) / max(found[index] + true[index], 1)
        error = None
        if f1[index] < 1:
            error = error_of_state(states[index], bool(something[index])) or set_error(case, boxes, pairs, neighbours)
        hit_places = {kept[index][first] for first, _ in pairs}
        for place in kept[index]:
            assert case.answer is not None
            scores.append(case.answer.regions[place].score)
            matched.append(place in hit_places)
        best = kept[index][0] if kept[index] else None
        score = None if best is None or case.answer is None else case.answer.regions[best].score
        verdicts.append(Verdict(case.id, float(f1[index] == 1), overlap, error, score, best))
    right = f1 == 1
    empty = np.array([state == EMPTY for state in states], bool)
    headline = f"Pr@(F1=1, {protocol.measure}{protocol.sign}{THRESHOLD})"
    figures = {
        headline: Column.mean(right),
        "N-acc": Column.mean(empty, among=~something),
        "T-acc": Column.mean(found > 0, among=something),
        "F1": Column.mean(f1),
        "precision": Column(hits, found.astype(np.float64)),
        "recall": Column(hits, true.astype(np.float64)),
    }
    return Measured(
        headline,
        figures,
        tuple(verdicts),
        grouped=(headline, "N-acc", "T-acc", "F1"),
        curve=tuple((threshold, float(row.mean())) for threshold, row in zip(CURVE, values, strict=True) if len(cases)),
        calibration=calibration_of(scores, matched, len(scores)),
        notes=_notes(cases, kept, score_threshold),
    )


def greedy_matches(overlaps: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column), the largest overlap first, each row and column once; among equals the first row."""
    left = np.array(overlaps, np.float64)
    pairs = []
    for _ in range(min(left.shape)):
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(row), int(column)))
        left[row, :] = left[:, column] = -np.inf
    return pairs


def _all_match(overlaps: np.ndarray, pairs: Sequence[tuple[int, int]], protocol: Protocol, threshold: float) -> bool:
    rows, columns = overlaps.shape
    return rows == columns and all(protocol.passes(overlaps[pair], threshold) for pair in pairs)


def _kept(case: Case, score_threshold: float) -> list[int]:
    """Numbers of the regions that count, the surest first, as the source sorts them."""
    if case.answer is None:
        return []
    scores = case.answer.scores
    return [
        place for place in ranked_places(case.answer) if (score := scores[place]) is None or score >= score_threshold
    ]


def _boxes(case: Case, places: Sequence[int]) -> Boxes:
    return case.answer.boxes[list(places)] if case.answer is not None else np.zeros((0, 4))


def _notes(cases: Sequence[Case], kept: Sequence[Sequence[int]], score_threshold: float) -> tuple[str, ...]:
    scores = [score for case in cases if case.answer is not None for score in case.answer.scores]
    if not any(score is not None for score in scores):
        return ("the model gives no scores: every region it named counts",) if scores else ()
    left_out = len(scores) - sum(map(len, kept))
    return (f"{left_out:,} of {len(scores):,} regions score under {score_threshold:g} and were left out",)
