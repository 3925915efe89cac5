"""Which detection takes which true box, and that precision and recall are those of COCO's evaluator."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.boxes import as_boxes, xywh_to_xyxy
from grounding.metrics.box_matching import THRESHOLDS, Placed, Tally, match_boxes, rates
from grounding.metrics.coco_ap import score_entries
from grounding.metrics.coco_entries import read_results, read_truth
from grounding.metrics.detection import tally_entries
from grounding.metrics.protocols import PROTOCOLS
from tests.coco_sets import drawn, fake, needs_fake

LEVELS = len(THRESHOLDS)


def placed(*boxes, categories=None):
    return Placed(as_boxes(list(boxes)), np.array(categories or [1] * len(boxes), dtype=np.int64))


NONE = placed()
LEFT, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10)
NEAR_LEFT = (0, 0, 10, 8)  # IoU 0.8 with LEFT


def taken_at(matches, threshold):
    return matches.taken[int(np.argmin(abs(THRESHOLDS - threshold)))].tolist()


def test_thresholds_are_those_of_coco():
    from pycocotools.cocoeval import Params

    assert THRESHOLDS.tolist() == Params(iouType="bbox").iouThrs.tolist()


def test_a_detection_takes_the_box_it_overlaps_if_that_is_enough():
    matches = match_boxes(placed(NEAR_LEFT, RIGHT), placed(LEFT, RIGHT), NONE)
    assert taken_at(matches, 0.8) == [0, 1]
    assert taken_at(matches, 0.85) == [-1, 1]
    assert not matches.ignored.any()


def test_the_surer_of_two_takes_the_box_and_the_first_where_none_has_a_score():
    found, truth = placed(NEAR_LEFT, LEFT), placed(LEFT)
    assert taken_at(match_boxes(found, truth, NONE), 0.5) == [0, -1]
    assert taken_at(match_boxes(found, truth, NONE, np.array([0.3, 0.9])), 0.5) == [-1, 0]
    assert taken_at(match_boxes(found, truth, NONE, np.array([0.5, 0.5])), 0.5) == [0, -1]


def test_a_detection_that_fits_no_longer_at_a_higher_threshold_leaves_the_box_to_the_next():
    matches = match_boxes(placed(NEAR_LEFT, LEFT), placed(LEFT), NONE)
    assert taken_at(matches, 0.8) == [0, -1]
    assert taken_at(matches, 0.95) == [-1, 0]


def test_of_boxes_that_fit_alike_the_last_is_taken_as_coco_has_it():
    """The first detection fits both alike, the second one of them: whether both hit is a matter of the choice."""
    truth, found = [(0, 0, 10, 10), (2, 0, 12, 10)], [(1, 0, 11, 10), (0, 0, 10, 10)]
    images, categories = [{"id": 1}], [{"id": 1, "name": "cat"}]
    for order in (truth, truth[::-1]):
        boxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (*order, *found)]
        rows = [{"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": 100} for n, box in enumerate(boxes)]
        known = read_truth({"images": images, "categories": categories, "annotations": rows[:2]})
        results = read_results([row | {"score": 1 - row["id"] / 10} for row in rows[2:]], known)
        recall = score_entries(known, results).numbers["AR100"]
        taken = match_boxes(placed(*found), placed(*order), NONE).taken
        assert (taken >= 0).sum() / (2 * LEVELS) == pytest.approx(recall)


def test_the_second_choice_is_taken_where_the_first_is_gone():
    truth = placed((0, 0, 10, 10), (0, 0, 10, 12))
    matches = match_boxes(placed((0, 0, 10, 10), (0, 0, 10, 10.5)), truth, NONE)
    assert taken_at(matches, 0.5) == [0, 1]
    assert taken_at(matches, 0.85) == [0, 1]
    assert taken_at(matches, 0.9) == [0, -1]


def test_categories_do_not_mix():
    matches = match_boxes(placed(LEFT, categories=[2]), placed(LEFT), placed(LEFT))
    assert taken_at(matches, 0.5) == [-1]
    assert not matches.ignored.any()
    assert not matches.overlap.any()


def test_a_crowd_excuses_what_lies_in_it_and_takes_nothing_from_a_true_box():
    crowd = placed((0, 0, 100, 100))
    matches = match_boxes(placed(LEFT, (90, 0, 110, 10), (95, 0, 115, 10)), placed(LEFT), crowd)
    assert taken_at(matches, 0.5) == [0, -1, -1]
    assert matches.ignored[0].tolist() == [False, True, False]  # half and a quarter of them lie in it
    assert matches.ignored[1].tolist() == [False, False, False]


def test_empty_sets_match_nothing():
    for found, truth in ((NONE, NONE), (placed(LEFT), NONE), (NONE, placed(LEFT))):
        matches = match_boxes(found, truth, NONE)
        assert matches.taken.shape == matches.ignored.shape == (LEVELS, len(found.boxes))
        assert (matches.taken == -1).all()


def test_the_protocol_says_what_overlap_is_and_whether_the_threshold_is_enough():
    half = placed((0, 0, 10, 5))
    assert taken_at(match_boxes(half, placed(LEFT), NONE, protocol=PROTOCOLS["iou"]), 0.5) == [0]
    assert taken_at(match_boxes(half, placed(LEFT), NONE, protocol=PROTOCOLS["iou-strict"]), 0.5) == [-1]
    apart = placed((4, 4, 14, 14), categories=[1])
    assert match_boxes(apart, placed((0, 0, 10, 10)), NONE, protocol=PROTOCOLS["mdetr-giou"]).overlap[0, 0] < 0.2


def test_rates_are_nan_where_nothing_is_divided():
    none = rates(np.zeros(LEVELS), np.zeros(LEVELS), np.asarray(0))
    assert np.isnan([none.precision, none.recall, none.f1]).all()
    missed = rates(np.zeros(LEVELS), np.zeros(LEVELS), np.asarray(3))
    assert np.isnan(missed.precision).all()
    assert (missed.recall == 0).all()
    assert (missed.f1 == 0).all()
    half = rates(np.full(LEVELS, 2), np.full(LEVELS, 4), np.asarray(4))
    assert (half.precision == 0.5).all()
    assert (half.f1 == 0.5).all()


def counts_of_pycocotools(truth, results):
    """Hits (T,), detections that count (T,) and recall (T, C), out of its own lists."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth.to_coco()
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes([dict(one) for one in results.detections]), "bbox")
        evaluator.params.maxDets = [1, 10, 10_000]
        evaluator.evaluate()
        evaluator.accumulate()
    rows = [row for row in evaluator.evalImgs if row is not None and row["aRng"] == evaluator.params.areaRng[0]]
    hits = sum((~row["dtIgnore"].astype(bool) & (row["dtMatches"] > 0)).sum(axis=1) for row in rows)
    counted = sum((~row["dtIgnore"].astype(bool)).sum(axis=1) for row in rows)
    return hits, counted, evaluator.eval["recall"][:, :, 0, 2]


