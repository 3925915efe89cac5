"""Owns what probes share: things put where a probe wants them, measured, painted; and Plan, one picture's questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes import drawing
from grounding.data.scenes.backgrounds import BACKGROUNDS
from grounding.data.scenes.layout import measure, offset_of, to_fixed, turned
from grounding.data.scenes.looks import Chance
from grounding.data.scenes.scene import Box, Point, Scene, SceneOptions, Thing
from grounding.data.scenes.things import kind_named, shape_of

SIZE = (640, 480)
"""Width and height of every picture, px: about that of a photograph in COCO."""
KINDS = (
    "star", "heart", "triangle", "cross", "crescent", "house", "tree", "car", "cup", "fish", "flower", "cloud",
    "boat", "apple", "mushroom", "umbrella",
)  # fmt: skip
"""Kinds that nobody takes for one another, also when small and squashed."""
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
"""Colours without those that people call by several names."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about a picture and its true answer."""

    phrase: str
    boxes: tuple[Box, ...]
    kind: str
    """How hard it is, in words; figures are grouped by it."""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one picture shows and is asked, before it is painted."""

    asked: tuple[Asked, ...]
    paint: Callable[[], Image]
    """The picture, (height, width, 3) RGB; the same on every call."""


def chance_of(seed: int) -> Chance:
    """The random draws of a picture."""
    return Chance(np.random.default_rng(seed))


def put(name: str, color: str, center: Point, extent: float, *, fill: str = "solid", rotation: float = 0.0) -> Thing:
    """A thing whose longer side is `extent` px before it is turned by `rotation` degrees round `center`."""
    shape = shape_of(name)
    size = (extent * shape.width, extent * shape.height)
    nowhere = (0.0, 0.0, 0.0, 0.0)
    thing = Thing(
        0, name, name, color, fill, "medium", nowhere, nowhere, 1.0, (), center, None, False, rotation, size
    )  # fmt: skip
    points = turned(shape.extremes, thing, shape) + offset_of(thing, shape)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return replace(thing, box=(left, top, right, bottom), full_box=(left, top, right, bottom))


def upright(name: str, chance: Chance) -> float:
    """A rotation that leaves the kind's name certain, in degrees; mostly none."""
    turn = min(kind_named(name).turn, 15.0)
    return chance.between(-turn, turn) if chance.random() < 0.4 else 0.0


def settled(things: Sequence[Thing], least: float = 0.6) -> tuple[Thing, ...]:
    """The things with their exact visible boxes, in order; those are left out that would hide one under `least`."""
    left = list(things)
    while True:
        outlines = []
        for thing in left:
            shape = shape_of(thing.name)
            offset = offset_of(thing, shape)
            outlines.append(tuple(to_fixed(turned(contour, thing, shape) + offset) for contour in shape.contours))
        found, hiding = measure(left, list(outlines), *SIZE, least)
        if hiding is None:
            return found
        del left[hiding]


def painter(things: tuple[Thing, ...], seed: int) -> Callable[[], Image]:
    """What paints the things over a background of the seed's."""

    def paint() -> Image:
        rng = np.random.default_rng((seed, 1))
        background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
        return drawing.render(Scene(*SIZE, things, background, "scatter"), rng, SceneOptions())

    return paint


def inside(thing: Thing, margin: float = 3.0) -> bool:
    """Whether all of it lies in the picture."""
    left, top, right, bottom = thing.full_box
    return left >= margin and top >= margin and right <= SIZE[0] - margin and bottom <= SIZE[1] - margin


def covered(thing: Thing, other: Thing, gap: float = 0.0) -> float:
    """Which share of the smaller one's extent the two share, with `gap` px round them."""
    a, b = thing.full_box, other.full_box
    across = min(a[2], b[2]) - max(a[0], b[0]) + gap
    down = min(a[3], b[3]) - max(a[1], b[1]) + gap
    if across <= 0 or down <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return across * down / smaller
