"""Phrases about how things stand to one another: held, ridden, sat on, next to, behind, on, in, left of.

Every relation is read strictly for what is meant, and loosely for everything else that the words might be said of.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from grounding.data.photos import ordering
from grounding.data.photos.facts import Facts, Tie, indices
from grounding.data.photos.names import KINDS, NAMES, word_for
from grounding.data.photos.people import Words
from grounding.data.photos.phrases import called, locate, place_of
from grounding.data.photos.roles import MANNERS, may_be_tied, ties
from grounding.data.photos.wording import Said, article, finished
from grounding.data.scenes.phrases import Draft

Reading = Callable[[Facts, int, int], bool]

_NEXT = Words(
    "next to 34, by 20, beside 8, near 10, close to 2, closest to 4, nearest 1, right next to 2, standing by 0.6, "
    "next 2, besides 0.5, near to 0.3, alongside 0.3, to the side of 0.3, with 1.5"
)
_PERSON_NEXT = Words(
    "standing next to 8, standing by 5, next to 26, by 14, beside 7, near 8, with 4, "
    "closest to 3, close to 1, standing near 2, standing beside 1"
)
_WORDS = {
    "next": _NEXT,
    "on": Words("on 30, on top of 8, sitting on 4, laying on 2, lying on 1, resting on 0.5"),
    "in": Words("in 30, inside 5, sitting in 2, inside of 1"),
    "holds": Words("with 30, full of 4, of 5, filled with 3, holding 2, containing 1.5, that has 1.5, w 0.7, has 0.7"),
    "bears": Words("with 20, under 4, holding 1.5, that has 0.7, below 0.7, has 0.5"),
    "front": Words("in front of 30, before 0.5, in front 0.7, closer than 0.3"),
    "behind": Words("behind 30, in back of 2, in the back of 0.4, standing behind 2"),
    "left": Words(
        "left of 14, to the left of 18, to left of 4, on the left of 3, on left of 2, "
        "on left side of 1, on the left side of 1"
    ),
    "right": Words(
        "right of 14, to the right of 18, to right of 4, on the right of 3, on right of 2, "
        "on right side of 1, on the right side of 1"
    ),
    "above": Words("above 20, over 6, higher than 0.7, on top of 1"),
    "below": Words("below 14, under 12, underneath 3, beneath 1"),
}
_SUPPORTS = frozenset(("dining table", "bed", "couch", "chair", "bench", "suitcase", "laptop", "keyboard"))
_SUPPORTED = frozenset(
    (
        *(
            "cat",
            "dog",
            "teddy bear",
            "laptop",
            "book",
            "suitcase",
            "handbag",
            "backpack",
            "remote",
            "cell phone",
            "cup",
        ),
        *("bowl", "bottle", "wine glass", "vase", "pizza", "sandwich", "cake", "donut", "banana", "apple", "orange"),
        *("hot dog", "fork", "knife", "spoon", "scissors", "keyboard", "mouse", "tv", "clock", "potted plant", "bird"),
    )
)
_CONTAINERS = {
    "bowl": frozenset(("broccoli", "carrot", "apple", "orange", "banana", "spoon", "cake", "donut")),
    "sink": frozenset(("bowl", "cup", "bottle", "cat", "toothbrush")),
    "suitcase": frozenset(("cat", "dog", "teddy bear", "book")),
    "vase": frozenset(("potted plant",)),
    "cup": frozenset(("spoon", "toothbrush", "fork")),
    "oven": frozenset(("pizza", "cake")),
    "boat": frozenset(("dog", "person")),
    "truck": frozenset(("dog", "bicycle", "motorcycle")),
    "bed": frozenset(("teddy bear", "cat", "dog")),
    "handbag": frozenset(("cat", "dog", "teddy bear")),
}
"""What may lie in what."""


def _gaps(facts: Facts, one: int, other: int) -> tuple[float, float]:
    """Empty space between two boxes across and down; less than 0 where they overlap."""
    across = max(facts.x1[one], facts.x1[other]) - min(facts.x2[one], facts.x2[other])
    down = max(facts.y1[one], facts.y1[other]) - min(facts.y2[one], facts.y2[other])
    return across, down


def _next(facts: Facts, one: int, other: int) -> bool:
    across, down = _gaps(facts, one, other)
    low_w, low_h = min(facts.w[one], facts.w[other]), min(facts.h[one], facts.h[other])
    ratio = facts.area[one] / facts.area[other]
    return -0.3 * low_w < across < 0.07 and -down > 0.5 * low_h and 0.08 < ratio < 12


def _maybe_next(facts: Facts, one: int, other: int) -> bool:
    across, down = _gaps(facts, one, other)
    return across < 0.18 and down < 0.1


def _on(facts: Facts, one: int, other: int) -> bool:
    if facts.names[other] not in _SUPPORTS or facts.names[one] not in _SUPPORTED:
        return False
    return (
        facts.shared(one, other) > 0.6 * facts.area[one]
        and facts.area[one] < 0.6 * facts.area[other]
        and facts.cy[one] < facts.y2[other] - 0.15 * facts.h[other]
    )


def _maybe_on(facts: Facts, one: int, other: int) -> bool:
    across, down = _gaps(facts, one, other)
    return across < 0.03 and down < 0.03


def _in(facts: Facts, one: int, other: int) -> bool:
    holds = _CONTAINERS.get(facts.names[other])
    if holds is None or facts.names[one] not in holds:
        return False
    return facts.shared(one, other) > 0.75 * facts.area[one] and facts.area[one] < 0.8 * facts.area[other]


def _maybe_in(facts: Facts, one: int, other: int) -> bool:
    return facts.shared(one, other) > 0.15 * facts.area[one]


def _front(facts: Facts, one: int, other: int) -> bool:
    across, down = _gaps(facts, one, other)
    over = -across > 0.35 * min(facts.w[one], facts.w[other])
    ratio = facts.area[one] / facts.area[other]
    return over and down < 0.02 and 0.3 < ratio < 8 and 0.06 < facts.y2[one] - facts.y2[other] < 0.45


def _maybe_front(facts: Facts, one: int, other: int) -> bool:
    return _gaps(facts, one, other)[0] < 0.06 and facts.y2[one] > facts.y2[other] - 0.03


def _behind(facts: Facts, one: int, other: int) -> bool:
    return _front(facts, other, one) and facts.y1[one] < facts.y2[other] - 0.1


def _maybe_behind(facts: Facts, one: int, other: int) -> bool:
    return _maybe_front(facts, other, one)


def _holds(facts: Facts, one: int, other: int) -> bool:
    return _in(facts, other, one)


def _maybe_holds(facts: Facts, one: int, other: int) -> bool:
    return facts.shared(one, other) > 0.1 * facts.area[other]


def _bears(facts: Facts, one: int, other: int) -> bool:
    return _on(facts, other, one)


def _maybe_bears(facts: Facts, one: int, other: int) -> bool:
    return _maybe_on(facts, other, one)


def _beyond(side: str) -> tuple[Reading, Reading]:
    across_first = side in ("left", "right")
    sign = 1.0 if side in ("left", "top") else -1.0

    def strictly(facts: Facts, one: int, other: int) -> bool:
        names = facts.names[one], facts.names[other]
        # Nobody says of who stands on a skateboard that they are above it.
        if not across_first and not (_HIGH.intersection(names) or ("person" not in names and names[0] == names[1])):
            return False
        across, down = _gaps(facts, one, other)
        along, aside = (across, down) if across_first else (down, across)
        least = min(facts.h[one], facts.h[other]) if across_first else min(facts.w[one], facts.w[other])
        return -0.06 < along < 0.3 and -aside > 0.4 * least and ordering.beyond(facts, one, other, side)

    def perhaps(facts: Facts, one: int, other: int) -> bool:
        center = facts.cx if across_first else facts.cy
        return (center[other] - center[one]) * sign > -0.02

    return strictly, perhaps


_HIGH = frozenset(
    (
        *("airplane", "kite", "clock", "traffic light", "stop sign", "tv", "microwave", "oven", "sink", "potted plant"),
        *("bird", "vase", "laptop", "bowl", "refrigerator", "pizza", "cake", "sandwich", "donut", "book", "boat"),
    )
)
"""Of these it is said that they are above something, or something above them."""
READINGS: dict[str, tuple[Reading, Reading, float]] = {
    "on": (_on, _maybe_on, 30),
    "in": (_in, _maybe_in, 30),
    "holds": (_holds, _maybe_holds, 45),
    "bears": (_bears, _maybe_bears, 20),
    "next": (_next, _maybe_next, 40),
    "front": (_front, _maybe_front, 14),
    "behind": (_behind, _maybe_behind, 14),
    "left": (*_beyond("left"), 9),
    "right": (*_beyond("right"), 9),
    "above": (*_beyond("top"), 4),
    "below": (*_beyond("bottom"), 4),
}
"""How things stand -> (certainly, perhaps, how readily it is said)."""


def standing(facts: Facts, index: int, mask: int, rng: Random) -> tuple[str, str, int] | None:
    """What a thing stands next to, on, behind ...: words to follow its noun, which relation, and all they might fit.

    `mask` is everything that the noun might be said of. None where nothing certain stands by.
    """
    others = [i for i in indices(facts.sure & ~(1 << index)) if facts.area[i] > 0.008]
    rng.shuffle(others)
    for other in others[:6]:
        kin = mask >> other & 1
        if kin and facts.names[index] != "person" and mask.bit_count() != 2:
            continue
        ways = [(way, weight) for way, (strict, _, weight) in READINGS.items() if strict(facts, index, other)]
        if facts.shared(index, other) > 0.8 * facts.area[other]:
            # What lies on a table stands neither next to it nor in front of it, and so with what lies in a bowl.
            ways = [(way, weight) for way, weight in ways if way in ("holds", "bears")]
        if not ways:
            continue
        way = rng.choices([way for way, _ in ways], [weight for _, weight in ways])[0]
        if kin and facts.names[index] != "person":
            if way not in ("front", "behind", "left", "right"):
                continue
            text, meant = rng.choice(("the other one", "the other", "other one", "another one")), mask
        else:
            said, meant = called(facts, other, rng, color=0.75 if kin else 0.2)
            if kin and meant >> index & 1 and rng.random() < 0.8:
                continue
            text = article(said.text(), rng, plural=said.plural or said.headless)
        perhaps = READINGS[way][1]
        found = 0
        for one in indices(mask):
            if any(two != one and perhaps(facts, one, two) for two in indices(meant)):
                found |= 1 << one
        if way == "bears" and rng.random() < 0.6:
            return f"with {text} on {'it' if rng.random() < 0.8 else 'top'}", way, found
        words = _PERSON_NEXT if way == "next" and facts.names[index] == "person" and rng.random() < 0.5 else _WORDS[way]
        return f"{words.draw(rng)} {text}", way, found
    return None


def tail_of(facts: Facts, tie: Tie, rng: Random) -> tuple[str, int]:
    """What is said behind the noun of a person who holds, rides ... something, and everyone it might be said of."""
    name = facts.names[tie.thing]
    manner = MANNERS[name]
    pattern = manner.tails.draw(rng)
    if " O" not in pattern:
        # "Sitting" may be said of anybody here, on a chair or not.
        return pattern, tie.people if manner.alone is not None else facts.persons
    word = rng.choice(KINDS["food"]) if name in _MEALS and rng.random() < 0.1 else word_for(name, rng)
    everyone = tie.people
    for thing in indices(facts.meant_by(word, name) & ~facts.of_class[name]):  # a bag may be a suitcase
        for person in indices(facts.persons):
            if may_be_tied(facts, person, thing):
                everyone |= 1 << person
    object_said = word
    color = facts.things[tie.thing].color
    if color is not None and rng.random() < 0.08:
        object_said = f"{color} {word}"
    plural = word.endswith("s") and word in ("skis", "scissors", "flowers", "books", "bananas")
    return pattern.replace(" O", " " + article(object_said, rng, plural=plural)), everyone


_MEALS = frozenset(name for name, names in NAMES.items() if "food" in names.kinds)


def relation(facts: Facts, rng: Random) -> Draft | None:
    """For example "man holding umbrella", "cup next to laptop", "bike the guy is on"."""
    if facts.count < 2:
        return None
    for _ in range(3):
        roll = rng.random()
        known = ties(facts)
        if known and roll < 0.5:
            draft = _person_with(facts, rng, rng.choice(known))
        elif known and roll < 0.62:
            tie = rng.choice(known)
            draft = _thing_of(facts, rng, tie) if facts.sure >> tie.thing & 1 else None
        else:
            draft = _stands(facts, rng)
        if draft is not None:
            return draft
    return None


def _person_with(facts: Facts, rng: Random, tie: Tie) -> Draft | None:
    if rng.random() < 0.14:
        # The thing stands for who has it: "the red umbrella" is no certain answer, but "surfer" is.
        manner = MANNERS[facts.names[tie.thing]]
        words = manner.alone or manner.roles
        if words is not None:
            mask = tie.people if manner.alone is not None else facts.persons
            return _finish(facts, Said(words.draw(rng)), mask, tie.person, rng, "role")
    said, mask = called(facts, tie.person, rng, color=0.15, headless=0.0)
    if any(part in said.head for part in ("rider", "er ")) and rng.random() < 0.5:
        return None
    tail, people = tail_of(facts, tie, rng)
    if rng.random() < 0.07 and not said.after:
        said = Said(rng.choice(("the one", "one", "person", "the person")))
        mask = facts.persons if "person" in said.head else facts.everything & facts.persons
    said.after.append(tail)
    return _finish(facts, said, mask & people, tie.person, rng, "tie")


def _finish(facts: Facts, said: Said, mask: int, index: int, rng: Random, detail: str) -> Draft | None:
    """The phrase alone where it fits one thing, with a place where it fits several."""
    sided = detail in ("left", "right", "above", "below")
    if mask == 1 << index and (sided or rng.random() < 0.92):
        return locate(facts, finished(said.text(), rng), index, detail)
    if sided:
        return None
    found = place_of(facts, said, mask, index, rng)
    return None if found is None else locate(facts, finished(found[0], rng), index, f"{detail}, {found[1]}")


_OWNED = {
    "ride": Words(
        "P is on 10, P is riding 10, with P on it 10, that P is riding 4, with rider 4, "
        "being ridden 3, under P 2, with P on top 2, ridden by P 2"
    ),
    "board": Words("under P 5, P is on 8, P is riding 5, of P 1, with P on it 4, that P is on 2"),
    "hold": Words(
        "P is holding 12, that P is holding 3, held by P 5, in P hand 1, with P 1.5, P has 4, "
        "being held by P 2, P is carrying 2"
    ),
    "sit": Words(
        "P is sitting on 10, P is on 5, with P on it 6, with P sitting on it 3, with P 2, under P 2, "
        "that P is sitting on 2, P is sitting in 2"
    ),
    "inside": Words("with P in it 6, P is in 6, with P 3"),
    "wear": Words("on P 8, P is wearing 8, of P 2"),
}


def _thing_of(facts: Facts, rng: Random, tie: Tie) -> Draft | None:
    """A thing by who has it: "umbrella the woman is holding", "mans tie"."""
    noun = facts.noun(tie.thing, rng, kinds=0.02)
    near = 0
    for other in indices(noun.mask & ~facts.persons):
        if any(READINGS["next"][1](facts, other, person) for person in indices(facts.persons)):
            near |= 1 << other
    person = facts.noun(tie.person, rng).words
    how = MANNERS[facts.names[tie.thing]].how
    if rng.random() < 0.22:
        said = Said(noun.words, [person + rng.choice(("'s", "'s", "s"))], plural=noun.plural)
    else:
        who = article(person, rng)
        said = Said(noun.words, after=[_OWNED[how].draw(rng).replace("P hand", f"{who} hand").replace("P", who)])
    return _finish(facts, said, noun.mask & near, tie.thing, rng, "of someone")


def _stands(facts: Facts, rng: Random) -> Draft | None:
    index = facts.pick(rng, facts.everything)
    if index is None:
        return None
    said, mask = called(facts, index, rng, color=0.1, headless=0.1)
    found = standing(facts, index, mask, rng)
    if found is None:
        return None
    text, way, meant = found
    if said.after:
        return None
    said.after.append(text)
    return _finish(facts, said, mask & meant, index, rng, way)
