"""grounding/backends/noun_*.py: what the rule reads in a phrase, which box it takes, the file the boxes are in."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

import grounding
from grounding.backends.noun_colors import Colors
from grounding.backends.noun_phrase import read_phrase
from grounding.backends.noun_rule import Boxes
from grounding.backends.noun_words import MEANINGS, NAMES, SIDES, singular
from grounding.data.pictures import FilePicture
from grounding.errors import ConfigError, InputError

ROW = {
    "red man": ("person", 0.9, (0.02, 0.2, 0.2, 0.9)),
    "blue man": ("person", 0.85, (0.3, 0.2, 0.5, 0.9)),
    "green child": ("person", 0.8, (0.55, 0.5, 0.65, 0.9)),
    "dog": ("dog", 0.8, (0.66, 0.6, 0.85, 0.95)),
    "far cup": ("cup", 0.7, (0.9, 0.1, 0.96, 0.2)),
}
"""Left to right: two men, a child, a dog beside it, and a cup above right."""
PAINT = {"red man": "red", "blue man": "blue", "green child": "green", "dog": "white", "far cup": "black"}


@pytest.fixture
def street(tmp_path):
    """A picture of ROW and the file of its boxes."""
    picture = Image.new("RGB", (400, 200), (128, 128, 128))
    for name, (_, _, (x1, y1, x2, y2)) in ROW.items():
        ImageDraw.Draw(picture).rectangle((x1 * 400, y1 * 200, x2 * 400, y2 * 200), fill=PAINT[name])
    picture.save(tmp_path / "street.png")
    boxes = [{"label": label, "score": score, "box_unit_xyxy": box} for label, score, box in ROW.values()]
    boxes.append({"label": "person", "score": 0.5, "box_unit_xyxy": [0.02, 0.22, 0.19, 0.9]})  # the red man again
    (tmp_path / "boxes.jsonl").write_text(json.dumps({"image": "street.png", "boxes": boxes}) + "\n")
    return tmp_path


@pytest.fixture
def model(street):
    return grounding.load("baseline:nouns", detections=street / "boxes.jsonl")


def name_of(region):
    """Which thing of ROW the region is the box of."""
    for name, (_, _, box) in ROW.items():
        if region.box == pytest.approx(np.multiply(box, (400, 200, 400, 200)).tolist()):
            return name
    return None


@pytest.mark.parametrize(
    ("phrase", "thing"),
    [
        ("left guy", "red man"),
        ("man on the left of the picture", "red man"),
        ("person to the left hand side of the dog", "green child"),
        ("man on the far left", "red man"),
        ("second person from left", "blue man"),
        ("2nd from the right person", "blue man"),
        ("third man from the left", "green child"),
        ("person on the right", "green child"),
        ("smallest person", "green child"),
        ("guy in blue", "blue man"),
        ("red shirt", "red man"),
        ("person in green shirt next to the dog", "green child"),
        ("kid left of the puppy", "green child"),
        ("white dog", "dog"),
        ("the animal", "dog"),
        ("mug", "far cup"),
        ("the cup not the dog", "far cup"),
        ("top right cup", "far cup"),
        ("the lady w/ a blue t-shirt", "blue man"),
    ],
)
def test_the_box_that_the_phrase_means_is_taken(street, model, phrase, thing):
    (region,) = model.ground(street / "street.png", phrase).regions
    assert name_of(region) == thing
    assert region.label == ROW[thing][0]
    assert 0 <= region.score <= 1


def test_an_absent_name_gets_a_low_score_and_under_the_threshold_nothing(street, model):
    picture = street / "street.png"
    here, absent = (model.ground(picture, phrase).best.score for phrase in ("the dog", "the zebra"))
    assert absent < 0.05 < 0.5 < here
    choosy = grounding.load("baseline:nouns", detections=street / "boxes.jsonl", threshold=0.3)
    assert choosy.name == "baseline:nouns at 0.3"
    assert choosy.ground(picture, "the dog").found
    assert not choosy.ground(picture, "the zebra").found
    assert not choosy.ground(picture, "qwerty").found


def test_detect_gives_every_box_of_a_name_once_with_the_detectors_score(street, model):
    found = model.detect(street / "street.png", ["person", "zebra", "puppy"])
    assert found.labels == ("person", "person", "person", "puppy")
    people = [region for region in found.regions if region.label == "person"]
    assert [name_of(region) for region in people] == ["red man", "blue man", "green child"]
    assert [region.score for region in people] == [0.9, 0.85, 0.8]


def test_a_data_sets_picture_is_known_by_its_file(street, model):
    squashed = FilePicture(street / "street.png", stretched_from=(800, 200)).open()
    assert squashed.size == (800, 200)
    (region,) = model.ground(squashed, "left guy").regions
    assert region.box == pytest.approx((16, 40, 160, 180))


def test_pictures_without_a_name_or_without_boxes_are_refused(street, model):
    with pytest.raises(InputError, match="give the picture as a path"):
        model.ground(Image.new("RGB", (4, 4)), "dog")
    Image.new("RGB", (4, 4)).save(street / "other.png")
    with pytest.raises(InputError, match=r"no boxes of 'other\.png'"):
        model.ground(street / "other.png", "dog")


def test_a_picture_in_which_nothing_was_detected_has_nothing(street):
    (street / "none.jsonl").write_text('{"image": "street.png", "boxes": []}\n\n')
    model = grounding.load("baseline:nouns", detections=street / "none.jsonl")
    assert not model.ground(street / "street.png", "dog").found
    assert not model.detect(street / "street.png", ["dog"]).found


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 1 is no picture with its boxes"),
        ('{"image": "a.png"}', "KeyError: 'boxes'"),
        ('{"image": "a.png", "boxes": [{"label": "dog", "score": 0.5}]}', "box_unit_xyxy"),
        (
            '{"image": "a.png", "boxes": [{"label": "dog", "score": 7, "box_unit_xyxy": [0, 0, 1, 1]}]}',
            "outside 0 to 1",
        ),
        ('{"image": "a.png", "boxes": [{"label": "dog", "score": 1, "box_unit_xyxy": [0, 0, 1]}]}', "no picture with"),
        ('{"image": "a.png", "boxes": [{"label": "d", "score": 1, "box_unit_xyxy": [0, 0, 1, NaN]}]}', "not finite"),
        ('{"image": "b/a.png", "boxes": []}\n{"image": "c/a.png", "boxes": []}', "line 2: a.png stands twice"),
    ],
)
def test_a_bad_file_of_detections_is_named_with_its_line(tmp_path, line, says):
    (tmp_path / "bad.jsonl").write_text(line + "\n")
    with pytest.raises(ConfigError, match=says):
        grounding.load("baseline:nouns", detections=tmp_path / "bad.jsonl")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("nouns", {}, "give detections=FILE"),
        ("nouns", {"detections": "no/such.jsonl"}, "can't be read"),
        ("nouns", {"detections": "x", "width": 0.5}, "options of baseline:center"),
        ("nouns", {"detections": "x", "threshold": 2}, "threshold is 2"),
        ("whole", {"detections": "x"}, "no boxes to choose among"),
    ],
)
def test_bad_options_are_named(name, options, says):
    with pytest.raises(ConfigError, match=says):
        grounding.load(f"baseline:{name}", **options)


# ---- reading


@pytest.mark.parametrize(
    ("phrase", "names"),
    [
        ("baseball player", {"person"}),
        ("two zebras", {"zebra"}),
        ("the kid's hand", {"person"}),
        ("hot dog on the right", {"hot dog"}),
        ("blue luggage", {"suitcase"}),
        ("the one with the hat", {"person"}),
        ("holding a racket", {"person"}),
        ("orange on left", {"orange"}),
        ("orange car", {"car"}),
        ("some building", set()),
        ("left", set()),
    ],
)
def test_the_head_noun_is_found(phrase, names):
    assert {name for name, fit in read_phrase(phrase).nouns.items() if fit > 0.5} == names


def test_a_noun_that_no_table_has_is_told_from_none_at_all():
    assert read_phrase("some building").unknown
    assert not read_phrase("left").unknown
    assert not read_phrase("the big one in the middle").unknown


def test_colours_belong_to_what_they_stand_before():
    wanted = read_phrase("woman with black hair, white pants and a red top")
    assert set(wanted.colors) == {("black", "head"), ("white", "lower"), ("red", "upper")}
    assert read_phrase("guy in white").colors == (("white", "upper"),)
    assert read_phrase("white cow").colors == (("white", "whole"),)


def test_places_and_neighbours_are_told_apart():
    wanted = read_phrase("the dog to the left of the man on the right")
    assert wanted.sides == (("x", 1.0),)
    (beside,) = wanted.beside
    assert (beside.relation, set(beside.what.nouns)) == ("left", {"person"})
    assert read_phrase("cow in front").sides == (("near", 1.0),)
    assert read_phrase("3rd cow from right").ordinal == (3, "x", 1.0)


@pytest.mark.parametrize(
    "phrase", ["", "?!", "not", "of the", "in in in", "é" * 50, "left of left of left of", "the " * 200]
)
def test_any_text_is_read(phrase):
    read_phrase(phrase)


def test_the_tables_agree():
    assert len(set(NAMES)) == 80
    assert {name for fits in MEANINGS.values() for name in fits} <= set(NAMES)
    assert not set(SIDES) & set(MEANINGS)
    assert [singular(word) for word in ("zebras", "women", "buses", "benches", "glass", "knives")] == [
        *("zebra", "woman", "bus", "bench", "glass", "knife")
    ]


@pytest.mark.parametrize(
    ("color", "rgb"),
    [
        ("red", (200, 20, 20)),
        ("blue", (30, 50, 180)),
        ("green", (40, 140, 50)),
        ("yellow", (240, 220, 40)),
        ("white", (245, 245, 245)),
        ("black", (15, 15, 15)),
        ("gray", (128, 128, 128)),
        ("brown", (110, 70, 30)),
        ("orange", (250, 140, 20)),
        ("pink", (250, 150, 180)),
        ("purple", (120, 40, 160)),
    ],
)
def test_plain_colours_have_their_names(color, rgb):
    colors = Colors(Image.new("RGB", (40, 40), rgb))
    assert colors.share(color, "whole", np.array([0.0, 0.0, 1.0, 1.0])) == 1.0
    assert colors.share("dark", "head", np.array([0.99, 0.99, 1.0, 1.0])) == pytest.approx(1 - max(rgb) / 255, abs=0.01)


def test_boxes_of_one_thing_count_once_and_of_two_names_twice():
    unit = np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52], [0.1, 0.1, 0.5, 0.5]])
    boxes = Boxes.of(("cup", "cup", "bowl"), np.array([0.5, 0.6, 0.4]), unit)
    assert boxes.names == ("cup", "bowl")
    assert boxes.scores.tolist() == [0.6, 0.4]
