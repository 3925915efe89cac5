"""DeepSeek-VL2: names and lists of boxes in tags, its end of sentence, and supervision's reading of the same text."""

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import read, recorded

CODEC = get_codec("deepseek-vl2")
CANVAS = Canvas.identity(999, 999)  # a step is a pixel
TWO = (
    "<|ref|>dog<|/ref|><|det|>[[580, 270, 999, 904], [1, 2, 3, 4]]<|/det|>"
    "<|ref|>cat<|/ref|><|det|>[[26, 31, 632, 998]]<|/det|><\uff5cend\u2581of\u2581sentence\uff5c>"
)


@pytest.mark.parametrize("case", recorded("deepseek-vl2"), ids=lambda case: case["source"])
@pytest.mark.parametrize("task", ["locate", "detect"])
def test_recorded_answers_are_read(case, task):
    decoded = CODEC.decode(case["raw"], CANVAS, task=task)
    assert not decoded.problems
    assert [list(region.box) for region in decoded.regions] == [
        [pytest.approx(value) for value in box] for box in case["expected"]["boxes_999"]
    ]
    assert [region.label for region in decoded.regions] == [case["expected"]["label"]]


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "The giraffe at the back.") == "<|ref|>The giraffe at the back.<|/ref|>."
    assert CODEC.prompt("detect", names=["watermelon slices"]) == "Find all the <|ref|>watermelon slices<|/ref|>"
    assert CODEC.prompt("answer", "where is the bin?") == "<|grounding|>where is the bin?"
    assert CODEC.prompt("caption").startswith("<|grounding|>")


def test_answers_are_written_as_the_family_writes():
    regions = [Region((580, 270, 999, 904), label="dog"), Region((1, 2, 3, 4), label="dog")]
    assert (
        CODEC.encode("detect", regions=[*regions, Region((26, 31, 632, 998), label="cat")], canvas=CANVAS)
        == (TWO[: TWO.index("<\uff5c")])
    )


def test_a_grounded_conversation_has_its_words():
    text = "Put it in the <|ref|>bin<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>.<\uff5cend\u2581of\u2581sentence\uff5c>"
    decoded = CODEC.decode(text, CANVAS, task="answer")
    assert decoded.text == "Put it in the bin."
    assert [(decoded.text[slice(*region.span)], region.label) for region in decoded.regions] == [("bin", "bin")]
    assert not decoded.problems


def test_supervisions_reading_is_the_same():
    sv = pytest.importorskip("supervision")
    theirs = sv.Detections.from_vlm(sv.VLM.DEEPSEEK_VL_2, TWO, resolution_wh=(640, 480))
    ours = CODEC.decode(TWO, Canvas.identity(640, 480), task="detect")
    assert [region.box for region in ours.regions] == [pytest.approx(box, abs=1e-3) for box in theirs.xyxy.tolist()]
    assert [region.label for region in ours.regions] == theirs.data["class_name"].tolist()


@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        ("<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4", [], [("truncated", "[1, 2, 3, 4")]),
        ("<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4]", [((1, 2, 3, 4), "a")], []),
        ("<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4]]<|/d", [((1, 2, 3, 4), "a")], []),
        ("<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4<|/det|>", [((1, 2, 3, 4), "a")], []),
        ("<|ref|>a<|/ref|><|det|>[[470,]]<|/det|>", [], [("malformed", "[470,]")]),
        ("<|ref|>a<|/r", [], [("truncated", "<|ref|>a<|/r")]),
        ("a[[1, 2, 3, 4]]<|end\u2581of\u2581sentence|>", [((1, 2, 3, 4), None)], []),
        ("<|ref|>a<|/ref|>", [], [("truncated", "<|ref|>a<|/ref|>")]),
    ],
)
def test_broken_answers_keep_what_can_be_read(text, boxes, problems):
    assert read("deepseek-vl2", text, size=(999, 999)) == (boxes, problems)
