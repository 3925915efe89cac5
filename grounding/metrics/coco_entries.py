"""Owns the judging of COCO's truth and results: every entry is looked at before an evaluator's compiled code sees it.

An evaluator of COCO trusts its input: a NaN box matches everything, a result for an unknown picture stops it, a truth
with the id 0 counts as never found. Here each such entry gets named; what cannot be scored is left out and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grounding.errors import BoxError, InputError
from grounding.masks import Mask

KINDS = ("bbox", "segm")
"""What overlaps: boxes, or masks. COCO's own words (iouType)."""

PROBLEM_KINDS = (
    "unreadable entry",  # no JSON object, or one without an id
    "unknown id",  # of a picture or category that the truth does not have
    "duplicate id",
    "no box",
    "no mask",
    "no score",
    "no size",  # of a picture whose masks are scored
    "no area",  # of a true object; the box's serves
    "not a number",
    "empty box",
)


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """Something in one entry that cannot be as it stands."""

    part: str
    """Which list it is in: "images", "categories", "annotations" or "results"."""
    entry: int
    """Its place in that list, counted from 1."""
    kind: str
    """One of PROBLEM_KINDS."""
    message: str
    """One sentence for a person, naming the value seen."""
    kept: bool = False
    """Whether the entry counts all the same."""


@dataclass(frozen=True)
class Truth:
    """Pictures, categories and objects that an evaluator can take.

    Ids are numbers from 1 in the order of the file's ids: so any kind of id will do, no object has the id 0, which
    evaluators take for "not found", and pictures keep the order that decides between equal scores.
    """

    kind: str
    pictures: Mapping[Any, int]
    """The file's id of each picture, to its number."""
    categories: Mapping[Any, int]
    """The file's id of each category, to its number."""
    names: dict[int, str]
    """A category's number to its name; two of one name get their ids beside it."""
    sizes: dict[int, tuple[int, int] | None]
    """A picture's number to its width and height, px; None where the file gives none."""
    objects: list[dict[str, Any]]
    """Annotations: id, image_id, category_id, bbox, area, iscrowd, and segmentation where masks are scored."""
    problems: list[EntryProblem]

    def to_coco(self) -> dict[str, Any]:
        """A new dict as an instances file holds it, for an evaluator to change as it likes."""
        sizes = {number: size or (0, 0) for number, size in self.sizes.items()}
        return {
            "info": {},
            "images": [{"id": number, "width": width, "height": height} for number, (width, height) in sizes.items()],
            "categories": [{"id": number, "name": name} for number, name in self.names.items()],
            "annotations": [dict(one) for one in self.objects],
        }


@dataclass(frozen=True)
class Results:
    """Detections that an evaluator can take."""

    detections: list[dict[str, Any]]
    """image_id, category_id, score, and bbox or segmentation; in the order of the file."""
    scored: bool
    """False where no entry has a score: then each has the score 1, and the order of the file decides."""
    given: int
    """How many entries the file has."""
    problems: list[EntryProblem]


def read_truth(truth: Any, kind: str = "bbox") -> Truth:
    """What of an instances file can be scored, each other entry named. Raises InputError where nothing can be.

    Two objects of one id are both kept where they differ; the second is left out where it is the first again.
    """
    if kind not in KINDS:
        raise InputError(f"no kind of overlap {kind!r}; known: {', '.join(KINDS)}")
    if not isinstance(truth, Mapping) or any(not isinstance(truth.get(key), Sequence) for key in _PARTS):
        seen = ", ".join(map(str, list(truth)[:6])) if isinstance(truth, Mapping) else f"a {type(truth).__name__}"
        raise InputError(f"COCO's truth is an object with the lists {', '.join(_PARTS)}; seen: {seen or 'nothing'}")
    problems: list[EntryProblem] = []
    images = _by_id(truth["images"], "images", problems)
    categories = _by_id(truth["categories"], "categories", problems)
    if not images or not categories:
        missing = "pictures" if not images else "categories"
        raise InputError(f"the truth has no {missing}: without them nothing can be scored; give the whole file")
    pictures, numbers = _numbered(images), _numbered(categories)
    sizes = {number: _size(images[id]) for id, number in pictures.items()}
    found = Truth(kind, pictures, numbers, _names(categories, numbers), sizes, [], problems)
    seen_ids: dict[Any, list[Any]] = {}
    for entry, row in enumerate(truth["annotations"], 1):
        note = _notes(problems, "annotations", entry)
        one = _object(row, found, note)
        if one is None:
            continue
        id = row.get("id")
        if isinstance(id, Hashable) and id is not None:
            twins = seen_ids.setdefault(id, [])
            if row in twins:
                note("duplicate id", f"the object {id!r} stands twice, all alike; the first is kept")
                continue
            if twins:
                note("duplicate id", f"the id {id!r} stands twice, for different objects; both count", kept=True)
            twins.append(row)
        found.objects.append({"id": len(found.objects) + 1, **one})
    return found


