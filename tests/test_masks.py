"""Masks: pixels, run lengths and polygons turn into each other exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from grounding import masks
from grounding.errors import BoxError
from grounding.masks import Mask

pytest.importorskip("pycocotools")
coco_mask = pytest.importorskip("pycocotools.mask")

pixels = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=14))

RING = np.array([[0, 1, 1, 1, 1, 0], [0, 1, 0, 0, 1, 0], [0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1]], dtype=bool)


# ---- pixels and run lengths


@given(pixels)
def test_pixels_come_back_exactly(array):
    np.testing.assert_array_equal(Mask.from_array(array).array, array)


@given(pixels)
def test_run_lengths_come_back_exactly_in_all_of_cocos_forms(array):
    mask = Mask.from_array(array)
    runs = np.diff(np.flatnonzero(np.diff(array.T.ravel().astype(int), prepend=0, append=2)), prepend=0).tolist()
    as_text, as_bytes = mask.rle, {**mask.rle, "counts": mask.rle["counts"].encode()}
    as_list = {"size": list(array.shape), "counts": runs if runs[-1:] != [0] else runs[:-1]}
    assert Mask.from_rle(as_text) == Mask.from_rle(as_bytes) == mask
    np.testing.assert_array_equal(Mask.from_rle(as_list).array, array)


@given(pixels)
def test_run_lengths_are_what_pycocotools_writes(array):
    expected = coco_mask.encode(np.asfortranarray(array, dtype=np.uint8))
    assert Mask.from_array(array).rle == {"size": list(array.shape), "counts": expected["counts"].decode()}
    assert masks._text_from_runs(masks._runs_from_text(expected["counts"].decode())) == expected["counts"].decode()


@given(pixels)
def test_area_and_box_are_those_of_the_pixels(array):
    mask = Mask.from_array(array)
    assert mask.area == array.sum()
    ys, xs = np.nonzero(array)
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else (0, 0, 0, 0)
    assert mask.box == expected


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [4, 5], "counts": [3, 4]},  # too few pixels
        {"size": [4, 5], "counts": [10, 30]},  # too many
        {"size": [4, 5], "counts": [30, -10]},
        {"size": [4, 5], "counts": "~~~~"},  # characters beyond the format
        {"size": [4, 5], "counts": "PPPPPPPPPPPPPPPPPPPP"},  # a number without end
        {"size": [4, 5], "counts": "d0P"},  # cut off
        {"size": [0, 5], "counts": []},
        {"size": [4], "counts": [20]},
        {"counts": [20]},
    ],
)
def test_run_lengths_that_do_not_fit_are_refused_before_compiled_code_sees_them(rle):
    with pytest.raises(BoxError):
        Mask.from_rle(rle)


def test_an_array_that_is_no_mask_is_refused():
    with pytest.raises(BoxError, match=r"\(2, 2, 3\)"):
        Mask.from_array(np.zeros((2, 2, 3)))


# ---- polygons


@given(pixels)
def test_outlines_filled_give_the_same_pixels(array):
    height, width = array.shape
    np.testing.assert_array_equal(Mask.from_polygons(Mask.from_array(array).polygons, width, height).array, array)


@given(pixels)
def test_outlines_run_along_pixel_edges_and_turn_at_every_corner(array):
    for polygon in Mask.from_array(array).polygons:
        steps = np.abs(np.roll(polygon, -1, axis=0) - polygon)
        assert (polygon == np.rint(polygon)).all()
        assert (steps.min(axis=1) == 0).all()
        assert (steps.max(axis=1) > 0).all()


def test_an_outline_goes_clockwise_on_screen():
    (polygon,) = Mask.from_array([[0, 0, 0], [0, 1, 1]]).polygons
    assert sorted(map(tuple, polygon.tolist())) == [(1, 1), (1, 2), (3, 1), (3, 2)]
    x, y = polygon.T
    assert np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0


def test_a_hole_is_joined_to_the_outline_around_it():
    polygons = Mask.from_array(RING).polygons
    assert len(polygons) == 2  # the ring with its hole, and the pixel that touches it at a corner
    np.testing.assert_array_equal(Mask.from_polygons(polygons, 6, 4).array, RING)


def test_nothing_inside_has_no_outline_and_an_empty_box():
    mask = Mask.from_polygons([], 4, 3)
    assert mask.polygons == []
    assert mask.area == 0
    assert mask.box == (0, 0, 0, 0)
    assert not mask.array.any()
    assert Mask.from_array(np.zeros((3, 4))).polygons == []


def test_polygons_are_kept_as_they_were_given():
    triangle = [(0.5, 0.25), (3.75, 0.25), (2.0, 2.5)]
    mask = Mask.from_polygons([triangle], 4, 3)
    assert mask.polygons[0].tolist() == [list(point) for point in triangle]
    assert mask.box == (0.5, 0.25, 3.75, 2.5)


def test_polygons_overlap_into_one_mask():
    square = [(0, 0), (2, 0), (2, 2), (0, 2)]
    assert Mask.from_polygons([square, np.array(square) + 1], 4, 4).area == 7


@pytest.mark.parametrize("far", [200.0, 1e5, 1e9, 1e300, 1.7e308])
def test_a_polygon_that_goes_far_outside_takes_no_more_memory_and_fills_the_same_pixels(far):
    wide = Mask.from_polygons([[-far, 2, far, 2, far, 6, -far, 6], [3, -far, 5, -far, 5, far, 3, far]], 20, 10)
    expected = np.zeros((10, 20), bool)
    expected[2:6, :] = expected[:, 3:5] = True
    assert np.array_equal(wide.array, expected)
    assert wide.polygons[0].max() == far, "the outline stays as it was given"
    beside = Mask.from_polygons([[far, far, far, far * 0.9, far * 0.9, far]], 20, 10)
    assert beside.area == 0


@given(st.lists(st.tuples(st.integers(-200, 300), st.integers(-200, 300)), min_size=3, max_size=6))
def test_cutting_what_goes_far_outside_changes_no_pixel(corners):
    """Against COCO's own filling, which has memory enough at these sizes."""
    flat = [float(value) for corner in corners for value in corner]
    direct = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([flat], 30, 40))).astype(bool)
    ours = Mask.from_polygons([corners], 40, 30).array
    assert (ours != direct).sum() <= len(corners) * 4  # along its own lines COCO rounds corners to fifths of a pixel


