"""Where everything in a drawn scene stands: kinds, colours, sizes, places, and exact visible boxes.

Outlines are painted into an index mask at twice the picture's resolution (`FINE`), the same polygons `drawing` paints
colour into, so boxes and visibility are counted and not estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, radians, sin, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes.curves import Points
from grounding.data.scenes.looks import SIZES, Chance, Look, Looks, sprites_of
from grounding.data.scenes.scene import Box, Point, Scene, SceneOptions, Thing
from grounding.data.scenes.sprites import FINE, TURN, Stamp
from grounding.data.scenes.things import Kind, Shape, shape_of

cv2.setNumThreads(1)  # pictures are small, and workers run side by side

FIXED_BITS = 4  # cv2 takes corners in sixteenths

# A model that squashes pictures to a square sees a circle of a 3:2 picture as an oval: beyond this ratio of the sides,
# kinds that differ in proportions alone are not drawn.
SQUASH_SAFE_ASPECT = 1.25
PROPORTION_KINDS = ("circle", "oval", "square", "rectangle")

Contours = tuple[NDArray[np.int32], ...]
Outline = Contours | Stamp  # what covers the index mask: polygons of a drawn thing, or the alpha of a sprite


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
    outline = turned(shape.extremes, thing, shape)
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return np.array(thing.center) - middle


# ---------------------------------------------------------------------------------------------------- where it stands


@dataclass
class _Slot:
    """Where one thing may go: a range of centres, the most it may extend, and its row."""

    x: tuple[float, float]
    y: tuple[float, float]
    room: float
    row: int | None = None
    tight: bool = False


def make_scene(rng: np.random.Generator, options: SceneOptions) -> Scene:
    """A scene laid out and measured, not yet painted. It holds at least one thing."""
    chance = Chance(rng)
    while True:
        scene = _attempt(chance, options)
        if _holds(scene, options):
            return scene


def _holds(scene: Scene, options: SceneOptions) -> bool:
    """Whether a scene has what it must have."""
    if not options.only_pairs:
        return bool(scene.things)
    return any((t.color, t.kind) in options.only_pairs for t in scene.things)


def _attempt(chance: Chance, options: SceneOptions) -> Scene:
    """A scene, empty where nothing found its place."""
    width, height = _canvas(chance, options)
    if max(width, height) > SQUASH_SAFE_ASPECT * min(width, height):
        options = _without_proportions(options)
    layout = chance.weighted(options.layouts)
    background = chance.pick(options.backgrounds)
    low, high = options.things
    if high < 3 and layout in ("rows", "line"):
        layout = "scatter"
    if layout in ("rows", "line"):
        slots = _row_slots(chance, width, height, options) if layout == "rows" else _line_slots(chance, width, height)
        count = min(len(slots), high)
        slots = chance.some(slots, count)  # in any order: what is chosen first should not always stand first
    else:
        # Fewer things are more common than many: the mean of two draws leans to the middle, their minimum lower.
        count = (
            min(chance.whole(low, high), chance.whole(low, high)) if chance.random() < 0.5 else chance.whole(low, high)
        )
        slots = _free_slots(chance, width, height, count, layout)
    looks = Looks(chance, options, count).all()
    covered = 0.35 if layout in ("scatter", "cluster") and chance.random() < options.overlap else 0.0
    things: list[Thing] = []
    outlines: list[Outline] = []
    for look, slot in zip(looks, slots, strict=True):
        placed = _place(chance, look, slot, things, width, height, covered, options)
        if placed is not None:
            outline, polygon = _outlined(placed, options)
            things.append(replace(placed, polygon=polygon))
            outlines.append(outline)
    while True:
        measured, hidden = measure(things, outlines, width, height, options.min_visibility)
        if hidden is None:
            return Scene(width, height, _rows_renumbered(measured), background, layout)
        del things[hidden], outlines[hidden]


def _rows_renumbered(things: tuple[Thing, ...]) -> tuple[Thing, ...]:
    """Rows counted from the top among those that hold anything."""
    rows = sorted({t.row for t in things if t.row is not None})
    if rows == list(range(len(rows))):
        return things
    return tuple(replace(t, row=rows.index(t.row) if t.row is not None else None) for t in things)


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
            slots.append(_Slot((x - wide * 0.06, x + wide * 0.06), (y - tall * 0.04, y + tall * 0.04), room, row, True))
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
        slots.append(_Slot(along, beside, room, None, True) if across else _Slot(beside, along, room, None, True))
    return slots


def _place(
    chance: Chance,
    look: Look,
    slot: _Slot,
    others: list[Thing],
    width: int,
    height: int,
    covered: float,
    options: SceneOptions,
) -> Thing | None:
    """A thing in a free spot, smaller where there is no room; None where there is none."""
    sprite = sprites_of(options).proportions(look.sprite) if look.sprite is not None else None
    kind = shape_of(look.name).kind if sprite is None else Kind(look.name, (), turn=TURN)
    wide, tall = sprite or (shape_of(look.name).width, shape_of(look.name).height)
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
        fill = "solid" if look.fill == "checked" and size == "small" else look.fill  # small checks look like dots
        thing = Thing(
            len(others), look.kind, look.name, look.color, fill, size, (0, 0, 0, 0), (0, 0, 0, 0), 1.0, (),
            (0, 0), slot.row, sprite is not None, rotation, (extent * wide, extent * tall * stretch), flipped,
            look.sprite,
        )  # fmt: skip
        half_x, half_y = _half_extent(thing, options)
        left, right = max(slot.x[0], half_x + 1), min(slot.x[1], width - half_x - 1)
        top, bottom = max(slot.y[0], half_y + 1), min(slot.y[1], height - half_y - 1)
        if slot.tight:  # as near to its middle as fits
            left, right = (left, right) if left <= right else ((left + right) / 2,) * 2
            top, bottom = (top, bottom) if top <= bottom else ((top + bottom) / 2,) * 2
            if left < half_x or right > width - half_x or top < half_y or bottom > height - half_y:
                continue
        if left > right or top > bottom:
            continue
        for _ in range(24):
            x, y = chance.between(left, right), chance.between(top, bottom)
            spot = (x - half_x, y - half_y, x + half_x, y + half_y)
            if _free(spot, others, covered):
                return replace(thing, full_box=spot, box=spot, center=(x, y))
    return None


def _half_extent(thing: Thing, options: SceneOptions) -> tuple[float, float]:
    if thing.sprite is not None:
        cut = sprites_of(options).stamp(thing).cut
        return cut.width / (2 * FINE), cut.height / (2 * FINE)
    shape = shape_of(thing.name)
    points = turned(shape.extremes, thing, shape)
    half_x, half_y = ((points.max(axis=0) - points.min(axis=0)) / 2).tolist()
    return half_x, half_y


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


def cover(mask: NDArray[np.uint8], outline: Outline, value: int) -> None:
    """Write `value` into the index mask wherever a thing is."""
    if isinstance(outline, Stamp):
        outline.cover(mask, value)
    else:
        cv2.fillPoly(mask, outline, value, shift=FIXED_BITS)


def _outlined(thing: Thing, options: SceneOptions) -> tuple[Outline, tuple[Point, ...]]:
    """What a thing covers at `FINE`, and its outline in pixels."""
    if thing.sprite is not None:
        stamp = sprites_of(options).stamp(thing)
        return stamp, tuple((x, y) for x, y in stamp.outline().tolist())
    shape = shape_of(thing.name)
    offset = offset_of(thing, shape)
    points = [turned(c, thing, shape) + offset for c in shape.contours]
    whole = points[0] if len(points) == 1 else turned(shape.outline, thing, shape) + offset
    return tuple(to_fixed(p) for p in points), tuple((x, y) for x, y in whole.tolist())


def index_mask(scene: Scene, options: SceneOptions) -> NDArray[np.uint8]:
    """Which thing is seen where, at `FINE` times the picture's resolution: 0 for the background, else index plus 1."""
    mask = np.zeros((scene.height * FINE, scene.width * FINE), np.uint8)
    for i, thing in enumerate(scene.things):
        cover(mask, _outlined(thing, options)[0], i + 1)
    return mask


