"""Phrases that single out one thing by its name, place, order, size, nearness or colour.

Each builder takes the facts of a photograph and a random generator and returns a Draft whose answer is certain, or
None when it found nothing certain to ask.
"""

from __future__ import annotations

from random import Random

from grounding.data.photos import ordering
from grounding.data.photos.clothes import dressed, undressed
from grounding.data.photos.facts import Facts, indices
from grounding.data.photos.people import Words
from grounding.data.photos.roles import role_of
from grounding.data.photos.traits import trait
from grounding.data.photos.wording import Said, finished, place_words, placed
from grounding.data.scenes.phrases import Draft


def called(
    facts: Facts, index: int, rng: Random, *, color: float = 0.15, headless: float = 0.25, traits: float = 0.0
) -> tuple[Said, int]:
    """A noun phrase for a thing, with its colour now and then, and everything it might be said of.

    `traits` is how often something is added that may be so: it tells nothing apart.
    """
    if rng.random() < color:
        found = colored(facts, index, rng, headless=headless)
        if found is not None:
            return found
    if facts.names[index] == "person" and rng.random() < 0.3:
        role = role_of(facts, index, rng)
        if role is not None:
            return Said(role.words), role.mask
    noun = facts.noun(index, rng)
    said = Said(noun.words, plural=noun.plural)
    if rng.random() < traits:
        words, before = trait(facts, index, rng)
        (said.before if before else said.after).append(words)
    return said, noun.mask


def colored(facts: Facts, index: int, rng: Random, *, headless: float = 0.25) -> tuple[Said, int] | None:
    """A noun phrase that names a colour of the thing, and everything it might be said of; None where none is sure."""
    if facts.names[index] == "person":
        return dressed(facts, index, rng, headless=headless)
    return undressed(facts, index, rng)


def locate(facts: Facts, phrase: str, index: int, detail: str) -> Draft:
    """The draft of a phrase that means one thing."""
    return Draft("locate", phrase, (index,), detail=detail)


def name(facts: Facts, rng: Random) -> Draft | None:
    """For example "dog", "the lady", "guy smiling": what it is called, where only one thing might be, or all others are
    background beside it."""
    alone = sum(1 << i for mask in facts.of_class.values() for i in indices(mask) if facts.rules(mask, i))
    for _ in range(4):
        index = facts.pick(rng, alone)
        if index is None:
            return None
        said, mask = called(facts, index, rng, color=0.12, traits=0.2)
        if facts.rules(mask, index):
            text = said.text()
            if not said.plural and rng.random() < 0.05:
                text = ("a " if text[0] not in "aeiou" else "an ") + text
            return locate(facts, finished(text, rng, the=0.28), index, "name")
    return None


def pool(facts: Facts) -> int:
    """What bare words like "left one" are about: the only class with several things, or people where they rule."""
    largest = max(facts.area)
    several = [
        mask
        for mask in facts.of_class.values()
        if sum(facts.area[i] >= 0.12 * largest for i in indices(mask & facts.sure)) >= 2
    ]
    if len(several) == 1:
        return facts.meant_by("", facts.names[indices(several[0])[0]])
    if facts.persons in several:
        rest = facts.everything & ~facts.persons & ~facts.of_class.get("dining table", 0)
        people = sum(facts.area[i] for i in indices(facts.persons))
        if people > 2 * sum(facts.area[i] for i in indices(rest)):
            return facts.persons
    return 0


def where_is(facts: Facts, mask: int, index: int, rng: Random) -> list[tuple[str, float]]:
    """Places that only this thing of the mask certainly has, with how readily each is named."""
    found: list[tuple[str, float]] = []
    alone = not facts.contrasted(mask, index)
    person = facts.names[index] == "person"
    for side in ordering.SIDES:
        weight = 1.0
        if side in ("top", "bottom"):
            # Of people it is rarely said that they are at the top, even where they are.
            if rng.random() > (0.22 if person else 0.7):
                continue
            weight = 0.25
        if alone:
            if not ordering.wholly_on(facts, index, side, 0.08) or ordering.on_side(facts, index, side) < 0.62:
                continue
            weight *= 0.5
        elif ordering.on_side(facts, index, side) < 0.4:
            continue
        if ordering.extreme(facts, mask, side) == index:
            found.append((side, weight))
    for corner in ordering.CORNERS:
        if alone and sum(ordering.on_side(facts, index, part) for part in corner.split()) < 1.4:
            continue
        if (not person or rng.random() < 0.5) and ordering.in_corner(facts, mask, corner, index):
            found.append((corner, 0.5 if not alone else 0.25))
    if ordering.middle(facts, mask) == index:
        found.append(("middle", 1.3))
    return found


