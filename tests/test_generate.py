"""Pictures with questions: repeatable from a seed, in the mixture asked for, written and read back by the codec."""

import time
from collections import Counter

import numpy as np
import pytest

from grounding.codecs import get_codec
from grounding.data.scenes.generate import MIXTURE, SKILLS, Picture, PictureOptions, ask, draw_picture, evaluation_set
from grounding.data.scenes.scene import (
    HELD_OUT_PAIRS,
    SceneOptions,
    held_out_pairs_options,
    held_out_style_options,
    make_scene,
    training_options,
)
from grounding.errors import InputError
from grounding.images import Canvas


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [draw_picture(seed) for seed in range(150)]


def test_the_same_seed_gives_the_same_picture_and_questions() -> None:
    one, other = draw_picture(17), draw_picture(17)
    assert np.array_equal(one.image, other.image)
    assert one.samples == other.samples
    assert draw_picture(18).samples != one.samples


def test_a_picture_holds_as_many_questions_as_asked_for(pictures: list[Picture]) -> None:
    assert np.mean([len(picture.samples) for picture in pictures]) > 7.9
    assert max(len(picture.samples) for picture in pictures) == 8
    assert len(draw_picture(3, PictureOptions(phrases=2)).samples) == 2


def test_no_question_is_asked_twice(pictures: list[Picture]) -> None:
    for picture in pictures:
        prompts = [sample.prompt for sample in picture.samples]
        assert len(set(prompts)) == len(prompts)


def test_every_skill_is_asked_about_as_often_as_its_weight() -> None:
    scenes = [make_scene(np.random.default_rng(seed)) for seed in range(1500)]
    skills = Counter(sample.skill for seed, scene in enumerate(scenes) for sample in ask(scene, seed))
    asked, weights = sum(skills.values()), sum(MIXTURE.values())
    for skill, weight in MIXTURE.items():
        assert 0.6 < skills[skill] / asked / (weight / weights) < 1.4, skill


def test_some_of_what_is_to_be_located_is_not_there(pictures: list[Picture]) -> None:
    locate = [sample for picture in pictures for sample in picture.samples if sample.task == "locate"]
    assert 0.08 < np.mean([sample.answer == "none" for sample in locate]) < 0.16


def test_answers_read_back_as_the_boxes_they_were_written_from(pictures: list[Picture]) -> None:
    codec = get_codec("location")
    for picture in pictures:
        canvas = Canvas.identity(picture.scene.width, picture.scene.height)
        for sample in picture.samples:
            decoded = codec.decode(sample.answer, canvas, task=sample.task)
            assert not decoded.problems, (sample.prompt, sample.answer, decoded.problems)
            if sample.prompt.startswith("describe") and sample.point is None:
                assert decoded.text == sample.answer
                continue
            boxes = [region.box for region in decoded.regions]
            assert len(boxes) == len(sample.boxes), (sample.prompt, sample.answer)
            if boxes and sample.task != "segment":
                half_a_bin = max(picture.scene.width, picture.scene.height) / 1023 / 2 + 1e-6
                assert np.allclose(boxes, sample.boxes, rtol=0, atol=half_a_bin)
            if sample.task in ("detect", "caption"):
                assert [region.label for region in decoded.regions] == list(sample.labels)


def test_boxes_are_those_of_the_targets(pictures: list[Picture]) -> None:
    for picture in pictures:
        for sample in picture.samples:
            assert sample.boxes == tuple(picture.scene.things[i].box for i in sample.targets)
            assert len(sample.labels) == len(sample.boxes)


@pytest.mark.parametrize("skill", SKILLS)
def test_an_evaluation_set_has_exactly_n_samples_of_its_skill(skill: str) -> None:
    found = list(evaluation_set(skill, 11, 5000, PictureOptions(training_options())))
    assert len(found) == 11
    assert {sample.skill for _, sample in found} == {skill}
    assert all(picture.seed >= 5000 for picture, _ in found)
    assert max(Counter(picture.seed for picture, _ in found).values()) <= 2


def test_held_out_pairs_are_what_is_asked_for() -> None:
    options = PictureOptions(held_out_pairs_options())
    for skill in ("attribute", "relation", "describe_box"):
        for picture, sample in evaluation_set(skill, 20, 0, options):
            things = [picture.scene.things[i] for i in sample.targets]
            assert things
            assert all((thing.color, thing.kind) in HELD_OUT_PAIRS for thing in things), sample.prompt


def test_training_neither_draws_nor_names_what_is_held_out() -> None:
    options = PictureOptions(training_options(), phrases=12)
    for seed in range(150):
        picture = draw_picture(seed, options)
        assert not any((thing.color, thing.kind) in HELD_OUT_PAIRS for thing in picture.scene.things)
        for sample in picture.samples:
            assert not any(f"{color} {kind}" in sample.phrase for color, kind in HELD_OUT_PAIRS), sample.phrase


def test_the_unseen_fill_is_not_spoken_of() -> None:
    for _, sample in evaluation_set("describe_box", 30, 0, PictureOptions(held_out_style_options())):
        assert not any(word in sample.answer for word in ("shaded", "gradient", "solid"))


def test_questions_cost_little_beside_the_picture() -> None:
    scenes = [make_scene(np.random.default_rng(seed)) for seed in range(100)]
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for seed, scene in enumerate(scenes):
            ask(scene, seed)
        best = min(best, time.perf_counter() - start)
    assert best / len(scenes) < 0.003  # about 0.0003 s on a core that has nothing else to do


@pytest.mark.parametrize(
    "options",
    [{"phrases": 0}, {"mixture": {"juggling": 1.0}}, {"mixture": {"count": 0.0}}, {"mixture": {"count": -1.0}}],
)
def test_options_that_cannot_work_are_refused(options: dict) -> None:
    with pytest.raises(InputError):
        PictureOptions(**options)


def test_an_unknown_skill_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="juggling"):
        next(evaluation_set("juggling", 1, 0))


def test_a_skill_that_no_scene_can_show_is_given_up() -> None:
    options = PictureOptions(SceneOptions(size=64, things=(1, 1)))
    with pytest.raises(InputError, match="nearest"):
        next(evaluation_set("nearest", 1, 0, options))
