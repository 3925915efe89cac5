"""What the model looked at while it wrote a box, and askers that share weights."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import grounding
from grounding import Question
from grounding.errors import InputError
from grounding.model.looking import coordinate_places

SCENE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "scene.png"


@pytest.fixture(scope="module")
def model():
    return grounding.load(device="cpu")


@pytest.fixture(scope="module")
def scene():
    return grounding.open_image(SCENE)


def test_coordinates_of_boxes_are_found_among_the_ids_of_an_answer():
    ids = [5, 102, 103, 104, 105, 7, 102, 103, 199, 100, 2]
    assert coordinate_places(ids, 100, 100) == [(1, 2, 3, 4), (6, 7, 8, 9)]
    assert coordinate_places([5, 102, 103], 100, 100) == []


def test_model_looked_at_each_star_while_it_wrote_its_box(model, scene):
    question = Question("count", phrase="stars")
    answer = model.ask(scene, question)
    side, patch = model.patch_grid
    assert (side, patch) == (14, 32)
    for number, region in enumerate(answer.regions):
        heat = model.look(scene, question, answer, number)
        assert heat.shape == (side, side)
        assert heat.max() == pytest.approx(1)
        assert heat.min() >= 0
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        x, y = (column + 0.5) / side * scene.width, (row + 0.5) / side * scene.height
        x1, y1, x2, y2 = region.box
        assert x1 - 27 < x < x2 + 27  # within a patch of the star
        assert y1 - 22 < y < y2 + 22


def test_of_several_names_each_box_is_looked_for_as_it_was_asked_for(model, scene):
    question = Question("detect", names=("star", "heart"))
    answer = model.ask(scene, question)
    alone = Question("detect", names=("heart",))
    number = answer.labels.index("heart")
    expected = model.look(scene, alone, model.ask(scene, alone), 0)
    assert model.look(scene, question, answer, number) == pytest.approx(expected, abs=1e-5)
    assert not np.allclose(model.look(scene, question, answer, 0), expected, atol=0.05)
    with pytest.raises(InputError, match="'heart', which is none of the names asked for"):
        model.look(scene, Question("detect", names=("star", "fish")), answer, number)


def test_looking_needs_a_region_with_a_box_of_its_own(model, scene):
    question = Question(phrase="the red star")
    answer = model.ask(scene, question)
    with pytest.raises(InputError, match="none numbered 4"):
        model.look(scene, question, answer, 4)
    outline = Question("segment", phrase="the green house")
    with pytest.raises(InputError, match="one box of four"):
        model.look(scene, outline, model.ask(scene, outline), 0)


def test_twins_answer_at_the_same_time_as_one_would_alone(model, scene):
    questions = [Question(phrase="the red star"), Question("count", phrase="stars"), Question("caption")]
    alone = [model.ask(scene, question).text for question in questions]
    seen = {}

    def ask(number, twin):
        seen[number] = [twin.ask(scene, questions[number]).text for _ in range(3)]

    threads = [threading.Thread(target=ask, args=(number, model.twin())) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: [text] * 3 for number, text in enumerate(alone)}


def test_watcher_sees_every_token_and_can_end_the_answer(model, scene):
    twin, seen = model.twin(), []
    twin.watch(lambda: seen.append(1))
    twin.ask(scene, Question(phrase="the red star"))
    assert len(seen) == twin.tokens_written == 5  # four coordinates and the end

    class EnoughError(Exception):
        pass

    def enough():
        raise EnoughError

    twin.watch(enough)
    with pytest.raises(EnoughError):
        twin.ask(scene, Question("caption"))
    twin.watch(None)
    assert twin.ask(scene, Question(phrase="the red star")).found
