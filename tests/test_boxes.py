"""Boxes: one convention, conversions that undo each other, and measures that stay in their range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from grounding import boxes
from grounding.errors import BoxError

COORDINATES = st.floats(-1e6, 1e6)


@st.composite
def ordered(draw, least=0, most=6):
    """(N, 4) boxes whose corners are in order, some of them without area."""
    rows = draw(st.lists(st.tuples(*[COORDINATES] * 4), min_size=least, max_size=most))
    return boxes.as_boxes([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows])


@st.composite
def pairs(draw):
    first = draw(ordered())
    return first, draw(ordered(len(first), len(first)))


any_rows = st.lists(st.tuples(*[COORDINATES] * 4), max_size=6).map(boxes.as_boxes)
sides = st.integers(1, 8000)


# ---- what is taken


def test_a_single_box_becomes_one_row():
    assert boxes.as_boxes((1, 2, 3, 4)).tolist() == [[1.0, 2.0, 3.0, 4.0]]


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 4)), np.zeros(0), [[]]])
def test_no_boxes_are_an_array_of_no_rows(nothing):
    assert boxes.as_boxes(nothing).shape == (0, 4)
    assert boxes.as_boxes(nothing).dtype == np.float64


def test_what_was_given_is_never_changed():
    given = np.array([[5.0, 5.0, 1.0, 1.0]])
    boxes.clip(given, 2, 2)
    boxes.as_boxes(given)[0, 0] = 99
    assert given.tolist() == [[5.0, 5.0, 1.0, 1.0]]


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    assert boxes.as_boxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("wrong", [[1, 2, 3], [[1, 2, 3, 4, 5]], 7, "box", [[1, 2, 3, 4], [1, 2]], [None] * 4])
def test_what_is_no_box_is_refused_with_what_was_seen(wrong):
    with pytest.raises(BoxError, match=r"seen .+"):
        boxes.as_boxes(wrong)


# ---- conversions


def test_conversions_of_a_box_written_out():
    assert boxes.xyxy_to_xywh([10, 20, 40, 60]).tolist() == [[10, 20, 30, 40]]
    assert boxes.xyxy_to_cxcywh([10, 20, 40, 60]).tolist() == [[25, 40, 30, 40]]
    assert boxes.normalize([10, 20, 40, 60], 100, 200).tolist() == [[0.1, 0.1, 0.4, 0.3]]


@given(any_rows)
def test_conversions_undo_each_other(rows):
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(rows)), rows, atol=1e-9)
    np.testing.assert_allclose(boxes.cxcywh_to_xyxy(boxes.xyxy_to_cxcywh(rows)), rows, atol=1e-9)


@given(any_rows, sides, sides)
def test_normalizing_is_undone_by_denormalizing(rows, width, height):
    np.testing.assert_allclose(boxes.denormalize(boxes.normalize(rows, width, height), width, height), rows, atol=1e-6)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (float("nan"), 5), (5, float("inf"))])
def test_a_picture_without_size_is_refused(size):
    with pytest.raises(BoxError, match="width and a height over 0"):
        boxes.normalize([0, 0, 1, 1], *size)


@given(ordered(), sides, sides)
def test_clipped_boxes_lie_in_the_picture_and_stay_ordered(rows, width, height):
    clipped = boxes.clip(rows, width, height)
    assert (clipped >= 0).all()
    assert (clipped <= [width, height, width, height]).all()
    assert (clipped[:, :2] <= clipped[:, 2:]).all()


def test_a_box_outside_the_picture_is_clipped_to_an_empty_one():
    assert boxes.area(boxes.clip([50, 50, 60, 60], 20, 20)).tolist() == [0]


# ---- measures


def test_overlaps_written_out():
    a, b = [[0, 0, 2, 2]], [[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6], [0, 0, 1, 2]]
    assert boxes.iou(a, b).tolist() == [[1 / 7, 1, 0, 0.5]]
    np.testing.assert_allclose(boxes.giou(a, b), [[1 / 7 - 2 / 9, 1, -31 / 36, 0.5]])


def test_sets_without_boxes_give_empty_tables():
    assert boxes.iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert boxes.giou([[0, 0, 1, 1]], []).shape == (1, 0)
    assert boxes.iou_pairs([], []).shape == (0,)


def test_a_box_without_area_overlaps_nothing():
    assert boxes.iou([[1, 1, 1, 5]], [[0, 0, 9, 9], [1, 1, 1, 5]]).tolist() == [[0, 0]]
    assert boxes.giou([[1, 1, 1, 5]], [[1, 1, 1, 5]]).tolist() == [[0]]


def test_an_inverted_box_has_no_area_and_overlaps_nothing():
    assert boxes.area([5, 5, 1, 1]).tolist() == [0]
    assert boxes.iou([[5, 5, 1, 1]], [[0, 0, 9, 9]]).tolist() == [[0]]


@given(any_rows, any_rows)
def test_overlaps_stay_in_their_range_for_any_rows(a, b):
    overlap, general = boxes.iou(a, b), boxes.giou(a, b)
    assert overlap.shape == general.shape == (len(a), len(b))
    assert ((overlap >= 0) & (overlap <= 1)).all()
    assert ((general >= -1) & (general <= overlap)).all()


@given(ordered(), ordered())
def test_overlaps_are_the_same_from_both_sides(a, b):
    np.testing.assert_array_equal(boxes.iou(a, b), boxes.iou(b, a).T)
    np.testing.assert_allclose(boxes.giou(a, b), boxes.giou(b, a).T)


@given(ordered())
def test_a_box_with_area_overlaps_itself_wholly(rows):
    rows = rows[boxes.area(rows) > 0]
    assert (boxes.iou_pairs(rows, rows) == 1).all()
    assert (boxes.giou_pairs(rows, rows) == 1).all()


@given(pairs())
def test_pairs_are_the_diagonal_of_the_table(both):
    a, b = both
    np.testing.assert_array_equal(boxes.iou_pairs(a, b), boxes.iou(a, b).diagonal())
    np.testing.assert_array_equal(boxes.giou_pairs(a, b), boxes.giou(a, b).diagonal())


def test_pairs_of_different_length_are_refused():
    with pytest.raises(BoxError, match="1 and 2 boxes"):
        boxes.iou_pairs([[0, 0, 1, 1]], [[0, 0, 1, 1]] * 2)


def test_only_finite_boxes_with_area_are_valid():
    rows = [[0, 0, 1, 1], [0, 0, 0, 1], [3, 0, 1, 1], [0, 0, np.nan, 1], [0, 0, np.inf, 1]]
    assert boxes.valid(rows).tolist() == [True, False, False, False, False]
