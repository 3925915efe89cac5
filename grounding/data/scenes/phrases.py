"""Phrases about what a thing is: attributes, absolute place, size order, all instances, counts, things not there.

Each builder takes the facts of a scene and a random generator and returns a Draft whose answer is certain, or None
when it found nothing certain to ask. Phrases about where things stand to one another are in relations.py.
"""

from dataclasses import dataclass
from random import Random

from grounding.data.scenes.facts import Facts, could_be, indices, reading_order, single
from grounding.data.scenes.wording import (
    Description,
    canonical,
    is_always_plural,
    maybe_the,
    noun,
    plural,
)

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
    """ "the striped red star": told apart by what it is, from things that share some of it where there are any."""
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


_CORNERS = {
    "top left": (0, 0),
    "top right": (1, 0),
    "bottom left": (0, 1),
    "bottom right": (1, 1),
}
_SIDES = {"left": (0, None), "right": (1, None), "top": (None, 0), "bottom": (None, 1)}


def corner_masks(facts: Facts, place: str) -> tuple[int, int]:
    """(things certainly in that corner, at that side or in the middle; things that might be said to be)."""
    sure = loose = 0
    if place == "middle":
        for i in range(facts.count):
            away = max(abs(facts.x[i] / facts.width - 0.5), abs(facts.y[i] / facts.height - 0.5))
            sure |= (away < 0.12) << i
            loose |= (away < 0.24) << i
        return sure, loose
    across, down = _CORNERS[place] if place in _CORNERS else _SIDES[place]
    near = 0.36 if place in _CORNERS else 0.3
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
    """ "the star at the top left", "the leftmost star"."""
    for _ in range(4):
        draft = _extreme(facts, rng) if rng.random() < 0.5 else _zone(facts, rng)
        if draft is not None:
            return draft
    return None


def place_words(where: str, rng: Random) -> str:
    """A place as said after a noun: "at the top left", "in the bottom right corner", "on the left side"."""
    if where in _CORNERS:
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
    if where in _CORNERS and rng.random() < 0.15:
        return Draft("locate", maybe_the(f"{where} {words}", rng), (i,), detail="corner")
    phrase = maybe_the(f"{words} {place_words(where, rng)}", rng)
    return Draft("locate", phrase, (i,), detail="corner" if where in _CORNERS else where)


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
    """ "the largest star": by extent, a quarter more than the next, both as drawn and as visible."""
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


def group(facts: Facts, rng: Random, *, least: int = 1, most: int = 10) -> tuple[Description, int] | None:
    """A description with a plural and the same things under both readings, `least` to `most` of them."""
    best = None
    for _ in range(5):
        i = rng.randrange(facts.count)
        description = facts.some(i, rng)
        if rng.random() < 0.9 and description == (None, None, None, None):
            continue
        if description.head is not None and plural(description.head) is None:
            description = description._replace(head=facts.heads[i][-1])
            if plural(description.head or "") is None:
                continue
        mask = facts.loose(description)
        if mask != facts.sure(description) or not least <= mask.bit_count() <= most or not mask & facts.focus:
            continue
        if mask & (mask - 1):
            return description, mask
        best = best or (description, mask)
    return best


def all_instances(facts: Facts, rng: Random) -> Draft | None:
    """ "every ring", "all red things": several boxes in reading order."""
    found = group(facts, rng)
    if found is None or (found[1].bit_count() == 1 and rng.random() < 0.7):
        return None
    description, mask = found
    return Draft("locate", every(description, rng, facts), reading_order(facts, indices(mask)), detail="many")


def every(description: Description, rng: Random, facts: Facts) -> str:
    """ "every red star", "all the red stars"."""
    uncountable = description.head is not None and is_always_plural(description.head)
    if rng.random() < 0.4 and not uncountable:
        words = noun(description, rng, shapes=facts.shapes)
        if description.head is None and words.endswith("one"):
            words = words[:-3] + "thing"
        return f"{rng.choice(('every', 'each'))} {words}"
    words = noun(description, rng, many=True, shapes=facts.shapes)
    return rng.choice(("all {}", "all {}", "all the {}", "all of the {}")).format(words)


def missing(facts: Facts, rng: Random) -> tuple[Description, str] | None:
    """A description of nothing in the scene, hard to tell from what is there; and which kind of trap it is."""
    words = facts.words
    for _ in range(8):
        trap = rng.random()
        if trap < 0.5 and len(facts.color) > 1:
            i = rng.randrange(facts.count)
            color = rng.choice(list(facts.color))
            head = facts.heads[i][0]
            made = Description(color=color, head=head)
            kind = "unbound"
        elif trap < 0.6 and facts.sprites != facts.everything:
            i = rng.randrange(facts.count)
            made = Description(color=rng.choice(words.colors), head=facts.heads[i][0])
            kind = "no such color"
        elif trap < 0.76:
            i = rng.randrange(facts.count)
            if facts.things[i].is_sprite:
                made = Description(rng.choice(("small", "large")), None, None, facts.heads[i][0])
                kind = "no such size"
            else:
                base = Description(color=facts.things[i].color if rng.random() < 0.5 else None, head=facts.heads[i][0])
                if rng.random() < 0.65:
                    made, kind = base._replace(fill=rng.choice(words.fills)), "no such fill"
                else:
                    made, kind = base._replace(size=rng.choice(("small", "large"))), "no such size"
        else:
            head, color = absent_head(facts, rng)
            if head is None:
                continue
            made, kind = Description(color=color, head=head), "no such kind"
        if (made.color, made.head) in words.unspoken_pairs or facts.loose(made):
            continue
        return made, kind
    return None


