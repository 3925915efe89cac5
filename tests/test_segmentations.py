"""COCO's segmentation becomes a mask of its picture, or says why it can't."""

import math

import pytest

from grounding.data.referring.segmentations import mask_of
from grounding.errors import BoxError

SQUARE = [2, 3, 6, 3, 6, 8, 2, 8]


def test_polygons_and_run_lengths_become_masks():
    assert mask_of([SQUARE], (10, 20)).area == 20
    assert mask_of({"size": [20, 10], "counts": [0, 20, 180]}, (10, 20)).box == (0.0, 0.0, 1.0, 20.0)
    packed = mask_of([SQUARE], (10, 20)).rle
    assert mask_of(packed, (10, 20)).area == 20


@pytest.mark.parametrize("nothing", [None, [], {}])
def test_no_segmentation_is_no_mask(nothing):
    assert mask_of(nothing, (10, 20)) is None


def test_polygons_with_too_few_corners_are_left_out_beside_others():
    assert mask_of([[1, 2, 3, 4], SQUARE], (10, 20)) == mask_of([SQUARE], (10, 20))
    with pytest.raises(BoxError, match="3 corners"):
        mask_of([[1, 2, 3, 4]], (10, 20))


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 2, 3, 4, 5, math.nan]],
        [[1, 2, 3, 4, 5]],
        [["a", "b", "c", "d", "e", "f"]],
        [[1, 2, [3], 4, 5, 6]],
        [[1, 2, 3, 4, 5, 10**400]],
        [None],
        [7],
        "0,1,2",
        7,
        {"size": [20, 10]},
        {"size": [20, 10], "counts": [0, 20]},
        {"size": [20, 10], "counts": "~~~"},
        {"size": [20, 10], "counts": 7},
        {"size": [20, 10], "counts": ["a"]},
        {"size": [10, 20], "counts": [200]},
    ],
)
def test_what_is_no_mask_is_one_sentence(segmentation):
    with pytest.raises(BoxError) as caught:
        mask_of(segmentation, (10, 20))
    assert "\n" not in str(caught.value)
