"""Phrases that single out one thing by what it is or where it stands: attributes, absolute place, size order.

Each builder takes the facts of a scene and a random generator and returns a Draft whose answer is certain, or None
when it found nothing certain to ask. relations.py, groups.py, absence.py, describe.py, captions.py and questions.py
hold the others.
"""

from dataclasses import dataclass
from random import Random

from grounding.data.scenes.facts import Facts, indices
from grounding.data.scenes.wording import Description, maybe_the, noun

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question and its certain answer, not yet written as a prompt: boxes are those of `targets`, in order."""

    task: str
    """The codec's task."""
    phrase: str
    targets: tuple[int, ...] = ()
    detail: str = ""
    """Finer than the skill: "left", "corner", "unbound"."""
    names: tuple[str, ...] = ()
    labels: tuple[str | None, ...] = ()
    """One for each target where the answer names them."""
    text: str = ""
    """The words of the answer, where it has some."""
    spans: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    """Captions: start and end in `text`, and the things meant there."""
    point: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    polygons: tuple[Polygon, ...] = ()


def shuffled(values: list[int], rng: Random) -> list[int]:
    """`values` in random order (a new list)."""
    return rng.sample(values, len(values))


def attribute(facts: Facts, rng: Random) -> Draft | None:
    """For example "the striped red star": told by what it is from things that share some of it."""
    candidates = indices(facts.visible & facts.focus)
    if not candidates:
        return None
    weights = []
    for i in candidates:
        thing = facts.things[i]
        shared = facts.head[facts.heads[i][0]].bit_count() - 1
        if thing.color is not None and not thing.is_sprite:
            shared += facts.color[thing.color].bit_count() - 1
        # What one word can tell is easy: things that need two or more are asked for four times as often.
        weights.append((1.0 + shared) * (4.0 if facts.least_words(i) >= 2 else 1.0))
    for i in rng.choices(candidates, weights, k=3):
        description = facts.unique(i, rng, rich=True)
        if description is not None:
            said = sum(word is not None for word in description)
            phrase = maybe_the(noun(description, rng, shapes=facts.shapes), rng)
            if description.head is not None and description.color is not None and said == 2 and rng.random() < 0.06:
                phrase = f"the {description.head} that is {description.color}"
            return Draft("locate", phrase, (i,), detail="plain" if said == 1 else "bound")
    return None


CORNERS = {
    "top left": (0, 0),
    "top right": (1, 0),
    "bottom left": (0, 1),
    "bottom right": (1, 1),
}
SIDES = {"left": (0, None), "right": (1, None), "top": (None, 0), "bottom": (None, 1)}


def corner_masks(facts: Facts, place: str) -> tuple[int, int]:
    """(things certainly in that corner, at that side or in the middle; things that might be said to be)."""
    sure = loose = 0
    if place == "middle":
        for i in range(facts.count):
            away = max(abs(facts.x[i] / facts.width - 0.5), abs(facts.y[i] / facts.height - 0.5))
            sure |= (away < 0.12) << i
            loose |= (away < 0.24) << i
        return sure, loose
    across, down = CORNERS[place] if place in CORNERS else SIDES[place]
    near = 0.36 if place in CORNERS else 0.3
    for i in range(facts.count):
        far = 0.0
        for side, value in ((across, facts.x[i] / facts.width), (down, facts.y[i] / facts.height)):
            if side is not None:
                far = max(far, value if side == 0 else 1.0 - value)
        sure |= (far < near) << i
        loose |= (far < 0.5 + (near - 0.36) * 0.5) << i
    return sure, loose


def pick(facts: Facts, rng: Random, sure: int, loose: int, exclude: int = 0) -> tuple[int, Description] | None:
    """A thing among `sure` and a description that no other thing of `loose` might go by, `exclude` left aside.

    Descriptions that would fit several things without the place or relation are preferred: the place has to be read.
    """
    options = shuffled(indices(sure & facts.visible & facts.focus & ~exclude), rng)
    fallback = None
    for i in options[:4]:
        for _ in range(3):
            description = facts.some(i, rng)
            matching = facts.loose(description)
            if matching & loose & ~exclude == 1 << i:
                if matching & (matching - 1):
                    return i, description
                fallback = fallback or (i, description)
    return fallback if rng.random() < 0.3 else None


def place(facts: Facts, rng: Random) -> Draft | None:
    """For example "the star at the top left", "the leftmost star"."""
    for _ in range(4):
        draft = _extreme(facts, rng) if rng.random() < 0.5 else _zone(facts, rng)
        if draft is not None:
            return draft
    return None


