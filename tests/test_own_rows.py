"""Rows that hold everything of a lesson: lines of our own jsonl, alone or several about a picture, and words."""

import pytest

from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.own_rows import lesson_row, own_lesson
from grounding.data.pictures import HeldPicture
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.masks import Mask
from grounding.result import Grounding, Region
from tests.lesson_files import jpeg

PICTURE = HeldPicture(jpeg(), "a.png")


def find(value, key):
    return PICTURE


def test_a_line_of_ours_is_a_lesson():
    made = own_lesson(
        {"image": "x.jpg", "phrase": "cup", "boxes": [[1, 2, 3, 4], [5, 6, 7, 8]], "kind": "all"}, "7", find
    )
    (turn,) = made.turns
    assert (made.id, turn.phrase, turn.kind, turn.size) == ("7", "cup", "all", (100, 80))
    assert turn.truth.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_lesson_comes_back_equal_from_its_row():
    mask = Mask.from_polygons([[1, 1, 30, 1, 30, 30]], 100, 80)
    truth = Grounding("cup", (Region((1, 1, 30, 30), "cup", mask=mask),), "", 100, 80, task="segment")
    answer = Grounding("what?", (Region((1, 1, 30, 30), span=(0, 3)),), "cup on it", 100, 80, task="answer")
    turns = (
        Sample(PICTURE, "cup", truth, "7/a", task="segment", meta={"seed": 3}),
        Sample(PICTURE, "what?", answer, "7/b", task="answer", point=(3.0, 4.0)),
        Words("hm?", "it", (), (Region((1, 1, 30, 30), span=(0, 2)),)),
    )
    lesson = Lesson("7", (PICTURE,), turns, source="x")
    assert own_lesson(lesson_row(lesson, ["a.png"]), "7", find, "x") == lesson


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"phrase": "cup", "box": [9, 2, 3, 4]}, "turn 1: .*no area"),
        ({"turns": []}, "is a list of objects"),
        ({"turns": [3]}, "is a list of objects"),
        ({"turns": [{"prompt": 3, "answer": "x"}]}, "a prompt, an answer"),
        ({"turns": [{"prompt": "?", "answer": "x", "answer_regions": [{"box": [1, 2]}]}]}, "its boxes can't be read"),
        (
            {"turns": [{"prompt": "?", "answer": "x", "answer_regions": [{"box": [1, 2, 3, 4]}], "picture": 2}]},
            "picture 2",
        ),
        ({"turns": [{"phrase": "cup", "task": "fly", "box": None}]}, "no task 'fly'"),
    ],
)
def test_what_is_wrong_is_named(row, reason):
    with pytest.raises(InputError, match=reason):
        own_lesson({"image": "a.png", **row}, "7", find)


def test_a_question_needs_one_picture():
    with pytest.raises(InputError, match="asks about one picture; the row has 2"):
        own_lesson({"images": ["a", "b"], "phrase": "cup", "box": None}, "7", find)
