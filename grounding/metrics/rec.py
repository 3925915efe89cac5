"""Owns the figures of one phrase and one box (REC): accuracy over IoU thresholds, mean IoU, errors, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from grounding.boxes import iou_pairs
from grounding.metrics.base import Case, Column, Measured, Verdict
from grounding.metrics.calibration import calibration_of
from grounding.metrics.errors import Neighbours, error_of_state
from grounding.metrics.judging import ANSWERED, EMPTY, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol

HEADLINE = "acc@0.5"
SHOWN = (0.5, 0.75, 0.9)
STRICT = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.5 to 0.95: what mAcc is the mean over."""
CURVE = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""0.05 to 0.95."""


def measure(cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"]) -> Measured:
    """acc@0.5, 0.75, 0.9, mAcc (mean of acc over 0.5 to 0.95), mean IoU, and how many answers gave several boxes; where
    questions come in minimal pairs, also of how many pairs both are right.

    The box that is judged is the answer's best (`Grounding.best`); the protocol `oracle-best` looks at the truth. Of
    several true boxes any counts. Where nothing is there to find, a clean "nothing there" is right at every threshold
    and everything else is wrong. Mean IoU is plain IoU under every protocol, over the questions with a true box, with 0
    for an answer without a box.
    """
    states = np.array([state_of(case) for case in cases])
    something = np.array([bool(case.truth.regions) for case in cases], bool)
    overlaps, judged = judge_best(cases, protocol)
    measurable = ~np.isnan(overlaps)
    rejected = ~something & (states == EMPTY)

    def right(threshold: float) -> np.ndarray:
        return (measurable & protocol.passes(np.where(measurable, overlaps, -np.inf), threshold)) | rejected

    hits = right(0.5)
    plain = best_overlaps(cases, [[number] if number >= 0 else [] for number in judged.tolist()], iou_pairs)[0]
    figures = {f"acc@{threshold}": Column.mean(right(threshold)) for threshold in SHOWN}
    figures["mAcc"] = Column.mean(np.mean([right(threshold) for threshold in STRICT], axis=0))
    figures["mean IoU"] = Column.mean(np.nan_to_num(plain), among=something)
    figures["several boxes"] = Column.mean([len(case.answer.regions) > 1 if case.answer else False for case in cases])
    if any(case.pair is not None for case in cases):
        figures["both of a pair"] = both_of_pairs(cases, hits)
    neighbours = Neighbours(cases)
    verdicts = []
    for index, case in enumerate(cases):
        region = case.answer.regions[judged[index]] if case.answer is not None and judged[index] >= 0 else None
        error = None
        if not hits[index]:
            error = error_of_state(states[index], bool(something[index]))
            if error is None and region is not None:
                error = neighbours.box_error(region.box, case)
        verdicts.append(
            Verdict(
                case.id,
                float(hits[index]),
                float(overlaps[index]) if measurable[index] else None,
                error,
                None if region is None else region.score,
                None if region is None else int(judged[index]),
            )
        )
    answered = states == ANSWERED
    scored = [verdict.score for verdict, counts in zip(verdicts, answered, strict=True) if counts]
    return Measured(
        HEADLINE,
        figures,
        tuple(verdicts),
        grouped=("acc@0.5", "acc@0.75", "acc@0.9", "mean IoU"),
        curve=tuple((threshold, float(right(threshold).mean())) for threshold in CURVE) if len(cases) else (),
        calibration=calibration_of(scored, list(hits[answered]), int(answered.sum())),
        notes=_notes(cases, something),
    )


def both_of_pairs(cases: Sequence[Case], hits: np.ndarray) -> Column:
    """The share of minimal pairs of which every question is answered rightly.

    A model that ignores the word in which a pair's questions differ gives them one answer: right half of the time by
    question, and never by pair. Each pair stands at its first question; a question whose partner is not there counts
    nothing.
    """
    members: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        if case.pair is not None:
            members.setdefault(case.pair, []).append(index)
    right, among = np.zeros(len(cases)), np.zeros(len(cases))
    for places in members.values():
        if len(places) > 1:
            right[places[0]], among[places[0]] = hits[places].all(), 1.0
    return Column(right, among)


def judge_best(cases: Sequence[Case], protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """(N,) overlap of the judged region with the best fitting true box, NaN where there is no pair; (N,) its number.

    The number is -1 where the answer has no region.
    """
    chosen = [protocol.candidates(case.answer) if case.answer is not None else [] for case in cases]
    return best_overlaps(cases, chosen, protocol.pairs)


def best_overlaps(
    cases: Sequence[Case], chosen: Sequence[Sequence[int]], pairs: Callable[[ArrayLike, ArrayLike], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) the largest overlap of any chosen region with any true box, NaN where there is none; (N,) the region's
    number, the first among equals, or the first chosen one where nothing is true, or -1.
    """
    found, true, owner, number = [], [], [], []
    judged = np.array([places[0] if places else -1 for places in chosen], int)
    for index, (case, places) in enumerate(zip(cases, chosen, strict=True)):
        regions = case.answer.regions if case.answer is not None else ()
        for place in places:
            for region in case.truth.regions:
                found.append(regions[place].box)
                true.append(region.box)
                owner.append(index)
                number.append(place)
    overlaps = np.full(len(cases), np.nan)
    for index, place, overlap in zip(owner, number, pairs(found, true).tolist(), strict=True):
        if not overlap <= overlaps[index]:  # nothing is less than NaN, so the first one is always taken
            overlaps[index], judged[index] = overlap, place
    return overlaps, judged


def _notes(cases: Sequence[Case], something: np.ndarray) -> tuple[str, ...]:
    notes = []
    if not something.all():
        notes.append(
            f"{int((~something).sum()):,} of {len(cases):,} phrases have nothing to find: “nothing there” is right"
        )
    if several := sum(len(case.truth.regions) > 1 for case in cases):
        notes.append(f"{several:,} of {len(cases):,} phrases have several true boxes; any of them counts")
    return tuple(notes)
