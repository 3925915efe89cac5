"""Ferret: words, then numbers in brackets."""

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import read

CODEC = get_codec("ferret")
CANVAS = Canvas.identity(1000, 1000)


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "the dog") == "What is the location of the dog in the image?"
    assert CODEC.prompt("detect", names=["dog", "cat"]) == "What are the locations of dog, cat?"


def test_answers_are_written_as_the_family_writes():
    regions = [Region((120, 340, 560, 780), label="dog"), Region((12, 34, 56, 78), label="cat")]
    assert CODEC.encode("detect", regions=regions, canvas=CANVAS) == "dog [120, 340, 560, 780], cat [12, 34, 56, 78]"


@pytest.mark.parametrize("task", ["locate", "detect"])
@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        ("dog [12, 34, 56, 78]", [((12.5, 34.5, 56.5, 78.5), "dog")], []),
        (
            "dog, brown [12, 34, 56, 78] . man's hat [1, 2, 3, 4] .",
            [((12.5, 34.5, 56.5, 78.5), "dog, brown"), ((1.5, 2.5, 3.5, 4.5), "man's hat")],
            [],
        ),
        ("dog [12, 34, 56]", [], [("malformed", "[12, 34, 56]"), ("prose", "dog")]),
        ("dog [12, 34, 5", [], [("prose", "dog"), ("truncated", "[12, 34, 5")]),
    ],
)
def test_answers_are_read(task, text, boxes, problems):
    found, seen = read("ferret", text, task)
    assert found == boxes
    assert sorted(seen) == sorted(problems)


def test_readers_that_disagree_are_chosen_by_name():
    text, canvas = "dog [0, 500, 999, 999]", Canvas.identity(1000, 2000)
    assert CODEC.decode(text, canvas).regions[0].box == pytest.approx((0.5, 1001, 999.5, 1999))
    assert get_codec("ferret", "official").decode(text, canvas).regions[0].box == pytest.approx((0, 1000, 999, 1998))


def test_a_grounded_caption_has_its_words_and_their_places():
    decoded = CODEC.decode("There is a dog [12, 34, 56, 78] on the lawn [1, 2, 3, 4].", CANVAS, task="caption")
    assert decoded.text == "There is a dog on the lawn."
    assert [decoded.text[slice(*region.span)] for region in decoded.regions] == ["There is a dog", "on the lawn"]
    assert not decoded.problems


def test_points_are_regions_without_extent():
    (region,) = CODEC.decode("here [120, 340]", CANVAS).regions
    assert region.point == (120.5, 340.5)
