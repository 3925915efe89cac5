"""Owns the figures of one phrase and one mask: gIoU, cIoU, Pr@0.5 to 0.9, and N-acc and T-acc where nothing is there.

As henghuiding/ReLA, gres_model/evaluation/refer_evaluation.py, has them. "gIoU" is the mean of the questions' mask IoU
here, with 1 where nothing is there and nothing is said (it is no generalized IoU of boxes); "cIoU" is the sum of all
intersections over the sum of all unions, so that large things weigh more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as coco_mask

from grounding.errors import InputError
from grounding.masks import Mask
from grounding.metrics.base import Case, Column, Measured, Verdict
from grounding.metrics.calibration import calibration_of
from grounding.metrics.errors import BACKGROUND_IOU, LOOSE_MASK, WRONG_OBJECT, error_of_state
from grounding.metrics.judging import ANSWERED, EMPTY, best_place, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol
from grounding.metrics.rec import CURVE
from grounding.result import Grounding, Region

HEADLINE = "gIoU"
SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9)


def measure(cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"]) -> Measured:
    """gIoU, cIoU, Pr@0.5 to 0.9 (over the questions with something to find), N-acc, T-acc.

    The masks of all regions of an answer, and of all true ones, are put together. `protocol` says nothing of masks, and
    is not used. A region without a mask has no pixels: a box is no mask. An unreadable or failed answer has none
    either, and is wrong also where nothing is there. Raises InputError where true regions have no masks at all.
    """
    true_regions = [region for case in cases for region in case.truth.regions]
    something = np.array([bool(case.truth.regions) for case in cases], bool)
    if true_regions and all(region.mask is None for region in true_regions):
        raise InputError(
            f"{int(something.sum()):,} of {len(cases):,} phrases have true boxes, and none of them a mask: "
            "score them as rec or generalized"
        )
    states = [state_of(case) for case in cases]
    shared, union = np.zeros(len(cases)), np.zeros(len(cases))
    said = np.zeros(len(cases), bool)
    for index, case in enumerate(cases):
        size = (case.truth.height, case.truth.width)
        true, found = _together(case.truth, size), _together(case.answer, size)
        said[index] = coco_mask.area(found) > 0
        shared[index] = coco_mask.area(coco_mask.merge([true, found], intersect=True))
        union[index] = coco_mask.area(coco_mask.merge([true, found]))
    clean = np.array([state in (EMPTY, ANSWERED) for state in states], bool)
    rejected = ~something & ~said & clean
    overlaps = np.where(union > 0, shared / np.maximum(union, 1), 0.0) + rejected
    figures = {
        HEADLINE: Column.mean(overlaps),
        "cIoU": Column(shared, union),
        **{f"Pr@{limit}": Column.mean(overlaps >= limit, among=something) for limit in SHOWN},
    }
    if not something.all():
        figures |= {"N-acc": Column.mean(rejected, among=~something), "T-acc": Column.mean(said, among=something)}
    verdicts = tuple(
        _verdict(case, state, float(overlap), bool(there), bool(spoken))
        for case, state, overlap, there, spoken in zip(cases, states, overlaps, something, said, strict=True)
    )
    judged = [(verdict.score, verdict.error is None) for verdict, spoken in zip(verdicts, said, strict=True) if spoken]
    return Measured(
        HEADLINE,
        figures,
        verdicts,
        grouped=(HEADLINE, "cIoU", "Pr@0.5"),
        curve=tuple((limit, float((overlaps >= limit).mean())) for limit in CURVE if len(cases)),
        calibration=calibration_of([score for score, _ in judged], [right for _, right in judged], len(judged)),
        notes=_notes(cases),
    )


def _together(grounding: Grounding | None, size: tuple[int, int]) -> Any:
    """COCO's run lengths of all regions' masks put together; of no pixels where there is none."""
    masks = [] if grounding is None else [region.mask for region in grounding.regions if _fits(region, size)]
    nothing = Mask.from_polygons([], size[1], size[0])
    return coco_mask.merge([mask.rle for mask in (nothing, *masks) if mask is not None])


def _fits(region: Region, size: tuple[int, int]) -> bool:
    """Whether the region has a mask of the picture's own size: pixels of another size lie nowhere in it."""
    return region.mask is not None and (region.mask.height, region.mask.width) == size


def _verdict(case: Case, state: str, overlap: float, something: bool, said: bool) -> Verdict:
    error = error_of_state(EMPTY if state == ANSWERED and not said else state, something)
    if error is None and something and overlap < 0.5:
        error = WRONG_OBJECT if overlap < BACKGROUND_IOU else LOOSE_MASK
    place = best_place(case.answer)
    score = case.answer.regions[place].score if case.answer is not None and place is not None else None
    return Verdict(case.id, overlap, overlap, error, score, place)


def _notes(cases: Sequence[Case]) -> tuple[str, ...]:
    notes = []
    for what, groundings in (
        ("answers", [case.answer for case in cases if case.answer is not None]),
        ("true answers", [case.truth for case in cases]),
    ):
        sizes = [(grounding, (grounding.height, grounding.width)) for grounding in groundings]
        if count := sum(any(not _fits(region, size) for region in grounding.regions) for grounding, size in sizes):
            notes.append(f"{what} with regions that have no mask of the picture's size, and so no pixels: {count:,}")
    return tuple(notes)
