"""Entries of COCO's files that cannot be scored are named by place and reason, left out or kept, and counted."""

from __future__ import annotations

import copy
import math
import re

import pytest

from grounding.errors import InputError
from grounding.metrics.coco_ap import coco_ap
from grounding.metrics.coco_entries import read_results, read_truth

OBJECT = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}
FOUND = {"image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 50], "score": 0.5}
SQUARE = [[10, 10, 60, 10, 60, 60, 10, 60]]
RUNS = {"size": [100, 100], "counts": [1010, 50, 8940]}


def truth(*annotations, **changes):
    return {
        "images": [{"id": 7, "width": 100, "height": 100}, {"id": 9, "width": 80, "height": 60}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [copy.deepcopy(row) for row in annotations or (OBJECT,)],
        **changes,
    }


def named(problems):
    return [(problem.part, problem.entry, problem.kind, problem.kept) for problem in problems]


# ---- results


@pytest.mark.parametrize(
    ("entry", "kind", "message"),
    [
        ({**FOUND, "image_id": 8}, "unknown id", "no picture with the id 8"),
        ({**FOUND, "image_id": "7"}, "unknown id", "no picture with the id '7'"),
        ({**FOUND, "image_id": [7]}, "unknown id", r"no picture with the id \[7\]"),
        ({**FOUND, "category_id": 4}, "unknown id", "no category with the id 4"),
        ({**FOUND, "bbox": [1, 2, math.nan, 4]}, "not a number", "nan, 4"),
        ({**FOUND, "bbox": [1, 2, 3]}, "not a number", r"\[1, 2, 3\] are not the four numbers"),
        ({**FOUND, "bbox": [1, 2, "3", 4]}, "not a number", "are not the four numbers"),
        ({**FOUND, "bbox": [60, 60, -50, 4]}, "not a number", "negative width or height"),
        ({**FOUND, "score": math.inf}, "not a number", "score inf is no number"),
        ({**FOUND, "score": "0.5"}, "not a number", "score '0.5' is no number"),
        ({key: value for key, value in FOUND.items() if key != "score"}, "no score", "it has no score"),
        ({key: value for key, value in FOUND.items() if key != "bbox"}, "no box", "it has no bbox"),
        ({**FOUND, "bbox": []}, "no box", "it has no bbox"),
        ([7, 3, 10, 10, 50, 50, 0.5], "unreadable entry", "no JSON object"),
    ],
)
def test_a_result_that_cannot_be_scored_is_named_and_left_out(entry, kind, message):
    known = read_truth(truth())
    results = read_results([FOUND, entry], known)
    assert named(results.problems) == [("results", 2, kind, False)]
    assert re.search(message, results.problems[0].message)
    assert len(results.detections) == 1
    assert results.given == 2


def test_a_box_without_area_is_named_and_counts_as_wrong():
    flat = {**FOUND, "bbox": [10, 10, 0, 50], "score": 0.9}
    scores = coco_ap(truth(), [flat, FOUND])
    assert named(scores.problems) == [("results", 1, "empty box", True)]
    assert scores.detections == 2
    assert scores.numbers["AP50"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"annotations": [FOUND]}, r"seen: an object with annotations \(give the list alone\)"),
        ("results.json", "seen: results.json"),
        (None, "seen: None"),
        (
            [{**FOUND, "image_id": 1}, {**FOUND, "image_id": 2}],
            r"none of the 2 results can be scored; the first: .*id 1",
        ),
        ([{**FOUND, "category_id": 44}], r"no category with the id 44 \(do truth and results belong together\?\)"),
    ],
)
def test_results_of_which_nothing_can_be_scored_stop_in_one_sentence(results, message):
    with pytest.raises(InputError, match=message):
        read_results(results, read_truth(truth()))


def test_results_without_any_score_are_all_of_one_score():
    plain = [{key: value for key, value in FOUND.items() if key != "score"}] * 2
    results = read_results(plain, read_truth(truth()))
    assert not results.scored
    assert [one["score"] for one in results.detections] == [1.0, 1.0]
    assert not results.problems


def test_a_least_score_needs_scores():
    plain = [{key: value for key, value in FOUND.items() if key != "score"}]
    with pytest.raises(InputError, match=r"the results have no scores, so none is under 0\.5"):
        read_results(plain, read_truth(truth()), min_score=0.5)
    assert read_results([], read_truth(truth()), min_score=0.5).detections == []


def test_a_result_with_a_mask_alone_gets_the_box_around_it():
    row = {key: value for key, value in FOUND.items() if key != "bbox"} | {"segmentation": SQUARE}
    (one,) = read_results([row], read_truth(truth())).detections
    assert one["bbox"] == [10, 10, 50, 50]


# ---- masks


def test_masks_of_every_form_of_coco_are_one_mask():
    known = read_truth(truth({**OBJECT, "segmentation": SQUARE}), "segm")
    rows = [{**FOUND, "segmentation": RUNS}]
    first = read_results(rows, known).detections[0]["segmentation"]
    again = read_results([{**FOUND, "segmentation": first}], known).detections[0]["segmentation"]
    as_bytes = {**first, "counts": first["counts"].encode()}
    assert read_results([{**FOUND, "segmentation": as_bytes}], known).detections[0]["segmentation"] == again == first


