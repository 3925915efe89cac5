"""Owns the ways an answer goes wrong: exactly one for each wrong answer, told apart by plain IoU under every protocol.

The limits are those of TIDE (Bolya et al., ECCV 2020): under IoU 0.1 a box is on the background or on something else,
from there to 0.5 it is on its object and badly placed. A box between them that fits another asked-about thing of the
same picture (IoU 0.5 or more, and more than with its own) was meant for that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from grounding.boxes import Boxes, as_boxes
from grounding.metrics.base import Case
from grounding.metrics.judging import EMPTY, FAILED, UNREADABLE
from grounding.metrics.protocols import plain_iou

BACKGROUND_IOU = 0.1
"""Under this a box has nothing to do with the true one (TIDE's t_b)."""
FITTING_IOU = 0.5
"""From this on a box fits a thing (TIDE's t_f)."""

FAILED_ERROR = "failed"
UNREADABLE_ERROR = "unreadable"
NOTHING_FOUND = "nothing found"
SOMETHING_FOUND = "something where nothing is"
WRONG_OBJECT = "wrong object"
LOOSE_BOX = "loose box"
TOO_FEW = "too few"
TOO_MANY = "too many"
LOOSE_MASK = "loose mask"
POINT_OUTSIDE = "point outside"

ERRORS: Mapping[str, str] = MappingProxyType(
    {
        FAILED_ERROR: "the model gave no answer",
        UNREADABLE_ERROR: "the answer holds no place and is no clean “nothing there”",
        NOTHING_FOUND: "the answer says that nothing is there, and something is",
        SOMETHING_FOUND: "the answer shows a place, and nothing is there",
        WRONG_OBJECT: f"IoU under {BACKGROUND_IOU}, or the box fits another thing of the picture better",
        LOOSE_BOX: f"IoU from {BACKGROUND_IOU} up, and not enough",
        TOO_FEW: "places or things are missing, and all that are there are right",
        TOO_MANY: "places or things are too many, and none is missing",
        LOOSE_MASK: f"mask IoU from {BACKGROUND_IOU} to {FITTING_IOU}",
        POINT_OUTSIDE: "the point is not on the thing",
    }
)
"""Name to what it means."""


def error_of_state(state: str, something: bool) -> str | None:
    """The error of an answer that no overlap can be measured of; None where it is right or has regions to judge.

    `something`: whether anything is there to find.
    """
    if state == FAILED:
        return FAILED_ERROR
    if state == UNREADABLE:
        return UNREADABLE_ERROR
    if state == EMPTY:
        return NOTHING_FOUND if something else None
    return None if something else SOMETHING_FOUND


class Neighbours:
    """The true boxes of each picture, over all questions about it: what else a box may have been meant for."""

    def __init__(self, cases: Sequence[Case]) -> None:
        boxes: dict[str, dict[tuple[float, ...], None]] = {}
        for case in cases:
            boxes.setdefault(case.picture, {}).update(dict.fromkeys(region.box for region in case.truth.regions))
        self._boxes = {picture: as_boxes(list(there)) for picture, there in boxes.items()}

    def box_error(self, box: Sequence[float], case: Case) -> str:
        """WRONG_OBJECT or LOOSE_BOX, for a box that is not right."""
        own = float(plain_iou(as_boxes(box), case.truth.boxes).max(initial=0.0))
        if own < BACKGROUND_IOU:
            return WRONG_OBJECT
        fit = float(plain_iou(as_boxes(box), self._boxes[case.picture]).max(initial=0.0))
        return WRONG_OBJECT if fit >= FITTING_IOU and fit > own else LOOSE_BOX


def set_error(case: Case, found: Boxes, matched: Sequence[tuple[int, int]], neighbours: Neighbours) -> str:
    """The error of a set of boxes that is not the true set, both with boxes; `matched`: pairs (found, true)."""
    missed = len(case.truth.regions) - len(matched)
    extra = [number for number in range(len(found)) if number not in {first for first, _ in matched}]
    if not extra:
        return TOO_FEW
    if not missed:
        return TOO_MANY
    taken = {second for _, second in matched}
    left = [region.box for number, region in enumerate(case.truth.regions) if number not in taken]
    nearest = int(np.argmax(plain_iou(found[extra], as_boxes(left)).max(1)))
    return neighbours.box_error(found[extra[nearest]].tolist(), case)
