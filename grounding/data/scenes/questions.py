"""Short questions with short answers, and a box where the answer points at something."""

from collections.abc import Callable
from random import Random

from grounding.data.scenes.absence import missing
from grounding.data.scenes.captions import short_name
from grounding.data.scenes.facts import Facts, indices
from grounding.data.scenes.groups import group
from grounding.data.scenes.phrases import Draft, corner_masks, shuffled
from grounding.data.scenes.relations import DIRECTIONS, by_distance, reference, said, side_masks
from grounding.data.scenes.wording import article, noun


def _how_many(facts: Facts, rng: Random) -> Draft | None:
    found = group(facts, rng, most=9)
    if found is None:
        return None
    words = noun(found[0], rng, many=True, shapes=facts.shapes)
    question = rng.choice((f"how many {words} are there", f"how many {words} do you see", f"count the {words}"))
    return Draft("answer", question, detail="how many", text=str(found[1].bit_count()))


def _what_color(facts: Facts, rng: Random) -> Draft | None:
    for i in shuffled(indices(facts.visible & facts.focus & ~facts.sprites), rng)[:3]:
        for bits in rng.sample((1, 5, 9), 3):
            if bits & 4 and facts.things[i].fill in ("solid", "gradient"):
                continue
            description = facts.describe(i, bits)
            if description is not None and facts.loose(description) == 1 << i:
                words = noun(description, rng)
                question = rng.choice((f"what color is the {words}", f"which color does the {words} have"))
                return Draft("answer", question, detail="color", text=facts.things[i].color or "")
    return None


def _is_there(facts: Facts, rng: Random) -> Draft | None:
    if rng.random() < 0.5 and facts.focus == facts.everything:
        found = missing(facts, rng)
        if found is None:
            return None
        return Draft("answer", f"is there {article(noun(found[0], rng))}", detail="yes or no", text="no")
    i = rng.choice(indices(facts.visible & facts.focus) or [-1])
    description = facts.unique(i, rng, bare=False) if i >= 0 else None
    if description is None:
        return None
    return Draft("answer", f"is there {article(noun(description, rng))}", (i,), detail="yes or no", text="yes")


def _what_is_there(facts: Facts, rng: Random) -> Draft | None:
    """For example "what is left of the ring" -> "a red star", with its box."""
    roll = rng.random()
    if roll < 0.3:
        where, wording = rng.choice(
            (
                ("top left", "at the top left"),
                ("top right", "at the top right"),
                ("bottom left", "at the bottom left"),
                ("bottom right", "at the bottom right"),
                ("middle", "in the middle"),
            )
        )
        sure, loose = corner_masks(facts, where)
        question, detail = f"what is {wording}", "what is where"
    else:
        found = reference(facts, rng)
        if found is None:
            return None
        ref, description = found
        whom = said(facts, description, rng)
        if roll < 0.6:
            nearest = by_distance(facts, facts.everything, ref, far=False) if facts.count > 2 else None
            sure = loose = 0 if nearest is None else 1 << nearest
            question, detail = f"what is {rng.choice(('nearest to', 'closest to'))} {whom}", "what is nearest"
        else:
            direction = rng.choice(tuple(DIRECTIONS))
            sure, loose = side_masks(facts, ref, direction)
            question, detail = f"what is {rng.choice(DIRECTIONS[direction])} {whom}", "what is beside"
    if not sure or sure != loose or sure & (sure - 1) or not sure & facts.visible & facts.focus:
        return None
    i = sure.bit_length() - 1
    return Draft("answer", question, (i,), detail=detail, text=article(short_name(facts, i)))


def _which_side(facts: Facts, rng: Random) -> Draft | None:
    """For example "is the star left of the ring" -> yes or no, where it is clearly one or the other."""
    first = reference(facts, rng)
    second = reference(facts, rng, exclude=1 << first[0]) if first else None
    if first is None or second is None:
        return None
    direction = rng.choice(tuple(DIRECTIONS))
    sure, loose = side_masks(facts, second[0], direction)
    if (sure ^ loose) >> first[0] & 1:
        return None
    question = f"is {said(facts, first[1], rng)} {DIRECTIONS[direction][0]} {said(facts, second[1], rng)}"
    return Draft("answer", question, detail="yes or no", text="yes" if sure >> first[0] & 1 else "no")


def _what_pattern(facts: Facts, rng: Random) -> Draft | None:
    for i in shuffled(indices(facts.visible & facts.focus & ~facts.sprites), rng)[:3]:
        if facts.things[i].fill not in ("striped", "dotted", "checked"):
            continue
        for bits in rng.sample((1, 2, 3), 3):
            description = facts.describe(i, bits)
            if description is not None and facts.loose(description) == 1 << i:
                return Draft(
                    "answer",
                    f"what pattern does {said(facts, description, rng)} have",
                    detail="pattern",
                    text=facts.things[i].fill,
                )
    return None


_QUESTIONS: tuple[Callable[[Facts, Random], Draft | None], ...] = (
    _how_many,
    _what_color,
    _is_there,
    _what_is_there,
    _what_is_there,
    _which_side,
    _what_pattern,
)


def answer(facts: Facts, rng: Random) -> Draft | None:
    """A short question and its short answer, with a box where it points at something."""
    for _ in range(3):
        draft = rng.choice(_QUESTIONS)(facts, rng)
        if draft is not None:
            return draft
    return None
