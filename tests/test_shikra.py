"""Shikra: decimals of a padded square, and points."""

import pytest

from grounding.codecs import get_codec
from grounding.codecs.shikra import square
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import read

CODEC = get_codec("shikra")
WIDE = CODEC.canvas(1000, 500)


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "the dog") == "Where is the dog in the image? answer in [x0,y0,x1,y1] format."
    assert CODEC.prompt("describe", box=(0, 0, 1000, 500), canvas=WIDE) == (
        "For the given image, can you provide a unique description of the area [0.000,0.250,1.000,0.750]?"
    )
    assert "'what?'" in CODEC.prompt("answer", "what?")


def test_the_picture_stands_in_the_middle_of_a_square():
    assert square(1000, 500) == WIDE == Canvas.pad(1000, 500, 1000)
    (region,) = CODEC.decode("[0.100,0.300,0.200,0.700]", WIDE).regions
    assert region.box == pytest.approx((100, 50, 200, 450))
    tall = CODEC.canvas(500, 1000)
    (region,) = CODEC.decode("[0.300,0.100,0.700,0.200]", tall).regions
    assert region.box == pytest.approx((50, 100, 450, 200))


def test_a_box_that_reaches_into_the_padding_is_cut_and_reported():
    decoded = CODEC.decode("[0.100,0.100,0.200,0.700]", WIDE)
    assert decoded.regions[0].box == pytest.approx((100, 0, 200, 450))
    assert [problem.kind for problem in decoded.problems] == ["out_of_range"]


def test_answers_are_written_as_the_family_writes():
    regions = [Region((100, 50, 200, 450), label="dog"), Region((0, 0, 1000, 500), label="dog")]
    assert CODEC.encode("locate", regions=regions, canvas=WIDE) == "[0.100,0.300,0.200,0.700;0.000,0.250,1.000,0.750]"


@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        ("Answer: [0.123,0.456,0.789,0.901] .", [((123, 456, 789, 901), None)], []),
        ("[0.1,0.2,0.3,0.4;0.5,0.6,0.7,0.8]", [((100, 200, 300, 400), None), ((500, 600, 700, 800), None)], []),
        ("[0.1,0.2,1.02,0.4]", [((100, 200, 1000, 400), None)], [("out_of_range", "[0.1,0.2,1.02,0.4]")]),
        ("[123,456,789,901]", [], [("out_of_range", "[123,456,789,901]")]),
        ("[0.1,0.2,0.3", [], [("truncated", "[0.1,0.2,0.3")]),
    ],
)
def test_answers_are_read(text, boxes, problems):
    assert read("shikra", text) == (boxes, problems)


def test_points_are_regions_without_extent():
    (region,) = CODEC.decode("[0.500,0.400]", WIDE).regions
    assert region.point == pytest.approx((500, 150))


def test_a_grounded_caption_has_its_words():
    decoded = CODEC.decode("A dog [0.1,0.3,0.2,0.4] with a cat [0.5,0.3,0.7,0.4] .", WIDE, task="caption")
    assert decoded.text == "A dog with a cat ."
    assert [region.label for region in decoded.regions] == ["A dog", "with a cat"]
