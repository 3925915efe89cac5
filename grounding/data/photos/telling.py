"""Questions that words answer: what is at a point, a caption whose words are tied to boxes, short questions."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from grounding.data.photos.absence import missing_name
from grounding.data.photos.clothes import TYPICAL
from grounding.data.photos.facts import Facts, indices
from grounding.data.photos.groups import described, whole_class
from grounding.data.photos.names import many, word_for, words_of
from grounding.data.photos.people import PEOPLE
from grounding.data.photos.wording import a
from grounding.data.scenes.captions import listed
from grounding.data.scenes.phrases import Draft
from grounding.data.scenes.wording import NUMBERS

_TOLD = 4
"""Phrases of a caption, at most."""
_BOXES = 8
"""Boxes of a caption, at most."""


def describe_point(facts: Facts, rng: Random) -> Draft | None:
    """What is at this point: its box and what it is. The point lies in the middle part of a box, in no smaller one."""
    for _ in range(4):
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        x1, y1, x2, y2 = facts.things[index].box
        x = x1 + (x2 - x1) * rng.uniform(0.3, 0.7)
        y = y1 + (y2 - y1) * rng.uniform(0.25, 0.7)
        around = [
            other
            for other, thing in enumerate(facts.things)
            if other != index and thing.box[0] <= x <= thing.box[2] and thing.box[1] <= y <= thing.box[3]
        ]
        # What is pointed at is the thing in front: of boxes around a point the clearly smallest.
        if all(facts.area[other] > 1.8 * facts.area[index] for other in around):
            name = described(facts, index, rng)
            return Draft("describe", "", (index,), "point", labels=(name,), point=(x, y))
    return None


def caption(facts: Facts, rng: Random) -> Draft | None:
    """For example "two people, a dog and a white car": what there is to see, the largest first, each with its boxes.

    Where a class may have more members than are sure, they are "some"; small things beside large ones go unsaid.
    """
    sure = indices(facts.sure)
    if not sure:
        return None
    largest = max(facts.area[i] for i in sure)
    seen = [i for i in sorted(sure, key=lambda i: -facts.area[i]) if facts.area[i] > 0.03 * largest]
    kinds = dict.fromkeys(facts.names[i] for i in seen)
    phrases: list[tuple[str, tuple[int, ...]]] = []
    for name in list(kinds)[:_TOLD]:
        members = tuple(i for i in seen if facts.names[i] == name)
        if facts.of_class[name].bit_count() == 1:
            phrases.append((a(described(facts, members[0], rng)), members))
            continue
        whole = whole_class(facts, name)
        plural = "people" if name == "person" else many(words_of(name).words[0])
        members = indices(whole) if whole else members
        number = NUMBERS[len(members)] if whole else "some"
        phrases.append((f"{number} {plural}", members))
    draft = listed(phrases, "a photo of ", rng)
    return draft if len(draft.targets) <= _BOXES else None


def answer(facts: Facts, rng: Random) -> Draft | None:
    """A short question with a short answer: how many, what colour, is there."""
    for build in rng.sample(_QUESTIONS, len(_QUESTIONS)):
        draft = build(facts, rng)
        if draft is not None:
            return draft
    return None


def _how_many(facts: Facts, rng: Random) -> Draft | None:
    for name in rng.sample(list(facts.of_class), min(3, len(facts.of_class))):
        members = whole_class(facts, name)
        if not members or (members.bit_count() == 1 and rng.random() < 0.6):
            continue
        plural = PEOPLE.draw(rng) if name == "person" else many(words_of(name).words[0])
        if plural == "everyone":
            plural = "people"
        question = rng.choice((f"how many {plural} are there", f"how many {plural} do you see", f"count the {plural}"))
        return Draft("answer", question, detail="how many", text=str(members.bit_count()))
    return None


def _what_color(facts: Facts, rng: Random) -> Draft | None:
    single = sum(mask for mask in facts.of_class.values() if mask.bit_count() == 1) & facts.sure & facts.colorful
    for index in rng.sample(indices(single), min(3, single.bit_count())):
        thing = facts.things[index]
        if thing.upper is not None:
            garment = rng.choice(("shirt", "top", "shirt", "jacket"))
            question = f"what color is the {rng.choice(('person', 'man', 'woman'))}'s {garment}"
            return Draft("answer", question, detail="color", text=thing.upper)
        if thing.color is not None and (thing.name, thing.color) not in TYPICAL:
            noun = word_for(thing.name, rng)
            if facts.meant_by(noun, thing.name) != 1 << index:
                continue
            question = rng.choice((f"what color is the {noun}", f"which color does the {noun} have"))
            return Draft("answer", question, detail="color", text=thing.color)
    return None


def _is_there(facts: Facts, rng: Random) -> Draft | None:
    if rng.random() < 0.5:
        missing = missing_name(facts, rng)
        return None if missing is None else Draft("answer", f"is there {a(missing)}", detail="yes or no", text="no")
    single = sum(mask for mask in facts.of_class.values() if mask.bit_count() == 1)
    index = facts.pick(rng, single)
    if index is None:
        return None
    return Draft("answer", f"is there {a(word_for(facts.names[index], rng))}", (index,), detail="yes or no", text="yes")


_QUESTIONS: tuple[Callable[[Facts, Random], Draft | None], ...] = (_how_many, _what_color, _is_there)