def read_results(results: Any, truth: Truth, *, min_score: float | None = None) -> Results:
    """The detections that can be scored against `truth`, each other entry named.

    A result with a mask and no box gets the box around the mask, as COCO's evaluator has it. `min_score`: lower ones
    are left out. Raises InputError where `results` is no list, where it has entries and none of them can be scored,
    where none has a score for `min_score` to choose by, or where that is no finite number.
    """
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        seen = f"an object with {', '.join(map(str, list(results)[:6]))}" if isinstance(results, Mapping) else results
        raise InputError(
            "COCO's results are a list of {image_id, category_id, bbox or segmentation, score}; "
            f"seen: {seen!s:.100} (give the list alone)"
        )
    if min_score is not None and not math.isfinite(min_score):
        raise InputError(f"the least score is {min_score}, which no score can be held against: give a number")
    scored = any(isinstance(row, Mapping) and row.get("score") is not None for row in results)
    problems: list[EntryProblem] = []
    detections = []
    for entry, row in enumerate(results, 1):
        one = _detection(row, truth, scored, _notes(problems, "results", entry))
        if one is not None:
            detections.append(one)
    if results and not detections:
        first = problems[0]
        raise InputError(
            f"none of the {len(results):,} results can be scored; the {_nth(first.entry)}: {first.message} "
            "(do truth and results belong together?)"
        )
    if min_score is not None and detections and not scored:
        raise InputError(f"the results have no scores, so none is under {min_score:g}: leave the least score out")
    if min_score is not None:
        detections = [one for one in detections if one["score"] >= min_score]
    return Results(detections, scored, len(results), problems)


# ---- one entry

_PARTS = ("images", "annotations", "categories")
_Note = Callable[..., None]


def _notes(problems: list[EntryProblem], part: str, entry: int) -> _Note:
    def note(kind: str, message: str, kept: bool = False) -> None:
        problems.append(EntryProblem(part, entry, kind, message, kept))

    return note


def _object(row: Any, truth: Truth, note: _Note) -> dict[str, Any] | None:
    where = _where(row, truth, note)
    if where is None:
        return None
    box = _box(row.get("bbox"), note, "it can't be found by any detection")
    if box is None:
        return None
    one: dict[str, Any] = {**where, "bbox": box, "iscrowd": int(bool(row.get("iscrowd")))}
    mask = None
    if truth.kind == "segm":
        mask = _mask(row.get("segmentation"), truth.sizes[where["image_id"]], note)
        if mask is None:
            return None
        one["segmentation"] = row["segmentation"]
    given = row.get("area")
    if _finite((given,), 1):
        return {**one, "area": given}
    noun, area = ("box", box[2] * box[3]) if mask is None else ("mask", mask.area)
    note("no area", f"its area {given!r:.40} is no number, and decides its size; that of the {noun} counts", kept=True)
    return {**one, "area": area}


def _detection(row: Any, truth: Truth, scored: bool, note: _Note) -> dict[str, Any] | None:
    where = _where(row, truth, note)
    if where is None:
        return None
    score = row.get("score") if scored else 1.0
    if score is None:
        note("no score", "it has no score, and others have one: it can't be ranked among them")
        return None
    if not _finite((score,), 1):
        note("not a number", f"the score {score!r:.40} is no number")
        return None
    one = {**where, "score": float(score)}
    if truth.kind == "segm" or (row.get("bbox") is None and row.get("segmentation") is not None):
        mask = _mask(row.get("segmentation"), truth.sizes[where["image_id"]], note)
        if mask is None:
            return None
        if truth.kind == "segm":
            # A box beside the mask would make evaluators take the box's area for the mask's.
            return {**one, "segmentation": mask.rle}
        x1, y1, x2, y2 = mask.box
        return {**one, "bbox": [x1, y1, x2 - x1, y2 - y1]}
    box = _box(row.get("bbox"), note, "it counts as a wrong detection")
    return None if box is None else {**one, "bbox": box}


