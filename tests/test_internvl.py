"""InternVL: names and lists of boxes in tags, and fractions."""

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import read, recorded

CODEC = get_codec("internvl")
CANVAS = Canvas.identity(1000, 1000)


@pytest.mark.parametrize("case", recorded("internvl"), ids=lambda case: case["source"])
@pytest.mark.parametrize("frame", ["{}", "Sure, I will detect and label all objects.\n\n```\n{}\n```\n<|im_end|>"])
def test_recorded_answers_are_read(case, frame):
    decoded = CODEC.decode(frame.format(case["raw"]), CANVAS, task="detect")
    assert not decoded.problems
    assert [(region.label, list(region.box)) for region in decoded.regions] == [
        (expected["label"], box) for expected in case["expected"] for box in expected["boxes_1000"]
    ]


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "the dog") == (
        "Please provide the bounding box coordinate of the region this sentence describes: <ref>the dog</ref>"
    )
    assert CODEC.prompt("detect", names=["dog", "cat"]) == (
        "Please detect and label all <ref>dog</ref>, <ref>cat</ref> in the following image and mark their positions."
    )


def test_answers_are_written_as_the_family_writes():
    regions = [Region((1, 2, 3, 4), label="dog"), Region((5, 6, 7, 8), label="dog"), Region((1, 2, 3, 4), label="cat")]
    assert CODEC.encode("detect", regions=regions, canvas=CANVAS) == (
        "<ref>dog</ref><box>[[1, 2, 3, 4], [5, 6, 7, 8]]</box>\n<ref>cat</ref><box>[[1, 2, 3, 4]]</box>"
    )


@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        ("<box>[[0.1, 0.2, 0.37, 0.4]]</box>", [((100, 200, 370, 400), None)], []),
        ("<box>[[0, 0, 1, 1]]</box>", [((0, 0, 1, 1), None)], []),
        ("<ref>a</ref><box>[[1, 2, 1003, 4]]</box>", [((1, 2, 1000, 4), "a")], [("out_of_range", "[1, 2, 1003, 4]")]),
        ("<ref>a</ref><box>[[1, 2, 3]]</box>", [], [("malformed", "[1, 2, 3]")]),
        ("<ref>a</ref><box>[[1, 2, 3, 4], [5, 6", [((1, 2, 3, 4), "a")], [("truncated", "[5, 6")]),
    ],
)
def test_odd_answers_are_read_or_reported(text, boxes, problems):
    assert read("internvl", text) == (boxes, problems)
