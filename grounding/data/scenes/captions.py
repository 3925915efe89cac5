"""Longer answers: grounded captions, points, polygons, and short questions with short answers."""

from collections.abc import Callable
from random import Random

import cv2
import numpy as np

from grounding.data.scenes.facts import Facts, indices, reading_order
from grounding.data.scenes.phrases import (
    Draft,
    Polygon,
    clear_view,
    corner_masks,
    group,
    missing,
    name_of,
    shuffled,
)
from grounding.data.scenes.relations import DIRECTIONS, by_distance, reference, said, side_masks
from grounding.data.scenes.wording import (
    NUMBERS,
    Description,
    article,
    canonical,
    is_always_plural,
    maybe_the,
    noun,
    plural,
)

Point = tuple[float, float]


def inside(point: Point, polygon: tuple[Point, ...]) -> bool:
    """Whether a point lies inside a polygon, even-odd; holes joined to the outline by seams count as outside."""
    x, y = point
    within = False
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            within = not within
        x1, y1 = x2, y2
    return within


def visible_point(facts: Facts, i: int, rng: Random) -> Point | None:
    """A point on thing `i`, with a little of it all round, and not hidden: nothing drawn later is there."""
    thing = facts.things[i]
    x1, y1, x2, y2 = thing.box
    room = max(1.0, 0.01 * min(facts.width, facts.height))
    later = [
        other
        for other in facts.things[i + 1 :]
        if other.full_box[0] < x2 and other.full_box[2] > x1 and other.full_box[1] < y2 and other.full_box[3] > y1
    ]
    for _ in range(8):
        point = (x1 + (x2 - x1) * (0.1 + 0.8 * rng.random()), y1 + (y2 - y1) * (0.1 + 0.8 * rng.random()))
        x, y = point
        spots = (point, (x - room, y), (x + room, y), (x, y - room), (x, y + room))
        if all(inside(spot, thing.polygon) for spot in spots) and not any(
            other.full_box[0] - room <= x <= other.full_box[2] + room
            and other.full_box[1] - room <= y <= other.full_box[3] + room
            and any(inside(spot, other.polygon) for spot in spots)
            for other in later
        ):
            return point
    return None


def describe_point(facts: Facts, rng: Random) -> Draft | None:
    """What is at this point: its box and its full name."""
    i = clear_view(facts, rng)
    if i is None:
        return None
    point = visible_point(facts, i, rng)
    if point is None:
        return None
    name = name_of(facts, i)
    return Draft("describe", "", (i,), detail="point", labels=(name,), point=point)


def signed_area(polygon: Polygon) -> float:
    """Area by the shoelace formula, positive when the corners run clockwise on the screen."""
    total = 0.0
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        total += x1 * y2 - x2 * y1
        x1, y1 = x2, y2
    return total / 2


def short_outline(polygon: tuple[Point, ...], most: int = 12) -> Polygon | None:
    """At most `most` corners, clockwise from the topmost; None where that would not look like the shape any more."""
    whole = abs(signed_area(polygon))
    if whole < 1.0:
        return None
    side = whole**0.5
    corners = np.array(polygon, dtype=np.float32)
    for share in (0.01, 0.02, 0.03, 0.045, 0.06):
        short: Polygon = tuple(map(tuple, cv2.approxPolyDP(corners, share * side, True)[:, 0].tolist()))
        if len(short) <= most:
            if len(short) < 3 or abs(abs(signed_area(short)) - whole) > 0.1 * whole:
                return None
            if signed_area(short) < 0:
                short = short[::-1]
            start = min(range(len(short)), key=lambda k: (short[k][1], short[k][0]))
            return short[start:] + short[:start]
    return None


def segment(facts: Facts, rng: Random) -> Draft | None:
    """The outline of one thing that nothing hides."""
    things = facts.things
    for i in shuffled(
        [i for i in indices(facts.focus) if things[i].visibility > 0.995 and not things[i].is_sprite], rng
    )[:3]:
        description = facts.unique(i, rng)
        if description is None:
            continue
        outline = short_outline(things[i].polygon)
        if outline is not None:
            phrase = maybe_the(noun(description, rng, shapes=facts.shapes), rng)
            return Draft("segment", phrase, (i,), detail="one", polygons=(outline,))
    return None


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
    """ "a red star left of a blue ring": two things whose names no other thing shares."""
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
    """ "two red stars, a blue ring and a dog": everything there is, in at most four phrases, in reading order."""
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
    text = rng.choice(("", "", "", "a picture of ", "there is "))
    if text == "there is " and len(phrases[0][1]) > 1:
        text = "there are "
    spans = []
    for number, (words, members_of) in enumerate(phrases):
        if number:
            text += " and " if number == len(phrases) - 1 else ", "
        spans.append((len(text), len(text) + len(words), members_of))
        text += words
    targets = tuple(i for _, _, members_of in spans for i in members_of)
    return Draft("caption", "", targets, detail="list", text=text, spans=tuple(spans))


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
        return Draft("answer", f"is there {_a(noun(found[0], rng))}", detail="yes or no", text="no")
    i = rng.choice(indices(facts.visible & facts.focus) or [-1])
    description = facts.unique(i, rng, bare=False) if i >= 0 else None
    if description is None:
        return None
    return Draft("answer", f"is there {_a(noun(description, rng))}", (i,), detail="yes or no", text="yes")


def _a(words: str) -> str:
    return words if is_always_plural(words) else article(words)


def _what_is_there(facts: Facts, rng: Random) -> Draft | None:
    """ "what is left of the ring" -> "a red star", with its box."""
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
    """ "is the star left of the ring" -> yes or no, where it is clearly one or the other."""
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


__all__ = ["Description", "answer", "caption", "describe_point", "inside", "segment", "short_outline"]
