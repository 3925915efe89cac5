"""LLaVA-1.5: two decimals of a padded square."""

import pytest

from grounding.codecs import get_codec
from grounding.result import Region
from tests.chatting import read

CODEC = get_codec("llava-1.5")
WIDE = CODEC.canvas(1000, 500)


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "the dog") == (
        "Please provide the bounding box coordinate of the region this sentence describes: the dog"
    )
    assert CODEC.prompt("describe", box=(0, 0, 1000, 500), canvas=WIDE) == (
        "Please provide a short description for this region: [0.00, 0.25, 1.00, 0.75]"
    )
    assert CODEC.prompt("caption") == "Provide a one-sentence caption for the provided image."


def test_answers_are_written_as_the_family_writes():
    regions = [Region((100, 50, 200, 450)), Region((0, 0, 1000, 500))]
    assert CODEC.encode("locate", regions=regions, canvas=WIDE) == "[0.10, 0.30, 0.20, 0.70], [0.00, 0.25, 1.00, 0.75]"
    assert CODEC.encode("detect", regions=[Region((100, 50, 200, 450), label="dog")], canvas=WIDE) == (
        "dog [0.10, 0.30, 0.20, 0.70]"
    )


@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        ("[0.61, 0.36, 0.92, 0.83]</s>", [((610, 360, 920, 830), None)], []),
        ("[.61,.36,.92,.83]", [((610, 360, 920, 830), None)], []),
        ("\uff3b\uff10.\uff16\uff0c\uff10\uff0e\uff13\uff0c1\uff0c1\uff3d", [((600, 300, 1000, 1000), None)], []),
        ("[0.61, 0.36]", [], [("malformed", "[0.61, 0.36]")]),
    ],
)
def test_answers_are_read(text, boxes, problems):
    assert read("llava-1.5", text) == (boxes, problems)


def test_the_padding_is_taken_off_again():
    (region,) = CODEC.decode("[0.10, 0.30, 0.20, 0.70]", WIDE).regions
    assert region.box == pytest.approx((100, 50, 200, 450))
