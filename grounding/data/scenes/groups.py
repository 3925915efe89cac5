"""Phrases that mean several things at once: all of a kind, counts, and several names to detect."""

from random import Random

from grounding.data.scenes.absence import missing
from grounding.data.scenes.facts import Facts, indices, reading_order
from grounding.data.scenes.phrases import Draft
from grounding.data.scenes.wording import Description, canonical, every, noun, plural


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
    """For example "every ring", "all red things": several boxes in reading order."""
    found = group(facts, rng)
    if found is None or (found[1].bit_count() == 1 and rng.random() < 0.7):
        return None
    description, mask = found
    return Draft(
        "locate", every(description, rng, shapes=facts.shapes), reading_order(facts, indices(mask)), detail="many"
    )


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