def assert_same_counts(truth, results):
    tally = tally_entries(truth, results)
    hits, counted, recall = counts_of_pycocotools(truth, results)
    assert np.sum(tally.hits, axis=0).tolist() == hits.tolist()
    assert np.sum(tally.found, axis=0).tolist() == counted.tolist()
    ours = np.nan_to_num(tally.by_category.recall[1:].T, nan=-1)
    with_truth = tally.category_truths[1:] > 0
    np.testing.assert_allclose(ours[:, with_truth], recall[:, with_truth], atol=1e-12)


@pytest.mark.parametrize("seed", range(25))
def test_counts_are_those_of_pycocotools(seed):
    truth, results = drawn(seed)
    known = read_truth(truth)
    if results:
        assert_same_counts(known, read_results(results, known))


@needs_fake
def test_counts_are_those_of_pycocotools_on_its_own_example():
    truth, results = fake("bbox")
    known = read_truth(truth)
    assert_same_counts(known, read_results(results, known))


def test_tally_adds_pictures_and_categories_up():
    tally = Tally(3)
    for found, truth in ((placed(LEFT, categories=[1]), placed(LEFT, RIGHT, categories=[1, 2])), (placed(RIGHT), NONE)):
        tally.add(match_boxes(found, truth, NONE), found, truth)
    assert tally.pooled.precision[0] == tally.pooled.recall[0] == tally.pooled.f1[0] == 0.5
    np.testing.assert_array_equal(tally.by_category.recall[:, 0], [np.nan, 1.0, 0.0])
    assert tally.truths == [2, 0]


def test_xywh_of_no_box_is_no_box():
    assert len(xywh_to_xyxy([])) == 0
