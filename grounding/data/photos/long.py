"""Whole sentences that single out one thing: "a man in a red shirt standing to the left of a dog"."""

from __future__ import annotations

from random import Random

from grounding.data.photos import ordering
from grounding.data.photos.clothes import color_word, loose_color
from grounding.data.photos.facts import Facts
from grounding.data.photos.people import BOTTOMS, SUITS, TOPS, Words
from grounding.data.photos.phrases import locate, where_is
from grounding.data.photos.relations import standing, tail_of
from grounding.data.photos.roles import ties
from grounding.data.photos.traits import trait
from grounding.data.photos.wording import a, finished
from grounding.data.scenes.phrases import Draft

Clause = tuple[str, int]
"""Words, and everything they might be said of."""

_SHOWN = Words(
    "wearing A 30, in A 24, with A 9, who is wearing A 4, dressed in A 1.5, that is wearing A 1, "
    "wearing C 5, in C 3, has A on 0.6"
)
_LEFT = Words(
    "on the left 16, to the left 8, on the far left 6, on the left side 6, on the left side of the picture 2, "
    "on the left hand side 2, to the far left 1.5, on the left side of the image 1, that is on the left 1, "
    "on the left of the photo 1, farthest to the left 1, furthest to the left 1, on the left in the picture 0.4"
)
_TOP = Words(
    "at the top 10, on top 6, at the top of the picture 3, on the top 4, towards the top 0.7, that is on top 0.7"
)
_BOTTOM = Words(
    "at the bottom 10, on the bottom 6, at the bottom of the picture 3, towards the bottom 0.7, "
    "closest to the bottom 0.5"
)
_MIDDLE = Words(
    "in the middle 12, in the center 5, in the middle of the picture 2, in between the other two 1, in the centre 1"
)
_CORNER = Words(
    "in the top left 4, in the top left corner 5, on the top left 3, in the upper left corner 2, "
    "at the top left 2, to the top left 0.7"
)
_NEAREST = Words(
    "closest to the camera 12, in the foreground 8, in front 9, in the front 5, "
    "nearest to the camera 2, nearest the camera 3, "
    "that is closest to the camera 2, in front of the others 1.5, closest to the viewer 0.7, closest to us 1"
)
_FARTHEST = Words(
    "in the background 12, in the back 9, behind the others 3, farthest from the camera 2, "
    "furthest away 2, in back 3, furthest back 1, in the distance 1, standing in the back 0.5"
)
_POSES = Words("standing 10, standing up 1.5, that is standing 1, who is standing 1")
_ANIMAL_POSES = Words("standing 10, that is standing 1, looking around 0.3, walking 0.5")


def sentence(facts: Facts, rng: Random) -> Draft | None:
    """Two or three clauses about one thing, of which no other fits them all."""
    for _ in range(3):
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        noun = facts.noun(index, rng)
        head, mask = noun.words, noun.mask
        person = facts.names[index] == "person"
        color = facts.things[index].color
        if color is not None and rng.random() < 0.55:
            said = color_word(color, rng)
            head = f"{said} {head}"
            mask &= facts.colored(loose_color(said, color), "color")
        makers = [_clothes, _tie, _stand] if person else [_stand]
        rng.shuffle(makers)
        clauses: list[str] = []
        wanted = rng.choice((1, 2, 2, 3))
        for make in makers:
            if len(clauses) == wanted or (clauses and mask == 1 << index and rng.random() < 0.35):
                break
            found = make(facts, index, noun.mask, rng)
            if found is not None:
                clauses.append(found[0])
                mask &= found[1]
        clauses = _ordered(clauses)
        sided = any(side in " " + " ".join(clauses) for side in (" left", " right", "above", "below", "under"))
        placed = None if sided else _place(facts, index, mask, rng)
        if placed is not None and (facts.contrasted(mask, index) or rng.random() < 0.25):
            words, mask = placed
            clauses.insert(rng.choice((0, len(clauses), len(clauses))), words)
        if mask != 1 << index or not clauses:
            continue
        if rng.random() < 0.3:
            words, before = trait(facts, index, rng)
            if before:
                head = f"{words} {head}"
            elif not any(words.split()[0] in clause for clause in clauses):
                clauses.insert(0, words)
        first = clauses[0]
        if not any(verb in " ".join(clauses) for verb in ("standing", "sitting", "riding", "laying", "lying")):
            pose = _pose(facts, index, rng)
            if pose is not None and not first.startswith(("that", "who", "in front")) and rng.random() < 0.4:
                spot = next(
                    (
                        n
                        for n, clause in enumerate(clauses)
                        if clause.startswith(("next", "by", "on the", "in the", "to the", "beside", "near", "behind"))
                    ),
                    None,
                )
                clauses.insert(len(clauses) if spot is None else spot, pose)
        text = " ".join((head, *clauses))
        roll = rng.random()
        text = text if noun.plural and roll < 0.5 else a(text) if roll < 0.5 else f"the {text}" if roll < 0.85 else text
        if rng.random() < 0.05:
            text += "."
        return locate(facts, finished(text, rng, the=0.0), index, "sentence")
    return None


