"""From a box or a point to a name, and from a name to an outline."""

from random import Random

import cv2
import numpy as np

from grounding.data.scenes.facts import Facts, indices
from grounding.data.scenes.phrases import Draft, Polygon, shuffled
from grounding.data.scenes.wording import canonical, maybe_the, noun

Box = tuple[float, float, float, float]
Point = tuple[float, float]


def name_of(facts: Facts, i: int) -> str:
    """The canonical full name of one thing: "small striped red star", "large pizza"."""
    thing = facts.things[i]
    if thing.is_sprite:
        return canonical(thing.size, None, None, facts.heads[i][0])
    return canonical(thing.size, thing.fill, thing.color, facts.heads[i][0])


def clear_view(facts: Facts, rng: Random) -> int | None:
    """A thing seen well enough for its full name to be certain, and whose box is not nearly another one's."""
    things = facts.things
    candidates = [i for i in indices(facts.focus) if things[i].visibility >= 0.75]
    for i in shuffled(candidates, rng)[:4]:
        if all(k == i or _overlap(things[i].box, things[k].box) < 0.5 for k in range(facts.count)):
            return i
    return None


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    total = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return shared / total


def describe_box(facts: Facts, rng: Random) -> Draft | None:
    """What stands in this box: the full name."""
    i = clear_view(facts, rng)
    if i is None:
        return None
    return Draft("describe", "", (i,), detail="box", text=name_of(facts, i), box=facts.things[i].box)


def inside(point: Point, polygon: tuple[Point, ...]) -> bool:
    """Whether a point lies inside a polygon, even-odd; holes joined to the outline by seams count as outside."""
    x, y = point
    within = False
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            within = not within
        x1, y1 = x2, y2
    return within


def visible_point(facts: Facts, i: int, rng: Random) -> Point | None:
    """A point on thing `i`, with a little of it all round, and not hidden: nothing drawn later is there."""
    thing = facts.things[i]
    x1, y1, x2, y2 = thing.box
    room = max(1.0, 0.01 * min(facts.width, facts.height))
    later = [
        other
        for other in facts.things[i + 1 :]
        if other.full_box[0] < x2 and other.full_box[2] > x1 and other.full_box[1] < y2 and other.full_box[3] > y1
    ]
    for _ in range(8):
        point = (x1 + (x2 - x1) * (0.1 + 0.8 * rng.random()), y1 + (y2 - y1) * (0.1 + 0.8 * rng.random()))
        x, y = point
        spots = (point, (x - room, y), (x + room, y), (x, y - room), (x, y + room))
        if all(inside(spot, thing.polygon) for spot in spots) and not any(
            other.full_box[0] - room <= x <= other.full_box[2] + room
            and other.full_box[1] - room <= y <= other.full_box[3] + room
            and any(inside(spot, other.polygon) for spot in spots)
            for other in later
        ):
            return point
    return None


def describe_point(facts: Facts, rng: Random) -> Draft | None:
    """What is at this point: its box and its full name."""
    i = clear_view(facts, rng)
    if i is None:
        return None
    point = visible_point(facts, i, rng)
    if point is None:
        return None
    name = name_of(facts, i)
    return Draft("describe", "", (i,), detail="point", labels=(name,), point=point)


def signed_area(polygon: Polygon) -> float:
    """Area by the shoelace formula, positive when the corners run clockwise on the screen."""
    total = 0.0
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        total += x1 * y2 - x2 * y1
        x1, y1 = x2, y2
    return total / 2


def short_outline(polygon: tuple[Point, ...], most: int = 12) -> Polygon | None:
    """At most `most` corners, clockwise from the topmost; None where that would not look like the shape any more."""
    whole = abs(signed_area(polygon))
    if whole < 1.0:
        return None
    side = whole**0.5
    corners = np.array(polygon, dtype=np.float32)
    for share in (0.01, 0.02, 0.03, 0.045, 0.06):
        short: Polygon = tuple(map(tuple, cv2.approxPolyDP(corners, share * side, True)[:, 0].tolist()))
        if len(short) <= most:
            if len(short) < 3 or abs(abs(signed_area(short)) - whole) > 0.1 * whole:
                return None
            if signed_area(short) < 0:
                short = short[::-1]
            start = min(range(len(short)), key=lambda k: (short[k][1], short[k][0]))
            return short[start:] + short[:start]
    return None


def segment(facts: Facts, rng: Random) -> Draft | None:
    """The outline of one thing that nothing hides."""
    things = facts.things
    for i in shuffled(
        [i for i in indices(facts.focus) if things[i].visibility > 0.995 and not things[i].is_sprite], rng
    )[:3]:
        description = facts.unique(i, rng)
        if description is None:
            continue
        outline = short_outline(things[i].polygon)
        if outline is not None:
            phrase = maybe_the(noun(description, rng, shapes=facts.shapes), rng)
            return Draft("segment", phrase, (i,), detail="one", polygons=(outline,))
    return None
