"""Phrases about several things at once, and words for a box: all of a class, counts, names to detect, descriptions."""

from __future__ import annotations

from random import Random

from grounding.data.photos.absence import missing_name
from grounding.data.photos.facts import Facts, indices, reading_order
from grounding.data.photos.names import many, words_of
from grounding.data.photos.people import PEOPLE, Words
from grounding.data.photos.wording import finished
from grounding.data.scenes.phrases import Draft

_MOST = 8
"""More than so many of a class are a crowd, of which a detector misses some."""
_LEAST_AREA = 0.004


def whole_class(facts: Facts, name: str, word: str | None = None) -> int:
    """All things of a class, where they and all that may be called so are sure and large enough to be all; else 0."""
    members = facts.of_class.get(name, 0)
    meant = facts.meant_by(word or words_of(name).words[0], name)
    if not members or meant != members or members & ~facts.sure or members.bit_count() > _MOST:
        return 0
    areas = [facts.area[i] for i in indices(members)]
    # Where there are many small ones there are more that were not found.
    if min(areas) < _LEAST_AREA or (len(areas) > 4 and min(areas) < 0.012):
        return 0
    return members


def _mostly_sure(facts: Facts, name: str) -> int:
    """The sure things of a class of which fewer are unsure: a list worth learning, though one may be missing."""
    members = facts.of_class[name]
    sure = members & facts.sure
    return sure if (members & ~sure).bit_count() < sure.bit_count() <= _MOST else 0


_EVERY = Words(
    "all O 30, all the O 16, every I 8, each I 3, O 14, the O 8, all of the O 4, all O in the picture 1, any I 0.7"
)


def all_instances(facts: Facts, rng: Random) -> Draft | None:
    """For example "all people", "every zebra", "both dogs": several boxes in reading order."""
    names = list(facts.of_class)
    rng.shuffle(names)
    names.sort(key=lambda name: facts.of_class[name].bit_count() < 2)
    for name in names[:3]:
        words = words_of(name).words
        word = words[0] if rng.random() < 0.8 else rng.choice(words)
        members = whole_class(facts, name, word if name != "person" else None)
        number = members.bit_count()
        if number < 2:
            continue
        plural, one = (PEOPLE.draw(rng), "person") if name == "person" else (many(word), word)
        pattern = _EVERY.draw(rng)
        if plural == "everyone":
            pattern = "O"
        elif number == 2 and rng.random() < 0.4:
            pattern = rng.choice(("both O", "the two O", "two O", "both of the O", "both"))
            if pattern == "both" and len(facts.of_class) > 1:
                pattern = "both O"
        text = pattern.replace("O", plural).replace("I", one)
        return Draft("locate", finished(text, rng, the=0.0), reading_order(facts, indices(members)), detail="many")
    return None


def detect(facts: Facts, rng: Random) -> Draft | None:
    """One or several names, some of them not there: every instance of those that are, under the name asked for."""
    present: dict[str, int] = {}
    for name in facts.of_class:
        word = name if rng.random() < 0.75 else words_of(name).words[0]
        members = whole_class(facts, name) or _mostly_sure(facts, name)
        if members and not facts.meant_by(word, name) & ~facts.of_class[name]:
            present[word] = members
    wanted = rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 6))
    here = rng.sample(list(present), min(len(present), max(1, wanted - rng.choice((0, 0, 1, 1, 2)))))
    if rng.random() < 0.12:
        here = []
    names = list(here)
    for _ in range(min(wanted - len(here), rng.choice((1, 2, 4))) + (0 if names else 1)):
        absent = missing_name(facts, rng, kin=0.3, usual=0.1)
        if absent is not None and absent not in names:
            names.append(absent)
    if not names:
        return None
    rng.shuffle(names)
    owner = {i: word for word in names if word in present for i in indices(present[word])}
    targets = reading_order(facts, owner)
    return Draft(
        "detect",
        " ; ".join(names),
        targets,
        detail="all present" if len(here) == len(names) else "some absent",
        names=tuple(names),
        labels=tuple(owner[i] for i in targets),
    )


def count(facts: Facts, rng: Random) -> Draft | None:
    """How many there are, with their boxes; sometimes none."""
    if rng.random() < 0.12:
        absent = missing_name(facts, rng, usual=0.1)
        return None if absent is None else Draft("count", many(absent), detail="zero", text="0")
    names = list(facts.of_class)
    rng.shuffle(names)
    for name in names[:3]:
        members = whole_class(facts, name)
        if not members or (members.bit_count() == 1 and rng.random() < 0.85):
            continue
        plural = PEOPLE.draw(rng) if name == "person" else many(words_of(name).words[0])
        phrase = f"the {plural}" if rng.random() < 0.15 and plural != "everyone" else plural
        targets = reading_order(facts, indices(members))
        return Draft("count", phrase, targets, detail=str(len(targets)), text=str(len(targets)))
    return None


def described(facts: Facts, index: int, rng: Random) -> str:
    """One wording of what a thing is, for answers: "person in red shirt", "white car", "dog"."""
    thing = facts.things[index]
    if thing.name == "person":
        kind = "child" if facts.stature[index] < 0 else "person"
        if thing.upper is not None and thing.upper == thing.lower:
            return f"{kind} in {thing.upper}"
        if thing.upper is not None and thing.lower is not None and rng.random() < 0.5:
            return f"{kind} in {thing.upper} shirt and {thing.lower} pants"
        return kind if thing.upper is None else f"{kind} in {thing.upper} shirt"
    return thing.name if thing.color is None else f"{thing.color} {thing.name}"


def describe_box(facts: Facts, rng: Random) -> Draft | None:
    """What stands in this box."""
    for _ in range(4):
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        crowded = any(
            facts.shared(index, other) > 0.5 * max(facts.area[index], facts.area[other])
            for other in range(facts.count)
            if other != index
        )
        if not crowded:
            return Draft(
                "describe", "", (index,), "box", text=described(facts, index, rng), box=facts.things[index].box
            )
    return None
