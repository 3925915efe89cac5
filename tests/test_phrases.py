"""Phrases hold what they promise: an independent reader of the words finds the same things in the scene again."""

import math
import re
from random import Random

import pytest

from grounding.data.scenes import captions, phrases, relations
from grounding.data.scenes.facts import Facts, Vocabulary, could_be
from grounding.data.scenes.generate import SKILLS, vocabulary
from grounding.data.scenes.scene import Scene, SceneOptions, Thing, make_scene
from grounding.data.scenes.wording import Description, article, canonical, noun, plural

COLORS = "red orange yellow green blue purple pink brown black white gray cyan".split()
FILLS = {
    "solid": "solid", "plain": "solid", "outlined": "outlined", "hollow": "outlined", "striped": "striped",
    "dotted": "dotted", "spotted": "dotted", "checked": "checked", "checkered": "checked",
}  # fmt: skip
TAILS = {"with stripes": "striped", "with dots": "dotted", "with checks": "checked"}
SIZES = {
    "small": "small", "little": "small", "medium": "medium", "medium-sized": "medium", "large": "large", "big": "large",
}  # fmt: skip
GENERIC = {"thing", "object", "one", "item", "shape"}
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
SIDE_OF = {
    "left of": "left", "to the left of": "left", "on the left of": "left",
    "right of": "right", "to the right of": "right", "on the right of": "right",
    "above": "above", "over": "above", "higher than": "above",
    "below": "below", "under": "below", "beneath": "below",
}  # fmt: skip


