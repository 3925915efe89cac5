"""What is not there: descriptions of nothing in the scene that are hard to tell from what is."""

from random import Random

from grounding.data.scenes.facts import Facts
from grounding.data.scenes.phrases import CORNERS, Draft, corner_masks, place_words
from grounding.data.scenes.wording import Description, every, maybe_the, noun, plural


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
            noun_of_none, color_of_none = absent_head(facts, rng)
            if noun_of_none is None:
                continue
            made, kind = Description(color=color_of_none, head=noun_of_none), "no such kind"
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
        return Draft("locate", every(description, rng, shapes=facts.shapes), detail=kind)
    if roll < 0.16:
        return Draft("segment", maybe_the(noun(description, rng), rng), detail=kind)
    if roll < 0.26:
        where = rng.choice(("top left", "top right", "bottom left", "bottom right", "left", "right", "top", "bottom"))
        return Draft("locate", maybe_the(f"{noun(description, rng)} {place_words(where, rng)}", rng), detail=kind)
    return Draft("locate", maybe_the(noun(description, rng), rng), detail=kind)


def absent_place(facts: Facts, rng: Random) -> Draft | None:
    """For example "the star at the top left", with every star elsewhere."""
    where = rng.choice(tuple(CORNERS))
    loose = corner_masks(facts, where)[1]
    for _ in range(4):
        description = facts.some(rng.randrange(facts.count), rng)
        if description.head is None and description.color is None:
            continue
        if not facts.loose(description) & loose:
            words = noun(description, rng, shapes=facts.shapes)
            return Draft("locate", maybe_the(f"{words} {place_words(where, rng)}", rng), detail="not in that place")
    return None
