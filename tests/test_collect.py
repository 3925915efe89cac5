"""What becomes of four numbers that a model wrote: pixels, range, order, repetition, padding."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from grounding.codecs.collect import Collector, Frame
from grounding.images import Canvas

WIDE = Canvas.identity(640, 480)


def thousandths(canvas=WIDE, **options):
    return Collector(canvas, lambda number: number / 1000, 1000, **options)


def kinds(collector):
    return [problem.kind for problem in collector.decoded().problems]


def test_numbers_become_pixels_of_the_original():
    collector = thousandths()
    region = collector.add_box([100, 200, 300, 400], 3, 20, label="cat")
    assert region.box == pytest.approx((64, 96, 192, 192))
    assert (region.label, region.score, region.span) == ("cat", None, (3, 20))
    assert collector.decoded().regions == (region,)
    assert not collector.decoded().problems


def test_families_that_write_y_first_are_read_so():
    assert thousandths(y_first=True).add_box([200, 100, 400, 300], 0, 1).box == pytest.approx((64, 96, 192, 192))
    assert thousandths(y_first=True).point([200, 100], 0, 1) == pytest.approx((64, 96))


def test_without_a_reading_numbers_are_pixels_of_what_the_model_saw():
    collector = Collector(Canvas.squash(640, 480, 320, 240))
    assert collector.add_box([10, 20, 30, 40], 0, 1).box == (20, 40, 60, 80)


@pytest.mark.parametrize(
    ("numbers", "kind", "box"),
    [
        ([100, 100, 1003, 200], "out_of_range", (64, 48, 640, 96)),
        ([-20, 100, 100, 200], "out_of_range", (0, 48, 64, 96)),
        ([100, 100, 99999, 200], "out_of_range", None),
        ([100, 100, math.inf, 200], "out_of_range", None),
        ([100, 100, math.nan, 200], "out_of_range", None),
        ([300, 200, 100, 100], "inverted", (64, 48, 192, 96)),
        ([100, 100, 200], "malformed", None),
        ([], "malformed", None),
    ],
)
def test_what_is_wrong_is_reported_and_what_can_be_meant_is_read(numbers, kind, box):
    collector = thousandths()
    region = collector.add_box(numbers, 5, 9)
    assert kinds(collector) == [kind]
    assert collector.problems[0].span == (5, 9)
    assert region is None if box is None else region.box == pytest.approx(box)


def test_a_box_written_again_is_kept_once_and_with_another_label_twice():
    collector = thousandths()
    collector.add_box([1, 2, 3, 4], 0, 5, label="a")
    assert collector.add_box([1, 2, 3, 4], 5, 10, label="a") is None
    collector.add_box([1, 2, 3, 4], 10, 15, label="b")
    assert [region.label for region in collector.regions] == ["a", "b"]
    assert kinds(collector) == ["duplicate"]


def test_a_point_is_a_region_without_extent():
    collector = thousandths()
    region = collector.add_point(collector.point([500, 500], 0, 4), 0, 4, label="nose")
    assert (region.box, region.point, region.label) == ((320, 240, 320, 240), (320, 240), "nose")
    assert collector.add_point((320.0, 240.0), 4, 8, label="nose") is None
    assert collector.point([5], 8, 9) is None
    assert kinds(collector) == ["duplicate", "malformed"]


def test_what_reaches_into_the_padding_is_cut_and_more_than_a_bin_of_it_is_reported():
    padded = Canvas.pad(640, 480, 640)  # 80 px of padding above and below
    collector = thousandths(padded)
    assert collector.add_box([0, 125, 1000, 875], 0, 1).box == pytest.approx((0, 0, 640, 480))
    assert collector.add_box([0, 124.5, 999, 875], 1, 2).box == pytest.approx((0, 0, 639.36, 480))
    assert not collector.problems
    assert collector.add_box([0, 0, 1000, 500], 2, 3).box == pytest.approx((0, 0, 640, 240))
    assert kinds(collector) == ["out_of_range"]


def test_problems_come_in_the_order_of_the_text():
    collector = thousandths()
    collector.report("prose", "words", 20, 25)
    collector.report("malformed", "three numbers", 2, 9)
    assert kinds(collector) == ["malformed", "prose"]


sizes = st.integers(1, 8000)
canvases = st.one_of(
    st.builds(Canvas.identity, sizes, sizes),
    st.builds(Canvas.squash, sizes, sizes, sizes, sizes),
    st.builds(Canvas.pad, sizes, sizes, sizes),
)


@given(canvases, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_single_numbers_are_mapped_as_the_canvas_maps_arrays(canvas, fractions):
    frame = Frame(canvas)
    x1, y1, x2, y2 = fractions
    box = np.array([frame.x(x1), frame.y(y1), frame.x(x2), frame.y(y2)])
    scale = max(canvas.width, canvas.height, canvas.model_width, canvas.model_height)
    assert box == pytest.approx(canvas.unit_to_original([fractions])[0], abs=1e-9 * scale * 8000)
    assert frame.fractions(box) == pytest.approx(fractions, abs=1e-9)


@given(canvases, st.lists(st.floats(), max_size=5), st.booleans())
def test_no_numbers_raise_and_every_box_lies_in_the_picture(canvas, numbers, y_first):
    for collector in (thousandths(canvas, y_first=y_first), Collector(canvas, y_first=y_first)):
        region = collector.add_box(numbers, 0, 1)
        if region is None:
            assert kinds(collector)
        else:
            x1, y1, x2, y2 = region.box
            assert 0 <= x1 <= x2 <= canvas.width
            assert 0 <= y1 <= y2 <= canvas.height