class Reader:
    """Reads a phrase word by word and looks through the list of things: no bitmasks, no builder code."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.nouns: set[str] = set()
        for thing in scene.things:
            self.nouns |= {thing.name.lower(), thing.kind}

    def things(self, words: str, *, many: bool = False) -> list[Thing]:
        """Everything a bare noun phrase fits."""
        words = words.removeprefix("the ").removeprefix("a ").removeprefix("an ")
        fill = size = color = None
        for tail, meant in TAILS.items():
            if words.endswith(tail):
                fill, words = meant, words.removesuffix(" " + tail)
        if said := re.fullmatch(r"(.+) that is (\w+)", words):
            words, color = said.groups()
        rest = words.split()
        while rest:
            if rest[0] in SIZES and size is None:
                size = SIZES[rest.pop(0)]
            elif rest[0] in FILLS and fill is None:
                fill = FILLS[rest.pop(0)]
            elif rest[0] in COLORS and color is None:
                color = rest.pop(0)
            else:
                break
        head = " ".join(rest)
        return [
            thing
            for thing in self.scene.things
            if (size is None or thing.size == size)
            and (fill is None or thing.fill == fill)
            and (color is None or thing.color == color)
            and self._named(thing, head, many)
        ]

    @staticmethod
    def _named(thing: Thing, head: str, many: bool) -> bool:
        names = {thing.name.lower(), thing.kind}
        if many:
            return head in {word + "s" for word in GENERIC} or any(
                head in (name + "s", name + "es", name) for name in names
            )
        return head in GENERIC or head in names

    def one(self, words: str) -> Thing:
        found = self.things(words)
        assert len(found) == 1, f"{words!r} fits {len(found)} things"
        return found[0]


def center(thing: Thing) -> tuple[float, float]:
    x1, y1, x2, y2 = thing.full_box
    return (x1 + x2) / 2, (y1 + y2) / 2


def away(one: Thing, other: Thing) -> float:
    return math.dist(center(one), center(other))


def on_side(thing: Thing, ref: Thing, side: str) -> bool:
    (x, y), (rx, ry) = center(thing), center(ref)
    return {"left": x < rx, "right": x > rx, "above": y < ry, "below": y > ry}[side]


def referents(phrase: str, scene: Scene) -> list[Thing]:
    """The things a "locate" phrase means, by the plainest reading of its words."""
    read = Reader(scene)
    words = phrase.removeprefix("the ")
    if found := re.fullmatch(r"(?:every|each) (.+)", words):
        return read.things(found[1])
    if found := re.fullmatch(r"all (?:of )?(?:the )?(.+)", words):
        return read.things(found[1], many=True)
    if found := re.fullmatch(r"(\w+)(?: (.+))? from the (left|right|top|bottom)(?: in the (\w+) row)?", words):
        return nth(read, found[1], found[2], found[3], found[4])
    if found := re.fullmatch(r"(.+?) (?:in )?between (the .+?) and (the .+)", words):
        one, other = read.one(found[2]), read.one(found[3])
        return [t for t in read.things(found[1]) if t not in (one, other) and lies_between(t, one, other)]
    if far := re.fullmatch(r"(?:(farthest|furthest) (.+)|(.+?)(?: that is)? (farthest|furthest)) from (the .+)", words):
        return by_distance(read, far[2] or far[3], far[5], last=True)
    if near := re.fullmatch(r"(closest|nearest) (.+?) to (the .+)", words):
        return by_distance(read, near[2], near[3], last=False)
    if near := re.fullmatch(r"(.+?)(?: that is)? (?:closest to|nearest to|nearest) (the .+)", words):
        if near[2] not in ("the top", "the bottom"):
            return by_distance(read, near[1], near[2], last=False)
    sides = "|".join(sorted(SIDE_OF, key=len, reverse=True))
    if found := re.fullmatch(rf"(.+?) ({sides}) (the .+)", words):
        ref = read.things(found[3])
        if not ref:
            return []
        assert len(ref) == 1, phrase
        return [t for t in read.things(found[1]) if t is not ref[0] and on_side(t, ref[0], SIDE_OF[found[2]])]
    if found := re.fullmatch(r"(largest|biggest|smallest|littlest) (.+)", words):
        ranked = sorted(read.things(found[2]), key=lambda t: (t.box[2] - t.box[0]) * (t.box[3] - t.box[1]))
        return [ranked[-1] if found[1] in ("largest", "biggest") else ranked[0]]
    return placed(read, words)


def nth(read: Reader, which: str, words: str | None, side: str, row: str | None) -> list[Thing]:
    things = read.things(words or "thing")
    if row is not None:
        rows = sorted({t.row for t in read.scene.things if t.row is not None})
        number = {"top": 0, "bottom": -1, "middle": len(rows) // 2}.get(row)
        things = [t for t in things if t.row == rows[ORDINALS.index(row) if number is None else number]]
    axis = 0 if side in ("left", "right") else 1
    things.sort(key=lambda t: center(t)[axis], reverse=side in ("right", "bottom"))
    return things[ORDINALS.index(which) :][:1]


def lies_between(thing: Thing, one: Thing, other: Thing) -> bool:
    return away(thing, one) < away(one, other) and away(thing, other) < away(one, other)


def by_distance(read: Reader, words: str, whom: str, *, last: bool) -> list[Thing]:
    refs = read.things(whom)
    if not refs:
        return []
    assert len(refs) == 1, whom
    ranked = sorted((t for t in read.things(words) if t is not refs[0]), key=lambda t: away(t, refs[0]))
    return ranked[-1:] if last else ranked[:1]


PLACE = (
    r"(?P<words>.+?) (?:at|in|on|near) the (?P<place>top left|top right|bottom left|bottom right|left|right|top|bottom"
    r"|middle|center)(?: corner| side| edge)?(?: of the picture)?"
)
MOST = {
    "leftmost": "left", "rightmost": "right", "topmost": "top", "highest": "top", "uppermost": "top",
    "lowest": "bottom", "bottommost": "bottom", "lowermost": "bottom",
}  # fmt: skip


def placed(read: Reader, words: str) -> list[Thing]:
    width, height = read.scene.width, read.scene.height
    end = re.fullmatch(r"(.+) (?:(?:farthest to the|furthest) (left|right)|closest to the (top|bottom))", words)
    first, _, rest = words.partition(" ")
    if end or first in MOST:
        side = (end[2] or end[3]) if end else MOST[first]
        axis = 0 if side in ("left", "right") else 1
        ranked = sorted(read.things(end[1] if end else rest), key=lambda t: center(t)[axis])
        return [ranked[0] if side in ("left", "top") else ranked[-1]]
    found = re.fullmatch(PLACE, words)
    if not found and (start := re.match(r"(top|bottom) (left|right) (.+)", words)):
        where, words = f"{start[1]} {start[2]}", start[3]
    elif found:
        where, words = found["place"], found["words"]
    else:
        return read.things(words)

    def there(thing: Thing) -> bool:
        x, y = center(thing)[0] / width, center(thing)[1] / height
        if where in ("middle", "center"):
            return max(abs(x - 0.5), abs(y - 0.5)) < 0.2
        tests = {"left": x < 0.45, "right": x > 0.55, "top": y < 0.45, "bottom": y > 0.55}
        return all(tests[word] for word in where.split())

    return [thing for thing in read.things(words) if there(thing)]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    import numpy as np

    return [make_scene(np.random.default_rng(seed), SceneOptions()) for seed in range(500)]


WORDS = vocabulary(SceneOptions())
LOCATE = ("attribute", "place", "relation", "nearest", "size", "ordinal", "all", "absent")


@pytest.mark.parametrize("skill", LOCATE)
def test_another_reader_of_the_phrase_finds_the_same_things(scenes: list[Scene], skill: str) -> None:
    rng, asked = Random(7), 0
    for scene in scenes:
        draft = SKILLS[skill](Facts(scene, WORDS), rng)
        if draft is None or draft.task != "locate":
            continue
        asked += 1
        found = {thing.index for thing in referents(draft.phrase, scene)}
        assert found == set(draft.targets), f"seed {scene.seed}: {draft.phrase!r} ({draft.detail})"
    assert asked > 200
