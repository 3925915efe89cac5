"""Scores of answers about drawn scenes: what counts as right, and the intervals around the means."""

import pytest

from grounding.data.scenes.generate import PictureOptions, draw_picture
from grounding.model.decode import ModelAnswer
from grounding.result import Region
from grounding.training.evaluate import Tally, card_table, interval, matched, score_answer, summarize


def answered(text, boxes):
    """What a model would have given for a text and its boxes."""
    return ModelAnswer(text, (), (), tuple(Region(tuple(box)) for box in boxes), (), None)


def sample_of(skill, wanted=lambda sample: True):
    """The first drawn question of a skill, with its picture."""
    for seed in range(500):
        picture = draw_picture(seed, PictureOptions(mixture={skill: 1.0}))
        for sample in picture.samples:
            if wanted(sample):
                return picture, sample
    raise AssertionError(f"no question of skill {skill} in 500 pictures")


def test_an_answer_with_a_box_a_bin_away_is_right_and_one_with_another_word_is_not():
    picture, sample = sample_of("answer", lambda sample: len(sample.boxes) == 1)
    near = [tuple(value + 0.3 for value in sample.boxes[0])]
    words = sample.answer.partition("<")[0]
    for text, right in ((words + "<loc0000>" * 4, 1.0), ("no" + words + "<loc0000>" * 4, 0.0)):
        tally = Tally()
        score_answer(tally, sample, answered(text, near), picture)
        assert tally.values["exact"] == [right]


def test_the_first_box_decides_and_none_is_counted():
    picture, sample = sample_of("place")
    tally = Tally()
    score_answer(tally, sample, answered("", sample.boxes), picture)
    score_answer(tally, sample, answered("none", ()), picture)
    assert tally.values["acc@0.5"] == [1.0, 0.0]
    assert tally.values["said none"] == [0.0, 1.0]
    assert summarize({"place": tally})["overall"]["said none"].mean == 0.5


def test_a_true_box_is_found_once_and_under_its_own_label():
    box, other = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
    twice = [Region(box, label="star"), Region(box, label="star")]
    assert matched(twice, [box, other], ["star", "star"]) == 1
    assert matched([Region(box, label="Star")], [box], ["star"]) == 1
    assert matched([Region(box, label="ring")], [box], ["star"]) == 0


def test_intervals_are_over_pictures_and_hold_the_mean():
    figure = interval([1.0, 1.0, 0.0, 0.0], [1, 1, 2, 2])
    assert figure.mean == 0.5
    assert (figure.low, figure.high) == (0.0, 1.0)
    assert interval([1.0] * 5, range(5)).low == pytest.approx(1.0)


def test_the_table_shows_a_figure_beside_its_bar():
    tally = Tally()
    tally.add("acc@0.5", 1.0, 0)
    assert "| attributes | >= 0.90 | 1.000 (1.000-1.000) |" in card_table(
        {"scenes": {"attribute": summarize({"attribute": tally})["attribute"]}}
    )
