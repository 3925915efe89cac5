"""Phrases hold what they promise: an independent reader of the words finds the same things in the scene again."""

import math
import re
from random import Random

import numpy as np
import pytest

from grounding.data.scenes.describe import inside, short_outline, signed_area
from grounding.data.scenes.facts import Facts, could_be
from grounding.data.scenes.generate import SKILLS, vocabulary
from grounding.data.scenes.scene import Scene, SceneOptions, Thing, make_scene
from grounding.data.scenes.sprites import SpriteSet
from grounding.data.scenes.wording import Description, article, canonical, noun, plural

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray", "cyan")
FILLS = {
    "solid": "solid", "plain": "solid", "outlined": "outlined", "hollow": "outlined", "striped": "striped",
    "dotted": "dotted", "spotted": "dotted", "checked": "checked", "checkered": "checked",
}  # fmt: skip
TAILS = {"with stripes": "striped", "with dots": "dotted", "with checks": "checked"}
SIZES = {
    "small": "small", "little": "small", "medium": "medium", "medium-sized": "medium", "large": "large", "big": "large",
}  # fmt: skip
GENERIC = {"thing", "object", "one", "item", "shape"}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
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
        while rest and " ".join(rest).removesuffix("s") not in self.nouns:
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
                head in (name + "s", name + "es", name, name.replace(" of", "s of")) for name in names
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
    near = re.fullmatch(r"(.+?)(?: that is)? (?:closest to|nearest to|nearest) (the .+)", words)
    if near and near[2] not in ("the top", "the bottom"):
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


def sprites() -> SpriteSet:
    """Four plain cut-outs: what they show does not matter to the words."""
    pictures = []
    for number, name in enumerate(("pizza", "Red Panda", "scissors", "slice of cake")):
        rgba = np.zeros((40, 50, 4), np.uint8)
        rgba[4:36, 5 + number : 45] = (200, 40 * number, 90, 255)
        pictures.append((name, rgba))
    return SpriteSet(pictures)


PLAIN = SceneOptions()
STICKERS = SceneOptions(sprites=sprites(), sprite_share=0.5)


def drawn(options: SceneOptions, n: int) -> list[Scene]:
    return [make_scene(np.random.default_rng(seed), options) for seed in range(n)]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return drawn(PLAIN, 500)


@pytest.fixture(scope="module")
def sticker_scenes() -> list[Scene]:
    return drawn(STICKERS, 200)


def drafts(skill: str, scenes: list[Scene], options: SceneOptions = PLAIN):
    """(scene, draft) wherever the skill finds something certain to ask."""
    rng, words = Random(7), vocabulary(options)
    for scene in scenes:
        draft = SKILLS[skill](Facts(scene, words), rng)
        if draft is not None:
            yield scene, draft


LOCATE = ("attribute", "place", "relation", "nearest", "size", "ordinal", "all", "absent")


@pytest.mark.parametrize("skill", LOCATE)
def test_another_reader_of_the_phrase_finds_the_same_things(scenes: list[Scene], skill: str) -> None:
    asked = 0
    for scene, draft in drafts(skill, scenes):
        if draft.task == "locate":
            asked += 1
            found = {thing.index for thing in referents(draft.phrase, scene)}
            assert found == set(draft.targets), f"{draft.phrase!r} ({draft.detail})"
    assert asked > 200


@pytest.mark.parametrize("skill", LOCATE)
def test_phrases_about_sprites_are_as_certain(sticker_scenes: list[Scene], skill: str) -> None:
    spoken = 0
    for scene, draft in drafts(skill, sticker_scenes, STICKERS):
        if draft.task == "locate":
            found = {thing.index for thing in referents(draft.phrase, scene)}
            assert found == set(draft.targets), f"{draft.phrase!r} ({draft.detail})"
            spoken += "pizza" in draft.phrase or "red panda" in draft.phrase
    assert spoken > 3


def test_counts_state_how_many_there_are(scenes: list[Scene]) -> None:
    seen = set()
    for scene, draft in drafts("count", scenes):
        things = Reader(scene).things(draft.phrase, many=True)
        assert {thing.index for thing in things} == set(draft.targets), draft.phrase
        assert draft.text == str(len(things))
        seen.add(len(things))
    assert seen >= set(range(7))


def test_detect_labels_each_thing_with_the_one_name_that_fits(scenes: list[Scene]) -> None:
    absent = 0
    for scene, draft in drafts("detect", scenes):
        read = Reader(scene)
        found = {}
        for name in draft.names:
            for thing in read.things(name):
                assert thing.index not in found, f"{draft.names} both fit one thing"
                found[thing.index] = name
        assert found == dict(zip(draft.targets, draft.labels, strict=True)), draft.names
        assert 1 <= len(draft.names) <= 4
        absent += len(set(draft.labels)) < len(draft.names)
    assert absent > 100


def test_several_boxes_come_in_reading_order(scenes: list[Scene]) -> None:
    for skill in ("all", "count", "detect"):
        for scene, draft in drafts(skill, scenes):
            places = [scene.things[i] for i in draft.targets]
            if scene.layout == "rows":
                assert places == sorted(places, key=lambda t: (t.row, t.box[0]))
            else:
                assert places == sorted(places, key=lambda t: (t.box[1], t.box[0]))


def test_descriptions_say_size_fill_color_and_kind(scenes: list[Scene]) -> None:
    for scene, draft in drafts("describe_box", scenes):
        thing = scene.things[draft.targets[0]]
        fill = "" if thing.fill in ("solid", "gradient") else f" {thing.fill}"
        assert draft.text == f"{thing.size}{fill} {thing.color} {thing.name.lower()}"
        assert draft.box == thing.box


