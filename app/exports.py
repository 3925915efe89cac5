"""Owns what can be taken home: an answer as a drawing, JSON, COCO, YOLO text or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image

from grounding import Grounding
from grounding.errors import GroundingError, InputError

MOST_REGIONS = 2000


def export(form: str, image: Image.Image, answer: dict[str, Any]) -> tuple[bytes, str, str]:
    """Bytes, media type and file name of an answer in one of FORMS. Raises InputError."""
    if form not in FORMS:
        raise InputError(f"no download named {form[:20]!r}; known: {', '.join(FORMS)}")
    read = read_answer(answer, image.size)
    make, kind, name = FORMS[form]
    return make(image, read), kind, name


def read_answer(answer: dict[str, Any], size: tuple[int, int]) -> Grounding:
    """An answer that somebody sent about a picture of this (width, height), px. Raises InputError.

    Its masks have the picture's size: a larger one would be drawn out in memory, however few bytes tell it.
    """
    regions = answer.get("regions")
    if not isinstance(regions, list) or any(not isinstance(region, dict) for region in regions):
        raise InputError("an answer has a list of regions")
    if len(regions) > MOST_REGIONS:
        raise InputError(f"the answer has over {MOST_REGIONS} regions: take them in parts")
    for region in regions:
        mask = region.get("mask")
        if mask is not None and (not isinstance(mask, dict) or mask.get("size") != [size[1], size[0]]):
            raise InputError("a mask has the size of its picture: [height, width]")
        if not isinstance(region.get("label"), str | None):
            raise InputError("a label is a text")
    try:
        read = Grounding.from_json(answer)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        if isinstance(error, GroundingError):
            raise
        raise InputError("this is no answer that can be read") from None
    if (read.width, read.height) != size:
        raise InputError("the answer is about another picture than this one")
    return read


def _png(image: Image.Image, answer: Grounding) -> bytes:
    file = io.BytesIO()
    answer.draw(image, longest=max(1200, min(max(image.size), 2400))).save(file, "PNG")
    return file.getvalue()


def _json(_: Image.Image, answer: Grounding) -> bytes:
    return json.dumps(answer.to_json(), indent=1, ensure_ascii=False).encode()


def _names(answer: Grounding) -> dict[str, int]:
    """Category names to numbers from 0; a region that nobody named has what was asked."""
    return {name: number for number, name in enumerate(dict.fromkeys(_named(answer).labels))}  # type: ignore[misc]


def _named(answer: Grounding) -> Grounding:
    fallback = answer.phrase or "thing"
    return answer.replace(regions=tuple(replace(r, label=r.label or fallback) for r in answer.regions))


def _coco(image: Image.Image, answer: Grounding) -> bytes:
    numbers = {name: number + 1 for name, number in _names(answer).items()}
    whole = {
        "images": [{"id": 1, "file_name": "picture.png", "width": image.width, "height": image.height}],
        "annotations": _named(answer).to_coco(1, numbers),
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False).encode()


def _yolo(image: Image.Image, answer: Grounding) -> bytes:
    numbers, lines = _names(answer), []
    for region in _named(answer).regions:
        x, y, width, height = region.xywh
        center = ((x + width / 2) / image.width, (y + height / 2) / image.height)
        values = (*center, width / image.width, height / image.height)
        lines.append(f"{numbers[region.label]} {' '.join(f'{value:.6f}' for value in values)}")  # type: ignore[index]
    return "".join(line + "\n" for line in lines).encode()


def _csv(_: Image.Image, answer: Grounding) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["label", "score", "x1", "y1", "x2", "y2"])
    for region in _named(answer).regions:
        label = region.label or ""
        # A spreadsheet would run a text that begins like a formula.
        label = f"'{label}" if label[:1] in "=+-@\t\r" else label
        writer.writerow(
            [label, "" if region.score is None else f"{region.score:.4f}", *(f"{v:.2f}" for v in region.box)]
        )
    return file.getvalue().encode()


FORMS: dict[str, tuple[Callable[[Image.Image, Grounding], bytes], str, str]] = {
    "png": (_png, "image/png", "answer.png"),
    "json": (_json, "application/json", "answer.json"),
    "coco": (_coco, "application/json", "answer-coco.json"),
    "yolo": (_yolo, "text/plain; charset=utf-8", "answer-yolo.txt"),
    "csv": (_csv, "text/csv; charset=utf-8", "answer.csv"),
}
"""Name to what makes it, its media type and its file's name."""
