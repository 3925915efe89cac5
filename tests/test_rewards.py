"""Rewards of answers, as tables: text of a family, what is true, and what it is worth."""

import dataclasses

import pytest

from grounding.codecs import get_codec
from grounding.errors import ConfigError
from grounding.images import Canvas
from grounding.result import Grounding, Region
from grounding.training.rewards import RewardOptions, Written, matched, rewardable, rewards_of
from tests.foreign_lessons import sample, talk

SIZE = (1000, 1000)


def written(text, boxes, codec="qwen3-vl", task="locate", whole=True, labels=None):
    """The answer to a question whose true boxes are these."""
    question = sample(task=task)
    labels = labels or ["cup"] * len(boxes)
    regions = tuple(Region(box, label=label) for box, label in zip(boxes, labels, strict=True))
    truth = Grounding("cup", regions, "", *SIZE, task=task)
    question = dataclasses.replace(question, truth=truth)
    return Written(text, whole, question, get_codec(codec), Canvas.identity(*SIZE))


def listed(*boxes, label="cup"):
    return "```json\n[" + ", ".join(f'{{"bbox_2d": {list(box)}, "label": "{label}"}}' for box in boxes) + "]\n```"


CUP, HALF, OTHER = (100, 100, 300, 300), (100, 100, 300, 200), (600, 600, 800, 800)
NOTHING = "```json\n[]\n```"
CASES = [
    # text, true boxes: overlap, nothing there, form
    ("the right box", listed(CUP), [CUP], (1, 0, 1)),
    ("half of it", listed(HALF), [CUP], (0.5, 0, 1)),
    ("beside it", listed(OTHER), [CUP], (0, 0, 1)),
    ("a box too many", listed(CUP, OTHER), [CUP], (2 / 3, 0, 1)),
    ("the same box twice, which readers take for one", listed(CUP, CUP), [CUP], (1, 0, 0)),
    ("a box too few", listed(CUP), [CUP, OTHER], (2 / 3, 0, 1)),
    ("both, the other way round", listed(OTHER, CUP), [CUP, OTHER], (1, 0, 1)),
    ("one whole and one half", listed(HALF, OTHER), [CUP, OTHER], (0.75, 0, 1)),
    ("nothing there, truly", NOTHING, [], (0, 1, 1)),
    ("nothing there, falsely", NOTHING, [CUP], (0, -1, 1)),
    ("a box where nothing is", listed(CUP), [], (0, -1, 1)),
    ("words", "a cup", [CUP], (0, 0, 0)),
    ("words where nothing is", "a cup", [], (0, -1, 0)),
]


def figures(answer):
    return tuple(rewards_of(answer).values())


@pytest.mark.parametrize(("text", "boxes", "worth"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_answer_is_worth(text, boxes, worth):
    assert figures(written(text, boxes)) == pytest.approx(worth)


def test_an_answer_that_was_cut_keeps_its_boxes_and_loses_its_form():
    assert figures(written(listed(CUP)[:-5], [CUP], whole=False)) == pytest.approx((1, 0, 0))
    assert figures(written("", [], codec="paligemma", whole=False)) == pytest.approx((0, -1, 0))


def test_names_must_be_right_where_they_are_asked_for():
    assert figures(written(listed(CUP, label="Cup"), [CUP], task="detect"))[0] == 1
    assert figures(written(listed(CUP, label="dog"), [CUP], task="detect"))[0] == 0
    assert figures(written(listed(CUP, label="dog"), [CUP], task="locate"))[0] == 1


@pytest.mark.parametrize(
    "name", ["location", "paligemma", "florence-2", "qwen2.5-vl", "qwen2-vl", "shikra", "rex-omni"]
)
def test_every_family_is_paid_for_its_own_words(name):
    codec, canvas = get_codec(name), Canvas.identity(*SIZE)
    for boxes in ([], [CUP], [CUP, OTHER]):
        regions = [Region(box, label="cup") for box in boxes]
        text = codec.encode("locate", regions=regions, canvas=canvas)
        answer = dataclasses.replace(written(text, boxes, codec=name), canvas=canvas)
        assert figures(answer) == pytest.approx((1, 0, 1) if boxes else (0, 1, 1), abs=0.01)


def test_matching_takes_each_box_once_the_best_pair_first():
    assert matched([[0.9, 0.8], [0.8, 0.1]]) == pytest.approx(1.0)
    assert matched([[0.0, 0.0]]) == 0
    assert matched([[]]) == 0


def test_only_questions_answered_by_boxes_are_rewarded():
    turns = (sample(), sample(task="detect"), *talk(("a?", "b")).turns)
    assert [turn.task for turn in rewardable(turns)] == ["locate", "detect"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answers": 1}, "answers is 1; each is compared"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be over 0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"beta": -1.0}, "beta is -1.0"),
        ({"boxes": 0.0, "absent": 0.0, "form": 0.0}, "there is no reward"),
    ],
)
def test_options_that_can_not_work_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        RewardOptions(**options)
