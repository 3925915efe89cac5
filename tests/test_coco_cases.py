"""Questions and answers become COCO's pictures, categories and annotations."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.data.coco import read_instances
from grounding.masks import Mask
from grounding.metrics.base import Case
from grounding.metrics.coco_ap import NUMBERS, coco_ap
from grounding.metrics.coco_cases import UNASKED, Categories, coco_ap_of, coco_entries
from grounding.result import Region
from tests.coco_sets import CAT, DOG, FAKE, case, fake, needs_fake


def test_categories_are_what_was_asked_then_what_is_true():
    categories = Categories.of([case([Region((0, 0, 1, 1), "owl")], names=("cat", "dog"))])
    assert categories.numbers == {"cat": 1, "dog": 2, "owl": 3}


def test_labels_match_in_any_case_and_strange_ones_are_no_category():
    asked = case()
    categories = Categories.of([asked])
    for label, number in (("dog", 2), ("Dog", 2), ("DOG", 2), ("wolf", UNASKED), (None, UNASKED)):
        assert categories.number_of(Region((0, 0, 1, 1), label), asked) == number


def test_a_region_without_a_label_is_of_the_one_name_asked_for():
    asked = case(names=("cat",))
    assert Categories.of([asked]).number_of(Region((0, 0, 1, 1)), asked) == 1


def test_questions_about_one_picture_are_judged_apart_in_the_order_of_their_pictures():
    cases = [case([CAT], picture="b.jpg"), case([CAT], names=("cat",)), case([DOG], names=("dog",))]
    truth, _ = coco_entries(cases)
    assert [one["image_id"] for one in truth.objects] == [3, 1, 2]
    assert truth.sizes[1] == (100, 100)


def test_one_question_answered_twice_does_not_answer_another_about_the_same_thing():
    twice, nothing = [Region(CAT.box, "cat"), Region(CAT.box, "cat")], []
    scores = coco_ap_of([case([CAT], twice), case([CAT], nothing)])
    assert scores.numbers["AR100"] == pytest.approx(0.5)


def test_crowds_stand_among_the_objects_as_crowds():
    truth, _ = coco_entries([case([CAT], crowd=[DOG])])
    assert [(one["category_id"], one["iscrowd"]) for one in truth.objects] == [(1, 0), (2, 1)]


def test_a_failed_answer_finds_nothing():
    scores = coco_ap_of([case([CAT], None), case([CAT], [Region(CAT.box, "cat", 0.5)], picture="b.jpg")])
    assert scores.numbers["AR100"] == pytest.approx(0.5)
    assert scores.pictures == 2


def test_boxes_of_names_that_nobody_asked_for_stay_outside():
    _, results = coco_entries([case([CAT], [Region(CAT.box, "cat"), Region(CAT.box, "wolf")])])
    assert (len(results.detections), results.given) == (1, 2)


def test_regions_without_a_score_rank_behind_those_with_one():
    found = [Region((70, 70, 80, 80), "cat"), Region(CAT.box, "cat", score=-3.5)]
    assert coco_ap_of([case([CAT], found)]).numbers["AP"] == pytest.approx(1.0)
    _, results = coco_entries([case([CAT], found)])
    assert results.scored
    assert [one["score"] for one in results.detections] == [-4.5, -3.5]


def test_answers_without_scores_are_said_to_have_none():
    _, results = coco_entries([case([CAT], [Region(CAT.box, "cat"), Region(DOG.box, "dog")])])
    assert not results.scored
    assert [one["score"] for one in results.detections] == [1.0, 1.0]


def test_area_is_that_of_the_mask_where_there_is_one():
    triangle = Mask.from_polygons([[10, 10, 60, 10, 10, 60]], 100, 100)
    truth, _ = coco_entries([case([CAT, Region(triangle.box, "cat", mask=triangle)])])
    assert [one["area"] for one in truth.objects] == [2500, triangle.area]


def test_masks_are_compared_where_masks_are_meant():
    half = np.zeros((100, 100), dtype=bool)
    half[10:60, 10:35] = True
    true = Region(CAT.box, "cat", mask=Mask.from_polygons([[10, 10, 60, 10, 60, 60, 10, 60]], 100, 100))
    for found, expected in ((Region(CAT.box, "cat"), 1.0), (Region(CAT.box, "cat", mask=Mask.from_array(half)), 0.1)):
        cases = [case([true], [found])]
        assert coco_ap_of(cases).numbers["AP"] == pytest.approx(1.0)
        assert coco_ap_of(cases, kind="segm").numbers["AP"] == pytest.approx(expected)


@needs_fake
def test_the_published_numbers_come_out_of_questions_and_answers_as_well():
    truth, results = fake("bbox")
    names = {category["id"]: category["name"] for category in truth["categories"]}
    found: dict[int, list[Region]] = {}
    for row in results:
        x, y, width, height = row["bbox"]
        region = Region((x, y, x + width, y + height), names[row["category_id"]], row["score"])
        found.setdefault(row["image_id"], []).append(region)
    cases = [
        Case(
            sample.id,
            sample.picture.key,
            sample.truth,
            sample.truth.replace(regions=found.get(sample.meta["image_id"], [])),
            crowd=sample.crowd,
            names=sample.names,
        )
        for sample in read_instances(FAKE / "instances_val2014_100.json")
    ]
    ours, theirs = coco_ap_of(cases), coco_ap(truth, results)
    by_size = {"APs", "APm", "APl", "ARs", "ARm", "ARl"}  # whose areas the file states, and masks give nearly
    for name in NUMBERS:
        assert ours.numbers[name] == pytest.approx(theirs.numbers[name], abs=2e-3 if name in by_size else 1e-9)
    assert (ours.objects, ours.crowds, ours.detections) == (830, 9, 734)
