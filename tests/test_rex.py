"""Rex-Omni's texts: prompts, answers as it was trained to write them, and round trips."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region
from tests.strategies import boxes, canvases, outlines, regions

CODEC = get_codec("rex-omni")
OFFICIAL = get_codec("rex-omni", "official")
CANVAS = Canvas.identity(1998, 999)  # a bin is two pixels wide and one high


def answer(label, shapes):
    return f"<|object_ref_start|>{label}<|object_ref_end|><|box_start|>{shapes}<|box_end|>"


# the example in the parser of the family's own package (rex_omni/parser.py)
EXAMPLE = answer("person", "<0><35><980><987>, <646><0><999><940>")


def test_prompts_are_the_familys():
    ask = CODEC.prompt
    boxes_please = "Output the bounding box coordinates in [x0, y0, x1, y1] format."
    assert ask("locate", "the man, left") == f"Detect the man left. {boxes_please}"
    assert ask("detect", names=["person", "car"]) == f"Detect person, car. {boxes_please}"
    assert ask("point", "red hats") == "Point to red hats."
    assert ask("ocr") == "Detect all word and recognize them."
    assert ask("ocr", "text line") == "Detect all text line and recognize them."
    assert ask("segment", "word").startswith("Can you detect all word in this image in polygon format like [x0, y0,")
    with pytest.raises(PromptError, match="comma"):
        ask("detect", names=["dog, brown"])
    with pytest.raises(PromptError, match="markup"):
        ask("locate", "<|box_start|>")
    with pytest.raises(PromptError, match="at least one"):
        ask("detect")


def test_readers_differ_by_half_a_bin_and_are_chosen_by_name():
    middle, official = (codec.decode(EXAMPLE, CANVAS, task="detect") for codec in (CODEC, OFFICIAL))
    assert [region.box for region in official.regions] == [(0, 35, 1960, 987), (1292, 0, 1998, 940)]
    assert [region.box for region in middle.regions] == [(1, 35.5, 1961, 987.5), (1293, 0.5, 1998, 940.5)]
    assert [region.label for region in middle.regions] == ["person", "person"]
    assert not middle.problems


def test_the_middle_is_nearer_to_what_was_written():
    truths = [Region((x, x / 2, x + 7.3, x / 2 + 3.1), label="a") for x in (17.31 * step for step in range(110))]
    text = CODEC.encode("detect", regions=truths, canvas=CANVAS)

    def off(codec):
        pairs = zip(codec.decode(text, CANVAS).regions, truths, strict=True)
        return sum(
            abs(seen - true) for region, truth in pairs for seen, true in zip(region.box, truth.box, strict=True)
        )

    assert off(CODEC) < 0.6 * off(OFFICIAL)


def test_answers_are_written_as_in_training():
    cat, dog = Region((0, 35, 1960, 987), label="cat"), Region((2, 3, 4, 5), label="dog")
    text = CODEC.encode("detect", regions=[cat, cat, dog], canvas=CANVAS)
    assert text == f"{answer('cat', '<0><35><980><987>,<0><35><980><987>')}, {answer('dog', '<1><3><2><5>')}"
    assert CODEC.encode("locate", text="a whale", canvas=CANVAS) == answer("a whale", "None")
    assert CODEC.encode("locate", canvas=CANVAS) == "None"
    assert CODEC.encode("point", regions=[cat], canvas=CANVAS) == answer("cat", "<490><511>")
    assert CODEC.encode("locate", regions=[Region((2, 3, 4, 5))], text="dog", canvas=CANVAS) == answer(
        "dog", "<1><3><2><5>"
    )


@pytest.mark.parametrize("text", ["None", answer("cat", "None"), answer("cat", "None") + ", " + answer("dog", "None")])
def test_none_means_nothing_there(text):
    decoded = CODEC.decode(text, CANVAS, task="detect")
    assert (decoded.regions, decoded.problems) == ((), ())


def test_two_tokens_are_a_point_and_many_an_outline():
    text = answer("button", "<100><150>,<200><250>") + answer("word", "<10><10><20><10><20><30>")
    first, second, outline = OFFICIAL.decode(text, CANVAS, task="point").regions
    assert first.point == pytest.approx((200, 150))
    assert first.box == first.point * 2
    assert second.point == pytest.approx((400, 250))
    assert outline.box == pytest.approx((20, 10, 40, 30))
    assert outline.label == "word"
    assert outline.mask.polygons[0] == pytest.approx(np.array([[20, 10], [40, 10], [40, 30]]))


@pytest.mark.parametrize(
    ("task", "shapes", "found", "problems"),
    [
        ("segment", "<10><10><20><10><20><30>", 1, []),
        ("segment", "<10><10><20><10><20><30><40>", 0, ["malformed"]),
        ("segment", "<10><10><20><10><20><9999>", 0, ["out_of_range"]),
        ("segment", "<10><10><20><10><20><1001>", 1, ["out_of_range"]),
        ("segment", "<10><10><20><10><20><30>,<10><10><20><10><20><30>", 1, ["duplicate"]),
        ("detect", "<10><10><20>, <1><2><3><4>", 1, ["malformed"]),
        ("detect", "<1><2><3><4>，<5><6><7><8>", 2, []),
        ("detect", "None, <1><2><3><4>", 1, ["malformed"]),
        ("detect", "<1><2><3><4>, None", 1, ["malformed"]),
    ],
)
def test_broken_shapes(task, shapes, found, problems):
    decoded = CODEC.decode(answer("a", shapes), CANVAS, task=task)
    assert len(decoded.regions) == found
    assert [problem.kind for problem in decoded.problems] == problems


def test_an_outline_that_is_cut_is_read_as_far_as_it_goes():
    decoded = CODEC.decode(answer("a", "<10><10><20><10><20><30>")[: -len("<|box_end|>")], CANVAS, task="segment")
    assert len(decoded.regions) == 1
    assert [problem.kind for problem in decoded.problems] == ["truncated"]


@settings(max_examples=60)
@given(st.data(), canvases)
def test_boxes_survive_a_round_trip_within_half_a_bin(data, canvas):
    truths = [*data.draw(regions(canvas)), Region(data.draw(boxes(canvas)), label="last")]
    decoded = CODEC.decode(CODEC.encode("detect", regions=truths, canvas=canvas), canvas, task="detect")
    assume(all(problem.kind != "duplicate" for problem in decoded.problems))  # two boxes in the same bins
    assert not decoded.problems
    for region, truth in zip(decoded.regions, truths, strict=True):
        assert region.label == truth.label
        assert region.box[0::2] == pytest.approx(truth.box[0::2], abs=0.5 / 999 * canvas.width + 1e-9)
        assert region.box[1::2] == pytest.approx(truth.box[1::2], abs=0.5 / 999 * canvas.height + 1e-9)


@settings(max_examples=60)
@given(st.data(), canvases)
def test_points_and_outlines_survive_a_round_trip(data, canvas):
    x1, y1, x2, y2 = data.draw(boxes(canvas))
    truth = Region((x1, y1, x2, y2), label="a")
    (region,) = CODEC.decode(CODEC.encode("point", regions=[truth], canvas=canvas), canvas, task="point").regions
    assert region.point[0] == pytest.approx(truth.center[0], abs=0.5 / 999 * canvas.width + 1e-9)
    assert region.point[1] == pytest.approx(truth.center[1], abs=0.5 / 999 * canvas.height + 1e-9)
    shapes = data.draw(outlines(canvas))
    decoded = CODEC.decode(CODEC.encode("segment", regions=shapes, text="a", canvas=canvas), canvas, task="segment")
    assert {problem.kind for problem in decoded.problems} <= {"duplicate"}
    assert len(decoded.regions) + len(decoded.problems) == len(shapes)
    for region in decoded.regions:
        x, y = region.mask.polygons[0].min(axis=0)
        assert region.box[:2] == (pytest.approx(x), pytest.approx(y))


def test_what_can_not_be_written_is_refused():
    with pytest.raises(InputError, match="label"):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1))], canvas=CANVAS)
    with pytest.raises(InputError, match="markup"):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1), label="a<|box_end|>")], canvas=CANVAS)
    with pytest.raises(InputError, match="mask"):
        CODEC.encode("segment", regions=[Region((0, 0, 1, 1), label="a")], canvas=CANVAS)
    with pytest.raises(InputError, match="no task 'caption'"):
        CODEC.prompt("caption")


def test_every_polygon_of_a_mask_is_written():
    squares = [[(0, 0), (100, 0), (100, 100)], [(500, 500), (600, 500), (600, 600)]]
    mask = Mask.from_polygons(squares, CANVAS.width, CANVAS.height)
    text = CODEC.encode("segment", regions=[Region(mask.box, label="a", mask=mask)], canvas=CANVAS)
    assert len(CODEC.decode(text, CANVAS, task="segment").regions) == 2
