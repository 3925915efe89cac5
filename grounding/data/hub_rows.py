"""Owns the rows of data sets on the hub: which columns are known, and the samples of one row.

lmms-lab/RefCOCO, RefCOCOplus, RefCOCOg   question_id, image, question, answer (expressions), segmentation (one
                                          polygon, flat), bbox (x, y, w, h px), iscrowd, file_name: a row an object
moondream/refcoco-m                       image, image_id, file_name, samples: [{id, category, sentences, bbox,
                                          mask (run lengths)}]: a row a picture
toloka/WSDMCup2023                        image (an address), width, height, left, top, right, bottom, question
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from grounding.data.folders import Folder
from grounding.data.pictures import HeldPicture, NoPicture, Picture
from grounding.data.plain import plain, writable
from grounding.data.reading import Findings
from grounding.data.sample import Sample
from grounding.data.toloka import COLUMNS as TOLOKA_COLUMNS, sample_of_row
from grounding.errors import BoxError, ImageError, InputError
from grounding.images import image_size
from grounding.masks import Mask
from grounding.result import Grounding, Region

_OBJECT_SUFFIX = re.compile(r"(COCO_\w+?_\d{12})_\d+(?=\.\w+$)")
"""lmms-lab's file names end in the object's number, so that one picture has several; its rows all hold the same."""

MakePicture = Callable[[Any, str], Picture]
"""A Picture of what the image column holds, under a key."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with where it stands."""

    number: int
    """From 0."""
    values: Mapping[str, Any]
    hold: MakePicture


@dataclass(frozen=True, slots=True)
class Columns:
    """One known set of columns."""

    needs: frozenset[str]
    scorings: tuple[str, ...]
    """What its samples can be measured as, the usual one first."""
    samples: Callable[[Row, Findings, Folder, str], Iterator[Sample]]
    what: str


def columns_of(names: Collection[str], source: str) -> Columns:
    """The known columns among `names`. Raises InputError where they are none that is known."""
    for known in KNOWN:
        if known.needs <= set(names):
            return known
    told = "; or ".join(f"{', '.join(sorted(known.needs))} ({known.what})" for known in KNOWN)
    raise InputError(f"{source} has the columns {', '.join(names)}, which no reader knows; known are {told}")


def scoring_of(known: Columns, scoring: str | None) -> str:
    """The scoring that was asked for, or the usual one. Raises InputError where the rows have no truth for it."""
    if scoring is None:
        return known.scorings[0]
    if scoring not in known.scorings:
        raise InputError(f"rows of {known.what} are scored as {' or '.join(known.scorings)}; seen {scoring!r}")
    return scoring


def held(image: Any, key: str) -> Picture:
    """The picture in a row that is here: bytes, or a dict of bytes and path; NoPicture where it holds none."""
    data = image.get("bytes") if isinstance(image, Mapping) else image
    return HeldPicture(bytes(data), key) if isinstance(data, bytes | bytearray) else NoPicture(key)


# ---- a row an object, with its expressions


def _object_samples(row: Row, findings: Findings, folder: Folder, scoring: str) -> Iterator[Sample]:
    values = row.values
    picture, size = _picture(row, findings, folder)
    if size is None:
        return
    where = row.number + 1
    box = findings.box(_decimals(values["bbox"]), "xywh", size, entry=where)
    if box is None:
        return
    phrases = _phrases(values["answer"], findings, where)
    if not phrases:
        return
    outline = _decimals(values.get("segmentation"))
    mask = None
    if outline:
        try:
            mask = Mask.from_polygons([outline], *size)
        except (BoxError, TypeError, ValueError) as error:
            findings.add("no mask", f"{error}; the box is kept without a mask", entry=where, kept=scoring == "rec")
    if mask is None and scoring == "segmentation":
        return
    regions = (Region(box, mask=mask),)
    meta = {key: plain(values[key]) for key in ("question_id", "file_name", "iscrowd") if key in values}
    for number, phrase in enumerate(phrases):
        yield _referring(picture, phrase, regions, size, f"{row.number}/{number}", scoring, meta)


# ---- a row a picture, with its objects and their expressions


