"""Owns the reading of COCO's instances_*.json: one sample a picture, with every instance of every category."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from grounding.data.dataset import Dataset
from grounding.data.folders import Folder
from grounding.data.plain import plain, writable
from grounding.data.reading import Box, Findings, first_existing, load_json
from grounding.data.sample import Sample
from grounding.errors import BoxError, InputError
from grounding.masks import Mask
from grounding.result import Grounding, Region

EXPECTED = {
    "train2017": 118_287,
    "val2017": 5_000,
    "train2014": 82_783,
    "val2014": 40_504,
    "minival2014": 5_000,
    "valminusminival2014": 35_504,
}
"""Pictures of each split: counts of cocodataset.org's files; the two of 2014's halves are Detectron's."""
NO_TRUTH = ("test2014", "test2015", "test2017", "test-dev2015", "test-dev2017", "unlabeled2017")
"""Splits that are published without boxes."""
PRESENT = "present"
"""As `names`: only those that the picture shows."""


def open_coco(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    names: str | Sequence[str] | None = None,
    stretched: bool = False,
) -> Dataset:
    """`coco:val2017` and its like, out of `root`/annotations/instances_val2017.json; see `read_instances`."""
    if split in NO_TRUTH:
        raise InputError(f"COCO's {split} is published without boxes: nothing can be scored; take val2017 or val2014")
    if root is None:
        raise InputError(f"coco:{split} needs root=, the folder that holds annotations/instances_{split}.json")
    file = f"instances_{split}.json"
    path = first_existing(root, [f"{folder}{file}" for folder in ("annotations/", "", "coco/annotations/", "coco/")])
    if path is None:
        raise InputError(f"there is no {file} in {root} or {root / 'annotations'}: give another root=")
    if images is None:
        below = [root / folder for folder in (split, f"images/{split}", f"coco/{split}", f"coco/images/{split}")]
        images = next((folder for folder in below if folder.is_dir()), root)
    return read_instances(
        path,
        images=images,
        stretched=stretched,
        names=names,
        name=f"{kind}:{split}",
        expected=EXPECTED.get(split),
    )


def read_instances(
    path: str | Path,
    *,
    images: str | Path | None = None,
    stretched: bool = False,
    names: str | Sequence[str] | None = None,
    name: str | None = None,
    expected: int | None = None,
) -> Dataset:
    """A sample for every picture of the file, in its order, also for those that show nothing: task "detect".

    What is true: every instance, labelled with its category's name, with its mask; instances that stand for groups
    (iscrowd) are `Sample.crowd`. `names`: what is asked for: every category (default), those of a list, of which alone
    instances are kept, or "present" for those that the picture shows, which leaves out pictures that show none.

    `Sample.meta` keeps image_id, file_name, and for the regions and the crowd their annotation ids, category ids and
    areas; `Dataset.meta` the categories. Raises InputError where the file is no instances file.
    """
    path = Path(path)
    findings = Findings(path)
    data = _checked(load_json(path), path)
    pictures = _pictures(data["images"], findings)
    categories = _categories(data["categories"], findings)
    asked = _asked(names, [category["name"] for category in categories.values()])
    _annotations(data["annotations"], pictures, categories, asked, findings)
    kept = list(pictures.values())
    notes = []
    if names == PRESENT:
        kept = [picture for picture in kept if picture.things or picture.crowd]
        empty = len(pictures) - len(kept)
        notes.append(f"only names that a picture shows are asked for; {empty:,} pictures that show none are left out")
    elif names is not None:
        notes.append(f"only {', '.join(asked)} are asked for")
    folder = Folder(images or _near(path), stretched=stretched)
    return Dataset(
        name or path.name,
        _Samples(kept, None if names == PRESENT else asked, folder),
        scoring="detection",
        source=f"COCO instances, {path.name}",
        expected=expected,
        problems=findings.problems,
        notes=notes,
        meta={"categories": [category for category in categories.values() if category["name"] in asked]},
    )


