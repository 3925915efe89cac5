"""Where everything in a drawn scene stands: kinds, colours, sizes, places, and exact visible boxes.

Outlines are painted into an index mask at twice the picture's resolution (`FINE`), the same polygons `drawing` paints
colour into, so boxes and visibility are counted and not estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, radians, sin, sqrt
from random import Random
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes.scene import Box, Scene, SceneOptions, Thing
from grounding.data.scenes.things import Points, Shape, names_of, shape_of

cv2.setNumThreads(1)  # pictures are small, and workers run side by side

FINE = 2  # sub-pixels a pixel: boxes are exact to half a pixel, and halving the picture smooths its edges
FIXED_BITS = 4  # cv2 takes corners in sixteenths

# Longer side of a thing over sqrt(width * height); gaps between the classes keep the word certain.
SIZES: dict[str, tuple[float, float]] = {"small": (0.095, 0.14), "medium": (0.19, 0.25), "large": (0.33, 0.42)}

# A model that squashes pictures to a square sees a circle of a 3:2 picture as an oval: beyond this ratio of the sides,
# kinds that differ in proportions alone are not drawn.
SQUASH_SAFE_ASPECT = 1.25
PROPORTION_KINDS = ("circle", "oval", "square", "rectangle")

Contours = tuple[NDArray[np.int32], ...]
T = TypeVar("T")


class Chance:
    """Random draws that cost little and stay the same in every Python version (only `random()` promises that)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.random = Random(int(rng.integers(1 << 62))).random

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.random()

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[int(self.random() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different ones of `items`, or all when there are fewer."""
        left = list(items)
        return [left.pop(int(self.random() * len(left))) for _ in range(min(count, len(left)))]

    def weighted(self, items: Sequence[tuple[T, float]]) -> T:
        """One item by weight."""
        at = self.random() * sum(weight for _, weight in items)
        for item, weight in items:
            at -= weight
            if at < 0:
                return item
        return items[-1][0]


@dataclass(frozen=True)
class _Look:
    """What a thing looks like, before it has a place."""

    kind: str
    name: str
    color: str | None
    fill: str
    size: str
    sprite: int | None = None


def unit_shape(name: str, sprite: int | None, options: SceneOptions) -> Shape:
    """The shape of a thing, drawn or cut out."""
    if sprite is None:
        return shape_of(name)
    if options.sprites is None:
        raise ValueError(f"{name!r} is a sprite, and these options hold no SpriteSet")
    return options.sprites.shape(sprite)


def turned(points: Points, thing: Thing, shape: Shape) -> Points:
    """Unit points scaled, mirrored and turned as `thing` is, round the origin."""
    sx = thing.drawn_size[0] / shape.width
    sy = thing.drawn_size[1] / shape.height
    if thing.flipped:
        sx = -sx
    angle = radians(thing.rotation)
    c, s = cos(angle), sin(angle)
    return points @ np.array([[c * sx, s * sx], [-s * sy, c * sy]])


def to_fixed(points: Points) -> NDArray[np.int32]:
    """Pixels of the picture (edges at whole numbers) to cv2's fixed point at `FINE` (centres at whole numbers)."""
    scale = FINE * (1 << FIXED_BITS)
    return np.rint(points * scale - (1 << FIXED_BITS) / 2).astype(np.int32)


def offset_of(thing: Thing, shape: Shape) -> Points:
    """What moves turned points into the picture, so that the middle of their extent lies on `thing.center`."""
    outline = turned(shape.contours[0], thing, shape)
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return np.array(thing.center) - middle


# ---------------------------------------------------------------------------------------------------- what to draw


class _Looks:
    """Chooses what a scene's things look like."""

    def __init__(self, chance: Chance, options: SceneOptions, count: int) -> None:
        self.chance, self.options, self.count = chance, options, count
        crowded = count > 7
        self.sizes = (("small", 0.5), ("medium", 0.42), ("large", 0.08 if crowded else 0.25))
        self.fills: Sequence[str] = options.fills if chance.random() < 0.55 else ("solid",)
        self.sprites = options.sprites is not None and chance.random() < options.sprite_share * 1.5
        self.only_sprites = self.sprites and chance.random() < 0.33

    def all(self) -> list[_Look]:
        chance, options = self.chance, self.options
        first = self.first()
        looks = [first]
        style = chance.random()
        if style < options.distractors:
            one_size, one_fill = chance.random() < 0.4, chance.random() < 0.6
            if style < options.distractors / 2:  # a few kinds crossed with a few colours
                kinds = [first.kind, *chance.some([k for k in options.kinds if k != first.kind], chance.whole(1, 2))]
                others = [c for c in options.colors if c != first.color]
                colors = [c for c in (first.color, *chance.some(others, chance.whole(1, 2))) if c]
                while len(looks) < self.count:
                    looks.append(self.drawn(chance.pick(kinds), colors, first, one_size, one_fill))
            else:  # each differs from an earlier one in one attribute
                while len(looks) < self.count:
                    looks.append(self.near(chance.pick(looks)))
        else:
            kinds = chance.some(options.kinds, 1 if chance.random() < 0.12 else chance.whole(2, 8))
            colors = chance.some(options.colors, chance.whole(1, 8))
            while len(looks) < self.count:
                looks.append(self.any(kinds, colors))
        return looks

    def first(self) -> _Look:
        chance, options = self.chance, self.options
        if options.only_pairs:
            color, kind = chance.pick(sorted(options.only_pairs))
            return self.with_fill(_Look(kind, chance.pick(names_of(kind)), color, "solid", self.size_for(kind)))
        return self.any(options.kinds, options.colors)

    def any(self, kinds: Sequence[str], colors: Sequence[str]) -> _Look:
        if self.only_sprites or (self.sprites and self.chance.random() < 0.5):
            return self.sprite()
        return self.drawn(self.chance.pick(kinds), colors)

    def sprite(self) -> _Look:
        sprites = self.options.sprites
        assert sprites is not None
        number = sprites.pick(self.chance.random())
        return _Look("sprite", sprites.name(number), None, "solid", self.chance.weighted(self.sizes), number)

    def drawn(
        self, kind: str, colors: Sequence[str], like: _Look | None = None, size: bool = False, fill: bool = False
    ) -> _Look:
        """A thing of one kind in one of `colors`; with the size or the fill of `like` where asked."""
        if kind == "sprite":
            return self.sprite()
        name = like.name if like is not None and like.kind == kind else self.chance.pick(names_of(kind))
        forbidden = self.options.forbidden_pairs
        allowed = [c for c in colors if (c, kind) not in forbidden]
        if not allowed:
            allowed = [c for c in self.options.colors if (c, kind) not in forbidden]
        tiny = shape_of(name).kind.tiny
        chosen = like.size if like is not None and size and (tiny or like.size != "small") else self.size_for(kind)
        look = _Look(kind, name, self.chance.pick(allowed), "solid", chosen)
        if like is not None and fill:
            return replace(look, fill=like.fill) if like.fill in shape_of(name).kind.fills else look
        return self.with_fill(look)

    def near(self, other: _Look) -> _Look:
        """A look-alike of `other`: one attribute changed, or none."""
        chance, options = self.chance, self.options
        if other.kind == "sprite":
            return replace(other, size=chance.weighted(self.sizes)) if chance.random() < 0.4 else self.sprite()
        what = chance.random()
        if what < 0.34 and len(options.colors) > 1:
            return self.drawn(other.kind, [c for c in options.colors if c != other.color], other, True, True)
        if what < 0.68 and len(options.kinds) > 1:
            kind = chance.pick(options.kinds)
            while kind == other.kind:
                kind = chance.pick(options.kinds)
            return self.drawn(kind, [other.color or options.colors[0]], other, True, True)
        if what < 0.84:
            sizes = [s for s in SIZES if s != other.size and (s != "small" or shape_of(other.name).kind.tiny)]
            return replace(other, size=chance.pick(sizes))
        if what < 0.94:
            fills = [f for f in options.fills if f != other.fill and f in shape_of(other.name).kind.fills]
            return replace(other, fill=chance.pick(fills)) if fills else other
        return other

    def size_for(self, kind: str) -> str:
        size = self.chance.weighted(self.sizes)
        if size == "small" and not shape_of(names_of(kind)[0]).kind.tiny:
            return "medium"
        return size

    def with_fill(self, look: _Look) -> _Look:
        fits = [f for f in self.fills if f in shape_of(look.name).kind.fills]
        if len(fits) < 2 or self.chance.random() < 0.4:
            return look
        return replace(look, fill=self.chance.pick(fits))


# ---------------------------------------------------------------------------------------------------- where it stands


@dataclass
class _Slot:
    """Where one thing may go: a range of centres, the most it may extend, and its row."""

    x: tuple[float, float]
    y: tuple[float, float]
    room: float
    row: int | None = None


def make_scene(rng: np.random.Generator, options: SceneOptions) -> Scene:
    """A scene laid out and measured, not yet painted. It holds at least one thing."""
    chance = Chance(rng)
    while True:
        scene = _attempt(chance, options)
        if scene.things:
            return scene


def _attempt(chance: Chance, options: SceneOptions) -> Scene:
    """A scene, empty where nothing found its place."""
    width, height = _canvas(chance, options)
    if max(width, height) > SQUASH_SAFE_ASPECT * min(width, height):
        options = _without_proportions(options)
    layout = chance.weighted(options.layouts)
    background = chance.pick(options.backgrounds)
    low, high = options.things
    if layout in ("rows", "line"):
        slots = _row_slots(chance, width, height, options) if layout == "rows" else _line_slots(chance, width, height)
        count = min(len(slots), high)
        slots = slots[:count]
    else:
        # Fewer things are more common than many: the mean of two draws leans to the middle, their minimum lower.
        count = (
            min(chance.whole(low, high), chance.whole(low, high)) if chance.random() < 0.5 else chance.whole(low, high)
        )
        slots = _free_slots(chance, width, height, count, layout)
    looks = _Looks(chance, options, count).all()
    covered = 0.35 if layout in ("scatter", "cluster") and chance.random() < options.overlap else 0.0
    things: list[Thing] = []
    outlines: list[Contours] = []
    for look, slot in zip(looks, slots, strict=True):
        placed = _place(chance, look, slot, things, width, height, covered, options)
        if placed is not None:
            things.append(placed[0])
            outlines.append(placed[1])
    while True:
        measured, hidden = measure(things, outlines, width, height, options.min_visibility)
        if hidden is None:
            return Scene(width, height, measured, background, layout)
        del things[hidden], outlines[hidden]


def _canvas(chance: Chance, options: SceneOptions) -> tuple[int, int]:
    if options.size is not None:
        return options.size, options.size
    low, high = options.sides
    longer = chance.whole(low, high)
    if chance.random() < 0.3:
        return longer, longer
    shorter = chance.whole(max(low, int(longer / options.max_aspect + 0.5)), longer)
    return (longer, shorter) if chance.random() < 0.6 else (shorter, longer)


def _free_slots(chance: Chance, width: int, height: int, count: int, layout: str) -> list[_Slot]:
    room = float(min(width, height))
    if layout == "cluster":
        spread = chance.between(0.24, 0.36)
        cx, cy = (chance.between(spread, 1 - spread) * side for side in (width, height))
        dx, dy = spread * width, spread * height
        return [_Slot((cx - dx, cx + dx), (cy - dy, cy + dy), room) for _ in range(count)]
    return [_Slot((0.0, float(width)), (0.0, float(height)), room) for _ in range(count)]


def _row_slots(chance: Chance, width: int, height: int, options: SceneOptions) -> list[_Slot]:
    rows = chance.whole(2, 3)
    most = max(2, min(5, options.things[1] // rows))
    counts = [chance.whole(2, most) for _ in range(rows)]
    tall = height / rows
    slots: list[_Slot] = []
    for row, count in enumerate(counts):
        wide = width / count
        room = min(wide, tall) * 0.9
        y = tall * (row + 0.5)
        for column in range(count):
            x = wide * (column + 0.5)
            slots.append(_Slot((x - wide * 0.06, x + wide * 0.06), (y - tall * 0.04, y + tall * 0.04), room, row))
    return slots


def _line_slots(chance: Chance, width: int, height: int) -> list[_Slot]:
    across = chance.random() < 0.7
    long, short = (width, height) if across else (height, width)
    count = chance.whole(3, 7)
    step = long / count
    level = chance.between(0.3, 0.7) * short
    room = min(step * 0.92, short * 0.55)
    slots = []
    for i in range(count):
        at = step * (i + 0.5)
        along, beside = (at - step * 0.05, at + step * 0.05), (level - step * 0.08, level + step * 0.08)
        slots.append(_Slot(along, beside, room) if across else _Slot(beside, along, room))
    return slots


def _place(
    chance: Chance,
    look: _Look,
    slot: _Slot,
    others: list[Thing],
    width: int,
    height: int,
    covered: float,
    options: SceneOptions,
) -> tuple[Thing, Contours] | None:
    """A thing in a free spot, with its outline at `FINE`; smaller where there is no room; None where there is none."""
    shape = unit_shape(look.name, look.sprite, options)
    kind = shape.kind
    classes = list(SIZES)
    unit = sqrt(width * height)
    for size in reversed(classes[: classes.index(look.size) + 1]):
        if size == "small" and not kind.tiny:
            break
        low, high = SIZES[size]
        if low * unit > slot.room:
            continue
        extent = chance.between(low, min(high, slot.room / unit)) * unit
        stretch = 1 - kind.stretch * chance.random() if kind.stretch else 1.0
        rotation = chance.between(-kind.turn, kind.turn) if chance.random() < 0.6 else 0.0
        flipped = kind.flips and chance.random() < 0.5
        drawn = (extent * shape.width, extent * shape.height * stretch)
        thing = Thing(
            len(others), look.kind, look.name, look.color, look.fill, size, (0, 0, 0, 0), (0, 0, 0, 0), 1.0, (),
            (0, 0), slot.row, look.sprite is not None, rotation, drawn, flipped, look.sprite,
        )  # fmt: skip
        points = [turned(c, thing, shape) for c in shape.contours]
        lowest, highest = points[0].min(axis=0), points[0].max(axis=0)
        half_x, half_y = ((highest - lowest) / 2).tolist()
        left, right = max(slot.x[0], half_x + 1), min(slot.x[1], width - half_x - 1)
        top, bottom = max(slot.y[0], half_y + 1), min(slot.y[1], height - half_y - 1)
        if slot.row is not None or slot.room < min(width, height):  # a tight slot: as near to its middle as fits
            left, right = (left, right) if left <= right else ((left + right) / 2,) * 2
            top, bottom = (top, bottom) if top <= bottom else ((top + bottom) / 2,) * 2
            if left < half_x or right > width - half_x or top < half_y or bottom > height - half_y:
                continue
        if left > right or top > bottom:
            continue
        for _ in range(24):
            x, y = chance.between(left, right), chance.between(top, bottom)
            if _free((x - half_x, y - half_y, x + half_x, y + half_y), others, covered):
                moved = np.array((x, y)) - (lowest + highest) / 2
                box = (x - half_x, y - half_y, x + half_x, y + half_y)
                seam = shape.outline if len(shape.contours) > 1 else None
                whole = points[0] if seam is None else turned(seam, thing, shape)
                polygon = tuple(map(tuple, (whole + moved).tolist()))
                done = replace(thing, full_box=box, box=box, center=(x, y), polygon=polygon)
                return done, tuple(to_fixed(p + moved) for p in points)
    return None


def _free(box: Box, others: list[Thing], covered: float) -> bool:
    x1, y1, x2, y2 = box
    gap = 0.0 if covered else 3.0
    for other in others:
        a1, b1, a2, b2 = other.full_box
        w = min(x2, a2) - max(x1, a1) + gap
        h = min(y2, b2) - max(y1, b1) + gap
        if w > 0 and h > 0:
            if not covered:
                return False
            smaller = min((x2 - x1) * (y2 - y1), (a2 - a1) * (b2 - b1))
            if w * h > covered * smaller:
                return False
    return True


@lru_cache(maxsize=16)
def _without_proportions(options: SceneOptions) -> SceneOptions:
    """`options` without the kinds told apart by proportions alone, where that leaves any."""
    kinds = tuple(k for k in options.kinds if k not in PROPORTION_KINDS)
    pairs = frozenset((c, k) for c, k in options.only_pairs if k not in PROPORTION_KINDS)
    return replace(options, kinds=kinds or options.kinds, only_pairs=pairs or options.only_pairs)


# ---------------------------------------------------------------------------------------------------- what is visible


def index_mask(outlines: Sequence[Contours], width: int, height: int) -> NDArray[np.uint8]:
    """Which thing is seen where, at `FINE`: 0 for the background, else its index plus 1."""
    mask = np.zeros((height * FINE, width * FINE), np.uint8)
    for i, contours in enumerate(outlines):
        cv2.fillPoly(mask, contours, i + 1, shift=FIXED_BITS)
    return mask


def measure(
    things: list[Thing], outlines: list[Contours], width: int, height: int, least: float
) -> tuple[tuple[Thing, ...], int | None]:
    """The things with exact boxes and visibility; and which to take away so that none is hidden under `least`."""
    mask = np.zeros((height * FINE, width * FINE), np.uint8)
    whole: list[tuple[Box, int]] = []
    for i, contours in enumerate(outlines):
        cv2.fillPoly(mask, contours, i + 1, shift=FIXED_BITS)
        whole.append(_seen(mask, i, things[i].full_box))
    done: list[Thing] = []
    for i, thing in enumerate(things):
        full, area = whole[i]
        later = [j for j in range(i + 1, len(things)) if _touch(full, whole[j][0])]
        visible, left = _seen(mask, i, full) if later else (full, area)
        share = left / area if area else 0.0
        if share < least:
            return (), later[-1] if later else i
        center = ((full[0] + full[2]) / 2, (full[1] + full[3]) / 2)
        done.append(replace(thing, index=i, box=visible, full_box=full, visibility=share, center=center))
    return tuple(done), None


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _seen(mask: NDArray[np.uint8], index: int, near: Box) -> tuple[Box, int]:
    """The extent and the number of sub-pixels of one thing in the index mask; it lies within `near` or next to it."""
    left, top = max(int(near[0] * FINE) - 2, 0), max(int(near[1] * FINE) - 2, 0)
    part = mask[top : int(near[3] * FINE) + 4, left : int(near[2] * FINE) + 4]
    mine = cv2.compare(part, float(index + 1), cv2.CMP_EQ)
    x, y, w, h = cv2.boundingRect(mine)
    box = ((left + x) / FINE, (top + y) / FINE, (left + x + w) / FINE, (top + y + h) / FINE)
    return box, cv2.countNonZero(mine)
