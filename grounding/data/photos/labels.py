"""Owns a detector's boxes of photographs: WeakBox, PhotoLabels, and their jsonl, a picture a line.

{"image": "000000000009.jpg", "boxes": [{"label": "bowl", "score": 0.73, "box_unit_xyxy": [0.48, 0.0, 0.98, 0.46]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.data.reading import Findings, load_jsonl
from grounding.data.whole_files import whole_file
from grounding.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class WeakBox:
    """A box that somebody believes in more or less."""

    name: str
    """Its class."""
    score: float
    """0 to 1."""
    box: Box
    """x1, y1, x2, y2, fractions of the picture's width and height."""


@dataclass(frozen=True, slots=True)
class PhotoLabels:
    """What was found in one picture; empty where nothing was."""

    image: str
    """The picture's name, as its shard has it."""
    boxes: tuple[WeakBox, ...] = ()


def read_labels(path: str | Path) -> dict[str, PhotoLabels]:
    """Picture's name -> its boxes, in the file's order. Boxes are cut at the picture's edges.

    A file without scores (one of true boxes) gives scores of 1. Raises InputError that names the line where the file
    can't be read or holds something else.
    """
    findings = Findings(path)
    found: dict[str, PhotoLabels] = {}
    for line, row in load_jsonl(path, findings):
        try:
            image = row["image"]
            boxes = tuple(_box(entry) for entry in row["boxes"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{findings.file}, line {line} is no picture with its boxes ({type(error).__name__}: {error}): "
                'write {"image": ..., "boxes": [{"label": ..., "score": ..., "box_unit_xyxy": [...]}]}'
            ) from None
        if not isinstance(image, str) or image in found:
            raise InputError(f"{findings.file}, line {line}: the image {image!r:.80} is no name, or stands twice")
        found[image] = PhotoLabels(image, boxes)
    if findings.problems:
        problem = findings.problems[0]
        raise InputError(f"{findings.file}, line {problem.line}: {problem.message}; mend it or fetch it again")
    return found


def write_labels(labels: Mapping[str, PhotoLabels] | Iterable[PhotoLabels], path: str | Path) -> int:
    """Writes what `read_labels` reads, whole or not at all; how many pictures. Raises OutputError."""
    pictures = labels.values() if isinstance(labels, Mapping) else labels
    count = 0
    with whole_file(path) as stream:
        for picture in pictures:
            boxes = [
                {
                    "label": box.name,
                    "score": round(box.score, 4),
                    "box_unit_xyxy": [round(edge, 5) for edge in box.box],
                }
                for box in picture.boxes
            ]
            stream.write(json.dumps({"image": picture.image, "boxes": boxes}, ensure_ascii=False) + "\n")
            count += 1
    return count


def _box(entry: Mapping[str, Any]) -> WeakBox:
    name, score = entry["label"], float(entry.get("score", 1.0))
    x1, y1, x2, y2 = (min(max(float(edge), 0.0), 1.0) for edge in entry["box_unit_xyxy"])
    if not isinstance(name, str) or not name or not 0.0 <= score <= 1.0:
        raise ValueError(f"a box of {name!r:.40} with a score of {score}")
    if not (x1 < x2 and y1 < y2):
        raise ValueError(f"a box without area: {entry['box_unit_xyxy']!r:.80}")
    return WeakBox(name, score, (x1, y1, x2, y2))
