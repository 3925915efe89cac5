"""The colours that are said of boxes, and those that are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from grounding.data.photos.color_names import COLOR_NAMES, names_table, shares_of
from grounding.data.photos.colors import PhotoColors

GRASS, SKY, SKIN = (86, 118, 52), (150, 190, 230), (205, 150, 120)


def picture(*patches: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Grass under sky, with coloured patches (x1, y1, x2, y2) on it, all of them grainy."""
    image = np.zeros((256, 256, 3), np.int16)
    image[:128], image[128:] = SKY, GRASS
    for (x1, y1, x2, y2), color in patches:
        image[y1:y2, x1:x2] = color
    grain = np.random.default_rng(0).integers(-6, 7, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def standing(
    shirt: tuple[int, int, int], legs: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    patches = (((110, 40, 146, 70), SKIN), ((104, 66, 152, 130), shirt), ((106, 130, 150, 220), legs))
    return picture(*patches), (102.0, 38.0, 154.0, 222.0)


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        ("black", (14, 14, 15)),
        ("gray", (120, 121, 122)),
        ("white", (244, 244, 242)),
        ("red", (190, 25, 35)),
        ("red", (255, 0, 0)),
        ("orange", (245, 130, 25)),
        ("yellow", (250, 215, 30)),
        ("green", (30, 130, 50)),
        ("blue", (30, 70, 170)),
        ("blue", (0, 0, 255)),
        ("blue", (120, 180, 235)),
        ("purple", (110, 40, 150)),
        ("pink", (250, 150, 190)),
        ("brown", (95, 60, 35)),
        ("tan", (205, 175, 135)),
    ],
)
def test_a_colour_that_nobody_doubts_goes_by_its_name(name: str, rgb: tuple[int, int, int]) -> None:
    shares = shares_of(np.array([rgb], np.uint8))
    assert shares[COLOR_NAMES.index(name)] > 0.8


def test_no_colour_goes_by_more_than_one_whole_name() -> None:
    assert names_table().shape == (32768, len(COLOR_NAMES) + 1)
    assert (names_table() >= 0).all()
    assert (names_table()[:, :-1].sum(1) < 1.0001).all()


def test_skin_is_told_from_cloth() -> None:
    assert shares_of(np.array([SKIN, (141, 85, 60), (240, 200, 175)], np.uint8))[-1] > 0.6
    assert shares_of(np.array([(190, 25, 35), (30, 70, 170), (244, 244, 242)], np.uint8))[-1] < 0.1


def test_somebody_is_in_a_red_shirt_and_black_trousers() -> None:
    image, box = standing((190, 25, 35), (14, 14, 15))
    assert PhotoColors(image).of(box, "person") == (None, "red", "black", PhotoColors(image).without(box))


def test_what_is_hardly_there_is_certainly_not_worn() -> None:
    image, box = standing((190, 25, 35), (14, 14, 15))
    without = PhotoColors(image).without(box)
    assert {"yellow", "purple", "white"} <= without
    assert not {"red", "black"} & without


def test_skin_is_no_shirt() -> None:
    image, box = standing(SKIN, (30, 70, 170))
    assert PhotoColors(image).person(box) == (None, "blue")


def test_two_colours_in_one_place_are_none() -> None:
    image, box = standing((190, 25, 35), (14, 14, 15))
    image[66:130, 104:128] = (30, 70, 170)
    assert PhotoColors(image).person(box)[0] is None


def test_what_looks_as_the_meadow_does_is_the_meadow() -> None:
    image = picture(((100, 150, 160, 200), GRASS))
    assert PhotoColors(image).thing((100, 150, 160, 200), "suitcase") is None


def test_a_car_is_red_below_its_windows() -> None:
    image = picture(((60, 150, 200, 185), (40, 45, 50)), ((60, 168, 200, 215), (190, 25, 35)))
    assert PhotoColors(image).thing((60, 150, 200, 215), "car") == "red"


def test_kinds_of_many_colours_have_none_and_toilets_are_not_blue() -> None:
    image = picture(((60, 60, 200, 215), (30, 70, 170)))
    colors = PhotoColors(image)
    assert colors.thing((60, 60, 200, 215), "suitcase") == "blue"
    assert colors.thing((60, 60, 200, 215), "pizza") is None
    assert colors.thing((60, 60, 200, 215), "toilet") is None


def test_pictures_in_black_and_white_tell_no_colours_of_things() -> None:
    image = picture(((60, 60, 200, 215), (14, 14, 15)))
    gray = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    assert PhotoColors(image).thing((60, 60, 200, 215), "suitcase") == "black"
    assert PhotoColors(gray).thing((60, 60, 200, 215), "suitcase") is None


@pytest.mark.parametrize("box", [(0.0, 0.0, 256.0, 256.0), (250.0, 250.0, 256.0, 256.0), (0.0, 0.0, 30.0, 256.0)])
def test_boxes_at_the_edge_are_measured_too(box: tuple[float, float, float, float]) -> None:
    image, _ = standing((190, 25, 35), (14, 14, 15))
    for name in ("person", "dog", "car"):
        PhotoColors(image).of(box, name)
