"""Texts of Qwen2.5-VL and Qwen3-VL: prompts, the resized picture, a recorded answer, round trips."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.qwen_json import MAX_PIXELS, MIN_PIXELS, smart_resize
from grounding.errors import ImageError, InputError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import canvases, regions

QWEN25, QWEN3 = get_codec("qwen2.5-vl"), get_codec("qwen3-vl")
CASE = json.loads((Path(__file__).parent / "cases" / "qwen3-vl.jsonl").read_text())


def test_prompts_are_the_cookbooks():
    for codec in (QWEN25, QWEN3):
        assert codec.prompt("locate", "the red cup") == (
            'Locate every object that matches the description "the red cup" in the image. '
            "Report bbox coordinates in JSON format."
        )
        assert codec.prompt("answer", "how many?") == "how many?"
        assert "Output the point coordinates in JSON format." in codec.prompt("point", "the cup")
        assert codec.prompt("ocr").startswith("Spotting all the text in the image with line-level")
    assert QWEN3.prompt("detect", names=["cat", "dog"]) == (
        'Locate every instance that belongs to the following categories: "cat, dog". '
        "Report bbox coordinates in JSON format."
    )
    assert QWEN25.prompt("detect", names=["cat", "dog"]).endswith("The category set includes cat, dog.")
    with pytest.raises(InputError, match="knows no task 'segment'"):
        QWEN3.prompt("segment", "cat")


def test_a_recorded_answer_that_is_no_json_gives_all_its_boxes():
    with pytest.raises(json.JSONDecodeError):
        json.loads(CASE["raw"].strip().strip("`").removeprefix("json"))
    decoded = QWEN3.decode(CASE["raw"], Canvas.identity(1000, 1000), task="detect")
    assert [list(region.box) for region in decoded.regions] == CASE["expected"]["boxes_1000"]
    assert [region.label for region in decoded.regions][::8] == ["Giyu Tomioka", "Tengen Uzui"]
    (problem,) = decoded.problems  # a brace too many
    assert (problem.kind, CASE["raw"][slice(*problem.span)]) == ("malformed", "{")


def test_a_recorded_answer_streams():
    stream = QWEN3.stream(Canvas.identity(1000, 1000), task="detect")
    given_out = [len(stream.feed(character)) for character in CASE["raw"]]
    assert sum(given_out) == 9
    assert given_out[CASE["raw"].index("}\n\t}") + 3] == 1  # with the brace that closes the first object


@pytest.mark.parametrize(
    ("height", "width", "limits", "expected"),
    [
        (480, 640, (), (476, 644)),
        (427, 640, (), (420, 644)),
        (1000, 1000, (56 * 56, 1280 * 28 * 28), (980, 980)),  # 36 * 28 = 1008 would be too many pixels
        (5000, 4000, (), (4004, 3192)),
        (10, 10, (), (56, 56)),
        (14, 200, (), (28, 224)),
        (28, 5600, (), (28, 5600)),
    ],
)
def test_the_resized_size_is_the_processors(height, width, limits, expected):
    assert smart_resize(height, width, 28, *limits) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8000), st.integers(1, 8000), st.sampled_from([(MIN_PIXELS, MAX_PIXELS), (256 * 784, 1280 * 784)]))
def test_the_resized_size_is_within_its_limits(height, width, limits):
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(InputError, match="200 times"):
            smart_resize(height, width, 28, *limits)
        return
    high, wide = smart_resize(height, width, 28, *limits)
    assert high % 28 == wide % 28 == 0
    assert limits[0] <= high * wide
    assert high * wide <= limits[1] or min(high, wide) == 28


def test_the_size_of_the_input_must_be_known():
    with pytest.raises(InputError, match="input_size=") as raised:
        QWEN25.canvas(640, 480)
    assert "MAX_PIXELS=12845056" in str(raised.value)
    with pytest.raises(InputError, match="not both"):
        QWEN25.canvas(640, 480, input_size=(644, 476), max_pixels=1000)
    with pytest.raises(ImageError):
        QWEN25.canvas(640, 480, input_size=(0, 476))
    assert QWEN25.canvas(640, 480, max_pixels=MAX_PIXELS) == QWEN25.canvas(640, 480, input_size=(644, 476))
    assert QWEN25.canvas(640, 480, min_pixels=1024 * 784) == Canvas.squash(640, 480, 1036, 784)
    assert QWEN3.canvas(640, 480) == Canvas.identity(640, 480)


def test_pixels_of_the_resized_picture_become_pixels_of_the_original():
    canvas = QWEN25.canvas(1280, 952, input_size=(644, 476))
    text = '```json\n[\n\t{"bbox_2d": [161, 119, 322, 238], "label": "cat"}\n]\n```'
    (region,) = QWEN25.decode(text, canvas).regions
    assert region.box == (320, 238, 640, 476)
    assert QWEN25.encode("locate", regions=[region], canvas=canvas) == text
    (region,) = QWEN3.decode(text, Canvas.identity(1280, 952)).regions
    assert region.box == pytest.approx((206.08, 113.288, 412.16, 226.576))


def test_the_far_edge_is_the_last_pixel():
    canvas = QWEN25.canvas(640, 480, input_size=(644, 476))
    written = QWEN25.encode("locate", regions=[Region((0, 0, 640, 480))], canvas=canvas)
    assert '"bbox_2d": [0, 0, 643, 475]' in written
    assert '"bbox_2d": [0, 0, 1000, 1000]' in QWEN3.encode("locate", regions=[Region((0, 0, 640, 480))], canvas=canvas)


def test_points_and_texts():
    canvas = Canvas.identity(100, 100)
    spot = Region((20, 30, 20, 30), label="cat", point=(20, 30))
    written = QWEN25.encode("point", regions=[spot], canvas=canvas)
    assert '{"point_2d": [20, 30], "label": "cat"}' in written
    assert QWEN25.decode(written, canvas, task="point").regions[0].point == (20, 30)
    written = QWEN3.encode("ocr", regions=[Region((10, 20, 30, 40), label="EXIT")], canvas=canvas)
    assert '{"bbox_2d": [100, 200, 300, 400], "text_content": "EXIT"}' in written
    assert QWEN3.decode(written, canvas, task="ocr").regions[0].label == "EXIT"
    with pytest.raises(InputError, match="ocr needs a label"):
        QWEN3.encode("ocr", regions=[Region((10, 20, 30, 40))], canvas=canvas)


def test_weights_that_exceed_a_thousand_are_cut_at_the_edge():
    (region,), (problem,) = (lambda decoded: (decoded.regions, decoded.problems))(
        QWEN3.decode('[{"bbox_2d": [0, 0, 1004, 500], "label": "cat"}]', Canvas.identity(640, 480))
    )
    assert region.box == (0, 0, 640, 240)
    assert problem.kind == "out_of_range"


@settings(max_examples=60, deadline=None)
@given(canvases, st.data())
def test_boxes_survive_a_round_trip_within_half_a_bin(canvas, data):
    """Of Qwen2.5-VL's resized picture a bin is a pixel, and the far edge's own bin is missing: one bin there."""
    codec = data.draw(st.sampled_from([QWEN25, QWEN3]))
    wide, high = 1000, 1000
    if codec is QWEN25:
        wide, high = data.draw(st.integers(1, 60)) * 28, data.draw(st.integers(1, 60)) * 28
        canvas = codec.canvas(canvas.width, canvas.height, input_size=(wide, high))
    truth = data.draw(regions(canvas, thinnest=0))
    text = codec.encode("detect", regions=truth, canvas=canvas)
    read = codec.decode(text, canvas, task="detect")
    assert {problem.kind for problem in read.problems} <= {"duplicate"}
    for region in truth:
        half = [0.5 * size / bins + 1e-9 for size, bins in ((canvas.width, wide), (canvas.height, high))] * 2
        edge = [2 * one if codec is QWEN25 else one for one in half]
        sides = (canvas.width, canvas.height) * 2
        assert any(
            other.label == region.label
            and all(
                abs(a - b) <= (last if b > size - far else near)
                for a, b, near, last, far, size in zip(other.box, region.box, half, edge, half, sides, strict=True)
            )
            for other in read.regions
        )


def test_supervisions_reading_is_ours():
    sv = pytest.importorskip("supervision")
    text = '```json\n[\n\t{"bbox_2d": [161, 119, 322, 238], "label": "cat"}\n]\n```'
    theirs = sv.Detections.from_vlm(sv.VLM.QWEN_2_5_VL, text, input_wh=(644, 476), resolution_wh=(1280, 952))
    ours = QWEN25.decode(text, QWEN25.canvas(1280, 952, input_size=(644, 476)))
    assert [list(region.box) for region in ours.regions] == theirs.xyxy.tolist()
