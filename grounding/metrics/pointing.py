"""Owns the figures of one phrase and one point: whether it lies in the box, and where there is one, in the mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.metrics.base import Case, Column, Measured, Verdict
from grounding.metrics.calibration import calibration_of
from grounding.metrics.errors import POINT_OUTSIDE, error_of_state
from grounding.metrics.judging import ANSWERED, EMPTY, best_place, state_of
from grounding.metrics.protocols import PROTOCOLS, Protocol
from grounding.result import Region

IN_BOX, IN_MASK = "point in box", "point in mask"


def measure(cases: Sequence[Case], protocol: Protocol = PROTOCOLS["iou"]) -> Measured:
    """Share of points in a true box and, where true things have masks, in a true mask (the headline then).

    The point is the one the best region was answered with, else the middle of its box. A point on a box's edge is in
    it. Of several true things any counts. Where nothing is there, a clean "nothing there" is right. `protocol` says
    nothing of points, and is not used.
    """
    states = np.array([state_of(case) for case in cases])
    something = np.array([bool(case.truth.regions) for case in cases], bool)
    masked = np.array([any(region.mask is not None for region in case.truth.regions) for case in cases], bool)
    rejected = ~something & (states == EMPTY)
    regions = [case.answer.best if case.answer is not None else None for case in cases]
    points = [None if region is None else point_of(region) for region in regions]
    in_box, in_mask = np.zeros(len(cases), bool), np.zeros(len(cases), bool)
    for index, (case, point) in enumerate(zip(cases, points, strict=True)):
        if point is not None:
            in_box[index] = any(_in_box(point, region) for region in case.truth.regions)
            in_mask[index] = any(_in_mask(point, region) for region in case.truth.regions)
    by_mask = bool(masked[something].all()) and bool(something.any())
    right = (in_mask if by_mask else in_box) | rejected
    figures = {IN_BOX: Column.mean(in_box | rejected)}
    if masked.any():
        figures = {IN_MASK: Column.mean(in_mask | rejected, among=masked | ~something), **figures}
    verdicts = []
    for index, case in enumerate(cases):
        region = regions[index]
        error = None
        if not right[index]:
            error = error_of_state(states[index], bool(something[index])) or POINT_OUTSIDE
        score = None if region is None else region.score
        verdicts.append(Verdict(case.id, float(right[index]), None, error, score, best_place(case.answer)))
    answered = states == ANSWERED
    scored = [verdict.score for verdict, counts in zip(verdicts, answered, strict=True) if counts]
    centres = sum(region is not None and region.point is None for region in regions)
    notes = () if not centres else (f"answers without a point, for which the middle of the box stands: {centres:,}",)
    return Measured(
        IN_MASK if by_mask else IN_BOX,
        figures,
        tuple(verdicts),
        grouped=tuple(figures),
        calibration=calibration_of(scored, list(right[answered]), int(answered.sum())),
        notes=notes,
    )


def point_of(region: Region) -> tuple[float, float]:
    """x, y px: the region's own point, else the middle of its box."""
    return region.center if region.point is None else region.point


def _in_box(point: tuple[float, float], region: Region) -> bool:
    x1, y1, x2, y2 = region.box
    return x1 <= point[0] <= x2 and y1 <= point[1] <= y2


def _in_mask(point: tuple[float, float], region: Region) -> bool:
    """Whether the pixel under the point is inside; on the picture's right or lower edge that is its last pixel."""
    mask = region.mask
    if mask is None or not (0 <= point[0] <= mask.width and 0 <= point[1] <= mask.height):
        return False
    column, row = min(int(point[0]), mask.width - 1), min(int(point[1]), mask.height - 1)
    return bool(mask.array[row, column])
