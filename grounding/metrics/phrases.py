"""Owns the figures of phrases of a caption (Flickr30k Entities): recall@1, 5, 10 under both protocols of the field.

As ashkamath/mdetr, datasets/flickr_eval.py, has them. "any box": the box may fit any of the phrase's true boxes.
"merged": the phrase's true boxes become the one box around them all, and that is to be hit. The two differ by several
points on the same answers, so both are always given, each under its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grounding.metrics.base import Case, Column, Measured, Verdict
from grounding.metrics.calibration import calibration_of
from grounding.metrics.errors import Neighbours, error_of_state
from grounding.metrics.judging import ANSWERED, EMPTY, ranked_places, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol
from grounding.metrics.rec import CURVE, best_overlaps
from grounding.result import Region

AT = (1, 5, 10)
HEADLINE = "recall@1 any box"


def measure(cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"]) -> Measured:
    """recall@1, @5, @10 at IoU 0.5, "any box" and "merged".

    recall@k: whether one of the k surest regions fits; regions without scores stand in the order they were written. A
    phrase without a box in the data set is right where a clean "nothing there" was answered.
    """
    states = np.array([state_of(case) for case in cases])
    something = np.array([bool(case.truth.regions) for case in cases], bool)
    rejected = ~something & (states == EMPTY)
    merged = [replace(case, truth=case.truth.replace(regions=_merged(case.truth.regions))) for case in cases]
    ranked = [[] if case.answer is None else ranked_places(case.answer) for case in cases]
    figures: dict[str, Column] = {}
    hits, overlaps, judged = np.zeros(len(cases), bool), np.zeros(len(cases)), np.full(len(cases), -1)
    for name, asked in (("any box", cases), ("merged", merged)):
        for k in AT:
            # "the best of k boxes" looks at the truth by its nature; oracle-best is the same with all of them
            most = None if protocol.oracle else k
            best, number = best_overlaps(asked, [places[:most] for places in ranked], protocol.pairs)
            right = protocol.passes(np.nan_to_num(best, nan=-np.inf), 0.5) | rejected
            figures[f"recall@{k} {name}"] = Column.mean(right)
            if f"recall@{k} {name}" == HEADLINE:
                hits, overlaps, judged = right, best, number
    neighbours = Neighbours(cases)
    verdicts = []
    for index, case in enumerate(cases):
        region = case.answer.regions[judged[index]] if case.answer is not None and judged[index] >= 0 else None
        error = None
        if not hits[index]:
            error = error_of_state(states[index], bool(something[index]))
            if error is None and region is not None:
                error = neighbours.box_error(region.box, case)
        overlap = None if np.isnan(overlaps[index]) else float(overlaps[index])
        place = None if region is None else int(judged[index])
        verdicts.append(
            Verdict(case.id, float(hits[index]), overlap, error, None if region is None else region.score, place)
        )
    answered = states == ANSWERED
    scored = [verdict.score for verdict, counts in zip(verdicts, answered, strict=True) if counts]
    reached = np.nan_to_num(overlaps, nan=-np.inf)
    return Measured(
        HEADLINE,
        figures,
        tuple(verdicts),
        grouped=tuple(name for name in figures if name.startswith("recall@1 ")),
        curve=tuple(
            (threshold, float((protocol.passes(reached, threshold) | rejected).mean()))
            for threshold in CURVE
            if len(cases)
        ),
        calibration=calibration_of(scored, list(hits[answered]), int(answered.sum())),
        notes=_notes(cases),
    )


def _merged(regions: Sequence[Region]) -> tuple[Region, ...]:
    """The one box around all of them."""
    if len(regions) < 2:
        return tuple(regions)
    boxes = np.array([region.box for region in regions])
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    return (Region((float(low[0]), float(low[1]), float(high[0]), float(high[1]))),)


def _notes(cases: Sequence[Case]) -> tuple[str, ...]:
    if any(case.answer is not None and len(case.answer.regions) > 1 for case in cases):
        return ()
    return ("no answer holds more than one box: recall@5 and @10 are recall@1",)
