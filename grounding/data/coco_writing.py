"""Writes a data set as COCO instances, and counts whatever that format has no place for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.sample import Sample
from grounding.data.sample_lines import IN_FILES
from grounding.masks import Mask
from grounding.result import Region

NO_NAME = "object"
"""The category of a region that nobody named."""
_DERIVED = {"image_id", "file_name"} | {
    f"{prefix}{key}" for prefix in ("", "crowd_") for key in ("annotation_ids", "category_ids", "areas")
}
"""What reading COCO puts into `Sample.meta` by itself."""


@dataclass
class Losses:
    """How often a format had no place for something, by a sentence that says for what."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, count: int = 1) -> None:
        """Counts it; `what` begins in lower case and has no number."""
        if count:
            self.counts[what] += count

    def told(self) -> list[str]:
        """A sentence each, with its count, the most frequent first."""
        return [f"{count:,} x {what}" for what, count in self.counts.most_common()]


def instances_of(dataset: Dataset | StreamedDataset, samples: Iterable[Sample], losses: Losses) -> dict[str, Any]:
    """The object that an instances file holds: every picture once, its regions as annotations, its crowds as iscrowd.

    Ids that the data set keeps from COCO stay what they were. A sample's id that is no picture's number stands beside
    it as "sample_id", and what else its meta says as "meta", which other programs pass over.
    """
    held = list(samples)
    writer = InstancesWriter(categories_of(dataset, held, losses), reserved_ids(held))
    by_picture = Counter(sample.picture.key for sample in held)
    everything = tuple(writer.categories)
    for sample in held:
        alone = by_picture[sample.picture.key] == 1
        writer.add_picture(sample, named=alone)
        _count_losses(sample, everything, alone, losses)
        known = writer.regions_of(sample.picture.key)
        for crowd, regions in ((False, sample.truth.regions), (True, sample.crowd)):
            told = _told(sample, regions, "crowd_" if crowd else "")
            for region, (id, area) in zip(regions, told, strict=True):
                if region.area <= 0:
                    losses.add("place without an area, a point, that COCO's boxes cannot be")
                elif alone or (region, crowd) not in known:
                    writer.add_region(sample.picture.key, region, crowd=crowd, id=id, area=area, losses=losses)
    if dataset.scoring != "detection":
        losses.add(f"data set that is scored as {dataset.scoring}, where instances are always scored as detection")
    return writer.data(dataset)


