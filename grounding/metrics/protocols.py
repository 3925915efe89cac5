"""Owns the named protocols: what two boxes' overlap is, when it counts as right, and which box of an answer is judged.

Evaluators disagree in all three, so a figure says nothing without the name of its protocol. Each names its source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grounding.boxes import Boxes, area, as_boxes, giou_pairs, iou_pairs
from grounding.errors import InputError
from grounding.metrics.judging import best_place
from grounding.result import Grounding

Overlaps = NDArray[np.float64]


def plus_one_iou_pairs(a: ArrayLike, b: ArrayLike) -> Overlaps:
    """(N,) overlap as the refer toolbox's `computeIoU` has it, row by row.

    It takes the last row and column of pixels off the intersection's far corner and adds them back to its sides, but
    compares in between: an intersection one pixel wide or high, or less, is none. Areas are without that pixel, so the
    value is plain IoU wherever the intersection is wider and higher than a pixel. A box of one pixel overlaps nothing.
    """
    first, second = as_boxes(a), as_boxes(b)
    left, top = np.maximum(first[:, 0], second[:, 0]), np.maximum(first[:, 1], second[:, 1])
    right, bottom = np.minimum(first[:, 2] - 1, second[:, 2] - 1), np.minimum(first[:, 3] - 1, second[:, 3] - 1)
    shared = np.where((left < right) & (top < bottom), (right - left + 1) * (bottom - top + 1), 0.0)
    union = area(first) + area(second) - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


@dataclass(frozen=True)
class Protocol:
    """How an answer's box is judged against a true one."""

    name: str
    rule: str
    """One sentence."""
    source: str
    """Whose it is: repository and file."""
    measure: str = "IoU"
    """What the overlap is called."""
    pairs: Callable[[ArrayLike, ArrayLike], Overlaps] = field(default=iou_pairs, repr=False)
    """(N,) overlap of boxes row by row."""
    strict: bool = False
    """Whether an overlap of exactly the threshold is too little."""
    oracle: bool = False
    """Whether the best of several boxes is chosen by looking at the truth."""

    @property
    def sign(self) -> str:
        """ ">" or ">="."""
        return ">" if self.strict else ">="

    def passes(self, overlaps: ArrayLike, threshold: float) -> NDArray[np.bool_]:
        """Which overlaps are enough."""
        values = np.asarray(overlaps, np.float64)
        return values > threshold if self.strict else values >= threshold

    def matrix(self, a: ArrayLike, b: ArrayLike) -> Overlaps:
        """(N, M) overlap of every box of `a` with every box of `b`."""
        first, second = as_boxes(a), as_boxes(b)
        rows = np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1))
        return self.pairs(*rows).reshape(len(first), len(second))

    def candidates(self, answer: Grounding) -> list[int]:
        """Which regions of an answer may stand for it where one box is asked: its best; all of them for an oracle."""
        if self.oracle:
            return list(range(len(answer.regions)))
        place = best_place(answer)
        return [] if place is None else [place]


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "iou",
            "IoU >= t in pixels of the original picture, coordinates continuous.",
            "OpenGVLab/InternVL, internvl_chat/eval/refcoco/evaluate_grounding.py; EvolvingLMMs-Lab/lmms-eval, "
            "lmms_eval/tasks/refcoco/utils_rec.py",
        ),
        Protocol(
            "iou-strict",
            "IoU > t in pixels of the original picture, coordinates continuous.",
            "shikras/shikra, mllm/dataset/single_image_dataset/rec.py",
            strict=True,
        ),
        Protocol(
            "refer-plus-one",
            "IoU > t, where an intersection that is no wider or no higher than one pixel is none.",
            "the arithmetic: lichengunc/refer, pyEvalDemo.ipynb, computeIoU (its demo and MAttNet ask for >= t); "
            "with > t: om-ai-lab/VLM-R1, src/eval/test_rec_baseline.py",
            pairs=plus_one_iou_pairs,
            strict=True,
        ),
        Protocol(
            "mdetr-giou",
            "Generalized IoU >= t: IoU less the share of the enclosing box that neither covers.",
            "ashkamath/mdetr, datasets/refexp.py (Precision @ 1); henghuiding/gRefCOCO, mdetr/datasets/refexp.py",
            measure="GIoU",
            pairs=giou_pairs,
        ),
        Protocol(
            "oracle-best",
            "IoU >= t of whichever predicted box fits the truth best: only to reproduce others' tables.",
            "EvolvingLMMs-Lab/lmms-eval, pull request 1373 (refcoco_grounding)",
            oracle=True,
        ),
    )
}
DEFAULT_PROTOCOL = "iou"


def get_protocol(name: str) -> Protocol:
    """The protocol of that name. Raises InputError that lists the names."""
    if name not in PROTOCOLS:
        raise InputError(f"no protocol named {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def plain_iou(a: Boxes, b: Boxes) -> Overlaps:
    """(N, M) IoU under no protocol: what errors are told apart by, whatever counts as right."""
    return PROTOCOLS[DEFAULT_PROTOCOL].matrix(a, b)