def absent_head(facts: Facts, rng: Random) -> tuple[str | None, str | None]:
    """A noun nothing here could go by, and half the time a colour that is here to go with it."""
    words = facts.words
    pool = (
        words.sprites if words.sprites and (not words.heads or (rng.random() < 0.6 and facts.sprites)) else words.heads
    )
    for _ in range(4):
        head = rng.choice(pool)
        if not facts.loose_head(head):
            color = (
                rng.choice(list(facts.color)) if facts.color and pool is words.heads and rng.random() < 0.5 else None
            )
            if (color, head) not in words.unspoken_pairs:
                return head, color
    return None, None


def absent(facts: Facts, rng: Random) -> Draft | None:
    """Something that is not there, though much of it is."""
    found = missing(facts, rng)
    if found is None:
        return None
    description, kind = found
    roll = rng.random()
    head = description.head or ""
    if roll < 0.1 and plural(head) is not None:
        return Draft("locate", every(description, rng, facts), detail=kind)
    if roll < 0.16:
        return Draft("segment", maybe_the(noun(description, rng), rng), detail=kind)
    if roll < 0.26:
        where = rng.choice(("top left", "top right", "bottom left", "bottom right", "left", "right", "top", "bottom"))
        return Draft("locate", maybe_the(f"{noun(description, rng)} {place_words(where, rng)}", rng), detail=kind)
    return Draft("locate", maybe_the(noun(description, rng), rng), detail=kind)


def absent_place(facts: Facts, rng: Random) -> Draft | None:
    """ "the star at the top left", with every star elsewhere."""
    where = rng.choice(tuple(_CORNERS))
    loose = corner_masks(facts, where)[1]
    for _ in range(4):
        description = facts.some(rng.randrange(facts.count), rng)
        if description.head is None and description.color is None:
            continue
        if not facts.loose(description) & loose:
            words = noun(description, rng, shapes=facts.shapes)
            return Draft("locate", maybe_the(f"{words} {place_words(where, rng)}", rng), detail="not in that place")
    return None


def detect(facts: Facts, rng: Random) -> Draft | None:
    """Several names at once, some of them not there; no thing goes by two of them."""
    wanted = rng.choice((1, 2, 2, 3, 3, 4))
    names: dict[str, int] = {}
    taken = 0
    all_absent = rng.random() < 0.08
    for _ in range(wanted * 3):
        if len(names) == wanted:
            break
        if all_absent or (names and rng.random() < 0.3) or rng.random() < 0.1:
            found = missing(facts, rng)
            if found is None or found[0].size is not None:
                continue
            description, mask = found[0], 0
            if rng.random() < 0.5 and found[1] == "no such kind":
                description = Description(head=description.head)
        else:
            i = rng.randrange(facts.count)
            roll = rng.random()
            bits = 1 if roll < 0.6 else 3 if roll < 0.9 else 2
            described = facts.describe(i, bits)
            if described is None or (described.head is None and described.color is None):
                continue
            description = described
            if bits == 1 and len(facts.heads[i]) > 1 and rng.random() < 0.4:
                description = Description(head=facts.heads[i][1])
            mask = facts.loose(description)
            if (
                mask != facts.sure(description)
                or mask & taken
                or (facts.focus != facts.everything and not mask & facts.focus and not names)
            ):
                continue
        # A name must not fit what another name already claims, even loosely ("star" beside an absent "red star").
        name = _name(description)
        if name in names or any(_overlaps(name, known) for known in names):
            continue
        names[name] = mask
        taken |= mask
    if not names:
        return None
    if not taken and facts.focus != facts.everything:
        return None
    asked = list(names)
    rng.shuffle(asked)
    owner = {i: name for name in asked for i in indices(names[name])}
    targets = reading_order(facts, owner)
    return Draft(
        "detect",
        " ; ".join(asked),
        targets,
        detail="some absent" if any(not mask for mask in names.values()) else "all present",
        names=tuple(asked),
        labels=tuple(owner[i] for i in targets),
    )


def _name(description: Description) -> str:
    if description.head is None:
        return f"{description.color} thing"
    return canonical(description.size, description.fill, description.color, description.head)


def _overlaps(one: str, other: str) -> bool:
    return one.endswith(" " + other) or other.endswith(" " + one)


def count(facts: Facts, rng: Random) -> Draft | None:
    """How many there are, with the boxes; sometimes none."""
    if rng.random() < 0.12 and facts.focus == facts.everything:
        found = missing(facts, rng)
        if found is None or plural(found[0].head or "") is None:
            return None
        return Draft("count", noun(found[0], rng, many=True), detail="zero", text="0")
    chosen = group(facts, rng, most=9)
    if chosen is None:
        return None
    description, mask = chosen
    words = noun(description, rng, many=True, shapes=facts.shapes)
    phrase = f"the {words}" if rng.random() < 0.15 else words
    targets = reading_order(facts, indices(mask))
    return Draft("count", phrase, targets, detail=str(len(targets)), text=str(len(targets)))


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


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
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


__all__ = [
    "Draft",
    "absent",
    "absent_place",
    "all_instances",
    "attribute",
    "could_be",
    "count",
    "describe_box",
    "detect",
    "place",
    "single",
    "size_order",
]
