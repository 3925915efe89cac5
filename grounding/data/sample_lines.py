"""Owns one line of our jsonl: a sample as plain JSON, and the sample of a line, also of one written by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from grounding.data.addresses import AddressPicture
from grounding.data.folders import Folder
from grounding.data.pictures import FilePicture, Picture
from grounding.data.plain import plain, writable
from grounding.data.reading import Box, Findings
from grounding.data.sample import Sample
from grounding.errors import BoxError, GroundingError, ImageError, InputError
from grounding.images import image_size
from grounding.masks import Mask
from grounding.result import Grounding, Region

IN_FILES = (FilePicture, AddressPicture)
"""Pictures that lie in a file of their own, which a line can name."""
TASKS = ("locate", "detect", "describe", "caption", "count", "segment")


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """Plain JSON values, of which `read_jsonl` makes an equal sample; keys that say nothing are left out."""
    data: dict[str, Any] = {"id": sample.id, "image": sample.picture.key}
    data |= {"width": sample.truth.width, "height": sample.truth.height}
    if isinstance(sample.picture, IN_FILES) and sample.picture.stretched_from is not None:
        data["stretched"] = True
    data |= {"task": sample.task, "phrase": sample.phrase}
    if sample.names:
        data["names"] = list(sample.names)
    if sample.kind is not None:
        data["kind"] = sample.kind
    if sample.point is not None:
        data["about"] = {"point": list(sample.point)}
    if sample.box is not None:
        data["about"] = {**data.get("about", {}), "box": list(sample.box)}
    data["regions"] = [_short(region.to_json()) for region in sample.truth.regions]
    if sample.truth.text:
        data["text"] = sample.truth.text
    if sample.truth != _truth(data, sample.truth.regions):
        data["truth"] = {key: value for key, value in sample.truth.to_json().items() if key not in ("regions", "found")}
    if sample.crowd:
        data["crowd"] = [_short(region.to_json()) for region in sample.crowd]
    if sample.meta:
        data["meta"] = dict(sample.meta)
    return data


def _short(region: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in region.items() if value is not None}


def _truth(data: Mapping[str, Any], regions: tuple[Region, ...]) -> Grounding:
    """The truth as most lines have it; where it says more of itself, the line has a "truth" too."""
    size = data["width"], data["height"]
    return Grounding(data["phrase"], regions, data.get("text", ""), *size, task=data["task"])


class LineReader:
    """Makes a sample of a line, or notes why there is none."""

    def __init__(self, findings: Findings, folder: Folder) -> None:
        self._findings = findings
        self._folder = folder
        self._find = lru_cache(maxsize=1024)(folder.find)

    def sample(self, row: Mapping[str, Any], line: int) -> Sample | None:
        """The sample of one line; None after noting what is wrong with it."""
        wrong = _wrong(row)
        if wrong:
            kind = "no box" if wrong == _NO_BOX else "unreadable line"
            self._findings.add(kind, wrong, line=line)
            return None
        id = writable(str(row.get("id", line)))
        if not self._findings.new(id, line=line):
            return None
        picture, size = self._picture(row, line)
        if size is None:
            return None
        try:
            regions = self._regions(row, size, line)
            crowd = None if regions is None else self._each(row.get("crowd", ()), size, line)
            return None if regions is None or crowd is None else self._made(row, id, picture, size, regions, crowd)
        except (GroundingError, KeyError, TypeError, ValueError, OverflowError) as error:
            kind = "not a number" if isinstance(error, BoxError) else "unreadable line"
            self._findings.add(kind, f"no sample can be made of it: {error}", line=line)
            return None

    def _made(
        self,
        row: Mapping[str, Any],
        id: str,
        picture: Picture,
        size: tuple[int, int],
        regions: tuple[Region, ...],
        crowd: tuple[Region, ...],
    ) -> Sample:
        phrase, names = writable(row.get("phrase", "")), tuple(writable(name) for name in row.get("names", ()))
        task = row.get("task") or ("detect" if names and not phrase else "locate")
        data = {"phrase": phrase, "task": task, "width": size[0], "height": size[1]}
        data["text"] = writable(row.get("text", ""))
        truth = _truth(data, regions)
        if "truth" in row:
            said = {**truth.to_json(), **plain(row["truth"]), "regions": []}
            truth = Grounding.from_json(said).replace(regions=regions, width=size[0], height=size[1])
        about = row.get("about", {})
        kind = row.get("kind")
        # Region judges numbers, so the box and the point that were asked about are judged as one.
        whole = Region(about.get("box", (0, 0, 0, 0)), point=about.get("point"))
        return Sample(
            picture,
            phrase,
            truth,
            id,
            task=task,
            names=names,
            point=whole.point,
            box=whole.box if "box" in about else None,
            kind=None if kind is None else writable(str(kind)),
            crowd=crowd,
            meta=plain(row.get("meta", {})),
        )

    def _picture(self, row: Mapping[str, Any], line: int) -> tuple[Picture, tuple[int, int] | None]:
        """The picture with its size; the size is None after noting that nobody tells it."""
        name = writable(row["image"])
        if "width" in row or "height" in row:
            if not self._findings.size(row.get("width"), row.get("height"), line=line):
                return self._find(name), None
            size = int(row["width"]), int(row["height"])
            picture = self._find(name, size)
            if row.get("stretched") and isinstance(picture, IN_FILES):
                picture = dataclasses.replace(picture, stretched_from=size)
            return picture, size
        picture = self._find(name)
        if not isinstance(picture, IN_FILES):
            message = f"it gives no width and height, and the picture {name!r} is not here to tell: give images="
            self._findings.add("no size", message, line=line)
            return picture, None
        try:
            return picture, _size_of(picture)
        except ImageError as error:
            self._findings.add("no size", f"its width and height can't be told: {error}", line=line)
            return picture, None

    def _regions(self, row: Mapping[str, Any], size: tuple[int, int], line: int) -> tuple[Region, ...] | None:
        """What is true, in any of the forms; None after noting what is wrong."""
        if "regions" in row:
            return self._each(row["regions"], size, line)
        boxes = row["boxes"] if "boxes" in row else [row["box"]] if row["box"] is not None else []
        labels = row.get("labels") or [row.get("label")] * len(boxes)
        if len(labels) != len(boxes):
            raise InputError(f"{len(labels)} labels for {len(boxes)} boxes")
        return self._each(({"box": box, "label": label} for box, label in zip(boxes, labels, strict=True)), size, line)

    def _each(
        self, entries: Iterable[Mapping[str, Any]], size: tuple[int, int], line: int
    ) -> tuple[Region, ...] | None:
        regions: list[Region] = []
        for entry in entries:
            box: Box | None
            if entry.get("point") is not None and _is_point(entry.get("box")):
                box = entry["box"]  # a true point has no area
            else:
                box = self._findings.box(entry.get("box"), "xyxy", size, line=line)
            if box is None:
                return None
            label, mask = entry.get("label"), entry.get("mask")
            if mask is not None and (reason := _no_mask(mask, size)):
                self._findings.add("no mask", reason, line=line)
                return None
            words = None if label is None else writable(str(label))
            regions.append(Region.from_json({**entry, "box": box, "label": words}))
        return tuple(regions)


_NO_BOX = 'it has none of "box", "boxes" and "regions": write "box": null where nothing is there'


def _wrong(row: Mapping[str, Any]) -> str | None:
    """Why the line is of another shape than the format's; None if it is not."""
    if not isinstance(row.get("image"), str) or not row["image"]:
        return f'"image" is to be a file name; seen {row.get("image")!r:.40}'
    for key, kind, what in _SHAPES:
        if key in row and not isinstance(row[key], kind):
            return f'"{key}" is to be {what}; seen {row[key]!r:.40}'
    if any(not isinstance(name, str) for name in row.get("names", ())):
        return '"names" is to be a list of words'
    if any(not isinstance(entry, dict) for key in ("regions", "crowd") for entry in row.get(key, ())):
        return '"regions" and "crowd" are to be lists of objects with a "box"'
    if row.get("task", "locate") not in TASKS:
        return f"no task {row['task']!r:.40}; known: {', '.join(TASKS)}"
    return None if {"box", "boxes", "regions"} & set(row) else _NO_BOX


_SHAPES: tuple[tuple[str, Any, str], ...] = (
    ("phrase", str, "words"),
    ("task", str, "a word"),
    ("text", str, "words"),
    ("names", list, "a list of words"),
    ("boxes", list, "a list of boxes"),
    ("labels", list | None, "a list of words"),
    ("regions", list, "a list of objects"),
    ("crowd", list, "a list of objects"),
    ("about", dict, 'an object with "point" or "box"'),
    ("truth", dict, "an object"),
    ("meta", dict, "an object"),
)


def _no_mask(data: Any, size: tuple[int, int]) -> str | None:
    """Why it is no mask of a picture of that size; None if it is one."""
    try:
        mask = Mask.from_json(data)
    except (BoxError, TypeError, ValueError, OverflowError) as error:
        return str(error)
    if (mask.width, mask.height) == size:
        return None
    return f"a mask of {mask.width} x {mask.height} pixels in a picture of {size[0]} x {size[1]}"


def _is_point(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and box[0] == box[2] and box[1] == box[3]


@lru_cache(maxsize=4096)
def _size_of(picture: FilePicture | AddressPicture) -> tuple[int, int]:
    return image_size(picture.path) if isinstance(picture, FilePicture) else picture.open().size
