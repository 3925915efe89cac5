"""Owns which detections count as found: greedy matching within a category, and precision, recall and F1 of the counts.

The rule is that of COCO's evaluator (pycocotools, COCOeval.evaluateImg): the surest detection first, each takes the
free true box of its category that it overlaps most, the last among equals, if IoU is at least the threshold; one that
takes none and lies in a crowd region of its category counts neither for nor against. COCO stops at 100 detections of a
category in a picture; this does not.

    T  thresholds   D  detections   N  true boxes   K  crowd regions   P  pictures   C  categories
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grounding.boxes import Boxes, area, iou
from grounding.metrics.protocols import Protocol

THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""(T,) of IoU, COCO's ten."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placed:
    """Boxes of one picture, and the number of each one's category."""

    boxes: Boxes
    """(D, 4) xyxy px."""
    categories: Numbers
    """(D,)"""


@dataclass(frozen=True, slots=True)
class Matches:
    """What became of the detections of one picture."""

    taken: Numbers
    """(T, D) which true box each took; -1 for none."""
    ignored: NDArray[np.bool_]
    """(T, D) True for one that took none and lies in a crowd."""
    overlap: NDArray[np.float64]
    """(D, N) with each true box, 0 between categories."""


def match_boxes(
    found: Placed,
    truth: Placed,
    crowd: Placed,
    scores: NDArray[np.float64] | None = None,
    protocol: Protocol | None = None,
) -> Matches:
    """Which detection takes which true box at each threshold.

    `scores`: (D,), the highest chooses first, among equals the first; None: they choose in their order.
    `protocol`: what overlap is and whether the threshold itself is enough; None: IoU >= t, as COCO has it.
    """
    overlap = iou(found.boxes, truth.boxes) if protocol is None else protocol.matrix(found.boxes, truth.boxes)
    enough = np.greater if protocol is not None and protocol.strict else np.greater_equal
    overlap[found.categories[:, None] != truth.categories] = 0.0
    taken = np.full((len(THRESHOLDS), len(found.boxes)), -1)
    candidates = enough(overlap, THRESHOLDS[0])
    if candidates.sum(axis=0).max(initial=0) <= 1 and candidates.sum(axis=1).max(initial=0) <= 1:
        if candidates.any():  # nobody wants what another wants
            taken = np.where(enough(overlap.max(axis=1), THRESHOLDS[:, None]), overlap.argmax(axis=1), -1)
    else:
        order = np.arange(len(found.boxes)) if scores is None else np.argsort(-scores, kind="stable")
        levels = np.arange(len(THRESHOLDS))
        free = np.ones((len(THRESHOLDS), len(truth.boxes)))
        for one in order[candidates.any(axis=1)[order]]:
            wanted = free * overlap[one]
            best = len(truth.boxes) - 1 - wanted[:, ::-1].argmax(axis=1)  # the last among equals, as COCO has it
            hit = enough(wanted[levels, best], THRESHOLDS)
            taken[hit, one] = best[hit]
            free[levels[hit], best[hit]] = 0.0
    return Matches(taken, (taken < 0) & _in_crowd(found, crowd), overlap)


def _in_crowd(found: Placed, crowd: Placed) -> NDArray[np.bool_]:
    """(T, D) True where the crowd of its category covers so much of the detection."""
    if not len(crowd.boxes):
        return np.zeros((len(THRESHOLDS), len(found.boxes)), dtype=bool)
    a, b = found.boxes[:, None, :], crowd.boxes[None, :, :]
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0.0)
    inside = sides.prod(axis=-1) * (found.categories[:, None] == crowd.categories)
    areas = area(found.boxes)
    share = np.divide(inside.max(axis=1), areas, out=np.zeros_like(areas), where=areas > 0)
    within: NDArray[np.bool_] = share >= THRESHOLDS[:, None]
    return within


@dataclass(frozen=True, slots=True)
class Rates:
    """Precision, recall and F1 at each threshold, NaN where there is nothing to divide by.

    No true box and no detection at all: every one is NaN. F1 is 2 hits / (detections + true boxes).
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def rates(hits: NDArray, found: NDArray, truths: NDArray) -> Rates:
    """Of counts; the last axis of `hits` and `found` is T, `truths` lacks it."""
    truths = np.broadcast_to(np.asarray(truths, dtype=float)[..., None], np.shape(hits))

    def ratio(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
        return np.divide(part, whole, out=np.full(np.shape(hits), np.nan), where=whole > 0)

    return Rates(ratio(hits, found), ratio(hits, truths), ratio(2 * hits, found + truths))


@dataclass
class Tally:
    """Counts over many pictures. `hits` and `found` have a row (T,) for each, found without what a crowd excuses."""

    categories: int
    hits: list[NDArray[np.int64]] = field(default_factory=list)
    found: list[NDArray[np.int64]] = field(default_factory=list)
    truths: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = (self.categories, len(THRESHOLDS))
        self.category_hits = np.zeros(shape, dtype=np.int64)
        self.category_found = np.zeros(shape, dtype=np.int64)
        self.category_truths = np.zeros(self.categories, dtype=np.int64)

    def add(self, matches: Matches, found: Placed, truth: Placed) -> None:
        """Counts one picture."""
        hit, counted = matches.taken >= 0, ~matches.ignored
        self.hits.append(hit.sum(axis=1))
        self.found.append(counted.sum(axis=1))
        self.truths.append(len(truth.boxes))
        np.add.at(self.category_hits, found.categories, hit.T)
        np.add.at(self.category_found, found.categories, counted.T)
        np.add.at(self.category_truths, truth.categories, 1)

    @property
    def pooled(self) -> Rates:
        """(T,) of all boxes of all pictures together."""
        return rates(np.sum(self.hits, axis=0), np.sum(self.found, axis=0), np.asarray(sum(self.truths)))

    @property
    def by_category(self) -> Rates:
        """(C, T) of each category."""
        return rates(self.category_hits, self.category_found, self.category_truths)
