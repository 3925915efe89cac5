"""Augmented lessons: pixels, boxes, points, masks and words move together, decided by seed and ordinal alone."""

import io
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from grounding.data.augment import AUGMENTATIONS, NOISE, AugmentedSource, augmented
from grounding.data.augment.moving import moved, size_of
from grounding.data.augment.pictures import AugmentedPicture, Colours, Crop, Flip, Resize, cut_polygon, stepped
from grounding.data.augment.words import swap_sides
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.sources import SceneSource
from grounding.data.pictures import HeldPicture
from grounding.data.sample import Sample
from grounding.data.scenes.scene import make_scene
from grounding.errors import ConfigError
from grounding.masks import Mask, iou
from grounding.result import Grounding, Region

SCENES = SceneSource(phrases=6)
PICTURE = HeldPicture(Image.effect_noise((120, 80), 60).convert("RGB"), "a.jpg")
ALL = ["flip:1", "crop:0.3", "resolution:0.4"]


FARTHEST = {"of", "farthest", "furthest", "leftmost", "rightmost", "most"}


def scene_of(lesson):
    picture = lesson.pictures[0]
    picture = picture.base if isinstance(picture, AugmentedPicture) else picture
    return make_scene(np.random.default_rng(picture.seed), SCENES.options.scene)


def shown(thing, scene, steps):
    """The box around a thing's pixels after these steps: it is drawn alone, and takes them as the picture does."""
    mask = Mask.from_polygons([np.asarray(thing.polygon)], scene.width, scene.height).array
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    for step in steps:
        image = step.apply(image)
    ys, xs = np.nonzero(np.asarray(image) > 24)  # fine tips and strings grow pale where there are fewer pixels
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def after_steps(box, size, steps):
    for step in steps:
        box, size = step.box(box, size), step.size(size)
    return np.array(box)


@pytest.mark.parametrize("names", [["flip:1"], ["crop:0.3"], ["resolution:0.4"], ALL], ids=" ".join)
def test_the_pixels_under_each_box_still_show_the_thing(names):
    checked = changed = 0
    source = SceneSource(phrases=2, skills={"attribute": 1.0}) if "crop:0.3" in names else SCENES
    for ordinal in range(60):
        lesson = source.lesson(ordinal)
        after = augmented(lesson, names, 1, ordinal)
        if after is lesson:
            continue
        changed += 1
        scene, picture = scene_of(lesson), after.pictures[0]
        steps, cropped = picture.steps, any(isinstance(step, Crop) for step in picture.steps)
        things = {
            tuple(np.round(after_steps(thing.box, (scene.width, scene.height), steps), 6)): thing
            for thing in scene.things
        }
        for turn in after.turns:
            assert turn.size == picture.open().size
            for region in turn.truth.regions:
                thing = things[tuple(np.round(region.box, 6))]
                whole = after_steps(shown(thing, scene, ()), (scene.width, scene.height), steps)
                off = shown(thing, scene, steps) - whole
                if not cropped:
                    assert np.abs(off).max() <= (0 if names == ["flip:1"] else 1.5)
                assert min(*off[:2], *-off[2:]) >= -1.5, "nothing of it lies outside its box"
                checked += 1
    assert changed >= 4
    assert checked >= 5


def test_masks_lie_on_the_things_pixels():
    checked = 0
    for ordinal in range(120):
        lesson = SceneSource(phrases=4, skills={"segment": 1.0}).lesson(ordinal)
        after = augmented(lesson, ALL, 3, ordinal)
        for before, turn in zip(lesson.turns, after.turns, strict=True):
            for was, region in zip(before.truth.regions, turn.truth.regions, strict=True):
                image = Image.fromarray(was.mask.array.astype(np.uint8) * 255)
                for step in after.pictures[0].steps if after is not lesson else ():
                    image = step.apply(image)
                wanted = Mask.from_array(np.asarray(image) > 127)
                assert iou(region.mask, wanted) > (0.9 if wanted.area > 400 else 0.75)
                checked += 1
        if checked > 40:
            break
    assert checked > 40


def test_words_say_the_side_that_the_picture_shows():
    source = SceneSource(phrases=6, skills={"place": 1.0})
    seen = Counter()
    for ordinal in range(150):
        lesson = source.lesson(ordinal)
        after = augmented(lesson, ["flip:1"], 0, ordinal)
        for turn in after.turns:
            words = set(turn.phrase.split())
            if len(turn.truth.regions) != 1 or len(words & {"left", "right"}) != 1 or words & FARTHEST:
                continue
            x = turn.truth.regions[0].center[0] / turn.size[0]
            assert (x < 0.5) == ("left" in words), turn.phrase
            seen["left" if "left" in words else "right", after is lesson] += 1
    assert min(seen["left", False], seen["right", False]) > 10