def place_of(facts: Facts, said: Said, mask: int, index: int, rng: Random) -> tuple[str, str] | None:
    """The noun phrase with a place that singles the thing out, and that place; None where none does."""
    places = where_is(facts, mask, index, rng)
    if not places:
        return None
    where = _draw(places, rng)
    return placed(said, where, rng, well=_well(facts, mask, index, where)), where


def _draw(choices: list[tuple[str, float]], rng: Random) -> str:
    return rng.choices([what for what, _ in choices], [weight for _, weight in choices])[0]


def side(facts: Facts, rng: Random) -> Draft | None:
    """For example "left guy", "bowl bottom right", "man in red on the left", bare "left"."""
    if rng.random() < 0.2:
        mask = pool(facts)
        index = facts.pick(rng, mask) if mask.bit_count() > 1 else None
        places = where_is(facts, mask, index, rng) if index is not None else []
        if index is not None and places:
            where = _draw(places, rng)
            text = place_words(where, "bare", rng, well=_well(facts, mask, index, where))
            return locate(facts, finished(text.rstrip(","), rng, the=0.06), index, f"bare {where}")
    for _ in range(4):
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        said, mask = called(facts, index, rng, color=0.22, traits=0.1)
        if rng.random() < 0.6 and not facts.contrasted(mask, index):
            # Where there is one of a kind, few say where it is.
            continue
        placement = place_of(facts, said, mask, index, rng)
        if placement is not None:
            return locate(facts, finished(placement[0], rng), index, placement[1])
    return None


def _well(facts: Facts, mask: int, index: int, where: str) -> bool:
    if where not in ordering.SIDES:
        return True
    towards = ordering.on_side(facts, index, where)
    return towards > 0.7 or (mask.bit_count() > 2 and towards > 0.55)


_ORDINAL_WORDS = (
    ("first", "1st"),
    ("second", "2nd", "second", "2nd", "number 2"),
    ("third", "3rd", "third"),
    ("fourth", "4th"),
    ("fifth", "5th"),
    ("sixth", "6th"),
    ("seventh", "7th"),
)
_FROM = Words(
    "from left 30, from the left 24, from left side 1, in from left 2, in from the left 1, "
    "left 3, to left 1, to the left 0.7, on left 1.2, on the left 1, over from left 0.7, "
    "starting from left 0.3, from the left side 0.7, from far left 0.5"
)


def ordinal(facts: Facts, rng: Random) -> Draft | None:
    """For example "second from left", "3rd guy from the right", "second zebra from the left"."""
    several = sum(mask for mask in facts.of_class.values() if mask.bit_count() > 2)
    for _ in range(8):
        index = facts.pick(rng, several)
        if index is None:
            return None
        said, mask = called(facts, index, rng, color=0.08, headless=0.0)
        if mask.bit_count() > 14 or facts.foreground(mask & facts.sure, index).bit_count() < 3:
            continue
        ways = rng.choices(ordering.SIDES, (10, 10, 1, 1))[0]
        place = ordering.counted_from(facts, mask, ways, index)
        if (
            place is None
            or place >= len(_ORDINAL_WORDS)
            or (place == 0 and (ways in ("top", "bottom") or rng.random() < 0.85))
        ):
            continue
        word = rng.choice(_ORDINAL_WORDS[place])
        since = _FROM.draw(rng) if place and ways in ("left", "right") else rng.choice(("from left", "from the left"))
        since = since.replace("left", ways)
        bare = mask == pool(facts) and rng.random() < 0.45
        if bare:
            text = f"{word} {'one ' if rng.random() < 0.25 else ''}{since}"
        elif rng.random() < 0.6:
            text = f"{word} {said.text()} {since}"
        else:
            text = f"{said.text()} {word} {since}"
        return locate(facts, finished(text, rng, the=0.15), index, f"{place + 1} from {ways}")
    return None


