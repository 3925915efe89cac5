"""What a probe's picture shows is what its questions say: counted in the pixels, placed by the boxes."""

import re

import numpy as np
import pytest

from grounding.boxes import iou
from grounding.data.probing import clutter, ordinals, small_text, spatial
from grounding.data.probing.stage import KINDS, SIZE, covered, put, settled
from grounding.data.scenes.palette import COLORS, distances
from grounding.data.scenes.wording import ORDINALS, plural

SEEDS = range(40)


def center(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def share_of(pixels, box, color):
    """Which share of the box has nearly that colour."""
    x1, y1, x2, y2 = (round(edge) for edge in box)
    crop = pixels[y1:y2, x1:x2].reshape(-1, 3).astype(float)
    return float((distances(crop, COLORS[color]) < 130).mean())


# ---- counting in clutter


def test_as_many_things_are_counted_as_the_kind_says_and_each_is_in_sight():
    for seed in SEEDS:
        (asked,) = clutter.plan(seed).asked
        low, high = map(int, re.match(r"(\d+)-(\d+),", asked.kind).groups())
        assert low <= len(asked.boxes) <= high
        assert asked.meta["others"] >= 2
        assert len(asked.boxes) == asked.meta["targets"]
        overlaps = iou(asked.boxes, asked.boxes) - np.eye(len(asked.boxes))
        assert overlaps.max() < 0.75
        if asked.meta["dense"] == "apart":
            assert overlaps.max() == 0


def test_things_of_the_colour_asked_for_have_that_colour_in_the_picture():
    seen = 0
    for seed in SEEDS:
        plan = clutter.plan(seed)
        color, _, _ = plan.asked[0].phrase.partition(" ")
        if color not in COLORS:
            continue
        pixels = plan.paint()
        for box in plan.asked[0].boxes:
            assert share_of(pixels, box, color) > 0.08
        seen += 1
    assert seen > 10


def test_clutter_asks_in_plain_plurals():
    for seed in SEEDS:
        words = clutter.plan(seed).asked[0].phrase.split()
        assert words[-1] in {plural(kind) for kind in KINDS}
        assert len(words) == 1 or words[0] in COLORS


# ---- spatial relations

HOLDS = {
    "to the left of": lambda one, other: one[0] < other[0],
    "to the right of": lambda one, other: one[0] > other[0],
    "above": lambda one, other: one[1] < other[1],
    "below": lambda one, other: one[1] > other[1],
}


def test_both_directions_are_asked_and_each_has_its_own_look_alike():
    for seed in SEEDS:
        first, second = spatial.plan(seed).asked
        assert iou(first.boxes, second.boxes)[0, 0] == 0
        (one,), (other,) = first.boxes, second.boxes
        for side in (0, 1):
            assert one[2 + side] - one[side] == pytest.approx(other[2 + side] - other[side], abs=1)
        for words, holds in HOLDS.items():
            if words in first.phrase:
                assert holds(center(one), center(other))
            if words in second.phrase:
                assert holds(center(other), center(one))


def test_two_questions_of_a_pair_name_the_same_thing():
    for seed in SEEDS:
        names = {re.match(r"the \w+ \w+", asked.phrase)[0] for asked in spatial.plan(seed).asked}
        assert len(names) == 1


def test_what_is_asked_inside_lies_in_the_line_of_the_square():
    for seed in range(3, 43, 4):
        within, without = spatial.plan(seed).asked
        assert "inside" in within.phrase
        assert "outside" in without.phrase
        pixels = spatial.plan(seed).paint()
        frame = within.phrase.split()[-2]
        x1, y1, x2, y2 = (round(edge) for edge in within.boxes[0])
        for line in (pixels[(y1 + y2) // 2, :x1], pixels[(y1 + y2) // 2, x2:]):  # the frame is met on either side
            assert (distances(line.astype(float), COLORS[frame]) < 130).sum() >= 5
        for line in (pixels[:y1, (x1 + x2) // 2], pixels[y2:, (x1 + x2) // 2]):
            assert (distances(line.astype(float), COLORS[frame]) < 130).sum() >= 5


# ---- ordinals


def test_an_item_stands_where_its_phrase_counts_to():
    for seed in SEEDS:
        for asked in ordinals.plan(seed).asked:
            meta = asked.meta
            place, side = re.match(r"the (\w+) item from the (left|right)", asked.phrase).groups()
            number = ORDINALS.index(place) + 1
            column = number if side == "left" else meta["columns"] + 1 - number
            assert column == meta["column"]
            x, y = center(asked.boxes[0])
            assert abs(x / (SIZE[0] / meta["columns"]) - (column - 0.5)) < 0.2
            row = re.search(r"in the (\w+) row", asked.phrase)
            assert (row is None) == (meta["rows"] == 1)
            if row is not None:
                names = {ORDINALS[meta["row"] - 1], "top" if meta["row"] == 1 else "", "bottom"}
                assert row[1] in names
                assert row[1] != "bottom" or meta["row"] == meta["rows"]
                assert abs(y / (SIZE[1] / meta["rows"]) - (meta["row"] - 0.5)) < 0.2


def test_two_questions_about_a_grid_differ():
    for seed in SEEDS:
        first, second = ordinals.plan(seed).asked
        assert first.phrase != second.phrase


# ---- small text


def test_a_word_is_as_high_as_its_kind_says_and_its_box_holds_its_ink():
    for seed in range(16):
        plan = small_text.plan(seed)
        pixels = plan.paint().astype(int).sum(2)
        for asked in plan.asked:
            low, high = map(int, re.match(r"(\d+)-(\d+) px", asked.kind).groups())
            assert low <= asked.meta["height_px"] <= high
            x1, y1, x2, y2 = map(int, asked.boxes[0])
            assert abs((y2 - y1) - asked.meta["height_px"]) <= 2
            board = pixels[y1 - 1, (x1 + x2) // 2]  # what lies just above the letters
            inked = np.abs(pixels[y1:y2, x1:x2] - board) > 60
            assert inked.any(1)[[0, -1]].all()  # from the first row to the last
            assert inked.any(0)[[0, -1]].all()  # and from the first column to the last
            assert not (np.abs(pixels[y1:y2, [x1 - 1, x2]] - board) > 230).any()  # a faint edge at most


def test_the_look_alike_of_a_word_hangs_there_too_and_words_are_not_said_twice():
    words = [word for pair in small_text.WORDS for word in pair]
    assert len(words) == len(set(words))
    for seed in range(12):
        plan = small_text.plan(seed)
        said = [asked.phrase.removeprefix("the word ") for asked in plan.asked]
        assert len(set(said)) == len(said) == len(small_text.HEIGHTS_PX)
        for word, asked in zip(said, plan.asked, strict=True):
            assert {word, asked.meta["look_alike"]} in map(set, small_text.WORDS)


# ---- the stage


def test_what_would_be_hidden_is_cleared():
    below, above = put("star", "red", (300, 200), 60), put("cloud", "blue", (300, 200), 120)
    (left,) = settled([below, above])
    assert left.kind == "star"
    assert left.visibility == 1.0


def test_a_thing_extends_as_far_as_it_is_said_to():
    thing = put("cross", "green", (320, 240), 80)
    assert thing.full_box == pytest.approx((280, 200, 360, 280), abs=1)
    (found,) = settled([thing])
    assert found.box == pytest.approx(thing.full_box, abs=1)
    assert covered(thing, put("cross", "red", (320, 300), 80)) == pytest.approx(0.25, abs=0.02)
    assert covered(thing, put("cross", "red", (320, 340), 80)) == 0
    assert covered(thing, put("cross", "red", (320, 324), 80), gap=8) > 0