@given(st.integers(0, 300))
@settings(max_examples=12, deadline=None)
def test_two_flips_are_none(ordinal):
    lesson = SCENES.lesson(ordinal)
    once = moved(lesson, Flip(), swap_sides)
    twice = moved(once, Flip(), swap_sides)
    assert twice.pictures == lesson.pictures
    for before, after in zip(lesson.turns, twice.turns, strict=True):
        assert (after.phrase, after.names, after.truth.text) == (before.phrase, before.names, before.truth.text)
        assert [(r.label, r.span) for r in after.truth.regions] == [(r.label, r.span) for r in before.truth.regions]
        np.testing.assert_allclose(after.truth.boxes, before.truth.boxes, atol=1e-9)
        if before.point:
            assert after.point == pytest.approx(before.point)


def test_seed_and_ordinal_decide_alone():
    names = ["flip", "crop", "resolution", "colour", "noise"]
    source = AugmentedSource(SCENES, names, 5)
    again = pickle.loads(pickle.dumps(AugmentedSource(SceneSource(phrases=6), names, 5)))
    lessons = [source.lesson(ordinal) for ordinal in range(12)]
    assert [again.lesson(ordinal) for ordinal in reversed(range(12))] == lessons[::-1]
    assert [AugmentedSource(SCENES, names, 6).lesson(ordinal) for ordinal in range(12)] != lessons
    assert (source.name, source.size, source.problems) == (SCENES.name, None, ())


# ---- conversations and phrases


def words(prompt, answer, *regions):
    return Lesson("1", (PICTURE,), (Words(prompt, answer, (), regions),))


def phrase(text="cup", task="locate", boxes=((10, 20, 40, 60),), **about):
    truth = Grounding(text, tuple(map(Region, boxes)), "", 120, 80, task=task)
    return Lesson("1", (PICTURE,), (Sample(PICTURE, text, truth, "1", task=task, **about),))


def test_spans_follow_words_that_change_their_length():
    text = "on the left a cup and on the right a dog"
    lesson = words(
        "<image>\nWhat is on the left?",
        text,
        Region((10, 20, 40, 60), span=(12, 17)),
        Region((60, 0, 99, 9), span=(35, 40)),
    )
    (turn,) = augmented(lesson, ["flip:1"], 0, 0).turns
    assert (turn.prompt, turn.answer) == ("<image>\nWhat is on the right?", "on the right a cup and on the left a dog")
    assert [turn.answer[slice(*region.span)] for region in turn.answer_regions] == ["a cup", "a dog"]
    assert [region.box for region in turn.answer_regions] == [(80, 20, 110, 60), (21, 0, 60, 9)]


def test_a_flipped_picture_is_the_mirror_image():
    after = augmented(phrase(), ["flip:1"], 0, 0)
    mirror = PICTURE.open().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert after.pictures[0].open().tobytes() == mirror.tobytes()
    assert after.pictures[0].key == "a.jpg+flip"
    assert after.turns[0].open().size == (120, 80)


@pytest.mark.parametrize("text", ["number 23", "man right next to the car", "the clock"])
def test_a_lesson_in_doubt_stays_as_it_is(text):
    lesson = phrase(text)
    assert augmented(lesson, ["flip:1"], 0, 0) is lesson


def test_several_pictures_or_none_stay_as_they_are():
    two = Lesson("1", (PICTURE, PICTURE), (Words("<image><image>?", "both"),))
    none = Lesson("1", (), (Words("Hi", "Hello"),))
    for lesson in (two, none):
        assert augmented(lesson, ["flip:1", "crop", "resolution", "noise"], 0, 0) is lesson or lesson is none
        assert augmented(lesson, ["flip:1", "crop", "resolution", "noise"], 0, 0) == lesson


def test_a_crop_keeps_what_is_asked_about():
    cropped = 0
    for ordinal in range(40):
        after = augmented(phrase(boxes=((10, 20, 40, 60), (80, 10, 100, 70))), ["crop:0.3"], 0, ordinal)
        if not isinstance(after.pictures[0], AugmentedPicture):
            continue
        cropped += 1
        (turn,) = after.turns
        (step,) = after.pictures[0].steps
        for before, region in zip(((10, 20, 40, 60), (80, 10, 100, 70)), turn.truth.regions, strict=True):
            x1, y1, x2, y2 = region.box
            assert 0 <= x1 < x2 <= turn.size[0]
            assert 0 <= y1 < y2 <= turn.size[1]
            area = (before[2] - before[0]) * (before[3] - before[1])
            assert region.area >= 0.8 * area - 1e-6
        assert turn.size == (step.right - step.left, step.bottom - step.top)
    assert cropped > 5


@pytest.mark.parametrize(
    "lesson",
    [
        phrase("the left cup"),
        phrase("largest cup"),
        phrase("how many", task="answer"),
        phrase("", task="caption"),
        words("What is this?", "A cup on a table.", Region((10, 20, 40, 60), span=(0, 5))),
        words("What is this?", "A cup."),
        Lesson("1", (PICTURE,), (Words("What is above this?", "A cup.", (Region((10, 20, 40, 60), span=(14, 18)),)),)),
    ],
    ids=["place", "superlative", "answer", "caption", "sentence", "words", "beside a box"],
)
def test_what_a_crop_could_make_untrue_is_not_cropped(lesson):
    assert all(augmented(lesson, ["crop:0.3"], 0, ordinal) is lesson for ordinal in range(20))


