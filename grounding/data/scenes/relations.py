"""Phrases about how things stand to one another: left of, above, between, nearest, third from the left.

Every relation is read twice. Strictly: clearly displaced along its axis, by a tenth of the picture or more. Loosely:
any centre on that side at all. A phrase is kept when one thing fits the
strict reading and no other fits the loose.
"""

from itertools import pairwise
from math import hypot
from random import Random

from grounding.data.scenes.absence import missing
from grounding.data.scenes.facts import Facts, indices
from grounding.data.scenes.phrases import Draft, pick, shuffled
from grounding.data.scenes.wording import ORDINALS, Description, maybe_the, noun

DIRECTIONS: dict[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of", "on the left of"),
    "right": ("right of", "to the right of", "on the right of"),
    "above": ("above", "above", "over", "higher than"),
    "below": ("below", "below", "under", "beneath"),
}
_SLACK = 0.02
_CLEAR = 0.1


def side_masks(facts: Facts, ref: int, direction: str) -> tuple[int, int]:
    """(things clearly on that side of thing `ref`, things at all on that side, with a little slack)."""
    sure = loose = 0
    x, y, width, height = facts.x, facts.y, facts.width, facts.height
    x0, y0 = x[ref], y[ref]
    across = direction in ("left", "right")
    sign = -1.0 if direction in ("left", "above") else 1.0
    for i in range(facts.count):
        if i == ref:
            continue
        dx, dy = x[i] - x0, y[i] - y0
        along, aside = (dx, dy) if across else (dy, dx)
        along *= sign
        length = width if across else height
        if along > -_SLACK * length:
            loose |= 1 << i
            if along >= _CLEAR * length and along >= 1.2 * abs(aside):
                sure |= 1 << i
    return sure, loose


def reference(facts: Facts, rng: Random, exclude: int = 0) -> tuple[int, Description] | None:
    """A clearly visible thing with a description of its own, to stand things in relation to."""
    for i in shuffled(indices(facts.visible & ~exclude), rng)[:3]:
        description = facts.unique(i, rng)
        if description is not None:
            return i, description
    return None


def said(facts: Facts, description: Description, rng: Random) -> str:
    """For example "the red star", as the thing another one is related to."""
    words = noun(description, rng, shapes=facts.shapes)
    if description.head is None and words.endswith("one"):
        words = words[:-3] + "thing"
    return "the " + words


def relation(facts: Facts, rng: Random) -> Draft | None:
    """For example "the star left of the red circle", "the cup between the house and the ring"."""
    if facts.count < 2:
        return None
    if facts.count > 2 and rng.random() < 0.12:
        draft = between(facts, rng)
        if draft is not None:
            return draft
    for _ in range(6):
        found = reference(facts, rng)
        if found is None:
            return None
        ref, description = found
        for direction in rng.sample(tuple(DIRECTIONS), 4)[:3]:
            sure, loose = side_masks(facts, ref, direction)
            chosen = pick(facts, rng, sure, loose, 1 << ref) if sure else None
            if chosen is None:
                continue
            target, target_words = chosen
            words = noun(target_words, rng, shapes=facts.shapes)
            how = rng.choice(DIRECTIONS[direction])
            phrase = maybe_the(f"{words} {how} {said(facts, description, rng)}", rng)
            return Draft("locate", phrase, (target,), detail=direction)
    return None


def between_masks(facts: Facts, one: int, other: int) -> tuple[int, int]:
    """(things clearly between two others, things that lie between them in any sense)."""
    x, y = facts.x, facts.y
    ax, ay = x[one], y[one]
    dx, dy = x[other] - ax, y[other] - ay
    length = hypot(dx, dy)
    if length < 0.25 * min(facts.width, facts.height):
        return 0, 0
    sure = loose = 0
    for i in range(facts.count):
        if i in (one, other):
            continue
        along = ((x[i] - ax) * dx + (y[i] - ay) * dy) / (length * length)
        aside = abs((x[i] - ax) * dy - (y[i] - ay) * dx) / length
        if -0.02 < along < 1.02:
            loose |= 1 << i
            if 0.25 < along < 0.75 and aside < 0.18 * length:
                sure |= 1 << i
    return sure, loose


