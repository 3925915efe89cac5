"""Rows in ms-swift's format: names and boxes in place of their marks, pixels or shares, points, several pictures."""

import pytest
from PIL import Image

from grounding.data.folders import Folder
from grounding.data.lessons.row_pictures import Finder
from grounding.data.lessons.swift import swift_lesson
from grounding.errors import InputError


@pytest.fixture
def find(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "a.jpg")
    Image.new("RGB", (100, 200)).save(tmp_path / "b.jpg")
    return Finder(Folder(tmp_path), absolute=True)


def row(user, assistant, images=("a.jpg",), **objects):
    talk = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return {"messages": talk, "images": list(images), "objects": objects or None}


DOG, WOMAN = [331.5, 61.4, 553.5, 194.8], [376.5, 85.8, 399.5, 427.4]


def test_marks_become_names_with_boxes_behind_them(find):
    answer = "<ref-object><bbox> and <ref-object><bbox> are playing"
    made = swift_lesson(row("<image>Describe.", answer, ref=["a dog", "a woman"], bbox=[DOG, WOMAN]), "1", find)
    (turn,) = made.turns
    assert turn.answer == "a dog and a woman are playing"
    told = [(turn.answer[slice(*region.span)], region.label, region.box) for region in turn.answer_regions]
    assert told == [("a dog", "a dog", tuple(DOG)), ("a woman", "a woman", tuple(WOMAN))]


def test_one_name_may_have_several_boxes_and_shares_are_of_the_picture(find):
    objects = {"ref": ["sheep"], "bbox": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]], "bbox_type": "norm1"}
    (turn,) = swift_lesson(row("<image>Find the <ref-object>", "<bbox><bbox>", **objects), "1", find).turns
    assert (turn.prompt, turn.answer) == ("<image>Find the sheep", "")
    assert [region.box for region in turn.answer_regions] == [
        pytest.approx((64, 96, 192, 192)),
        pytest.approx((320, 288, 448, 384)),
    ]


def test_two_numbers_are_a_point(find):
    (turn,) = swift_lesson(row("<image>Open it", "click(box='<bbox>')", ref=[], bbox=[[615, 226]]), "1", find).turns
    assert turn.answer == "click(box='')"
    (region,) = turn.answer_regions
    assert (region.point, region.box, region.span) == ((615, 226), (615, 226, 615, 226), (11, 11))


def test_a_box_may_lie_in_another_picture(find):
    objects = {"bbox": [[0.5, 0.5, 1, 1]], "bbox_type": "norm1", "image_id": [1]}
    (turn,) = swift_lesson(row("<image><image>Which?", "This <bbox>", ("a.jpg", "b.jpg"), **objects), "1", find).turns
    assert (turn.picture, turn.answer_regions[0].box) == (1, (50, 100, 100, 200))


def test_answers_that_follow_one_another_are_one_and_text_may_stand_alone(find):
    talk = [{"role": "user", "content": "Hi"}, *[{"role": "assistant", "content": text} for text in ("a", "b")]]
    assert swift_lesson({"messages": talk}, "1", find).turns[0].answer == "ab"
    alone = swift_lesson({"messages": [{"role": "assistant", "content": "I love music"}]}, "1", find)
    assert (alone.turns[0].prompt, alone.turns[0].answer) == ("", "I love music")


def test_queries_with_a_history_are_read(find):
    made = swift_lesson({"query": "2?", "response": "2", "history": [["1?", "1"]]}, "1", find)
    assert [turn.prompt for turn in made.turns] == ["1?", "2?"]


def test_a_whole_path_names_its_file(find, tmp_path):
    made = swift_lesson(row("<image>?", "x", [str(tmp_path / "b.jpg")]), "1", find)
    assert made.pictures[0].open().size == (100, 200)


@pytest.mark.parametrize(
    ("user", "assistant", "objects", "reason"),
    [
        ("?", "<bbox>", {"bbox": []}, "more often than there are boxes: 0"),
        ("<ref-object>?", "x", {"ref": []}, "more often than there are names: 0"),
        ("?", "x", {"bbox": [DOG]}, "0 times, and there are 1 boxes"),
        ("?", "<bbox>", {"bbox": [[1, 2, 3]]}, "four numbers"),
        ("?", "<bbox>", {"bbox": [DOG], "bbox_type": "norm2"}, "bbox_type is 'norm2'"),
        ("?", "<bbox>", {"bbox": [DOG], "image_id": [4]}, "picture 4"),
        ("?", "<bbox>", {"bbox": [DOG], "image_id": [0, 0]}, "2 numbers for 1 boxes"),
        ("?", "<bbox>", {"bbox": [[9, 9, 1, 1]]}, "x1 <= x2"),
    ],
)
def test_rows_that_cannot_be_used_say_why(find, user, assistant, objects, reason):
    with pytest.raises(InputError, match=reason):
        swift_lesson(row(user, assistant, **objects), "1", find)


def test_boxes_of_two_pictures_in_one_turn_are_refused(find):
    objects = {"bbox": [[1, 2, 3, 4], [1, 2, 3, 4]], "image_id": [0, 1]}
    with pytest.raises(InputError, match="several pictures in one turn"):
        swift_lesson(row("<image><image>?", "<bbox> <bbox>", ("a.jpg", "b.jpg"), **objects), "1", find)


@pytest.mark.parametrize(
    "damage",
    [
        {"objects": {"bbox": [["left", 2, 3, 4]]}},
        {"objects": {"bbox": [[None, 2, 3, 4]]}},
        {"objects": {"bbox": 5}},
        {"objects": {"bbox": [[1, 2, 3, 4]], "image_id": 1}},
        {"objects": {"ref": "sheep", "bbox": [[1, 2, 3, 4]]}},
    ],
)
def test_objects_of_another_shape_are_told_as_bad_rows(find, damage):
    with pytest.raises(InputError, match="seen"):
        swift_lesson({**row("<image>Find it", "<bbox>"), **damage}, "1", find)


@pytest.mark.parametrize("history", [5, [1], [None], [["question"]], {"a": "b"}])
def test_a_history_of_another_shape_is_told_as_a_bad_row(find, history):
    with pytest.raises(InputError, match="seen"):
        swift_lesson({"query": "Hi", "response": "Hello", "history": history}, "1", find)