def _picture_samples(row: Row, findings: Findings, folder: Folder, scoring: str) -> Iterator[Sample]:
    picture, size = _picture(row, findings, folder)
    objects = row.values["samples"]
    where = row.number + 1
    if size is None:
        return
    if not isinstance(objects, list) or not all(isinstance(entry, Mapping) for entry in objects):
        findings.add("unreadable line", f"its objects are {objects!r:.60}", entry=where)
        return
    for number, entry in enumerate(objects):
        box = findings.box(_decimals(entry.get("bbox")), "xywh", size, entry=f"{where}, object {number + 1}")
        if box is None:
            continue
        mask = _mask(entry.get("mask"), size, findings, f"{where}, object {number + 1}", kept=scoring == "rec")
        if mask is None and scoring == "segmentation":
            continue
        label = entry.get("category")
        regions = (Region(box, writable(label) if isinstance(label, str) else None, mask=mask),)
        meta = {key: plain(entry[key]) for key in ("id", "image_id", "category", "supercategory") if key in entry}
        for place, phrase in enumerate(_phrases(entry.get("sentences"), findings, f"{where}, object {number + 1}")):
            yield _referring(picture, phrase, regions, size, f"{row.number}/{number}/{place}", scoring, meta)


def _phrases(values: Any, findings: Findings, where: int | str) -> list[str]:
    """The expressions of an object; none after noting that they are none."""
    phrases = values if isinstance(values, list) else [values]
    if phrases and all(isinstance(phrase, str) and phrase.strip() for phrase in phrases):
        return phrases
    findings.add("unreadable line", f"its expressions are {values!r:.60}", entry=where)
    return []


def _mask(data: Any, size: tuple[int, int], findings: Findings, where: str, *, kept: bool) -> Mask | None:
    try:
        mask = Mask.from_rle(data)
        if (mask.width, mask.height) == size:
            return mask
        reason = f"a mask of {mask.width} x {mask.height} pixels in a picture of {size[0]} x {size[1]}"
    except (BoxError, TypeError, ValueError) as error:
        reason = str(error)
    findings.add("no mask", f"{reason}{'; the box is kept without a mask' if kept else ''}", entry=where, kept=kept)
    return None


# ---- a row a question


def _question_samples(row: Row, findings: Findings, folder: Folder, scoring: str) -> Iterator[Sample]:
    sample = sample_of_row(row.values, row.number + 1, findings, folder)
    if sample is not None:
        yield sample


# ---- what they share


def _referring(
    picture: Picture,
    phrase: str,
    regions: tuple[Region, ...],
    size: tuple[int, int],
    id: str,
    scoring: str,
    meta: Mapping[str, Any],
) -> Sample:
    words, task = writable(phrase), "segment" if scoring == "segmentation" else "locate"
    return Sample(picture, words, Grounding(words, regions, "", *size, task=task), id, task=task, meta=meta)


def _picture(row: Row, findings: Findings, folder: Folder) -> tuple[Picture, tuple[int, int] | None]:
    """The row's picture and its size, px, told from its header; the size is None after noting that it can't be told."""
    image = row.values["image"]
    stated = row.values.get("file_name") or (image.get("path") if isinstance(image, Mapping) else None)
    key = _OBJECT_SUFFIX.sub(r"\1", PurePosixPath(writable(stated)).name if isinstance(stated, str) else "")
    key = key or f"row-{row.number}"
    data = image.get("bytes") if isinstance(image, Mapping) else image
    try:
        if isinstance(data, bytes | bytearray):
            return row.hold(image, key), image_size(bytes(data))
        found = folder.find(key)
        return found, found.open().size
    except ImageError as error:
        findings.add("no size", f"its picture can't be opened: {error}", entry=row.number + 1)
        return NoPicture(key), None


def _decimals(values: Any) -> Any:
    """The numbers as they were written before a column of 32-bit floats took them: 1.1 and not 1.10000002384."""
    if not isinstance(values, list):
        return values
    return [_decimal(value) if type(value) is float and abs(value) < _LARGEST else value for value in values]


_LARGEST = 1e30


def _decimal(value: float) -> float:
    short = np.float32(value)
    return float(str(short)) if float(short) == value else value


KNOWN = (
    Columns(
        frozenset({"image", "answer", "bbox"}),
        ("rec", "segmentation"),
        _object_samples,
        "lmms-lab/RefCOCO",
    ),
    Columns(
        frozenset({"image", "samples"}),
        ("segmentation", "rec"),
        _picture_samples,
        "moondream/refcoco-m",
    ),
    Columns(frozenset(TOLOKA_COLUMNS), ("rec",), _question_samples, "toloka/WSDMCup2023"),
)
"""Sets of columns, the first that fits first."""
