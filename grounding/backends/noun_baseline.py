"""Owns `baseline:nouns`: a detector's boxes, read from a file, and the rule of nouns that chooses among them.

It is what a grounding model has to beat to be worth more than a detector. The file has a line a picture, boxes as
shares of its width and height:

    {"image": "a.jpg", "boxes": [{"label": "dog", "score": 0.91, "box_unit_xyxy": [0.1, 0.2, 0.5, 0.9]}]}
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grounding.backends.base import Answer, Grounder, Question, Request
from grounding.backends.noun_colors import Colors
from grounding.backends.noun_phrase import read_phrase
from grounding.backends.noun_rule import Boxes, rank
from grounding.backends.noun_words import NAMES
from grounding.codecs.base import Decoded
from grounding.errors import ConfigError, InputError
from grounding.images import Canvas
from grounding.result import Region

NAME = "baseline:nouns"


def open_nouns(detections: str | os.PathLike[str] | None, threshold: float = 0.0) -> NounBaseline:
    """The baseline with the boxes in a file. `threshold`: under that score it says that nothing is there.

    Raises ConfigError where no file is given, it can't be read, or the threshold is none.
    """
    if detections is None:
        raise ConfigError(
            f"{NAME} chooses among a detector's boxes: give detections=FILE, a jsonl with a line a picture"
        )
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ConfigError(f"threshold is {threshold!r}; it is a score from 0 to 1")
    called = NAME if not threshold else f"{NAME} at {threshold:g}"
    return NounBaseline(called, read_detections(detections), float(threshold))


def read_detections(path: str | os.PathLike[str]) -> dict[str, Boxes]:
    """Picture's file name to its boxes. Raises ConfigError that names the line that can't be read."""
    file = Path(path).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the detections {str(file)!r} can't be read ({reason}): give a jsonl file") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            boxes = row["boxes"]
            names = tuple(str(box["label"]) for box in boxes)
            scores = np.array([box["score"] for box in boxes], np.float64)
            unit = np.array([box["box_unit_xyxy"] for box in boxes], np.float64).reshape(len(boxes), 4)
            name = Path(row["image"]).name
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{file.name}, line {number} is no picture with its boxes ({type(error).__name__}: {error}): each line "
                'has "image" and "boxes", each of these "label", "score" and four numbers "box_unit_xyxy"'
            ) from None
        if not np.isfinite(unit).all() or not ((scores >= 0) & (scores <= 1)).all():
            raise ConfigError(f"{file.name}, line {number} has a score outside 0 to 1, or a box that is not finite")
        if name in found:
            raise ConfigError(f"{file.name}, line {number}: {name} stands twice; pictures are known by their names")
        unit = np.clip(unit, 0.0, 1.0)
        whole = (unit[:, 2:] > unit[:, :2]).all(1)
        found[name] = Boxes.of(tuple(np.array(names)[whole].tolist()) if len(names) else (), scores[whole], unit[whole])
    return found


class NounBaseline(Grounder):
    """A detector's boxes and a rule. It knows pictures by the names of their files, so it has to be given those."""

    def __init__(self, name: str, detections: dict[str, Boxes], threshold: float = 0.0) -> None:
        self.name = name
        self.detections = detections
        self.threshold = threshold
        self._by_number = {_number(file): boxes for file, boxes in detections.items() if _number(file)}
        self._colors: tuple[int, Any, Colors] | None = None
        self._named: dict[int, str] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """One box for a phrase, or all boxes of names."""
        return ("locate", "detect")

    def _requests(self, pairs: Iterable[tuple[Any, Question]]) -> list[Request]:
        kept = list(pairs)
        requests = super()._requests(kept)
        self._named = {
            id(request.image): _file_name(source) for (source, _), request in zip(kept, requests, strict=True)
        }
        return requests

    def _prompt(self, question: Question, canvas: Canvas) -> str:
        return question.phrase or " ; ".join(question.names)

    def _decode(self, request: Request, answer: Answer) -> Decoded:
        return Decoded()  # there is no text to read: the boxes are given beside it

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        boxes = self._boxes(request)
        if request.question.task == "detect":
            regions = [region for name in request.question.names for region in _called(name, boxes, request)]
            return Answer("", tuple(region for region in regions if (region.score or 0.0) >= self.threshold))
        if not len(boxes):
            return Answer("none", ())
        shares, sure = rank(read_phrase(request.question.phrase), boxes, self._colors_of(request))
        best = int(shares.argmax())
        if sure[best] < self.threshold:
            return Answer("none", ())
        return Answer(boxes.names[best], (_region(boxes, best, request, None, float(sure[best])),))

    def _boxes(self, request: Request) -> Boxes:
        name = self._named.get(id(request.image), "")
        if not name:
            raise InputError(f"{self.name} finds a picture's boxes by the name of its file: give the picture as a path")
        boxes = self.detections.get(name, self._by_number.get(_number(name)))
        if boxes is None:
            raise InputError(f"{self.name} has no boxes of {name!r}: add a line for it to the file of detections")
        return boxes

    def _colors_of(self, request: Request) -> Colors:
        """Of the request's picture; kept for the next request, which is mostly about the same one."""
        if self._colors is None or self._colors[0] != id(request.image):
            self._colors = (id(request.image), request.image, Colors(request.image))
        return self._colors[2]


def _file_name(source: Any) -> str:
    """The name of the picture's file, where it has one; PIL keeps it as `filename`, as do data sets' pictures."""
    named = source if isinstance(source, str | os.PathLike) else getattr(source, "filename", "")
    return Path(os.fsdecode(named)).name if named else ""


def _number(name: str) -> str:
    """COCO's number in a picture's name: COCO_train2014_000000000009.jpg is 000000000009.jpg of 2017; else ""."""
    found = re.fullmatch(r"(?:COCO_\w+_)?(\d{12})\.\w+", name)
    return found[1] if found else ""


def _called(name: str, boxes: Boxes, request: Request) -> list[Region]:
    """All boxes of what the name means: a detector's own name means itself, any other what the noun in it means."""
    own = name.casefold()
    fits = {own: 1.0} if own in NAMES or own in boxes.names else read_phrase(name).nouns
    return [
        _region(boxes, place, request, name, float(boxes.scores[place] * fits[label]))
        for place, label in enumerate(boxes.names)
        if fits.get(label, 0.0) >= 0.5  # not what it may have been taken for
    ]


def _region(boxes: Boxes, place: int, request: Request, label: str | None, score: float) -> Region:
    width, height = request.image.size
    x1, y1, x2, y2 = (float(value) for value in boxes.unit[place] * (width, height, width, height))
    return Region((x1, y1, x2, y2), label=label or boxes.names[place], score=min(score, 1.0))
