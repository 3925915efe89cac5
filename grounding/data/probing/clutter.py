"""Counting in clutter: 2 to 40 things among as many that share their colour or their kind, apart or overlapping."""

from __future__ import annotations

from math import sqrt

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
from grounding.data.scenes.scene import Thing
from grounding.data.scenes.wording import plural

HOW_MANY = ((2, 5), (6, 10), (11, 20), (21, 40))
HOW_DENSE = ("apart", "overlapping")
MOST_COVERED = 0.35
"""Share of the smaller of two extents that overlapping things may share; each keeps 0.6 of itself in sight."""
ASKED = 1


def plan(seed: int) -> Plan:
    """The picture of a seed; eight seeds in a row go through every number and density."""
    low, high = HOW_MANY[seed % len(HOW_MANY)]
    dense = HOW_DENSE[seed // len(HOW_MANY) % len(HOW_DENSE)]
    chance = chance_of(seed)
    while True:
        kind, color = chance.pick(KINDS), chance.pick(COLORS)
        colored = chance.random() < 0.6
        wanted = chance.whole(low, high)
        looks = [(kind, color if colored else chance.pick(COLORS)) for _ in range(wanted)]
        looks += _others(chance, kind, color if colored else None, chance.whole(wanted // 2 + 2, wanted + 6))
        things = settled(_scattered(chance, chance.some(looks, len(looks)), dense))
        meant = [t for t in things if t.kind == kind and (t.color == color or not colored)]
        if low <= len(meant) <= high:
            break
    words = f"{color} {plural(kind)}" if colored else str(plural(kind))
    count = f"{low}-{high}"
    meta = {
        "targets": len(meant),
        "others": len(things) - len(meant),
        "dense": dense,
        "smallest_px": round(min(min(t.box[2] - t.box[0], t.box[3] - t.box[1]) for t in meant)),
    }
    asked = Asked(words, tuple(t.box for t in meant), f"{count}, {dense}", meta)
    return Plan((asked,), painter(things, seed))


def _others(chance: Chance, kind: str, color: str | None, count: int) -> list[tuple[str, str]]:
    """Things that are not meant; with a colour asked for, two in three share the kind or the colour."""
    kinds = chance.some([name for name in KINDS if name != kind], 4)
    colors = chance.some([name for name in COLORS if name != color], 5)
    found = []
    for _ in range(count):
        near = chance.random()
        if color is not None and near < 1 / 3:
            found.append((kind, chance.pick(colors)))
        elif color is not None and near < 2 / 3:
            found.append((chance.pick(kinds), color))
        else:
            found.append((chance.pick(kinds), chance.pick(colors)))
    return found


def _scattered(chance: Chance, looks: list[tuple[str, str]], dense: str) -> list[Thing]:
    """The looks as things all over the picture, fewer where there is no room for all."""
    room = sqrt(SIZE[0] * SIZE[1] / len(looks))
    low, high = (0.4, 0.62) if dense == "apart" else (0.62, 0.95)
    most = MOST_COVERED if dense == "overlapping" else 0.0
    things: list[Thing] = []
    for name, color in looks:
        for attempt in range(80):
            extent = min(max(room * chance.between(low, high), 20.0), 120.0) * (1 - attempt / 200)
            center = (chance.between(0, SIZE[0]), chance.between(0, SIZE[1]))
            thing = put(name, color, center, extent, rotation=upright(name, chance))
            if inside(thing) and all(covered(thing, other, 0.0 if most else 4.0) <= most for other in things):
                things.append(thing)
                break
    return things