def test_llavas_boxes_are_cropped_with_their_picture():
    prompt = "<image>\nPlease provide the bounding box coordinate of the region this sentence describes: man in a hat."
    made = [augmented(words(prompt, "", Region((30, 20, 60, 60))), ["crop:0.3"], 0, ordinal) for ordinal in range(20)]
    cropped = [lesson for lesson in made if isinstance(lesson.pictures[0], AugmentedPicture)]
    assert cropped
    for lesson in cropped:
        (step,) = lesson.pictures[0].steps
        (region,) = lesson.turns[0].answer_regions
        assert region.box == step.box((30, 20, 60, 60), (120, 80))


def test_questions_to_detect_may_lose_what_a_crop_leaves_out():
    boxes = ((5, 5, 25, 25), (95, 55, 115, 75))
    counts = Counter()
    for ordinal in range(60):
        lesson = phrase("", "detect", boxes, names=("cup",))
        (turn,) = augmented(lesson, ["crop:0.2"], 0, ordinal).turns
        counts[len(turn.truth.regions)] += 1
        assert all(region.area >= 0.8 * 400 - 1e-6 for region in turn.truth.regions)
    assert counts[1] > 0
    assert counts[0] == 0


def test_colours_change_only_where_no_word_names_any():
    plain, named = phrase("cup"), phrase("red cup")
    after = augmented(plain, ["colour:0.5"], 0, 0)
    assert augmented(named, ["colour:0.5"], 0, 0) is named
    assert after.turns[0].truth == plain.turns[0].truth
    assert after.pictures[0].open().tobytes() != PICTURE.open().tobytes()
    assert after.turns[0].picture is after.pictures[0]


def test_resolution_scales_everything():
    after = augmented(phrase(point=(60.0, 40.0)), ["resolution:0.5"], 0, 2)
    (turn,) = after.turns
    factor = turn.size[0] / 120
    assert turn.truth.regions[0].box == pytest.approx([edge * factor for edge in (10, 20, 40, 60)], abs=0.5)
    assert turn.point == pytest.approx((60 * factor, 40 * factor), abs=0.5)
    assert after.pictures[0].open().size == turn.size
    assert min(turn.size) >= 64


def test_noise_stands_behind_the_true_boxes_of_detection():
    counts = Counter()
    for ordinal in range(30):
        (turn,) = augmented(phrase("", "detect", names=("cup",)), ["noise:4"], 0, ordinal).turns
        assert turn.truth.regions[0].box == (10, 20, 40, 60)
        noise = turn.truth.regions[1:]
        assert {region.label for region in noise} <= {NOISE}
        assert all(0 <= r.box[0] < r.box[2] <= 120 and 0 <= r.box[1] < r.box[3] <= 80 for r in noise)
        counts[len(noise)] += 1
    assert set(counts) == {0, 1, 2, 3, 4}
    assert augmented(phrase(), ["noise:4"], 0, 0) == phrase()


@pytest.mark.parametrize("wrong", ["flop", "flip:2", "flip:x", "crop:0", "colour:-1", "noise:1000"])
def test_names_and_numbers_there_are_not_are_refused(wrong):
    with pytest.raises(ConfigError):
        AugmentedSource(SCENES, [wrong])


def test_every_augmentation_has_a_usual_number_within_its_range():
    for known in AUGMENTATIONS.values():
        assert known.least <= known.usual <= known.most
        assert known.what


# ---- pictures and polygons


def test_steps_add_up_and_can_be_sent():
    picture = stepped(stepped(stepped(PICTURE, Crop(10, 0, 110, 80)), Resize(50, 40)), Colours(hue=90.0))
    assert picture.key == "a.jpg+crop-10-0-110-80+50x40+colours"
    assert size_of(picture) == picture.open().size == (50, 40)
    assert stepped(stepped(picture, Flip()), Flip()) == picture
    data = io.BytesIO()
    PICTURE.open().save(data, "PNG")
    held = stepped(HeldPicture(data.getvalue(), "b.png"), Resize(50, 40))
    assert pickle.loads(pickle.dumps(held)).open().tobytes() == held.open().tobytes()
    assert not picture.missing()


@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150)), min_size=3, max_size=8))
def test_a_cut_polygon_lies_in_the_picture(polygon):
    cut = cut_polygon(polygon, 100, 80)
    assert all(-1e-9 <= x <= 100 + 1e-9 and -1e-9 <= y <= 80 + 1e-9 for x, y in cut)


def test_pixels_of_masks_take_the_same_steps():
    pixels = np.zeros((80, 120), bool)
    pixels[10:30, 20:50] = True
    mask = Mask.from_array(pixels)
    assert Flip().mask(mask, (120, 80)).box == (70, 10, 100, 30)
    assert Crop(30, 20, 100, 80).mask(mask, (120, 80)).box == (0, 0, 20, 10)
    assert Resize(60, 40).mask(mask, (120, 80)).box == (10, 5, 25, 15)
