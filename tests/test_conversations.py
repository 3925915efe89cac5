"""Rows of LLaVA's files: marks, turns, text alone, several pictures, and rows that are none."""

import pytest
from PIL import Image

from grounding.data.folders import Folder
from grounding.data.lessons.conversations import conversation_lesson, pairs_of
from grounding.data.lessons.row_pictures import Finder
from grounding.errors import BoxError, InputError


@pytest.fixture
def find(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (640, 480)).save(tmp_path / name)
    return Finder(Folder(tmp_path))


def row(*said, **more):
    roles = ("human", "gpt")
    talk = [{"from": roles[place % 2], "value": words} for place, words in enumerate(said)]
    return {"id": "7", "image": "a.jpg", "conversations": talk, **more}


def lesson(find, *said, boxes="padded", **more):
    return conversation_lesson(row(*said, **more), "7", find, "llava", boxes)


def test_a_mark_stays_at_the_start_or_the_end(find):
    made = lesson(find, "<image>\nWhat is it?", "A cup.")
    assert [(turn.prompt, turn.answer) for turn in made.turns] == [("<image>\nWhat is it?", "A cup.")]
    assert not made.sequential
    assert [picture.key for picture in made.pictures] == ["a.jpg"]
    assert lesson(find, "Describe it.\n<image>", "A cup. ").turns[0].prompt == "Describe it.\n<image>"


def test_turns_are_in_sequence(find):
    made = lesson(find, "<image>\n1?", "one", "2?", "two", "3?", "three")
    assert made.sequential
    assert [turn.answer for turn in made.turns] == ["one", "two", "three"]


def test_text_alone_has_no_picture(find):
    made = lesson(find, "Hi", "Hello", image=None)
    assert made.pictures == ()


def test_boxes_become_regions_and_words_without_boxes_stay_verbatim(find):
    made = lesson(find, "Where is he?", "There [0.25, 0.25, 0.50, 0.50].", "So?", "  Yes [1] \n")
    assert made.turns[0].answer == "There."
    assert made.turns[0].answer_regions[0].box == (160, 80, 320, 240)
    assert made.turns[1].answer == "  Yes [1] \n"
    plain = lesson(find, "Where is he?", "There [0.25, 0.25, 0.50, 0.50].", boxes="text")
    assert plain.turns[0].answer == "There [0.25, 0.25, 0.50, 0.50]."


def test_a_picture_is_opened_only_for_boxes(find, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert lesson(find, "Hi", "Hello").turns[0].answer == "Hello"
    with pytest.raises(InputError, match="no picture"):
        lesson(find, "Hi", "[0.25, 0.25, 0.50, 0.50]")


def test_several_pictures_stand_where_they_are_marked(find):
    made = lesson(find, "<image> or <image>?", "The first.", image=["a.jpg", "b.jpg"])
    assert [picture.key for picture in made.pictures] == ["a.jpg", "b.jpg"]


def test_other_spellings_of_roles_are_known(find):
    talk = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    made = conversation_lesson({"conversation": [*talk, {"role": "assistant", "content": "Hello"}]}, "7", find)
    assert made.turns[0].prompt == "Be kind.\nHi"


def test_answers_in_front_and_a_last_question_are_left_out():
    talk = [("assistant", "x"), ("user", "1?"), ("assistant", "1"), ("user", "2?")]
    assert pairs_of(talk) == [("1?", "1")]


@pytest.mark.parametrize(
    ("said", "more", "error", "reason"),
    [
        (("<image> <image>?", "x"), {}, InputError, "2 times, and it has 1 pictures"),
        (("<image>?", "x"), {"image": None}, InputError, "1 times, and it has 0 pictures"),
        (("Hi", "<image>"), {}, InputError, "stands in an answer"),
        (("Hi", " "), {}, InputError, "answer 1 is empty"),
        ((), {}, InputError, "a list of messages; seen None"),
        (("Hi", "x"), {"conversations": [{"from": "human"}]}, InputError, "a role and words"),
        (("Hi", "x"), {"conversations": [{"from": "tool", "value": "x"}]}, InputError, "seen 'tool'"),
        (
            ("Hi", "x"),
            {"conversations": [{"from": "human", "value": "x"}] * 2},
            InputError,
            "do not alternate: user, user",
        ),
        (("Hi", "x"), {"image": 3}, InputError, "named by its file"),
        (("Hi", "[0.90, 0.20, 0.30, 0.40]"), {}, BoxError, "inverted"),
    ],
)
def test_rows_that_cannot_be_used_say_why(find, said, more, error, reason):
    with pytest.raises(error, match=reason):
        lesson(find, *said, **more)