def _ordered(clauses: list[str]) -> list[str]:
    """What is worn first, then what is done, then where it stands: as most people write."""
    worn = [
        clause
        for clause in clauses
        if clause.startswith(("wearing", "in a", "dressed", "who is wearing", "that is wearing"))
    ]
    return worn + [clause for clause in clauses if clause not in worn]


def _clothes(facts: Facts, index: int, mask: int, rng: Random) -> Clause | None:
    thing = facts.things[index]
    upper, lower = thing.upper, thing.lower
    pattern = _SHOWN.draw(rng)
    if upper is not None and upper == lower and rng.random() < 0.5:
        word = color_word(upper, rng).removeprefix("all ")
        garment = SUITS.draw(rng)
        worn = f"{word} {garment}" if garment in ("clothes", "clothing", "attire", "gear") else a(f"{word} {garment}")
        return pattern.replace("A", worn).replace("C", f"all {word}"), facts.colored(loose_color(word, upper), "worn")
    if upper is None and lower is None:
        return None
    if upper is None or (lower is not None and rng.random() < 0.15):
        word = color_word(lower or "", rng).removeprefix("all ")
        garment = "jeans" if lower == "blue" and rng.random() < 0.5 else BOTTOMS.draw(rng)
        seen = facts.colored(loose_color(word, lower or ""), "lower")
        return pattern.replace("A", f"{word} {garment}").replace("C", f"{word} {garment}"), seen
    word = color_word(upper, rng).removeprefix("all ")
    seen = facts.colored(loose_color(word, upper), "upper")
    worn = a(f"{word} {TOPS.draw(rng)}")
    if "C" in pattern:
        return pattern.replace("C", word), facts.colored(loose_color(word, upper), "worn")
    if lower is not None and rng.random() < 0.35:
        below = color_word(lower, rng).removeprefix("all ")
        garment = "jeans" if lower == "blue" and rng.random() < 0.6 else BOTTOMS.draw(rng)
        worn += f" and {below} {garment}"
        seen &= facts.colored(loose_color(below, lower), "lower")
    return pattern.replace("A", worn), seen


def _tie(facts: Facts, index: int, mask: int, rng: Random) -> Clause | None:
    mine = [tie for tie in ties(facts) if tie.person == index]
    if not mine:
        return None
    return tail_of(facts, rng.choice(mine), rng)


def _stand(facts: Facts, index: int, mask: int, rng: Random) -> Clause | None:
    found = standing(facts, index, mask, rng)
    return None if found is None else (found[0], found[2])


def _pose(facts: Facts, index: int, rng: Random) -> str | None:
    """ "standing", of a person whose box is so narrow that they must be; of most animals mostly."""
    if facts.names[index] == "person":
        upright = facts.h[index] > 2.6 * facts.w[index] and facts.y2[index] < 0.98
        return _POSES.draw(rng) if upright else None
    if facts.names[index] in ("giraffe", "zebra", "elephant", "horse", "cow"):
        return _ANIMAL_POSES.draw(rng)
    return None


def _place(facts: Facts, index: int, mask: int, rng: Random) -> Clause | None:
    """Where the thing stands among all of the mask: words that only it fits."""
    found: list[tuple[str, float]] = list(where_is(facts, mask, index, rng))
    if facts.contrasted(mask, index):
        if ordering.nearest(facts, mask) == index:
            found.append(("nearest", 1.5))
        if ordering.farthest(facts, mask) == index:
            found.append(("farthest", 1.5))
    if not found:
        return None
    where = rng.choices([where for where, _ in found], [weight for _, weight in found])[0]
    if where in ("nearest", "farthest"):
        return (_NEAREST if where == "nearest" else _FARTHEST).draw(rng), 1 << index
    if " " in where:
        text = _CORNER.draw(rng)
        if where.startswith("bottom"):
            text = text.replace("top", "bottom").replace("upper", "lower")
        return text.replace("left", where.split()[1]), 1 << index
    words = {"left": _LEFT, "right": _LEFT, "top": _TOP, "bottom": _BOTTOM, "middle": _MIDDLE}[where].draw(rng)
    return words.replace("left", where) if where == "right" else words, 1 << index