def test_a_box_beside_a_mask_says_nothing_of_its_size():
    known = read_truth(truth({**OBJECT, "segmentation": SQUARE}), "segm")
    (one,) = read_results([{**FOUND, "segmentation": SQUARE}], known).detections
    assert set(one) == {"image_id", "category_id", "score", "segmentation"}


@pytest.mark.parametrize(
    ("segmentation", "kind", "message"),
    [
        (None, "no mask", "it has no segmentation"),
        ([], "no mask", "it has no segmentation"),
        ([[10, 10, 60, 10]], "no mask", "3 corners or more"),
        ([[10, 10, 60, 10, 60]], "no mask", "can't be read"),
        ([[10, 10, 60, math.nan, 60, 60]], "no mask", "must be finite"),
        ({"size": [100, 100], "counts": [1, 2]}, "no mask", "add up to its pixels"),
        ({"size": [100, 100], "counts": "~~~"}, "no mask", "can't be read"),
        ({"size": [50, 100], "counts": [5000]}, "no mask", "100 x 50, its picture 100 x 100"),
        ("cat", "no mask", "can't be read"),
    ],
)
def test_a_mask_that_is_none_is_named_before_compiled_code_sees_it(segmentation, kind, message):
    known = read_truth(truth({**OBJECT, "segmentation": SQUARE}), "segm")
    good, bad = {**FOUND, "segmentation": SQUARE}, {**FOUND, "segmentation": segmentation}
    results = read_results([good, bad], known)
    assert named(results.problems) == [("results", 2, kind, False)]
    assert message in results.problems[0].message
    broken = read_truth(truth({**OBJECT, "segmentation": segmentation}), "segm")
    assert named(broken.problems) == [("annotations", 1, kind, False)]
    assert not broken.objects


def test_masks_need_the_size_of_their_picture():
    sizeless = truth({**OBJECT, "segmentation": SQUARE}, images=[{"id": 7}])
    assert named(read_truth(sizeless, "segm").problems) == [("annotations", 1, "no size", False)]
    assert not read_truth(sizeless, "bbox").problems


# ---- truth


def test_an_object_of_the_id_0_can_be_found():
    assert coco_ap(truth({**OBJECT, "id": 0}), [FOUND]).numbers["AP"] == pytest.approx(1.0)


def test_an_object_that_stands_twice_counts_once():
    scores = coco_ap(truth(OBJECT, OBJECT), [FOUND])
    assert named(scores.problems) == [("annotations", 2, "duplicate id", False)]
    assert scores.objects == 1
    assert scores.numbers["AP"] == pytest.approx(1.0)


def test_two_objects_of_one_id_both_count():
    other = {**OBJECT, "bbox": [70, 70, 20, 20], "area": 400}
    scores = coco_ap(truth(OBJECT, other), [FOUND, {**FOUND, "bbox": other["bbox"]}])
    assert named(scores.problems) == [("annotations", 2, "duplicate id", True)]
    assert scores.objects == 2
    assert scores.numbers["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "kind", "kept"),
    [
        ({"image_id": 8}, "unknown id", False),
        ({"category_id": None}, "unknown id", False),
        ({"bbox": [1, 2, math.nan, 4]}, "not a number", False),
        ({"bbox": [1, 2, -3, 4]}, "not a number", False),
        ({"bbox": [1, 2, 0, 4]}, "empty box", True),
        ({"bbox": None}, "no box", False),
        ({"area": None}, "no area", True),
    ],
)
def test_an_object_that_cannot_be_is_named(change, kind, kept):
    known = read_truth(truth(OBJECT, {**OBJECT, "id": 2, **change}))
    assert named(known.problems) == [("annotations", 2, kind, kept)]
    assert len(known.objects) == 1 + kept


def test_doubled_pictures_and_categories_are_named():
    doubled = truth(images=[{"id": 7}, {"id": 7}, {"name": "x"}], categories=[{"id": 3, "name": "cat"}, {"id": 3}])
    assert named(read_truth(doubled).problems) == [
        ("images", 2, "duplicate id", False),
        ("images", 3, "unreadable entry", False),
        ("categories", 2, "duplicate id", False),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "the truth has no pictures"),
        ({"categories": []}, "the truth has no categories"),
        ({"annotations": None}, r"an object with the lists images, annotations, categories; seen: images"),
    ],
)
def test_a_truth_of_which_nothing_can_be_scored_stops(changes, message):
    with pytest.raises(InputError, match=message):
        read_truth(truth(**changes))
    with pytest.raises(InputError, match="seen: a list"):
        read_truth([])


def test_ids_may_be_words():
    words = truth({**OBJECT, "image_id": "a.jpg"}, images=[{"id": "b.jpg"}, {"id": "a.jpg"}])
    assert coco_ap(words, [{**FOUND, "image_id": "a.jpg"}]).numbers["AP"] == pytest.approx(1.0)
    assert read_truth(words).pictures == {"a.jpg": 1, "b.jpg": 2}


def test_categories_of_one_name_are_told_apart_by_their_ids():
    twins = truth(categories=[{"id": 3, "name": "bat"}, {"id": 5, "name": "bat"}, {"id": 6}])
    assert read_truth(twins).names == {1: "bat (3)", 2: "bat (5)", 3: "6"}


@pytest.mark.parametrize("least", [float("nan"), float("inf")])
def test_a_least_score_that_is_no_number_does_not_leave_out_everything(least):
    with pytest.raises(InputError, match=r"the least score is (nan|inf), which no score"):
        read_results([FOUND], read_truth(truth(OBJECT)), min_score=least)
