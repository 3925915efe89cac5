"""Grounded captions: a sentence whose phrases are tied to the boxes of what they name."""

from collections.abc import Sequence
from random import Random

from grounding.data.scenes.facts import Facts, indices, reading_order
from grounding.data.scenes.phrases import Draft
from grounding.data.scenes.relations import DIRECTIONS, side_masks
from grounding.data.scenes.wording import NUMBERS, article, canonical, plural


def short_name(facts: Facts, i: int) -> str:
    """Colour and noun, as in captions: "red star", "pizza"."""
    thing = facts.things[i]
    return canonical(None, None, None if thing.is_sprite else thing.color, facts.heads[i][0])


def caption(facts: Facts, rng: Random) -> Draft | None:
    """A sentence about the picture, each of its phrases tied to boxes; at most four phrases."""
    if facts.count == 0:
        return None
    if facts.count >= 2 and rng.random() < 0.45:
        draft = _caption_of_two(facts, rng)
        if draft is not None:
            return draft
    return _caption_of_all(facts, rng) if facts.count <= 8 else None


def _caption_of_two(facts: Facts, rng: Random) -> Draft | None:
    """For example "a red star left of a blue ring": two things whose names no other thing shares."""
    names = [short_name(facts, i) for i in range(facts.count)]
    alone = [i for i in indices(facts.visible) if names.count(names[i]) == 1]
    pairs = [(i, k) for i in alone for k in alone if i != k and facts.focus >> i & 1]
    for one, other in rng.sample(pairs, min(6, len(pairs))):
        for direction in DIRECTIONS:
            if not side_masks(facts, other, direction)[0] >> one & 1:
                continue
            first, second = article(names[one]), article(names[other])
            text = f"{first} {DIRECTIONS[direction][0]} {second}"
            start = len(text) - len(second)
            return Draft(
                "caption",
                "",
                (one, other),
                detail="relation",
                text=text,
                spans=((0, len(first), (one,)), (start, len(text), (other,))),
            )
    return None


def _caption_of_all(facts: Facts, rng: Random) -> Draft | None:
    """For example "two red stars, a blue ring and a dog": all there is in at most four phrases, in reading order."""
    for same_color in (True, False):
        groups: dict[tuple[str | None, str], list[int]] = {}
        for i in reading_order(facts, range(facts.count)):
            thing = facts.things[i]
            color = thing.color if same_color and not thing.is_sprite else None
            groups.setdefault((color, facts.heads[i][0]), []).append(i)
        if len(groups) <= 4:
            break
    else:
        return None
    phrases: list[tuple[str, tuple[int, ...]]] = []
    for (color, head), members in groups.items():
        if len(members) == 1:
            phrases.append((article(canonical(None, None, color, head)), tuple(members)))
            continue
        many = plural(head)
        if many is None:
            return None
        phrases.append((f"{NUMBERS[len(members)]} {canonical(None, None, color, many)}", tuple(members)))
    return listed(phrases, "a picture of ", rng)


def listed(phrases: Sequence[tuple[str, tuple[int, ...]]], opening: str, rng: Random) -> Draft:
    """A caption that lists phrases, each with the things it names; `opening` stands before one in five."""
    text = rng.choice(("", "", "", opening, "there is "))
    if text == "there is " and len(phrases[0][1]) > 1:
        text = "there are "
    spans = []
    for number, (words, members) in enumerate(phrases):
        if number:
            text += " and " if number == len(phrases) - 1 else ", "
        spans.append((len(text), len(text) + len(words), members))
        text += words
    targets = tuple(i for _, _, members in spans for i in members)
    return Draft("caption", "", targets, detail="list", text=text, spans=tuple(spans))
