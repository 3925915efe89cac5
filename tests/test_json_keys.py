"""Which keys name places and things, and how their values are read."""

import math

import pytest

from grounding.codecs.json_keys import BOX, POINT, is_box, label_in, label_of_key, numbers_in, places_in, role_of
from grounding.codecs.json_structure import Pairs


def test_keys_are_known_however_they_are_spelled():
    assert [role_of(key) for key in ("bbox_2d", "BBox_2D", " box-2d", "Bounding Box")] == [BOX] * 4
    assert role_of("point_2d") == POINT
    assert role_of("score") is None
    label, name = role_of("label"), role_of("Name")
    assert label is not None
    assert name is not None
    assert 0 <= label < name


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ([1, 2.5, 3, 4], [1, 2.5, 3, 4]),
        (["1", " 2.5", 3, 4], [1, 2.5, 3, 4]),
        ("1, 2, 3, 4", [1, 2, 3, 4]),
        ("(10.5,20) -3", [10.5, 20, -3]),
        (Pairs([("x1", 1), ("y1", 2), ("x2", 3), ("y2", 4)]), [1, 2, 3, 4]),
        (Pairs([("ymin", 2), ("xmin", 1), ("ymax", 4), ("xmax", 3)]), [1, 2, 3, 4]),
        (Pairs([("x", 1), ("y", 2)]), [1, 2]),
        (None, []),
        ([1, 10**400], [1, math.inf]),
        ([1, "two", 3, 4], None),
        ([1, True, 3, 4], None),
        ("none", None),
    ],
)
def test_numbers_of_a_place(value, numbers):
    assert numbers_in(value) == numbers


def test_a_value_may_hold_several_places_or_two_corners():
    assert places_in([1, 2, 3, 4], False) == [[1, 2, 3, 4]]
    assert places_in([[1, 2, 3, 4], [5, 6, 7, 8]], False) == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert places_in([[1, 2], [3, 4]], False) == [[1, 2, 3, 4]]
    assert places_in([[1, 2], [3, 4]], True) == [[1, 2], [3, 4]]


def test_only_numbers_that_pictures_have_make_a_box_at_once():
    assert is_box([1, 2.5, 3, 4])
    for value in ([1, 2, 3], [1, 2, 3, True], [1, 2, 3, "4"], [1, 2, 3, 10**400], "1234", None):
        assert not is_box(value)


def test_labels_are_words_however_they_are_given():
    assert label_in(Pairs([("zh", "猫"), ("en", "cat")])) == "cat"
    assert label_in(Pairs([("zh", "猫"), ("ja", "ねこ")])) == "猫"
    assert label_in(["red", "cat"]) == "red, cat"
    assert label_in(7) == "7"
    assert label_in(None) is label_in([]) is label_in(Pairs()) is None
    assert label_of_key("cat") == "cat"
    assert label_of_key("objects") is label_of_key("Box") is label_of_key(" ") is None
