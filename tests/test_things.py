"""The kinds of drawn things: complete, centred, and unlike each other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from grounding.data.scenes.curves import contours_of, join_contours
from grounding.data.scenes.things import DIGITS, FILLS, KINDS, LETTERS, names_of, shape_of

NAMES = [name for kind in KINDS for name in names_of(kind)]


def silhouette(name: str, side: int = 64) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    contours = [np.round((c * 0.9 + 0.5) * side * 16).astype(np.int32) for c in shape_of(name).contours]
    cv2.fillPoly(mask, contours, 1, shift=4)
    return mask.astype(bool)


@pytest.mark.parametrize("name", NAMES)
def test_shape_is_centred_with_its_longer_side_one(name: str) -> None:
    shape = shape_of(name)
    points = shape.contours[0]
    low, high = points.min(axis=0), points.max(axis=0)
    assert max(shape.width, shape.height) == pytest.approx(1)
    assert np.abs(high - low - [shape.width, shape.height]).max() < 0.01
    assert np.abs((low + high) / 2).max() < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_one_polygon_has_the_area_of_outline_less_holes(name: str) -> None:
    shape = shape_of(name)
    side = 512
    one = np.zeros((side, side), np.uint8)
    several = np.zeros((side, side), np.uint8)
    cv2.fillPoly(one, [np.round((shape.outline * 0.9 + 0.5) * side).astype(np.int32)], 1)
    cv2.fillPoly(several, [np.round((c * 0.9 + 0.5) * side).astype(np.int32) for c in shape.contours], 1)
    assert np.count_nonzero(one != several) / np.count_nonzero(several) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_details_lie_inside_the_silhouette(name: str) -> None:
    shape = shape_of(name)
    mask = silhouette(name, 256)
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8))
    for points, _ in shape.details:
        detail = np.zeros_like(grown)
        cv2.fillPoly(detail, [np.round((points * 0.9 + 0.5) * 256).astype(np.int32)], 1)
        assert not (detail > grown).any()


def test_no_two_kinds_have_nearly_the_same_silhouette() -> None:
    masks = {name: silhouette(name) for name in NAMES}
    for i, name in enumerate(NAMES):
        for other in NAMES[i + 1 :]:
            both = np.count_nonzero(masks[name] & masks[other])
            either = np.count_nonzero(masks[name] | masks[other])
            assert both / either < 0.92, (name, other)


def test_round_and_long_kinds_stay_apart_even_in_a_squashed_picture() -> None:
    """A picture may be squashed by up to 1.25: circle and square stay under the ratio of oval and rectangle."""
    assert 1 / shape_of("oval").height > 1.25 * 1.25
    assert 1 / shape_of("rectangle").height > 1.25 * 1.25


def test_every_kind_can_be_solid_and_has_known_fills() -> None:
    for name in NAMES:
        fills = shape_of(name).kind.fills
        assert "solid" in fills
        assert set(fills) <= set(FILLS)


def test_letters_and_digits_leave_out_those_that_look_alike() -> None:
    assert not set("IOQSZBG") & set(LETTERS)
    assert "0" not in DIGITS
    assert names_of("letter")[0] == "letter A"
    assert names_of("star") == ("star",)


def test_hole_and_second_part_join_into_one_polygon() -> None:
    mask = np.zeros((80, 120), np.uint8)
    cv2.circle(mask, (40, 40), 30, 255, -1)
    cv2.circle(mask, (40, 40), 12, 0, -1)
    cv2.rectangle(mask, (90, 20), (110, 60), 255, -1)
    joined = join_contours(contours_of(mask, 0.5))
    again = np.zeros_like(mask)
    cv2.fillPoly(again, [np.round(joined).astype(np.int32)], 255)
    assert np.count_nonzero(again != mask) < 0.03 * np.count_nonzero(mask)