# ---- the parts of the file


@dataclass(slots=True)
class _Thing:
    annotation: Mapping[str, Any]
    label: str
    box: Box
    mask: Mask | list[list[float]] | None
    """A list: polygons that are made a mask when it is asked for."""

    def region(self, width: int, height: int) -> Region:
        mask = Mask.from_polygons(self.mask, width, height) if isinstance(self.mask, list) else self.mask
        return Region(self.box, self.label, mask=mask)


@dataclass(slots=True)
class _Picture:
    id: Any
    entry: Mapping[str, Any]
    things: list[_Thing] = field(default_factory=list)
    crowd: list[_Thing] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        return int(self.entry["width"]), int(self.entry["height"])


class _Samples(Sequence[Sample]):
    """Samples that are made when they are asked for: the polygons of COCO's train2017 would fill some gigabytes."""

    def __init__(self, pictures: list[_Picture], names: tuple[str, ...] | None, folder: Folder) -> None:
        self._pictures, self._names, self._folder = pictures, names, folder

    def __len__(self) -> int:
        return len(self._pictures)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self._sample(picture) for picture in self._pictures[index]]
        return self._sample(self._pictures[index])

    def _sample(self, picture: _Picture) -> Sample:
        width, height = picture.size
        file_name = writable(picture.entry["file_name"])
        more = picture.entry.get("meta")  # what `grounding data convert` found no other place for
        meta: dict[str, Any] = plain(more) if isinstance(more, dict) else {}
        meta |= {"image_id": plain(picture.id), "file_name": file_name}
        for things, prefix in ((picture.things, ""), (picture.crowd, "crowd_")):
            if things or not prefix:
                for key, told in (("annotation_ids", "id"), ("category_ids", "category_id"), ("areas", "area")):
                    meta[prefix + key] = [plain(thing.annotation.get(told)) for thing in things]
        names = self._names
        if names is None:
            names = tuple(dict.fromkeys(thing.label for thing in (*picture.things, *picture.crowd)))
        regions = tuple(thing.region(width, height) for thing in picture.things)
        return Sample(
            self._folder.find(file_name, (width, height)),
            "",
            Grounding("", regions, "", width, height, task="detect"),
            _sample_id(picture.entry),
            task="detect",
            names=names,
            crowd=tuple(thing.region(width, height) for thing in picture.crowd),
            meta=meta,
        )


def _sample_id(entry: Mapping[str, Any]) -> str:
    # COCO's ids are whole numbers; a file that `grounding data convert` wrote keeps another id beside its number.
    return writable(str(entry.get("sample_id", entry["id"])))


def _checked(data: Any, path: Path) -> dict[str, list[Any]]:
    keys = ("images", "annotations", "categories")
    if not isinstance(data, dict) or any(not isinstance(data.get(key), list) for key in keys):
        seen = ", ".join(map(str, list(data)[:6])) if isinstance(data, dict) else f"a {type(data).__name__}"
        raise InputError(
            f"{path.name} is no COCO instances file, an object with the lists {', '.join(keys)}: "
            f"it holds {seen or 'nothing'}"
        )
    if not data["images"]:
        raise InputError(f"{path.name} has no images: there is nothing to ask about; give the whole file")
    return data


def _pictures(entries: Iterable[Any], findings: Findings) -> dict[Hashable, _Picture]:
    found: dict[Hashable, _Picture] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not _is_id(entry.get("id")) or not _is_name(entry.get("file_name")):
            findings.add("unreadable line", f"no picture with an id and a file_name: {entry!r:.60}", entry=number)
        elif findings.new(_sample_id(entry), entry=number) and findings.size(
            entry.get("width"), entry.get("height"), entry=f"picture {entry['id']}"
        ):
            if entry["id"] in found:
                findings.add(
                    "duplicate id", f"the picture {entry['id']!r} stands twice; the first is kept", entry=number
                )
            else:
                found[entry["id"]] = _Picture(entry["id"], entry)
    return found


