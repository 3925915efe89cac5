"""Views of photographs, and questions about them that stay true."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from grounding.data.photos.augment import View, ViewOptions, random_view
from grounding.data.photos.cleaning import clean
from grounding.data.photos.labels import PhotoLabels, WeakBox
from grounding.data.photos.picture import PhotoOptions, photo_picture
from grounding.data.photos.things import PhotoScene, PhotoThing
from grounding.errors import InputError

LABELS = PhotoLabels(
    "a.jpg",
    (
        WeakBox("dog", 0.95, (0.1, 0.5, 0.4, 0.9)),
        WeakBox("suitcase", 0.93, (0.6, 0.3, 0.9, 0.8)),
        WeakBox("cat", 0.7, (0.45, 0.1, 0.58, 0.3)),
        WeakBox("bus", 0.6, (0.0, 0.0, 0.2, 0.2)),
    ),
)


def photo() -> NDArray[np.uint8]:
    """Grainy grass, a black dog on the left, a red suitcase on the right."""
    image = np.full((200, 300, 3), (86, 118, 52), np.int16)
    image[100:180, 30:120] = (14, 14, 15)
    image[60:160, 180:270] = (190, 25, 35)
    return np.clip(image + np.random.default_rng(0).integers(-6, 7, image.shape), 0, 255).astype(np.uint8)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (photo_picture(photo(), LABELS, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert (first.scene, first.samples) == (again.scene, again.samples)
    assert first.samples != other.samples
    assert first.image.shape == (256, 256, 3)
    assert first.image.dtype == np.uint8


def test_things_come_sure_ones_first_with_their_colours() -> None:
    scene = photo_picture(photo(), LABELS, 0, PhotoOptions(view=None, size=200)).scene
    assert [(thing.name, thing.color, thing.sure) for thing in scene.things] == [
        ("dog", "black", True),
        ("suitcase", "red", True),
        ("cat", None, False),
    ]
    assert [thing.index for thing in scene.things] == [0, 1, 2]
    assert scene.things[0].box == pytest.approx((20, 100, 80, 180))
    assert scene.faint == ("bus",)
    assert scene.sure == scene.things[:2]
    assert "yellow" in scene.things[2].without


def test_answers_are_boxes_of_sure_things_in_pixels() -> None:
    asked = 0
    for seed in range(30):
        picture = photo_picture(photo(), LABELS, seed, PhotoOptions(size=128))
        sure = {thing.index: thing.box for thing in picture.scene.sure}
        for sample in picture.samples:
            asked += 1
            assert sample.prompt.startswith(sample.task)
            if sample.task == "locate":
                assert [sure[index] for index in sample.targets] == list(sample.boxes)
    assert asked > 150


def test_boxes_follow_what_they_hold_through_crops_and_flips() -> None:
    image, cleaned = photo(), clean(LABELS)
    seen = 0
    for seed in range(40):
        view = random_view(cleaned, Random(seed), ViewOptions(crop=1.0, far=0.0))
        shown = view.picture(image, 240)
        red = (shown[..., 0] > 120) & (shown[..., 1] < 80)
        box, share = view.box((0.6, 0.3, 0.9, 0.8))
        if share < 0.2:
            continue
        seen += 1
        ys, xs = np.nonzero(red)
        drawn = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.array(box) * 240 == pytest.approx(drawn, abs=3)
    assert seen > 20


def test_a_view_that_cuts_a_thing_asks_nothing_about_it() -> None:
    options = ViewOptions()
    whole, half = View((0.0, 0.0, 0.5, 1.0)), View((0.25, 0.0, 1.0, 1.0))
    dog = LABELS.boxes[0]
    assert whole.seen(dog, options) == (WeakBox("dog", 0.95, pytest.approx((0.2, 0.5, 0.8, 0.9))), True)
    cut = half.seen(dog, options)
    assert cut is not None
    assert not cut[1]
    assert View((0.5, 0.0, 1.0, 1.0)).seen(dog, options) is None


def test_a_flip_changes_the_sides_of_boxes() -> None:
    assert View(flipped=True).box((0.1, 0.2, 0.4, 0.9)) == (pytest.approx((0.6, 0.2, 0.9, 0.9)), pytest.approx(1.0))


def test_every_view_holds_an_answer() -> None:
    cleaned, options = clean(LABELS), ViewOptions(crop=1.0, far=0.0, smallest=0.3)
    for seed in range(100):
        view = random_view(cleaned, Random(seed), options)
        assert any(view.box(box.box)[1] >= options.kept for box in cleaned.sure)
        assert 0 <= view.window[0] < view.window[2] <= 1
        assert 0 <= view.window[1] < view.window[3] <= 1


def test_light_changes_values_and_no_places() -> None:
    image = photo()
    lit = View(brightness=1.2, contrast=0.9, saturation=0.8).lit(image)
    assert lit.shape == image.shape
    assert not np.array_equal(lit, image)
    assert View().lit(image) is image


def test_a_picture_in_which_nothing_was_found_is_asked_nothing() -> None:
    assert photo_picture(photo(), PhotoLabels("a.jpg"), 0).samples == ()


def test_a_photograph_may_be_shown_and_asked_nothing() -> None:
    picture = photo_picture(photo(), LABELS, 0, PhotoOptions(phrases=0))
    assert picture.samples == ()
    assert picture.scene.things


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="uint8"):
        photo_picture(photo().astype(np.float32), LABELS, 0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="size is 3"):
        PhotoOptions(size=3)
    with pytest.raises(InputError, match="phrases is -1"):
        PhotoOptions(phrases=-1)
    with pytest.raises(InputError, match="no skill named 'sing'"):
        PhotoOptions(mixture={"sing": 1.0})
    with pytest.raises(InputError, match="smallest is 0"):
        ViewOptions(smallest=0)
    with pytest.raises(InputError, match="light is 1"):
        ViewOptions(light=1.0)


def test_a_thing_knows_its_area_and_its_middle() -> None:
    thing = PhotoThing(0, "dog", (10.0, 20.0, 30.0, 60.0))
    assert (thing.area, thing.center) == (800.0, (20.0, 40.0))
    assert PhotoScene(64, 64, (thing,)).sure == (thing,)


def test_from_farther_away_boxes_still_hold_what_they_hold() -> None:
    image, cleaned = photo(), clean(LABELS)
    options = ViewOptions(crop=0.0, far=1.0, blurred=0.0, lit=0.0)
    smallest = 1.0
    for seed in range(40):
        view = random_view(cleaned, Random(seed), options)
        shown = view.picture(image, 120).astype(int)
        (x1, y1, x2, y2), share = view.box((0.6, 0.3, 0.9, 0.8))  # the red suitcase
        assert share == pytest.approx(1)
        red = (shown[..., 0] > 150) & (shown[..., 1] < 80)
        rows, columns = np.nonzero(red)
        found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert found == pytest.approx([120 * edge for edge in (x1, y1, x2, y2)], abs=2.1)
        smallest = min(smallest, (x2 - x1) / 0.3)
    assert 0.5 <= smallest < 0.6


def test_a_view_out_of_focus_has_fewer_pixels_to_tell_apart() -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    sharp, blurred = View().picture(image, 64), View(sharpness=0.25).picture(image, 64)
    assert np.array_equal(sharp, image)
    assert blurred.shape == sharp.shape
    assert blurred.std() < 0.5 * sharp.std()


@pytest.mark.parametrize("wrong", [{"crop": 0.9, "far": 0.2}, {"farthest": 0.9}, {"blurriest": 0.0}])
def test_views_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        ViewOptions(**wrong)