def test_a_point_lies_on_its_thing_and_on_nothing_drawn_over_it(scenes: list[Scene]) -> None:
    asked = 0
    for scene, draft in drafts("describe_point", scenes):
        on = [thing.index for thing in scene.things if inside(draft.point, thing.polygon)]
        assert on[-1] == draft.targets[0]
        asked += 1
    assert asked > 400


def test_caption_phrases_name_the_things_of_their_boxes(scenes: list[Scene]) -> None:
    asked = 0
    for scene, draft in drafts("caption", scenes):
        assert 1 <= len(draft.spans) <= 4
        for start, stop, members in draft.spans:
            words = draft.text[start:stop]
            for i in members:
                thing = scene.things[i]
                stem = thing.name.lower().split(" ")[0][:4]
                assert stem in words
                assert thing.color in words or not any(color in words.split() for color in COLORS)
        if draft.detail == "list":
            assert sorted(draft.targets) == list(range(len(scene.things)))
        asked += 1
    assert asked > 300


def test_outlines_are_short_and_cover_the_shape(scenes: list[Scene]) -> None:
    asked = 0
    for scene, draft in drafts("segment", scenes):
        (outline,) = draft.polygons
        thing = scene.things[draft.targets[0]]
        assert 3 <= len(outline) <= 12
        assert overlap(outline, thing.polygon, scene) >= 0.85, thing.name
        assert outline[0][1] == min(y for _, y in outline)
        asked += 1
    assert asked > 200


def overlap(one: tuple, other: tuple, scene: Scene) -> float:
    import cv2

    masks = []
    for polygon in (one, other):
        mask = np.zeros((scene.height * 4, scene.width * 4), np.uint8)
        cv2.fillPoly(mask, [np.round(np.array(polygon) * 4).astype(np.int32)], 1)
        masks.append(mask.astype(bool))
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def test_answers_to_questions_are_true(scenes: list[Scene]) -> None:
    seen = set()
    for scene, draft in drafts("answer", scenes * 2):
        read, words = Reader(scene), draft.phrase
        seen.add(draft.detail)
        if found := re.fullmatch(r"(?:how many|count the) (.+?)(?: are there| do you see)?", words):
            assert draft.text == str(len(read.things(found[1], many=True))), words
        elif found := re.fullmatch(r"(?:what|which) color (?:is|does) (the .+?)(?: have)?", words):
            assert read.one(found[1]).color == draft.text
        elif found := re.fullmatch(r"what pattern does (the .+) have", words):
            assert read.one(found[1]).fill == draft.text
        elif found := re.fullmatch(r"is there (.+)", words):
            assert (len(read.things(found[1])) > 0) == (draft.text == "yes"), words
        elif found := re.fullmatch(r"is (the .+?) (left of|right of|above|below) (the .+)", words):
            one, other = read.one(found[1]), read.one(found[3])
            assert on_side(one, other, SIDE_OF[found[2]]) == (draft.text == "yes"), words
        elif found := re.fullmatch(r"what is (.+)", words):
            meant = {thing.index for thing in referents(f"thing {found[1]}", scene)}
            assert meant == set(draft.targets), words
        else:
            pytest.fail(f"no reading of {words!r}")
    assert len(seen) >= 6


def test_what_is_missing_is_never_a_pair_kept_for_tests() -> None:
    pairs = frozenset({("red", "star"), ("blue", "circle")})
    options = SceneOptions(kinds=("star", "circle"), colors=("red", "blue"), fills=("solid",), forbidden_pairs=pairs)
    asked = 0
    for _, draft in drafts("absent", drawn(options, 200), options):
        asked += 1
        assert not any(f"{color} {kind}" in draft.phrase for color, kind in pairs), draft.phrase
    assert asked > 20


def test_a_thing_of_a_sprite_may_be_meant_by_like_words() -> None:
    assert could_be("red panda", ("panda",))
    assert could_be("ring", ("doughnut",))
    assert could_be("car", ("taxi",))
    assert not could_be("slice of cake", ("slice of pizza",)) or could_be("slice", ("slice of pizza",))
    assert not could_be("star", ("ring",))


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("star", "stars"), ("cross", "crosses"), ("fish", "fish"), ("leaf", "leaves"), ("cherry", "cherries"),
        ("key", "keys"), ("slice of cake", "slices of cake"), ("lightning bolt", "lightning bolts"),
        ("letter a", None), ("letter", "letters"), ("scissors", "scissors"), ("octopus", "octopuses"),
    ],
)  # fmt: skip
def test_plurals(one: str, many: str | None) -> None:
    assert plural(one) == many


def test_articles() -> None:
    assert article("outlined star") == "an outlined star"
    assert article("red star") == "a red star"
    assert article("unicorn") == "a unicorn"
    assert article("umbrella") == "an umbrella"
    assert article("scissors") == "scissors"


def test_names_leave_plain_fills_unsaid() -> None:
    assert canonical("small", "solid", "red", "star") == "small red star"
    assert canonical("large", "checked", "blue", "house") == "large checked blue house"
    assert canonical(None, None, None, "pizza") == "pizza"


def test_wordings_vary_and_stay_lower_case() -> None:
    rng = Random(0)
    said = {noun(Description("small", "dotted", "red", "star"), rng) for _ in range(200)}
    assert {"small dotted red star", "little red spotted star", "small red star with dots"} <= said
    assert all(words == words.lower() for words in said)


def test_the_outline_of_a_sliver_is_left_alone() -> None:
    assert short_outline(((0.0, 0.0), (10.0, 0.0), (20.0, 0.0))) is None
    square = ((0.0, 0.0), (0.0, 4.0), (4.0, 4.0), (4.0, 0.0))
    assert signed_area(short_outline(square)) == 16.0
