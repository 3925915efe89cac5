"""Spatial relations in minimal pairs: two look-alikes in one picture, asked for in turn by where they stand."""

from __future__ import annotations

from grounding.data.probing.stage import (
    COLORS,
    KINDS,
    SIZE,
    Asked,
    Plan,
    chance_of,
    covered,
    inside,
    painter,
    put,
    settled,
    upright,
)
from grounding.data.scenes.looks import Chance
from grounding.data.scenes.scene import Point, Thing

RELATIONS = ("left or right", "above or below", "between", "inside or outside")
ASKED = 2
_LEAST_GAP = 12.0
"""Pixels between things that are asked about, so that no relation is doubtful."""


def plan(seed: int) -> Plan:
    """The picture of a seed; four seeds in a row go through the relations. Who ignores them is right half the time."""
    relation = RELATIONS[seed % len(RELATIONS)]
    chance = chance_of(seed)
    while True:
        made = _PLACED[relation](chance)
        if made is None:
            continue
        first, second, anchors, phrases = made
        things = [*anchors, first, second]
        if not all(map(inside, things)):
            continue
        things += _bystanders(chance, things)
        found = settled(things, least=0.5)
        if len(found) == len(things):
            break
    place = len(anchors)
    pair = {"pair": f"spatial-{seed}", "relation": relation}
    asked = tuple(Asked(phrase, (found[place + n].box,), relation, pair) for n, phrase in enumerate(phrases))
    return Plan(asked, painter(found, seed))


_Placed = tuple[Thing, Thing, list[Thing], tuple[str, str]]


def _beside(chance: Chance) -> _Placed | None:
    return _on_both_sides(chance, True, ("to the left of", "to the right of"))


def _above(chance: Chance) -> _Placed | None:
    return _on_both_sides(chance, False, ("above", "below"))


def _on_both_sides(chance: Chance, across: bool, words: tuple[str, str]) -> _Placed | None:
    """An anchor with a look-alike on either side, as far from it as may be, and somewhat off the line."""
    (twin, anchor), (of_twin, of_anchor) = chance.some(KINDS, 2), chance.some(COLORS, 2)
    long, wide = SIZE if across else SIZE[::-1]
    middle = chance.between(0.36, 0.64) * long
    level = chance.between(0.3, 0.7) * wide

    def at(along: float, off: float) -> Point:
        return (along, level + off) if across else (level + off, along)

    reference = put(anchor, of_anchor, at(middle, 0.0), chance.between(60, 95), rotation=upright(anchor, chance))
    extent = chance.between(50, 85)
    twins = [
        put(twin, of_twin, at(middle + sign * distance, chance.between(-35, 35)), extent)
        for sign, distance in ((-1, chance.between(110, 200)), (1, chance.between(110, 200)))
    ]
    if any(covered(reference, other, 2 * _LEAST_GAP) for other in twins):
        return None
    name, whom = f"the {of_twin} {twin}", f"the {of_anchor} {anchor}"
    return twins[0], twins[1], [reference], (f"{name} {words[0]} {whom}", f"{name} {words[1]} {whom}")


def _between(chance: Chance) -> _Placed | None:
    """Three anchors in a row or a column, and a look-alike in each of the two gaps."""
    (twin, *kinds), (of_twin, *colors) = chance.some(KINDS, 4), chance.some(COLORS, 4)
    across = chance.random() < 0.6
    long, wide = SIZE if across else SIZE[::-1]
    level = chance.between(0.3, 0.7) * wide
    step = long / 5
    extent = chance.between(0.4, 0.56) * step * (1.0 if across else 1.2)
    places = [step * (n + 0.5) + chance.between(-0.08, 0.08) * step for n in range(5)]
    offs = [chance.between(-20, 20) for _ in range(5)]
    spots = [(place, level + off) if across else (level + off, place) for place, off in zip(places, offs, strict=True)]
    anchors = [
        put(kind, color, spots[2 * n], extent) for n, (kind, color) in enumerate(zip(kinds, colors, strict=True))
    ]
    first, second = (put(twin, of_twin, spots[n], extent) for n in (1, 3))
    row = [anchors[0], first, anchors[1], second, anchors[2]]
    if any(covered(one, other, 6.0) for n, one in enumerate(row) for other in row[:n]):
        return None
    named = [f"the {color} {kind}" for kind, color in zip(kinds, colors, strict=True)]
    name = f"the {of_twin} {twin}"
    return (
        first,
        second,
        anchors,
        (f"{name} between {named[0]} and {named[1]}", f"{name} between {named[1]} and {named[2]}"),
    )


def _within(chance: Chance) -> _Placed | None:
    """A large outlined square, a look-alike in it and one outside of it."""
    twin, (of_twin, of_frame) = chance.pick(KINDS), chance.some(COLORS, 2)
    side = chance.between(190, 260)
    frame = put("square", of_frame, (chance.between(140, 500), chance.between(135, 345)), side, fill="outlined")
    left, top, right, bottom = frame.full_box
    extent = chance.between(45, 75)
    room = side * 0.07 + extent / 2 + _LEAST_GAP  # the line's width, and some air
    middle = (chance.between(left + room, right - room), chance.between(top + room, bottom - room))
    there = (chance.between(40, SIZE[0] - 40), chance.between(40, SIZE[1] - 40))
    first, second = (put(twin, of_twin, spot, extent) for spot in (middle, there))
    if covered(second, frame, 2 * _LEAST_GAP):
        return None
    name, whom = f"the {of_twin} {twin}", f"the {of_frame} square"
    return first, second, [frame], (f"{name} inside {whom}", f"{name} outside {whom}")


_PLACED = dict(zip(RELATIONS, (_beside, _above, _between, _within), strict=True))


def _bystanders(chance: Chance, things: list[Thing]) -> list[Thing]:
    """Up to four things of other kinds and colours where there is room: none of them is spoken of."""
    kinds = [kind for kind in KINDS if kind not in {thing.kind for thing in things}]
    colors = [color for color in COLORS if color not in {thing.color for thing in things}]
    added: list[Thing] = []
    for _ in range(chance.whole(0, 4)):
        spot = (chance.between(30, SIZE[0] - 30), chance.between(30, SIZE[1] - 30))
        one = put(chance.pick(kinds), chance.pick(colors), spot, chance.between(40, 70))
        if inside(one) and not any(covered(one, other, 10.0) for other in (*things, *added)):
            added.append(one)
    return added