_BIG = Words(
    "big 26, biggest 22, large 14, larger 8, largest 12, bigger 12, huge 2, giant 0.7, "
    "really big 0.5, great big 0.2, main 0.7, biggest looking 0.1"
)
_SMALL = Words(
    "small 26, smallest 22, smaller 14, little 16, tiny 5, littlest 2, littler 0.3, tiniest 0.7, "
    "really small 0.3, lil 0.3, mini 0.2"
)
_TALL = Words("tallest 22, tall 18, taller 14, highest 0.5, bigger 2, longest 0.3")
_SHORT = Words("shortest 20, short 16, shorter 14, smaller 4, smallest 3, little 3")
_UPRIGHT = frozenset(
    ("person", "giraffe", "elephant", "bottle", "vase", "wine glass", "potted plant", "cup", "refrigerator")
)


def size_order(facts: Facts, rng: Random) -> Draft | None:
    """For example "biggest elephant", "small cow", "tallest guy"."""
    for _ in range(5):
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        said, mask = called(facts, index, rng, color=0.12, headless=0.0)
        if not facts.contrasted(mask, index):
            continue
        person = facts.names[index] == "person"
        choices: list[tuple[str, float]] = []
        seen = facts.foreground(mask, index)
        if not person and ordering.biggest(facts, mask) == index:
            choices.append(("biggest", 1.0))
        if not person and ordering.smallest(facts, mask) == index:
            choices.append(("smallest", 1.0))
        if facts.names[index] in _UPRIGHT:
            if ordering.tallest(facts, seen) == index:
                choices.append(("tallest", 1.0))
            if ordering.shortest(facts, mask) == index and (
                not person or facts.stature[index] < 0 or rng.random() < 0.4
            ):
                choices.append(("shortest", 1.0))
        if person and facts.stature[index] < 0 and ordering.smallest(facts, seen, ratio=1.3) == index:
            choices.append(("smallest", 1.0))
        if not choices:
            continue
        detail = _draw(choices, rng)
        word = {"biggest": _BIG, "smallest": _SMALL, "tallest": _TALL, "shortest": _SHORT}[detail].draw(rng)
        superlative = word.endswith("est")
        if mask == pool(facts) and not person and rng.random() < 0.25:
            text = rng.choice((f"{word} one", f"the {word} one", word if superlative else f"{word} one"))
        elif rng.random() < 0.06 and not superlative:
            text = f"{said.text()} that is {word}"
        else:
            text = f"{word} {said.text()}"
        return locate(facts, finished(text.replace("little little", "little"), rng, the=0.3), index, detail)
    return None


_CLOSE_BEFORE = Words(
    "closest 30, front 14, nearest 10, closer 4, near 1, front most 0.7, foreground 2, "
    "forefront 0.3, closest to camera 0.2"
)
_CLOSE_AFTER = Words(
    "in front 30, closest 7, in the front 8, in foreground 6, in the foreground 5, "
    "closest to us 5, closest to camera 5, "
    "closest to the camera 4, up front 4, nearest 2, nearest us 1.5, nearest to us 1, nearest the camera 1, front 4, "
    "closest to you 1.5, closest to viewer 0.5, close up 1.5, closest up 0.3, up close 1, at front 1, near us 0.5, "
    "nearest to camera 0.6, most in front 0.2, in very front 0.2, who is closest 0.3, in fron 0.1, near camera 0.4"
)
_FAR_BEFORE = Words(
    "back 16, background 6, farthest 6, furthest 7, farthest away 1, furthest back 1, far 3, "
    "distant 1, rear 0.8, back most 0.2, farthest back 0.6"
)
_FAR_AFTER = Words(
    "in back 30, in the back 20, in background 14, in the background 14, furthest away 4, farthest away 3, far back 2, "
    "behind 4, furthest back 3, farthest back 2, back 3, way in back 1.5, in the distance 1.5, "
    "far away 1.5, at back 1, "
    "way in the back 0.5, behind the others 0.5, in far back 0.3, at the back 1, behind everyone 0.2, in the rear 0.3"
)