def between(facts: Facts, rng: Random) -> Draft | None:
    """For example "the ring between the house and the red star"."""
    for _ in range(3):
        first = reference(facts, rng)
        second = reference(facts, rng, exclude=1 << first[0]) if first else None
        if first is None or second is None:
            return None
        sure, loose = between_masks(facts, first[0], second[0])
        chosen = pick(facts, rng, sure, loose, 1 << first[0] | 1 << second[0]) if sure else None
        if chosen is None:
            continue
        target, target_words = chosen
        words = noun(target_words, rng, shapes=facts.shapes)
        ends = f"{said(facts, first[1], rng)} and {said(facts, second[1], rng)}"
        how = "between" if rng.random() < 0.85 else "in between"
        return Draft("locate", maybe_the(f"{words} {how} {ends}", rng), (target,), detail="between")
    return None


def gap(facts: Facts, one: int, other: int) -> float:
    """Empty pixels between two boxes; 0 where they touch."""
    a, b = facts.things[one].full_box, facts.things[other].full_box
    return hypot(max(0.0, a[0] - b[2], b[0] - a[2]), max(0.0, a[1] - b[3], b[1] - a[3]))


def by_distance(facts: Facts, mask: int, ref: int, *, far: bool, ratio: float = 1.3) -> int | None:
    """The thing of `mask` nearest to (or farthest from) thing `ref`: by centres, clearly, and by edges."""
    x0, y0 = facts.x[ref], facts.y[ref]
    ranked = sorted(
        ((hypot(facts.x[i] - x0, facts.y[i] - y0), i) for i in indices(mask & ~(1 << ref))),
        reverse=far,
    )
    if len(ranked) < 2:
        return None
    (first, chosen), (second, _) = ranked[0], ranked[1]
    if (first < ratio * second) if far else (second < ratio * first):
        return None
    mine = gap(facts, chosen, ref)
    for _, i in ranked[1:]:
        theirs = gap(facts, i, ref)
        if (theirs >= mine) if far else (theirs <= mine):
            return None
    return chosen


def nearest(facts: Facts, rng: Random) -> Draft | None:
    """For example "the star nearest to the red circle", "the thing farthest from the tree"."""
    if facts.count < 3:
        return None
    for _ in range(6):
        found = reference(facts, rng)
        if found is None:
            return None
        ref, description = found
        far = rng.random() < 0.33
        others = [i for i in range(facts.count) if i != ref]
        for _ in range(3):
            wanted = facts.some(rng.choice(others), rng)
            mask = facts.loose(wanted) & ~(1 << ref)
            if mask != facts.sure(wanted) & ~(1 << ref) or not mask & (mask - 1):
                continue
            target = by_distance(facts, mask, ref, far=far)
            if target is None or not 1 << target & facts.visible & facts.focus:
                continue
            words = noun(wanted, rng, shapes=facts.shapes)
            whom = said(facts, description, rng)
            wordings: tuple[str, ...]
            if far:
                wordings = (
                    f"{words} farthest from {whom}",
                    f"{words} furthest from {whom}",
                    f"farthest {words} from {whom}",
                    f"{words} that is farthest from {whom}",
                )
            else:
                wordings = (
                    f"{words} nearest to {whom}",
                    f"{words} nearest {whom}",
                    f"{words} closest to {whom}",
                    f"closest {words} to {whom}",
                    f"nearest {words} to {whom}",
                    f"{words} that is nearest to {whom}",
                )
            phrase = maybe_the(rng.choice(wordings), rng)
            return Draft("locate", phrase, (target,), detail="farthest" if far else "nearest")
    return None


def ranked_along(facts: Facts, mask: int, side: str, margin: float = 0.05) -> list[int] | None:
    """Things of `mask` in order from `side`; None where two neighbours' centres are closer than the margin."""
    across = side in ("left", "right")
    centers = facts.x if across else facts.y
    least = margin * (facts.width if across else facts.height)
    ranked = sorted(indices(mask), key=lambda i: centers[i], reverse=side in ("right", "bottom"))
    for one, other in pairwise(ranked):
        if abs(centers[one] - centers[other]) < least:
            return None
    return ranked


