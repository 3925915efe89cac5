"""Gemini's texts: prompts, y before x, masks that are left out, round trips."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import canvases, regions

CODEC = get_codec("gemini")
CANVAS = Canvas.identity(2000, 1000)
TEXT = '```json\n[\n  {"box_2d": [281, 23, 978, 254], "label": "man in orange"}\n]\n```'
MASK = "data:image/png;base64," + "iVBORw0KGgo+/=" * 300


def test_prompts_name_the_order_and_the_range():
    form = "The box_2d should be [ymin, xmin, ymax, xmax] normalized to 0-1000."
    assert CODEC.prompt("locate", "man in orange") == f"Locate man in orange in the image. {form}"
    assert "cat, dog" in CODEC.prompt("detect", names=["cat", "dog"])
    assert "[y, x] format normalized to 0-1000" in CODEC.prompt("point", "the cup")


@pytest.mark.parametrize("text", [TEXT, TEXT[8:-4], TEXT[:-4], TEXT.replace("\n", "\r\n")])
def test_boxes_are_read_y_before_x(text):
    decoded = CODEC.decode(text, CANVAS)
    assert [(region.box, region.label) for region in decoded.regions] == [((46, 281, 508, 978), "man in orange")]
    assert not decoded.problems


def test_points_are_read_y_before_x():
    decoded = CODEC.decode('[{"point": [500, 100], "label": "the eye"}]', CANVAS, task="point")
    assert [(region.point, region.box) for region in decoded.regions] == [((200, 500), (200, 500, 200, 500))]
    spot = Region((200, 500, 200, 500), point=(200, 500))
    assert '{"point": [500, 100]}' in CODEC.encode("point", regions=[spot], canvas=CANVAS)


MASKS = (f'"{MASK}"', '"not a picture"', "[[1, 2], [3, 4], [5, 6]]", "[[0, 1, 0, 1]]", "null", '""')


@pytest.mark.parametrize("mask", MASKS)
def test_masks_are_left_out_and_their_boxes_are_read(mask):
    text = f'[{{"box_2d": [281, 23, 978, 254], "mask": {mask}, "label": "man", "confidence": 0.9}}]'
    for pieces in ([text], list(text)):
        stream = CODEC.stream(CANVAS, task="detect")
        for piece in pieces:
            stream.feed(piece)
        decoded = stream.close()
        (region,) = decoded.regions
        assert (region.box, region.label) == ((46, 281, 508, 978), "man")
        assert region.mask is region.score is None
        assert not decoded.problems


def test_a_mask_that_is_cut_leaves_its_box():
    text = f'[{{"box_2d": [281, 23, 978, 254], "mask": "{MASK}'
    decoded = CODEC.decode(text, CANVAS)
    assert [region.box for region in decoded.regions] == [(46, 281, 508, 978)]
    assert [problem.kind for problem in decoded.problems] == ["truncated"]


@settings(max_examples=60, deadline=None)
@given(canvases, st.data())
def test_boxes_survive_a_round_trip_within_half_a_bin(canvas, data):
    truth = data.draw(regions(canvas, thinnest=0))
    read = CODEC.decode(CODEC.encode("detect", regions=truth, canvas=canvas), canvas, task="detect")
    assert {problem.kind for problem in read.problems} <= {"duplicate"}
    for region in truth:
        assert any(
            other.label == region.label
            and other.box[0::2] == pytest.approx(region.box[0::2], abs=0.5 / 1000 * canvas.width + 1e-9)
            and other.box[1::2] == pytest.approx(region.box[1::2], abs=0.5 / 1000 * canvas.height + 1e-9)
            for other in read.regions
        )


def test_supervisions_reading_is_ours():
    sv = pytest.importorskip("supervision")
    theirs = sv.Detections.from_vlm(sv.VLM.GOOGLE_GEMINI_2_5, TEXT, resolution_wh=(2000, 1000))
    ours = CODEC.decode(TEXT, CANVAS)
    assert [list(region.box) for region in ours.regions] == theirs.xyxy.tolist()