def test_the_part_of_a_polygon_outside_the_picture_is_cut():
    mask = Mask.from_polygons([[(-5, -5), (2, -5), (2, 2), (-5, 2)]], 4, 4)
    assert mask.area == 4
    assert mask.box == (0, 0, 2, 2)


def test_cocos_flat_lists_are_taken():
    assert Mask.from_polygons([[0, 0, 2, 0, 2, 2, 0, 2]], 4, 4).area == 4


@pytest.mark.parametrize("polygon", [[(0, 0), (1, 1)], [1, 2, 3], [(0, 0, 0)] * 3, [(0, 0), (1, float("nan")), (1, 1)]])
def test_what_is_no_polygon_is_refused(polygon):
    with pytest.raises(BoxError, match="polygon"):
        Mask.from_polygons([polygon], 4, 4)


# ---- both


@given(pixels)
def test_json_gives_an_equal_mask_back(array):
    height, width = array.shape
    for mask in (Mask.from_array(array), Mask.from_polygons(Mask.from_array(array).polygons, width, height)):
        again = Mask.from_json(json.loads(json.dumps(mask.to_json())))
        assert again == mask
        assert hash(again) == hash(mask)


def test_a_mask_in_json_without_a_size_is_refused():
    with pytest.raises(BoxError, match="size"):
        Mask.from_json({"polygons": []})


@given(pixels)
def test_overlap_is_one_with_itself_and_none_with_the_rest(array):
    mask, rest = Mask.from_array(array), Mask.from_array(~array)
    assert masks.iou(mask, mask) == (1.0 if array.any() else 0.0)
    assert masks.iou(mask, rest) == 0.0


def test_overlap_written_out():
    a, b = Mask.from_array([[1, 1, 0, 0]]), Mask.from_array([[0, 1, 1, 0]])
    assert masks.iou(a, b) == pytest.approx(1 / 3)


def test_masks_of_different_pictures_are_not_compared():
    with pytest.raises(BoxError, match="2 x 1 and 1 x 2"):
        masks.iou(Mask.from_array([[1, 1]]), Mask.from_array([[1], [1]]))


def test_a_mask_is_built_one_way_only():
    with pytest.raises(BoxError, match="from_polygons"):
        Mask(3, 3)


def test_large_masks_are_traced_in_moments():
    y, x = np.mgrid[:1500, :1500]
    distance = (y - 750) ** 2 + (x - 750) ** 2
    ring = (distance < 700**2) & (distance > 300**2)
    mask = Mask.from_array(ring)
    assert len(mask.polygons) == 1
    np.testing.assert_array_equal(Mask.from_polygons(mask.polygons, 1500, 1500).array, ring)