def near(facts: Facts, rng: Random) -> Draft | None:
    """For example "closest zebra", "guy in back", "person cut off on left"."""
    for _ in range(5):
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        said, mask = called(facts, index, rng, color=0.15, headless=0.15, traits=0.04)
        if not facts.contrasted(mask, index):
            continue
        person = facts.names[index] == "person"
        if ordering.nearest(facts, mask) == index:
            before, after, bare, detail = _CLOSE_BEFORE, _CLOSE_AFTER, ("front", "closest", "closest one"), "nearest"
        elif ordering.farthest(facts, mask) == index:
            before, after, bare, detail = _FAR_BEFORE, _FAR_AFTER, ("in back", "back", "background"), "farthest"
        else:
            draft = _cut(facts, said, mask, index, rng) or _row(facts, said, mask, index, rng)
            if draft is not None:
                return draft
            continue
        if mask == pool(facts) and rng.random() < 0.2:
            text = rng.choice(
                (*bare, f"{before.draw(rng)} one", f"one {after.draw(rng)}", f"the one {after.draw(rng)}")
            )
        elif rng.random() < 0.4:
            text = f"{before.draw(rng)} {said.text()}"
        elif said.after and rng.random() < 0.5:
            text = " ".join((*said.before, said.head, after.draw(rng), *said.after))
        else:
            text = f"{said.text()} {after.draw(rng)}"
        if not person:
            text = text.replace("who is", "that is")
        return locate(facts, finished(text, rng), index, detail)
    return None


_CUT = Words(
    "cut off 10, cut off on left 4, on left cut off 3, partially cut off 1, half on left 1, "
    "on left edge 3, cropped on left 0.3, "
    "partially visible on left 0.4, at left edge 1.5, barely visible on left 0.4, on the edge 1, half cut off 1, "
    "partly out of frame 0.3, half out of the picture 0.2, we can only see part of 0.3, "
    "on edge 0.7, partial on left 0.3"
)


def _cut(facts: Facts, said: Said, mask: int, index: int, rng: Random) -> Draft | None:
    found = ordering.cut_off(facts, mask)
    if found is None or found[0] != index or rng.random() < 0.6:
        return None
    text = f"{said.text()} {_CUT.draw(rng).replace('left', found[1])}"
    return locate(facts, finished(text, rng), index, "cut off")


def _row(facts: Facts, said: Said, mask: int, index: int, rng: Random) -> Draft | None:
    """Front or back, and then a side: "guy in back on the left"."""
    large = max(facts.area[i] for i in indices(mask))
    floor = max(facts.y2[i] for i in indices(mask))
    front = sum(1 << i for i in indices(mask) if facts.area[i] > 0.75 * large)
    if not 1 <= front.bit_count() < mask.bit_count():
        return None
    # What is neither clearly in front nor clearly behind might be counted with those behind.
    behind = mask & ~front
    if facts.area[index] > 0.45 * large or facts.y2[index] > floor - 0.06 or not behind >> index & 1:
        return None
    for way in ("left", "right"):
        if behind.bit_count() > 1 and ordering.extreme(facts, behind, way) == index:
            after = rng.choice(("in back", "in background", "in the background", "in the back", "behind"))
            if rng.random() < 0.5:
                text = f"{said.text()} {after} {place_words(way, 'after', rng, well=False)}"
            else:
                text = f"{rng.choice(('back', 'background', 'back'))} {way} {said.text()}"
            return locate(facts, finished(text, rng), index, f"behind, {way}")
    return None


def color(facts: Facts, rng: Random) -> Draft | None:
    """For example "red shirt", "guy in white", "white car", "woman in black shirt on left"."""
    for _ in range(6):
        index = facts.pick(rng, facts.colorful)
        if index is None:
            return None
        found = colored(facts, index, rng, headless=0.42)
        if found is None:
            continue
        said, mask = found
        if mask == 1 << index and rng.random() < 0.85:
            return locate(facts, finished(said.text(), rng, the=0.1 if said.headless else 0.2), index, "color")
        found_place = place_of(facts, said, mask, index, rng)
        if found_place is not None:
            return locate(facts, finished(found_place[0], rng, the=0.12), index, f"color, {found_place[1]}")
        if facts.contrasted(mask, index) and ordering.nearest(facts, mask) == index:
            return locate(facts, finished(f"{said.text()} {_CLOSE_AFTER.draw(rng)}", rng), index, "color, nearest")
    return None
