"""GLM-4.5V: all its brackets, its thoughts, and final answers that are no boxes."""

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import read

CODEC = get_codec("glm-4.5v")
CANVAS = Canvas.identity(1000, 1000)
BOX = (816.0, 162.0, 838.0, 172.0)


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "the dog") == (
        "Help me to locate the dog in the image and give me its bounding boxes."
    )


def test_answers_are_written_as_the_family_writes():
    region = Region(BOX, label="dog")
    assert CODEC.encode("locate", regions=[region], canvas=CANVAS) == (
        "<|begin_of_box|>[816,162,838,172]<|end_of_box|>"
    )
    assert CODEC.encode("detect", regions=[region, Region((1, 2, 3, 4), label="dog")], canvas=CANVAS) == (
        "dog <|begin_of_box|>[[816,162,838,172],[1,2,3,4]]<|end_of_box|>"
    )


@pytest.mark.parametrize(
    "numbers",
    [
        "[816, 162, 838, 172]",
        "[[816,162,838,172]]",
        "(816, 162, 838, 172)",
        "<816, 162, 838, 172>",
        "<816,162,838,172>",
        "{816} [816 162 838 172]",
        "[ 816,\n162,\n838,\n172 ]",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "<|begin_of_box|>{}<|end_of_box|>", "<think>at [1,2,3,4]</think>It is {}."])
def test_all_its_brackets_are_read_and_its_thoughts_are_not(numbers, frame):
    assert read("glm-4.5v", frame.replace("{}", numbers)) == ([(BOX, None)], [])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("<think>it is at [1,2,3,4]", [("truncated", "<think>it is at [1,2,3,4]")]),
        ("<|begin_of_box|>none<|end_of_box|>", [("prose", "none")]),
        ("<|begin_of_box|>[816, 162, 83", [("truncated", "[816, 162, 83")]),
        ("<|begin_of_b", [("truncated", "<|begin_of_b")]),
        ("I <3 it (see below)", [("prose", "I <3 it (see below)")]),
    ],
)
def test_what_is_no_box_is_reported(text, problems):
    assert read("glm-4.5v", text) == ([], problems)


def test_a_final_answer_in_words_is_words():
    decoded = CODEC.decode("<think>one [1]</think><|begin_of_box|>B<|end_of_box|>", CANVAS, task="answer")
    assert decoded.text == "B"
    assert not decoded.problems
