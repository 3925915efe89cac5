"""Drawn scenes: exact boxes, certain names and sizes, and the same bytes from the same seed."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise
from math import sqrt

import cv2
import numpy as np
import pytest

from grounding.data.scenes import backgrounds, layout, palette
from grounding.data.scenes.looks import SIZES
from grounding.data.scenes.scene import (
    HELD_OUT_BACKGROUNDS,
    HELD_OUT_FILLS,
    HELD_OUT_PAIRS,
    Scene,
    SceneOptions,
    Thing,
    draw_scene,
    held_out_pairs_options,
    held_out_style_options,
    make_scene,
    render,
    training_options,
)
from grounding.data.scenes.things import KINDS

SEEDS = range(60)
CLEAN = SceneOptions(noise=0.0, blur=0.0, jpeg=0.0)


def scenes(options: SceneOptions, count: int = 150) -> list[Scene]:
    return [make_scene(np.random.default_rng(seed), options) for seed in range(count)]


def test_same_seed_and_options_give_the_same_bytes() -> None:
    for seed in range(12):
        first, first_scene = draw_scene(seed)
        again, again_scene = draw_scene(seed)
        assert first.tobytes() == again.tobytes()
        assert first_scene == again_scene
    assert draw_scene(0)[0].tobytes() != draw_scene(1)[0].tobytes()


def test_picture_has_the_size_of_its_scene_and_three_bytes_a_pixel() -> None:
    for seed in range(12):
        image, scene = draw_scene(seed)
        assert image.shape == (scene.height, scene.width, 3)
        assert image.dtype == np.uint8
        assert image.flags["C_CONTIGUOUS"]
        assert scene.seed == seed
    assert draw_scene(3, SceneOptions(size=224))[0].shape == (224, 224, 3)


def test_picture_keeps_to_the_asked_sides_and_aspect() -> None:
    options = SceneOptions()
    for scene in scenes(options):
        assert options.sides[0] <= min(scene.width, scene.height)
        assert max(scene.width, scene.height) <= options.sides[1]
        assert max(scene.width, scene.height) / min(scene.width, scene.height) <= options.max_aspect + 0.02


def test_boxes_and_visibility_are_exactly_those_of_the_index_mask() -> None:
    hidden = 0
    for seed in SEEDS:
        scene = make_scene(np.random.default_rng(seed), replace(CLEAN, overlap=1.0))
        mask = layout.index_mask(scene, CLEAN)
        for thing in scene.things:
            rows, columns = np.nonzero(mask == thing.index + 1)
            seen = (columns.min() / 2, rows.min() / 2, (columns.max() + 1) / 2, (rows.max() + 1) / 2)
            assert thing.box == seen
            alone = layout.index_mask(replace(scene, things=(replace(thing, index=0),)), CLEAN)
            assert thing.visibility == pytest.approx(len(rows) / np.count_nonzero(alone))
            hidden += thing.visibility < 1
    assert hidden > 20  # the scenes of this test do overlap


@pytest.mark.parametrize("fill", ["solid", "outlined", "striped", "gradient"])
def test_boxes_are_tight_to_the_pixel_in_the_picture(fill: str) -> None:
    """What differs from a plain background reaches to the box and no further."""
    options = replace(CLEAN, backgrounds=("plain",), fills=("solid", fill), overlap=0.0, things=(1, 1))
    for seed in range(25):
        scene = make_scene(np.random.default_rng(seed), options)
        image = render(scene, np.random.default_rng(seed), options).astype(int)
        (thing,) = scene.things
        drawn = np.abs(image - image[0, 0]).max(axis=2) > 3
        rows, columns = np.nonzero(drawn)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.array(seen) - np.array(thing.box)).max() <= 1.0, (seed, thing)


def test_nothing_is_hidden_beyond_the_limit() -> None:
    for scene in scenes(replace(CLEAN, overlap=1.0)):
        assert all(thing.visibility >= 0.55 for thing in scene.things)


def test_things_stay_apart_where_overlap_is_not_allowed() -> None:
    for scene in scenes(replace(CLEAN, overlap=0.0), 80):
        assert all(thing.visibility == 1 and thing.box == thing.full_box for thing in scene.things)


def test_every_scene_holds_something_and_all_of_it_inside_the_picture() -> None:
    for scene in scenes(SceneOptions()):
        assert 1 <= len(scene.things) <= 12
        for i, thing in enumerate(scene.things):
            assert thing.index == i
            x1, y1, x2, y2 = thing.full_box
            assert 0 <= x1 < x2 <= scene.width
            assert 0 <= y1 < y2 <= scene.height
            assert np.abs(np.array(thing.center) - [(x1 + x2) / 2, (y1 + y2) / 2]).max() <= 0.5


def test_polygon_covers_what_is_drawn() -> None:
    for seed in range(20):
        scene = make_scene(np.random.default_rng(seed), replace(CLEAN, overlap=0.0))
        mask = layout.index_mask(scene, CLEAN)
        for thing in scene.things:
            own = mask == thing.index + 1
            canvas = np.zeros_like(mask)
            cv2.fillPoly(canvas, [np.round(np.array(thing.polygon) * 2 - 0.5).astype(np.int32)], 1)
            overlap = np.count_nonzero(own & (canvas > 0)) / np.count_nonzero(own | (canvas > 0))
            assert overlap > 0.88, (thing.name, overlap)


def test_size_words_are_classes_with_gaps_between_them() -> None:
    ordered = [SIZES[name] for name in ("small", "medium", "large")]
    assert all(below[1] * 1.3 < above[0] for below, above in pairwise(ordered))
    for scene in scenes(SceneOptions(), 80):
        for thing in scene.things:
            low, high = SIZES[thing.size]
            extent = max(thing.drawn_size) / sqrt(scene.width * scene.height)
            assert low - 1e-6 <= extent <= high + 1e-6


def test_rows_are_counted_from_the_top_and_do_not_mix() -> None:
    options = SceneOptions(layouts=(("rows", 1.0),))
    for scene in scenes(options, 60):
        rows = sorted({t.row for t in scene.things if t.row is not None})
        assert rows == list(range(len(rows)))
        for above, below in pairwise(rows):
            lowest = max(t.full_box[3] for t in scene.things if t.row == above)
            highest = min(t.full_box[1] for t in scene.things if t.row == below)
            assert lowest <= highest
    assert all(t.row is None for scene in scenes(SceneOptions(layouts=(("scatter", 1.0),)), 20) for t in scene.things)


def test_long_pictures_hold_no_kinds_told_apart_by_proportions() -> None:
    """Squashed to a square, a circle of a long picture would be an oval."""
    for scene in scenes(SceneOptions()):
        if max(scene.width, scene.height) > 1.25 * min(scene.width, scene.height):
            assert not {t.kind for t in scene.things} & {"circle", "oval", "square", "rectangle"}


def test_training_never_draws_what_is_held_out() -> None:
    options = training_options()
    for scene in scenes(options, 300):
        assert scene.background not in HELD_OUT_BACKGROUNDS
        for thing in scene.things:
            assert thing.fill not in HELD_OUT_FILLS
            assert (thing.color, thing.kind) not in HELD_OUT_PAIRS


def test_held_out_scenes_show_what_training_never_drew() -> None:
    for scene in scenes(held_out_style_options(), 40):
        assert scene.background in HELD_OUT_BACKGROUNDS
        assert {t.fill for t in scene.things} <= {"solid", *HELD_OUT_FILLS}
    for scene in scenes(held_out_pairs_options(), 40):
        assert any((t.color, t.kind) in HELD_OUT_PAIRS for t in scene.things)
        assert scene.background not in HELD_OUT_BACKGROUNDS


def test_distractors_differ_in_one_attribute() -> None:
    """Most things of such scenes have a neighbour that shares kind or colour, but not both."""

    def near(a: Thing, b: Thing) -> bool:
        return (a.kind == b.kind) != (a.color == b.color)

    plenty = [s for s in scenes(SceneOptions(distractors=1.0, things=(4, 9))) if len(s.things) >= 4]
    shares = [sum(any(near(t, o) for o in s.things) for t in s.things) / len(s.things) for s in plenty]
    assert np.mean(shares) > 0.8


def test_all_kinds_colors_fills_layouts_and_backgrounds_are_drawn() -> None:
    options = SceneOptions()
    seen = scenes(options, 400)
    things = [t for s in seen for t in s.things]
    assert {t.kind for t in things} == set(KINDS)
    assert {t.color for t in things} == set(options.colors)
    assert {t.fill for t in things} == set(options.fills)
    assert {s.layout for s in seen} == {name for name, _ in options.layouts}
    assert {s.background for s in seen} == set(options.backgrounds)
    assert {len(s.things) for s in seen} >= set(range(1, 11))


def test_backgrounds_stay_away_from_the_colors_on_them() -> None:
    rng = np.random.default_rng(0)
    for color in palette.COLORS.values():
        for _ in range(20):
            base, other = backgrounds.choose_base([color], rng)
            assert palette.distances(np.array([base, other], float), color).min() > 110


@pytest.mark.parametrize("kind", backgrounds.BACKGROUNDS)
@pytest.mark.parametrize("size", [(64, 40), (333, 200), (1100, 30)])
def test_backgrounds_fit_any_size(kind: str, size: tuple[int, int]) -> None:
    image = backgrounds.paint(kind, *size, (200, 200, 200), (60, 60, 90), np.random.default_rng(1))
    assert image.shape == (size[1], size[0], 3)
    assert (np.ptp(image.reshape(-1, 3).astype(int), axis=0).max() > 3) == (kind != "plain")


def test_colors_with_jitter_do_not_touch_each_other() -> None:
    """Any two colours are farther apart than twice the widest jitter of one."""
    reach = palette.BRIGHTNESS_JITTER + palette.CHANNEL_JITTER
    names = list(palette.COLORS)
    rng = np.random.default_rng(0)
    clouds = {name: np.array([palette.jittered(name, rng) for _ in range(200)], float) for name in names}
    for name in names:
        assert np.abs(clouds[name] - palette.COLORS[name]).max() <= reach
        for other in names:
            if other != name:
                own = palette.distances(clouds[name], palette.COLORS[name])
                assert (own < palette.distances(clouds[name], palette.COLORS[other])).all(), (name, other)


def test_options_and_scenes_travel_to_worker_processes() -> None:
    scene = make_scene(np.random.default_rng(0))
    assert pickle.loads(pickle.dumps((scene, SceneOptions()))) == (scene, SceneOptions())
