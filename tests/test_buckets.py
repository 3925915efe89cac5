"""Groups of questions: by size, share of the picture, length, and kind."""

import pytest

from grounding.masks import Mask
from grounding.metrics.base import Column
from grounding.metrics.buckets import grouped_figures, labels_of, length_of
from grounding.result import Region
from tests.questions import BOX, case, grounding


def groups(asked, way):
    return labels_of([asked])[way][1][0]


@pytest.mark.parametrize(
    ("box", "size"),
    [((0, 0, 31, 32), "small"), ((0, 0, 32, 32), "medium"), ((0, 0, 95, 96), "medium"), ((0, 0, 96, 96), "large")],
)
def test_sizes_are_coco_s_in_pixels_of_the_original(box, size):
    assert groups(case(box, None), "size") == size


@pytest.mark.parametrize(
    ("height", "share"), [(4.7, "under 1 %"), (4.8, "1 to 10 %"), (48, "1 to 10 %"), (49, "over 10 %")]
)
def test_share_is_of_the_picture(height, share):
    assert groups(case((0, 0, 640, height), None), "share") == share


def test_size_of_a_thing_with_a_mask_is_its_pixels():
    thin = Region((0, 0, 100, 100), mask=Mask.from_polygons([[0, 0, 100, 0, 100, 5, 0, 5]], 640, 480))
    assert groups(case(grounding(thin), None), "size") == "small"
    assert groups(case(grounding((0, 0, 100, 100)), None), "size") == "large"


def test_nothing_there_has_no_size():
    assert groups(case(None, None), "size") is groups(case(None, None), "share") is None


@pytest.mark.parametrize(
    ("words", "length"), [(1, "1-2 words"), (2, "1-2 words"), (3, "3-5 words"), (9, "6-9 words"), (10, "10+ words")]
)
def test_length_counts_words(words, length):
    assert length_of(case(grounding(BOX, phrase="cup " * words), None)) == length


def test_kinds_are_the_data_set_s_where_it_says_any_and_judged_by_words_else():
    asked = [case(BOX, BOX, str(number), f"{number}.png", kind=kind) for number, kind in enumerate(("b", "a", None))]
    columns = {"acc": Column.mean([1, 0, 1])}
    table = grouped_figures(columns, asked)
    assert list(table) == ["size", "share", "length", "kind"]
    assert {kind: figures["acc"].value for kind, figures in table["kind"].items()} == {"b": 1.0, "a": 0.0}
    unnamed = grouped_figures(columns, [case(BOX, BOX, str(number)) for number in range(3)])
    assert list(unnamed["kind by words"]) == ["attribute"]
    assert unnamed["kind by words"]["attribute"]["acc"].n == 3