class InstancesWriter:
    """Gathers pictures and annotations; gives numbers to those that have none."""

    def __init__(self, categories: Mapping[str, dict[str, Any]], reserved: Mapping[str, int]) -> None:
        """`categories`: name to COCO's entry. `reserved`: picture keys to the numbers that they keep."""
        self.categories = dict(categories)
        self._reserved = reserved
        self._taken = set(reserved.values())
        self._next_picture = 1
        self._images: dict[str, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []
        self._known: dict[str, dict[tuple[Region, bool], int]] = {}
        self._ids: set[int] = set()
        self._pending: list[dict[str, Any]] = []

    def add_picture(self, sample: Sample, *, named: bool) -> dict[str, Any]:
        """The entry of the sample's picture, made if it is not there; `named`: it stands for this sample alone."""
        key = sample.picture.key
        if key not in self._images:
            id = self._reserved.get(key)
            if id is None:
                while self._next_picture in self._taken:
                    self._next_picture += 1
                id = self._next_picture
                self._taken.add(id)
            entry: dict[str, Any] = {"id": id, "file_name": key, "width": sample.size[0], "height": sample.size[1]}
            more = {name: value for name, value in sample.meta.items() if name not in _DERIVED}
            if named and sample.id != str(id):
                entry["sample_id"] = sample.id
            if named and more:
                entry["meta"] = more
            self._images[key] = entry
            self._known[key] = {}
        return self._images[key]

    def regions_of(self, key: str) -> Mapping[tuple[Region, bool], int]:
        """The regions of a picture that are there already, with their annotations' ids; True: a crowd."""
        return self._known[key]

    def name_category(self, name: str, id: int) -> None:
        """Gives a new category its number, unless another has it."""
        if name not in self.categories and all(entry["id"] != id for entry in self.categories.values()):
            self.categories[name] = {"id": id, "name": name}

    def add_region(
        self, key: str, region: Region, *, crowd: bool, id: int | None, area: float | None, losses: Losses
    ) -> dict[str, Any]:
        """A new annotation, numbered when `data` is called if the id is None or taken."""
        if region.label is None:
            losses.add(f"region that nobody named: its category is {NO_NAME!r}")
        if region.point is not None or region.span is not None or region.score is not None:
            losses.add("region with a point, a span of words or a score, which instances do not hold")
        box = region.xywh
        name = NO_NAME if region.label is None else region.label
        category = self.categories.setdefault(name, {"id": self._free_category(), "name": name})
        annotation: dict[str, Any] = {
            "id": id,
            "image_id": self._images[key]["id"],
            "category_id": category["id"],
            "bbox": [box[0], box[1], _side(box[0], region.box[2]), _side(box[1], region.box[3])],
            "area": area if area is not None else _area(region),
            "iscrowd": int(crowd),
            "segmentation": _segmentation(region.mask),
        }
        if id is None or id in self._ids:
            self._pending.append(annotation)
        else:
            self._ids.add(id)
        self.annotations.append(annotation)
        self._known[key].setdefault((region, crowd), len(self.annotations) - 1)
        return annotation

    def data(self, dataset: Dataset | StreamedDataset) -> dict[str, Any]:
        """The object of the file."""
        number = 1
        for annotation in self._pending:
            while number in self._ids:
                number += 1
            annotation["id"] = number
            self._ids.add(number)
        self._pending = []
        info: dict[str, Any] = {"description": dataset.name}
        if dataset.notes:
            info["notes"] = list(dataset.notes)
        return {
            "info": info,
            "images": list(self._images.values()),
            "annotations": self.annotations,
            "categories": list(self.categories.values()),
        }

    def _free_category(self) -> int:
        ids = [entry["id"] for entry in self.categories.values() if isinstance(entry["id"], int)]
        return max(ids, default=0) + 1


def categories_of(
    dataset: Dataset | StreamedDataset, samples: Iterable[Sample], losses: Losses
) -> dict[str, dict[str, Any]]:
    """COCO's entry of every name that is asked for, in the order asked; ids are those that the data set keeps."""
    told = dataset.meta.get("categories")
    kept = {entry["name"]: entry for entry in (told if isinstance(told, list) else []) if _is_category(entry)}
    names = list(dict.fromkeys(name for sample in samples for name in sample.names))
    if len({entry["id"] for entry in kept.values()}) != len(kept):
        losses.add("list of categories with one id for several names: they are numbered anew")
        kept = {}
    numbers = {entry["id"] for entry in kept.values()}
    categories: dict[str, dict[str, Any]] = {}
    next_id = 1
    for name in names or kept:
        if name in kept:
            categories[name] = dict(kept[name])
            continue
        while next_id in numbers:
            next_id += 1
        numbers.add(next_id)
        categories[name] = {"id": next_id, "name": name}
    return categories


def _is_category(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("name"), str) and type(entry.get("id")) in (int, str)


def reserved_ids(samples: Iterable[Sample]) -> dict[str, int]:
    """Numbers that pictures keep: COCO's own, else a sample's id that is a number; each number once."""
    reserved: dict[str, int] = {}
    taken: set[int] = set()
    for sample in samples:
        key, id = sample.picture.key, sample.meta.get("image_id")
        if key in reserved:
            continue
        if isinstance(id, str) and id.isdecimal() and str(int(id)) == id:
            id = int(id)
        if (not isinstance(id, int) or isinstance(id, bool)) and sample.id.isascii() and sample.id.isdecimal():
            id = int(sample.id) if str(int(sample.id)) == sample.id else None
        if isinstance(id, int) and not isinstance(id, bool) and id not in taken:
            reserved[key] = id
            taken.add(id)
    return reserved


def _told(sample: Sample, regions: tuple[Region, ...], prefix: str) -> list[tuple[int | None, float | None]]:
    """The annotation's id and the area that the source gave for each region; None where it gave none."""
    columns = []
    for key, kind in ((f"{prefix}annotation_ids", int), (f"{prefix}areas", int | float)):
        values = sample.meta.get(key)
        good = isinstance(values, list) and len(values) == len(regions)
        columns.append(
            [v if isinstance(v, kind) else None for v in values] if good and values else [None] * len(regions)
        )
    return list(zip(*columns, strict=True))


def _count_losses(sample: Sample, everything: tuple[str, ...], alone: bool, losses: Losses) -> None:
    if sample.task != "detect":
        losses.add(f"question to {sample.task}, of which instances keep the boxes and not the words")
    elif sample.names != everything:
        losses.add("picture with names of its own to ask for, where instances ask for every category")
    if not alone:
        losses.add("sample that shares its picture with others, where a picture stands once")
    if sample.kind is not None:
        losses.add("kind of question")
    if sample.truth.text or (sample.task == "detect" and sample.phrase):
        losses.add("text of a truth, or phrase beside the names to detect")
    if isinstance(sample.picture, IN_FILES) and sample.picture.stretched_from is not None:
        losses.add("picture that is a stretched copy: open the file with stretched=True")


def _side(low: float, high: float) -> float:
    """The width that added to `low` gives `high` again, where there is one."""
    side = high - low
    if low + side != high:
        for near in (math.nextafter(side, -math.inf), math.nextafter(side, math.inf)):
            if low + near == high:
                return near
    return side


def _area(region: Region) -> float:
    return region.area if region.mask is None else float(region.mask.area)


def _segmentation(mask: Mask | None) -> Any:
    if mask is None:
        return []
    return mask.to_json().get("polygons") or mask.rle  # no polygons at all would read as no mask
