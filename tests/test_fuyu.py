"""Fuyu: halved pixels of the scaled picture, y before x, and its raw tokens."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import recorded
from tests.strategies import boxes

CODEC = get_codec("fuyu")
SAME = CODEC.canvas(640, 480, input_size=(640, 480))
LARGE = CODEC.canvas(3840, 1000, input_size=(1920, 500))  # halved


def test_the_size_of_the_input_has_to_be_known():
    with pytest.raises(InputError, match="input_size"):
        CODEC.canvas(640, 480)


def test_prompts_hold_pixels_of_the_original():
    assert CODEC.prompt("describe", box=(428, 388, 488, 404), canvas=LARGE).endswith(
        "corresponding bounding box.\\n<box>388, 428, 404, 488</box>"
    )
    assert CODEC.prompt("locate", "Williams").endswith("corresponding bounding box.\\n Williams")
    assert CODEC.prompt("caption") == "Generate a coco-style caption.\n"
    with pytest.raises(InputError, match="finite"):
        CODEC.prompt("describe", box=(float("nan"), 0, 1, 1), canvas=SAME)


@pytest.mark.parametrize(
    "text",
    [
        "<box>194, 213, 202, 244</box>",
        "<box>194,213,202,244</box>|ENDOFTEXT|",
        "\x04 <0x00>194 213 202 244<0x01>",
        "\x00 194 213 202 244 \x01|ENDOFTEXT|",
    ],
)
def test_numbers_are_halved_pixels_y_first(text):
    decoded = CODEC.decode(text, SAME)
    assert not decoded.problems
    assert [region.box for region in decoded.regions] == [pytest.approx((426, 388, 488, 404))]
    assert CODEC.decode(text, LARGE).regions[0].box == pytest.approx((852, 776, 976, 808))


def test_points_are_x_first():
    (region,) = CODEC.decode("<point>10, 20</point>", SAME).regions
    assert region.point == pytest.approx((20, 40))


@pytest.mark.parametrize("case", recorded("fuyu"), ids=lambda case: case["source"])
def test_tokens_without_anything_between_them_can_not_be_told_apart(case):
    decoded = CODEC.decode(case["raw"], SAME)
    assert not decoded.regions
    assert [problem.kind for problem in decoded.problems] == ["malformed"]
    (numbers,) = case["expected"]["boxes_halved_px_yxyx"]
    spaced = f"\x00{' '.join(map(str, numbers))}\x01|ENDOFTEXT|"
    assert CODEC.decode(spaced, SAME).regions[0].box == pytest.approx((426, 388, 488, 404))


@settings(max_examples=60)
@given(st.data())
def test_transformers_rounding_is_transformers(data):
    """2 * int(n / scale), as post_process_box_coordinates has it."""
    numbers = [data.draw(st.integers(0, 250)) for _ in range(4)]
    y1, x1, y2, x2 = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    scale = data.draw(st.sampled_from([0.5, 0.8]))
    canvas = CODEC.canvas(int(500 / scale), int(500 / scale), input_size=(500, 500))
    decoded = get_codec("fuyu", "transformers").decode(f"<box>{y1}, {x1}, {y2}, {x2}</box>", canvas)
    assert decoded.regions[0].box == tuple(2 * int(n / scale + 1e-9) for n in (x1, y1, x2, y2))


@settings(max_examples=60)
@given(st.data(), st.integers(1, 4000), st.integers(1, 4000))
def test_any_box_survives_a_round_trip_within_a_pixel_of_the_input(data, width, height):
    canvas = Canvas.squash(width, height, *(min(side, 1000) for side in (width, height)))
    box = data.draw(boxes(canvas))
    decoded = CODEC.decode(CODEC.encode("locate", regions=[Region(box)], canvas=canvas), canvas)
    for read, true, scale in zip(decoded.regions[0].box, box, (canvas.scale_x, canvas.scale_y) * 2, strict=True):
        assert abs(read - true) <= 1 / scale + 1e-6


def test_broken_answers_are_reported():
    for text, kind in (
        ("<box>194, 213, 202</box>", "malformed"),
        ("<box>194, 213, 202, 24", "truncated"),
        ("<box>194, 213, 202, 99999</box>", "out_of_range"),
        ("Williams", "prose"),
        ("|ENDOFTEXT|", "truncated"),
        ("<box>|ENDOFTEXT|", "malformed"),
    ):
        decoded = CODEC.decode(text, SAME)
        assert not decoded.regions
        assert [problem.kind for problem in decoded.problems] == [kind]