def _categories(entries: Iterable[Any], findings: Findings) -> dict[Hashable, dict[str, Any]]:
    found: dict[Hashable, dict[str, Any]] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not _is_id(entry.get("id")) or not _is_name(entry.get("name")):
            findings.add("unreadable line", f"no category with an id and a name: {entry!r:.60}", entry=number)
        elif entry["id"] in found:
            findings.add("duplicate id", f"the category {entry['id']!r} stands twice; the first is kept", entry=number)
        else:
            found[entry["id"]] = {key: plain(entry[key]) for key in ("id", "name", "supercategory") if key in entry}
    return found


def _asked(names: str | Sequence[str] | None, known: list[str]) -> tuple[str, ...]:
    known = list(dict.fromkeys(known))
    if names is None or names == PRESENT:
        return tuple(known)
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if strange := [name for name in wanted if name not in known]:
        raise InputError(
            f"no category named {strange[0]!r}; known: {', '.join(known[:12])}{' ...' * (len(known) > 12)}"
        )
    return tuple(wanted)


def _annotations(
    entries: Iterable[Any],
    pictures: Mapping[Hashable, _Picture],
    categories: Mapping[Hashable, Mapping[str, Any]],
    asked: tuple[str, ...],
    findings: Findings,
) -> None:
    """Puts every annotation that can be one where it belongs."""
    wanted = set(asked)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            findings.add("unreadable line", f"no annotation but {entry!r:.40}", entry=f"annotation {number}")
            continue
        id = entry.get("id")
        where = f"annotation {number if id is None else id}"
        if id is not None and not findings.new(where, entry=f"annotation {number} of the list"):
            continue
        picture, category = _lookup(pictures, entry.get("image_id")), _lookup(categories, entry.get("category_id"))
        if picture is None:
            findings.add("unknown id", f"there is no picture {entry.get('image_id')!r:.40}", entry=where)
            continue
        if category is None:
            findings.add("unknown id", f"there is no category {entry.get('category_id')!r:.40}", entry=where)
            continue
        box = findings.box(entry.get("bbox"), "xywh", picture.size, entry=where)
        if box is None or category["name"] not in wanted:
            continue
        thing = _Thing(entry, category["name"], box, _mask(entry.get("segmentation"), picture.size, where, findings))
        (picture.crowd if entry.get("iscrowd") else picture.things).append(thing)


def _mask(segmentation: Any, size: tuple[int, int], where: str, findings: Findings) -> Mask | list[list[float]] | None:
    """Run lengths as a mask, polygons as they stand, after a look at every number; None where there is no good one."""
    if segmentation is None or segmentation == []:
        return None
    reason = None
    if isinstance(segmentation, dict):
        try:
            mask = Mask.from_rle(segmentation)
        except (BoxError, TypeError, ValueError) as error:
            reason = str(error)
        else:
            if (mask.width, mask.height) == size:
                return mask
            reason = f"its run lengths are of {mask.width} x {mask.height} pixels, the picture of {size[0]} x {size[1]}"
    elif not isinstance(segmentation, list) or not all(map(_is_polygon, segmentation)):
        reason = "its segmentation is neither polygons of 3 corners or more nor run lengths"
    else:
        return segmentation
    findings.add("no mask", f"{reason}; the box is kept without a mask", entry=where, kept=True)
    return None


def _is_polygon(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) >= 6
        and len(values) % 2 == 0
        and all(type(value) in (int, float) and math.isfinite(value) for value in values)
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _lookup(table: Mapping[Hashable, Any], id: Any) -> Any:
    return table.get(id) if _is_id(id) else None


def _near(path: Path) -> Path:
    """Where a file's pictures are looked for when nobody says: beside it, or beside its folder `annotations`."""
    folder = path.absolute().parent
    return folder.parent if folder.name == "annotations" else folder
