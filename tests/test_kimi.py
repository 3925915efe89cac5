"""Kimi-VL's texts: fractions with three decimals."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import canvases, regions

CODEC = get_codec("kimi-vl")
CANVAS = Canvas.identity(1000, 500)


def test_prompts_name_the_key_that_is_read():
    for task in ("locate", "detect"):
        assert "bbox_2d" in CODEC.prompt(task, "the cat", names=["the cat"])
        assert "the cat" in CODEC.prompt(task, "the cat", names=["the cat"])
    assert "point_2d" in CODEC.prompt("point", "the cat")


# issue 56 of the Kimi-VL repository: an answer of Kimi-VL-Instruct
@pytest.mark.parametrize("text", ['{"bbox_2d": [0.280, 0.500, 0.520, 0.700]}', '{"bbox_2d":[0.280,0.500,0.520,0.700]}'])
def test_fractions_are_read_along_the_pictures_sides(text):
    decoded = CODEC.decode(text, CANVAS)
    assert [region.box for region in decoded.regions] == [pytest.approx((280, 250, 520, 350))]
    assert not decoded.problems


def test_what_is_no_fraction_is_reported():
    decoded = CODEC.decode('[{"bbox_2d": [280, 500, 520, 700]}, {"bbox_2d": [0.1, 0.2, 1.004, 0.5]}]', CANVAS)
    assert [region.box for region in decoded.regions] == [pytest.approx((100, 100, 1000, 250))]
    assert [problem.kind for problem in decoded.problems] == ["out_of_range", "out_of_range"]


def test_three_decimals_are_written():
    written = CODEC.encode("locate", regions=[Region((280, 250, 520.4, 500), label="cat")], canvas=CANVAS)
    assert written == '[{"bbox_2d": [0.280, 0.500, 0.520, 1.000], "label": "cat"}]'
    spot = Region((280, 250, 280, 250), point=(280, 250))
    assert CODEC.encode("point", regions=[spot], canvas=CANVAS) == '[{"point_2d": [0.280, 0.500]}]'
    decoded = CODEC.decode('[{"point_2d": [0.280, 0.500]}]', CANVAS, task="point")
    assert decoded.regions[0].point == pytest.approx((280, 250))


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
