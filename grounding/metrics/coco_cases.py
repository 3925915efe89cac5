"""Owns the way from questions and answers to COCO's entries: names become numbers, and regions annotations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from grounding.boxes import as_boxes
from grounding.masks import Mask
from grounding.metrics.base import Case
from grounding.metrics.box_matching import Placed
from grounding.metrics.coco_ap import CocoAp, score_entries
from grounding.metrics.coco_entries import Results, Truth
from grounding.result import Region

UNASKED = 0
"""The number of a detection of a name that is no category: wrong, and of nothing that could be averaged."""


@dataclass(frozen=True)
class Categories:
    """Names and their numbers from 1, in the order of their first appearance."""

    numbers: dict[str, int]

    @classmethod
    def of(cls, cases: Iterable[Case]) -> Categories:
        """All that the cases ask for and hold."""
        names: dict[str, None] = {}
        for case in cases:
            names |= dict.fromkeys(case.names)
            names |= dict.fromkeys(_label(region, case) for region in (*case.truth.regions, *case.crowd))
        return cls({name: number for number, name in enumerate(names, 1)})

    @cached_property
    def _folded(self) -> dict[str, int]:
        return {name.casefold(): number for name, number in reversed(self.numbers.items())}

    def number_of(self, region: Region, case: Case) -> int:
        """Of its label, whatever its case; UNASKED where the label is no category."""
        label = _label(region, case)
        return self.numbers.get(label) or self._folded.get(label.casefold(), UNASKED)

    def placed(self, regions: Sequence[Region], case: Case) -> Placed:
        """Their boxes and numbers."""
        numbers = np.array([self.number_of(region, case) for region in regions], dtype=np.int64)
        return Placed(as_boxes([region.box for region in regions]), numbers)


def _label(region: Region, case: Case) -> str:
    """Its own; else the one name asked for; else the phrase."""
    return region.label or (case.names[0] if len(case.names) == 1 else case.truth.phrase)


def coco_ap_of(cases: Sequence[Case], *, kind: str = "bbox", engine: str = "pycocotools") -> CocoAp:
    """COCO's numbers of answers; see `coco_entries` for what counts how, and `coco_ap` for the rest."""
    return score_entries(*coco_entries(cases, kind=kind), engine=engine)


def coco_entries(
    cases: Sequence[Case], *, kind: str = "bbox", categories: Categories | None = None
) -> tuple[Truth, Results]:
    """What is true and what was answered, for COCO's evaluator.

    Each question is a picture of its own, so that an answer counts for its own question alone; where questions about
    one picture ask for other names, COCO's numbers are the same either way. An object's area, which decides its size,
    is its mask's where it has one, else its box's. Regions of names that are no category stay outside: COCO has no
    place for them. No region with a score: each gets 1, and the order written decides; some with one: those without
    rank last. A region without a mask gets that of its box where `kind` is "segm".
    """
    categories = categories or Categories.of(cases)
    # Between equal scores the picture's number decides. COCO's files are named by their ids, so this is COCO's order.
    order = sorted(range(len(cases)), key=lambda place: (cases[place].picture, cases[place].id))
    pictures = {place: number for number, place in enumerate(order, 1)}
    sizes: dict[int, tuple[int, int] | None] = {}
    objects: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    regions = [region for case in cases if case.answer for region in case.answer.regions]
    scores = [region.score for region in regions if region.score is not None]
    unscored = min(scores) - 1 if scores else 1.0
    for place, case in enumerate(cases):
        picture = pictures[place]
        size = sizes[picture] = (case.truth.width, case.truth.height)
        for crowd, true in enumerate((case.truth.regions, case.crowd)):
            for region in true:
                one = _annotation(region, picture, categories.number_of(region, case), size, kind)
                area = region.area if region.mask is None else region.mask.area
                objects.append({**one, "id": len(objects) + 1, "area": area, "iscrowd": crowd})
        for region in case.answer.regions if case.answer else ():
            number = categories.number_of(region, case)
            if number != UNASKED:
                one = _annotation(region, picture, number, size, kind)
                detections.append({**one, "score": unscored if region.score is None else region.score})
    names = {number: name for name, number in categories.numbers.items()}
    truth = Truth(kind, pictures, categories.numbers, names, sizes, objects, [])
    return truth, Results(detections, bool(scores), len(regions), [])


def _annotation(region: Region, picture: int, number: int, size: tuple[int, int], kind: str) -> dict[str, Any]:
    one: dict[str, Any] = {"image_id": picture, "category_id": number}
    if kind == "bbox":
        return {**one, "bbox": list(region.xywh)}
    if region.mask is not None:
        return {**one, "bbox": list(region.xywh), "segmentation": region.mask.rle}
    x1, y1, x2, y2 = region.box
    mask = Mask.from_polygons([[x1, y1, x2, y1, x2, y2, x1, y2]], *size)
    return {**one, "bbox": list(region.xywh), "segmentation": mask.rle}
