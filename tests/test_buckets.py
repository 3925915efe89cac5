"""Groups of questions: by size, share of the picture, length, and kind."""

import pytest

from grounding.masks import Mask
from grounding.metrics.base import Column
from grounding.metrics.buckets import grouped_figures, length_of, share_of, size_of
from grounding.result import Region
from tests.questions import BOX, case, grounding


@pytest.mark.parametrize(
    ("box", "size"),
    [((0, 0, 31, 32), "small"), ((0, 0, 32, 32), "medium"), ((0, 0, 95, 96), "medium"), ((0, 0, 96, 96), "large")],
)
def test_sizes_are_coco_s_in_pixels_of_the_original(box, size):
    assert size_of(case(box, None)) == size


def test_share_is_of_the_picture_and_size_of_a_mask_its_pixels():
    assert share_of(case((0, 0, 640, 4.7), None)) == "under 1 %"
    assert share_of(case((0, 0, 640, 4.8), None)) == "1 to 10 %"
    assert share_of(case((0, 0, 640, 48), None)) == "1 to 10 %"
    assert share_of(case((0, 0, 640, 49), None)) == "over 10 %"
    thin = Region((0, 0, 100, 100), mask=Mask.from_polygons([[0, 0, 100, 0, 100, 5, 0, 5]], 640, 480))
    assert size_of(case(grounding(thin), None)) == "small"


def test_nothing_there_has_no_size():
    assert size_of(case(None, None)) is share_of(case(None, None)) is None


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
