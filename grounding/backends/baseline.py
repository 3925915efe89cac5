"""Baselines to compare others with: one fixed box for every phrase; a detector's boxes are in noun_baseline.py.

`baseline:whole` answers with the whole picture, `baseline:center` with a box around its middle, half as wide and half
as high as the picture: the middle half of each side, a choice of ours, as evaluators of referring expressions print no
such row. On RefCOCO, RefCOCO+ and RefCOCOg the whole picture is right (IoU of 0.5 or more) for 6 to 7 % of the
expressions and this box for 4 to 5 %; a box of 0.65 x 0.8, options `width` and `height`, for 8 to 11 %.

`baseline:nouns` chooses among a detector's boxes, which it reads from the file in the option `detections`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from grounding.backends.base import Answer, Grounder, Question, Request
from grounding.backends.noun_baseline import open_nouns
from grounding.codecs.base import Decoded
from grounding.errors import ConfigError, UnknownModelError
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region

SHARES = {"whole": (1.0, 1.0), "center": (0.5, 0.5)}
"""Name to the share of the picture's width and height that its box takes."""


def open_baseline(
    name: str,
    *,
    device: str | None = None,
    dtype: Any = None,
    width: float | None = None,
    height: float | None = None,
    detections: str | os.PathLike[str] | None = None,
    threshold: float | None = None,
) -> Grounder:
    """The baseline called `name`. `width`, `height`: of the centre's box, as shares of the picture's.

    `detections`, `threshold`: of the nouns: the file of boxes, and the score under which it says "nothing there".
    Device and dtype say nothing to a baseline. Raises UnknownModelError, ConfigError.
    """
    given = {"width": width, "height": height}
    if name == "nouns":
        if (width, height) != (None, None):
            raise ConfigError(
                "baseline:nouns takes a detector's boxes; width and height are options of baseline:center"
            )
        return open_nouns(detections, 0.0 if threshold is None else threshold)
    if name not in SHARES:
        raise UnknownModelError(f"no baseline named {name!r}; known: {', '.join(SHARES)}, nouns")
    if (detections, threshold) != (None, None):
        raise ConfigError(
            f"baseline:{name} has no boxes to choose among; detections and threshold are of baseline:nouns"
        )
    if name == "whole" and (width, height) != (None, None):
        raise ConfigError("baseline:whole is the whole picture; width and height are options of baseline:center")
    for option, value in given.items():
        if value is not None and not (isinstance(value, int | float) and 0 < value <= 1):
            raise ConfigError(f"{option} is {value!r}; it is a share of the picture's, over 0 and up to 1")
    usual = SHARES[name]
    share = (usual[0] if width is None else float(width), usual[1] if height is None else float(height))
    called = f"baseline:{name}" if share == usual else f"baseline:{name} {share[0]:g} x {share[1]:g}"
    return Baseline(called, share)


class Baseline(Grounder):
    """A fixed box around the middle, for whatever is asked; without a score, as it is not sure of anything."""

    def __init__(self, name: str, share: tuple[float, float]) -> None:
        self.name = name
        self.share = share
        """Of the picture's width and height."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What one box answers."""
        return ("locate", "detect", "count", "segment")

    def _prompt(self, question: Question, canvas: Canvas) -> str:
        return question.phrase or " ; ".join(question.names)

    def _decode(self, request: Request, answer: Answer) -> Decoded:
        return Decoded()  # the text says what was done; the boxes are given beside it

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        width, height = request.image.size
        left, top = width * (1 - self.share[0]) / 2, height * (1 - self.share[1]) / 2
        box = (left, top, width - left, height - top)
        mask = None
        if request.question.task == "segment":
            x1, y1, x2, y2 = box
            mask = Mask.from_polygons([[x1, y1, x2, y1, x2, y2, x1, y2]], width, height)
        names = request.question.names if request.question.task == "detect" else (None,)
        return Answer(self.name, tuple(Region(box, label=name, mask=mask) for name in names))