def _where(row: Any, truth: Truth, note: _Note) -> dict[str, int] | None:
    """The numbers of its picture and category."""
    if not isinstance(row, Mapping):
        note("unreadable entry", f"it is no JSON object but {row!r:.40}")
        return None
    picture, category = _get(truth.pictures, row.get("image_id")), _get(truth.categories, row.get("category_id"))
    if picture is None:
        note("unknown id", f"the truth has no picture with the id {row.get('image_id')!r:.40}")
        return None
    if category is None:
        note("unknown id", f"the truth has no category with the id {row.get('category_id')!r:.40}")
        return None
    return {"image_id": picture, "category_id": category}


def _box(values: Any, note: _Note, empty: str) -> list[float] | None:
    """x, y, width, height."""
    if values is None or (isinstance(values, Sequence) and not values):
        note("no box", "it has no bbox")
        return None
    if not _finite(values, 4):
        note("not a number", f"{values!r:.80} are not the four numbers of a box")
        return None
    box = [float(value) for value in values]
    if box[2] < 0 or box[3] < 0:
        note("not a number", f"the box {box} has a negative width or height; a bbox is x, y, width, height")
        return None
    if not box[2] or not box[3]:
        note("empty box", f"the box {box} has no area; {empty}", kept=True)
    return box


def _mask(segmentation: Any, size: tuple[int, int] | None, note: _Note) -> Mask | None:
    if not segmentation:
        note("no mask", "it has no segmentation")
        return None
    if size is None:
        note("no size", "its picture's width and height are nowhere, and masks need them")
        return None
    try:
        if isinstance(segmentation, Mapping):
            mask = Mask.from_rle(segmentation)
        else:
            mask = Mask.from_polygons(segmentation, *size)
    except (BoxError, TypeError, ValueError) as error:
        note("no mask", f"its segmentation can't be read: {error}")
        return None
    if (mask.width, mask.height) != size:
        sizes = f"{mask.width} x {mask.height}, its picture {size[0]} x {size[1]}"
        note("no mask", f"its mask has {sizes} pixels; a mask has the size of its picture")
        return None
    return mask


def _by_id(rows: Iterable[Any], part: str, problems: list[EntryProblem]) -> dict[Hashable, Mapping[str, Any]]:
    found: dict[Hashable, Mapping[str, Any]] = {}
    for entry, row in enumerate(rows, 1):
        note = _notes(problems, part, entry)
        id = row.get("id") if isinstance(row, Mapping) else None
        if not isinstance(id, int | str | float) or id != id:
            note("unreadable entry", f"it has no id: {row!r:.60}")
        elif id in found:
            note("duplicate id", f"the id {id!r} stands twice; the first is kept")
        else:
            found[id] = row
    return found


def _numbered(rows: Mapping[Hashable, Any]) -> dict[Hashable, int]:
    order = sorted(rows, key=lambda id: (isinstance(id, str), id))
    return {id: number for number, id in enumerate(order, 1)}


def _names(categories: Mapping[Hashable, Mapping[str, Any]], numbers: Mapping[Hashable, int]) -> dict[int, str]:
    names = {id: str(categories[id].get("name") or id) for id in numbers}
    often = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {number: f"{names[id]} ({id})" if names[id] in often else names[id] for id, number in numbers.items()}


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    sides = image.get("width"), image.get("height")
    if not _finite(sides, 2) or any(side < 1 or side % 1 for side in sides):  # type: ignore[operator]
        return None
    return int(sides[0]), int(sides[1])  # type: ignore[arg-type]


def _finite(values: Any, count: int) -> bool:
    try:
        return len(values) == count and all(map(math.isfinite, values))
    except (TypeError, ValueError, OverflowError):
        return False


def _get(numbers: Mapping[Hashable, int], id: Any) -> int | None:
    try:
        return numbers.get(id)
    except TypeError:  # a list or an object in place of an id
        return None


def _nth(entry: int) -> str:
    return "first" if entry == 1 else f"entry {entry}"