def place_words(where: str, rng: Random) -> str:
    """A place as said after a noun: "at the top left", "in the bottom right corner", "on the left side"."""
    if where in CORNERS:
        return rng.choice((f"at the {where}", f"in the {where}", f"in the {where} corner", f"on the {where}"))
    if where == "middle":
        return rng.choice(("in the middle", "in the center", "at the center of the picture"))
    if where in ("left", "right"):
        return rng.choice((f"on the {where}", f"on the {where} side", f"at the {where} edge"))
    return rng.choice((f"at the {where}", f"at the {where} of the picture", f"near the {where}"))


def _zone(facts: Facts, rng: Random) -> Draft | None:
    where = rng.choice(
        ("top left", "top right", "bottom left", "bottom right", "left", "right", "top", "bottom", "middle")
    )
    sure, loose = corner_masks(facts, where)
    found = pick(facts, rng, sure, loose)
    if found is None:
        return None
    i, description = found
    words = noun(description, rng, shapes=facts.shapes)
    if where in CORNERS and rng.random() < 0.15:
        return Draft("locate", maybe_the(f"{where} {words}", rng), (i,), detail="corner")
    phrase = maybe_the(f"{words} {place_words(where, rng)}", rng)
    return Draft("locate", phrase, (i,), detail="corner" if where in CORNERS else where)


_EXTREMES = (
    ("left", ("leftmost {}", "{} farthest to the left", "{} furthest left")),
    ("right", ("rightmost {}", "{} farthest to the right", "{} furthest right")),
    ("top", ("topmost {}", "highest {}", "uppermost {}", "{} closest to the top")),
    ("bottom", ("lowest {}", "bottommost {}", "lowermost {}", "{} closest to the bottom")),
)


def extreme(facts: Facts, mask: int, side: str, margin: float = 0.08) -> int | None:
    """The thing of `mask` farthest to `side`, by its centre with a margin and by its edge too."""
    members = indices(mask)
    across = side in ("left", "right")
    sign = 1.0 if side in ("left", "top") else -1.0
    centers = facts.x if across else facts.y
    edge = {"left": 0, "top": 1, "right": 2, "bottom": 3}[side]
    length = facts.width if across else facts.height
    ranked = sorted(members, key=lambda i: sign * centers[i])
    first = ranked[0]
    rest = ranked[1:]
    if rest and sign * (centers[rest[0]] - centers[first]) < margin * length:
        return None
    mine = sign * facts.things[first].full_box[edge]
    if any(sign * facts.things[i].full_box[edge] <= mine for i in rest):
        return None
    return first


def _extreme(facts: Facts, rng: Random) -> Draft | None:
    seed_thing = rng.randrange(facts.count)
    description = facts.some(seed_thing, rng)
    mask = facts.loose(description)
    if mask != facts.sure(description) or (not mask & (mask - 1) and rng.random() < 0.9):
        return None
    side, wordings = rng.choice(_EXTREMES)
    found = extreme(facts, mask, side)
    if found is None or not (1 << found) & facts.visible & facts.focus:
        return None
    words = noun(description, rng, shapes=facts.shapes)
    return Draft("locate", maybe_the(rng.choice(wordings).format(words), rng), (found,), detail=f"{side}most")


def size_order(facts: Facts, rng: Random) -> Draft | None:
    """For example "the largest star": by extent, a quarter more than the next, both as drawn and as visible."""
    for _ in range(4):
        description = facts.some(rng.randrange(facts.count), rng)._replace(size=None)
        mask = facts.loose(description)
        if mask != facts.sure(description) or not mask & (mask - 1):
            continue
        members = indices(mask)
        big = rng.random() < 0.5
        extents = [_extents(facts, i) for i in members]
        pickers = [max(range(len(members)), key=lambda k: extents[k][m] if big else -extents[k][m]) for m in range(3)]
        chosen = pickers[0]
        if pickers != [chosen] * 3:
            continue
        mine = extents[chosen]
        others = [extents[k] for k in range(len(members)) if k != chosen]
        if big:
            certain = all(mine[0] >= 1.25 * other[0] and mine[1] >= 1.25 * other[1] for other in others)
        else:
            certain = all(other[0] >= 1.25 * mine[0] and other[1] >= 1.25 * mine[1] for other in others)
        i = members[chosen]
        if not certain or not (1 << i) & facts.visible & facts.focus:
            continue
        word = rng.choice(("largest", "biggest") if big else ("smallest", "smallest", "littlest"))
        words = noun(description, rng, shapes=facts.shapes)
        return Draft("locate", maybe_the(f"{word} {words}", rng), (i,), detail="largest" if big else "smallest")
    return None


def _extents(facts: Facts, i: int) -> tuple[float, float, float]:
    thing = facts.things[i]
    full, seen = thing.full_box, thing.box
    return (
        (full[2] - full[0]) * (full[3] - full[1]),
        (seen[2] - seen[0]) * (seen[3] - seen[1]),
        max(full[2] - full[0], full[3] - full[1]),
    )
