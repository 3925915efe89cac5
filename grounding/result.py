"""Owns Region and Grounding: the values that travel between rooms, and their other forms (JSON, COCO, supervision).

The truth of a dataset is a Grounding just as a model's answer is, so scoring needs neither model nor dataset.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from grounding.boxes import Boxes, as_boxes
from grounding.errors import BoxError, InputError, MissingExtraError
from grounding.images import ImageSource
from grounding.masks import Mask

if TYPE_CHECKING:
    import supervision as sv

PROBLEM_KINDS = ("truncated", "malformed", "out_of_range", "inverted", "duplicate", "unknown_token", "prose")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a model's answer that could not be taken as it stands."""

    kind: str
    """One of PROBLEM_KINDS."""
    message: str
    """One sentence for a person."""
    span: tuple[int, int] | None = None
    """The characters of the answer it is about: start, end."""

    def __post_init__(self) -> None:
        if self.kind not in PROBLEM_KINDS:
            raise InputError(f"no problem kind {self.kind!r}; known: {', '.join(PROBLEM_KINDS)}")
        object.__setattr__(self, "span", _span(self.span))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: kind, message, and the span when there is one."""
        data: dict[str, Any] = {"kind": self.kind, "message": self.message}
        return data if self.span is None else data | {"span": list(self.span)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Problem:
        """The problem that `to_json` wrote."""
        return cls(_need(data, "kind", "a problem"), _need(data, "message", "a problem"), data.get("span"))


@dataclass(frozen=True, slots=True)
class Region:
    """One place in a picture. Raises BoxError when the box is not finite or not ordered x1 <= x2, y1 <= y2."""

    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels of the original picture."""
    label: str | None = None
    """What is there, in words; None when nobody said."""
    score: float | None = None
    """How sure the model is, higher is surer; None when it gives no measure. Never made up."""
    span: tuple[int, int] | None = None
    """Start and end in Grounding.text of the words that this region belongs to."""
    mask: Mask | None = None
    """Its pixels."""
    point: tuple[float, float] | None = None
    """x, y of the point it was asked or answered with."""

    def __post_init__(self) -> None:
        box, span = self.box, self.span
        if not _is_plain_box(box):  # made by the thousand from numbers that need no second look
            x1, y1, x2, y2 = box = _numbers(box, 4, "a box")
            if x1 > x2 or y1 > y2:
                raise BoxError(f"a box runs from left to right and top to bottom, x1 <= x2 and y1 <= y2; seen {box}")
            object.__setattr__(self, "box", box)
        if self.score is not None:
            object.__setattr__(self, "score", _numbers((self.score,), 1, "a score")[0])
        if self.point is not None:
            object.__setattr__(self, "point", _numbers(self.point, 2, "a point"))
        if span is not None:
            object.__setattr__(self, "span", _span(span))

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width, height."""
        x1, y1, x2, y2 = self.box
        return (x1, y1, x2 - x1, y2 - y1)

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return self.xywh[2] * self.xywh[3]

    @property
    def center(self) -> tuple[float, float]:
        """x, y of the middle of the box."""
        x1, y1, x2, y2 = self.box
        return ((x1 + x2) / 2, (y1 + y2) / 2)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: box, label and score always, the others when there."""
        data: dict[str, Any] = {"box": list(self.box), "label": self.label, "score": self.score}
        if self.span is not None:
            data["span"] = list(self.span)
        if self.point is not None:
            data["point"] = list(self.point)
        if self.mask is not None:
            data["mask"] = self.mask.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Region:
        """The region that `to_json` wrote."""
        box, mask = _need(data, "box", "a region"), data.get("mask")
        return cls(
            box=box,
            label=data.get("label"),
            score=data.get("score"),
            span=data.get("span"),
            mask=None if mask is None else Mask.from_json(mask),
            point=data.get("point"),
        )