def row_names(facts: Facts) -> list[tuple[str, int]]:
    """The rows of a layout in rows, as said, with the mask of each; [] in other layouts."""
    if facts.scene.layout != "rows":
        return []
    rows: dict[int, int] = {}
    for i, thing in enumerate(facts.things):
        if thing.row is None:
            return []
        rows[thing.row] = rows.get(thing.row, 0) | 1 << i
    order = sorted(rows)
    if len(order) < 2:
        return []
    named = [("top", rows[order[0]]), ("bottom", rows[order[-1]])]
    if len(order) == 3:
        named.append(("middle", rows[order[1]]))
    for number, row in enumerate(order):
        named.append((ORDINALS[number], rows[row]))
    return named


def ordinal(facts: Facts, rng: Random) -> Draft | None:
    """For example "third star from the left", "the second from the left in the top row"."""
    rows = row_names(facts)
    for _ in range(5):
        everything, where, detail = facts.everything, "", "ordinal"
        sides: tuple[str, ...] = ("left", "right", "left", "right", "top", "bottom")
        if rows and rng.random() < 0.6:
            row, everything = rng.choice(rows)
            where, detail = f" in the {row} row", "in a row"
            sides = ("left", "right")
            wanted = Description() if rng.random() < 0.7 else facts.some(rng.choice(indices(everything)), rng)
        else:
            wanted = facts.some(rng.randrange(facts.count), rng)
        mask = facts.loose(wanted) & everything
        if mask != facts.sure(wanted) & everything or mask.bit_count() < 2:
            continue
        side = rng.choice(sides)
        ranked = ranked_along(facts, mask, side)
        if ranked is None:
            continue
        place = rng.randrange(len(ranked))
        if place == 0 and rng.random() < 0.5:
            place = rng.randrange(len(ranked))
        target = ranked[place]
        if place >= len(ORDINALS) or not 1 << target & facts.visible & facts.focus:
            continue
        words = noun(wanted, rng, shapes=facts.shapes)
        if words == "one" and rng.random() < 0.6:
            phrase = f"{ORDINALS[place]} from the {side}{where}"
        else:
            phrase = f"{ORDINALS[place]} {words} from the {side}{where}"
        return Draft("locate", maybe_the(phrase, rng), (target,), detail=detail)
    return None


def absent_relation(facts: Facts, rng: Random) -> Draft | None:
    """A relation nothing stands in: its reference is not there, no such thing is on that side, or too few to count."""
    roll = rng.random()
    if roll < 0.35:
        lost = missing(facts, rng)
        if lost is None:
            return None
        direction = rng.choice(tuple(DIRECTIONS))
        how = rng.choice((*DIRECTIONS[direction], "nearest to", "closest to"))
        words = noun(facts.some(rng.randrange(facts.count), rng), rng, shapes=facts.shapes)
        return Draft("locate", maybe_the(f"{words} {how} {said(facts, lost[0], rng)}", rng), detail="no reference")
    if roll < 0.8:
        for _ in range(4):
            found = reference(facts, rng)
            if found is None:
                return None
            ref, description = found
            direction = rng.choice(tuple(DIRECTIONS))
            loose = side_masks(facts, ref, direction)[1]
            wanted = facts.some(rng.randrange(facts.count), rng)
            mask = facts.loose(wanted) & ~(1 << ref)
            if not mask or mask & loose:
                continue
            how = rng.choice(DIRECTIONS[direction])
            words = noun(wanted, rng, shapes=facts.shapes)
            phrase = maybe_the(f"{words} {how} {said(facts, description, rng)}", rng)
            return Draft("locate", phrase, detail="not on that side")
        return None
    wanted = facts.some(rng.randrange(facts.count), rng)
    number = facts.loose(wanted).bit_count()
    if (wanted.head is None and wanted.color is None) or number >= 8:
        return None
    place = number + rng.choice((0, 0, 1))
    side = rng.choice(("left", "right", "top", "bottom"))
    phrase = f"{ORDINALS[place]} {noun(wanted, rng, shapes=facts.shapes)} from the {side}"
    return Draft("locate", maybe_the(phrase, rng), detail="too few")