def measure(
    things: list[Thing], outlines: list[Outline], width: int, height: int, least: float
) -> tuple[tuple[Thing, ...], int | None]:
    """The things with exact boxes and visibility; and which to take away so that none is hidden under `least`."""
    mask = np.zeros((height * FINE, width * FINE), np.uint8)
    whole: list[tuple[Box, int]] = []
    for i, outline in enumerate(outlines):
        cover(mask, outline, i + 1)
        whole.append(_seen(mask, i, things[i].full_box))
    done: list[Thing] = []
    for i, thing in enumerate(things):
        full, area = whole[i]
        later = [j for j in range(i + 1, len(things)) if _touch(full, whole[j][0])]
        visible, left = _seen(mask, i, full) if later else (full, area)
        share = left / area if area else 0.0
        if share < least:
            return (), later[-1] if later else i
        done.append(replace(thing, index=i, box=visible, full_box=full, visibility=share))
    return tuple(done), None


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _seen(mask: NDArray[np.uint8], index: int, near: Box) -> tuple[Box, int]:
    """The extent and the number of sub-pixels of one thing in the index mask; it lies within `near` or next to it."""
    left, top = max(int(near[0] * FINE) - 2, 0), max(int(near[1] * FINE) - 2, 0)
    part = mask[top : int(near[3] * FINE) + 4, left : int(near[2] * FINE) + 4]
    mine = cv2.inRange(part, index + 1, index + 1)
    x, y, w, h = cv2.boundingRect(mine)
    box = ((left + x) / FINE, (top + y) / FINE, (left + x + w) / FINE, (top + y + h) / FINE)
    return box, cv2.countNonZero(mine)