@dataclass(frozen=True, slots=True)
class Grounding:
    """What was asked of a picture and what was found there, in pixels of the original."""

    phrase: str
    """What was asked; "" for a caption."""
    regions: tuple[Region, ...]
    """Empty when nothing was found."""
    text: str
    """A caption's clean words, which spans point into; for other tasks the model's answer as it wrote it."""
    width: int
    """Of the original picture, in pixels."""
    height: int
    """Of the original picture, in pixels."""
    problems: tuple[Problem, ...] = ()
    """What in the answer could not be read; empty for a clean answer."""
    task: str = "locate"
    """Which verb was asked."""
    model: str | None = None
    """Which model answered; None for the truth of a dataset."""
    seconds: float | None = None
    """How long it took."""
    raw: str | None = None
    """The model's answer with its markup, when `text` is not that already."""
    image: Image.Image | None = field(default=None, repr=False, compare=False)
    """The picture, for notebooks and for `draw()`; not part of the value, and not written to JSON."""

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if not isinstance(side, (int, float, np.integer)) or side % 1 != 0 or side < 1:
                raise InputError(f"a picture's {name} is a whole number of pixels over 0; seen {side!r}")
            object.__setattr__(self, name, int(side))
        object.__setattr__(self, "regions", tuple(self.regions))
        object.__setattr__(self, "problems", tuple(self.problems))

    @property
    def found(self) -> bool:
        """Whether there is any region."""
        return bool(self.regions)

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.regions)

    @property
    def boxes(self) -> Boxes:
        """(N, 4) float64, xyxy."""
        return as_boxes([region.box for region in self.regions])

    @property
    def scores(self) -> tuple[float | None, ...]:
        """One for each region; None where the model gave none."""
        return tuple(region.score for region in self.regions)

    @property
    def labels(self) -> tuple[str | None, ...]:
        """One for each region; None where nobody said."""
        return tuple(region.label for region in self.regions)

    @property
    def best(self) -> Region | None:
        """The region with the highest score, the first among equals or when none has a score; None if there is none."""
        return max(self.regions, key=lambda region: -math.inf if region.score is None else region.score, default=None)

    def above(self, score: float) -> Grounding:
        """The same, with only the regions that score at least `score`; those without a score stay."""
        return self.replace(regions=tuple(r for r in self.regions if r.score is None or r.score >= score))

    def replace(self, **changes: Any) -> Grounding:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    # ---- JSON

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: everything but the picture. `from_json` gives an equal Grounding back."""
        data: dict[str, Any] = {
            "phrase": self.phrase,
            "task": self.task,
            "found": self.found,
            "regions": [region.to_json() for region in self.regions],
            "text": self.text,
            "problems": [problem.to_json() for problem in self.problems],
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "seconds": self.seconds,
        }
        if self.raw is not None:
            data["raw"] = self.raw
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grounding:
        """The Grounding that `to_json` wrote. Raises InputError naming what is missing."""
        regions = _need(data, "regions", "a grounding")
        if not isinstance(regions, list | tuple):
            raise InputError(f"the regions of a grounding in JSON are a list; seen {regions!r}")
        return cls(
            phrase=_need(data, "phrase", "a grounding"),
            regions=tuple(Region.from_json(region) for region in regions),
            text=data.get("text", ""),
            width=_need(data, "width", "a grounding"),
            height=_need(data, "height", "a grounding"),
            problems=tuple(Problem.from_json(problem) for problem in data.get("problems", ())),
            task=data.get("task", "locate"),
            model=data.get("model"),
            seconds=data.get("seconds"),
            raw=data.get("raw"),
        )

    # ---- other people's formats

    def to_coco(
        self, image_id: int, category_ids: Mapping[str, int] | None = None, first_id: int = 1
    ) -> list[dict[str, Any]]:
        """COCO annotations, one a region, numbered from `first_id`; bbox is x, y, width, height.

        `category_ids` turns labels into numbers, and a label it does not know raises InputError; without it every
        region is of category 1. Segmentation: polygons where they were given, else run lengths, else an empty list.
        Score: where there is one.
        """
        annotations = []
        for number, region in enumerate(self.regions, first_id):
            mask = region.mask
            annotation: dict[str, Any] = {
                "id": number,
                "image_id": image_id,
                "category_id": 1 if category_ids is None else _category(region.label, category_ids),
                "bbox": list(region.xywh),
                "area": region.area if mask is None else mask.area,
                "iscrowd": 0,
                "segmentation": [],
            }
            if mask is not None:
                data = mask.to_json()
                annotation["segmentation"] = data.get("polygons", data)
            if region.score is not None:
                annotation["score"] = region.score
            annotations.append(annotation)
        return annotations

    def to_supervision(self) -> sv.Detections:
        """supervision's Detections; class_id numbers the labels in order of appearance, data["class_name"] holds them.

        No scores: confidence is None; some: NaN where there is none. A region without a mask beside others with one
        gets an empty mask. No label: class_name is "".
        """
        sv = import_supervision()
        if not self.regions:
            return sv.Detections.empty()
        names = [region.label or "" for region in self.regions]
        order = {name: number for number, name in enumerate(dict.fromkeys(names))}
        masks = None
        if any(region.mask is not None for region in self.regions):
            nothing = np.zeros((self.height, self.width), dtype=bool)
            masks = np.stack([nothing if r.mask is None else r.mask.array for r in self.regions])
        scored = any(score is not None for score in self.scores)
        return sv.Detections(
            xyxy=self.boxes,
            mask=masks,
            confidence=np.array([math.nan if s is None else s for s in self.scores]) if scored else None,
            class_id=np.array([order[name] for name in names], dtype=int),
            data={"class_name": np.array(names, dtype=str)},
        )

    # ---- to look at

    def draw(self, image: ImageSource | None = None, **options: Any) -> Image.Image:
        """A copy of the picture with the regions drawn on it; see `grounding.draw.draw` for the options."""
        from grounding.draw import draw

        if image is None:
            image = self.image
        if image is None:
            raise InputError("this Grounding does not hold its picture: pass it, as in grounding.draw(image)")
        return draw(image, self, **options)

    def _repr_html_(self) -> str:
        from grounding.draw import to_html

        return to_html(self)


def import_supervision() -> Any:
    """The supervision package, imported now. Raises MissingExtraError when it is not installed."""
    try:
        with warnings.catch_warnings():
            # It remarks that OpenCV is absent; its own numpy code serves for what is used here.
            warnings.simplefilter("ignore")
            import supervision
    except ImportError as error:
        raise MissingExtraError("drawing and Detections need supervision: pip install supervision") from error
    return supervision


def _need(data: Mapping[str, Any], key: str, what: str) -> Any:
    if not isinstance(data, Mapping) or key not in data:
        seen = ", ".join(map(repr, data)) if isinstance(data, Mapping) else type(data).__name__
        raise InputError(f"{what} in JSON needs {key!r}; seen {seen}")
    return data[key]


def _category(label: str | None, category_ids: Mapping[str, int]) -> int:
    if label is None or label not in category_ids:
        raise InputError(f"no category for the label {label!r}; known: {', '.join(category_ids)}")
    return category_ids[label]


class _Draft:
    """A Region in the making: laid out as one, and not frozen, so that its fields are set in a fifth of the time."""

    __slots__ = ("box", "label", "mask", "point", "score", "span")


def _trusted_region(box: tuple[float, float, float, float], label: str | None, span: tuple[int, int]) -> Region:
    """Region(box, label, span=span) without a look at them: box is a tuple of finite floats in order, span of ints.

    For codecs/fast.py, which has told that already. Python lets an object change its class where both have the same
    slots, and raises TypeError where Region has got another.
    """
    region: Any = _Draft()
    region.box = box
    region.label = label
    region.span = span
    region.score = region.mask = region.point = None
    region.__class__ = Region
    return region


def _is_plain_box(box: object) -> bool:
    """Whether it is a tuple of four finite floats in order, as Region keeps it."""
    if type(box) is not tuple or len(box) != 4:
        return False
    x1, y1, x2, y2 = box
    return (
        type(x1) is type(y1) is type(x2) is type(y2) is float
        and -math.inf < x1 <= x2 < math.inf
        and -math.inf < y1 <= y2 < math.inf
    )


def _numbers(values: Iterable[float], length: int, what: str) -> Any:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise BoxError(f"{what} is {length} numbers; seen {values!r}") from error
    if len(numbers) != length:
        raise BoxError(f"{what} is {length} numbers; seen {len(numbers)}: {numbers}")
    if not all(map(math.isfinite, numbers)):
        raise BoxError(f"{what} must be finite; seen {numbers}")
    return numbers


def _span(span: Sequence[int] | None) -> tuple[int, int] | None:
    if span is None:
        return None
    if type(span) is tuple and len(span) == 2 and type(span[0]) is type(span[1]) is int and 0 <= span[0] <= span[1]:
        return span
    start, end = (int(place) for place in span)
    if not 0 <= start <= end:
        raise InputError(f"a span is the start and end of some characters, 0 <= start <= end; seen {(start, end)}")
    return (start, end)
