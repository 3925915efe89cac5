"""COCO's twelve numbers: the published ones come out, all engines agree, nothing is printed and nothing is changed."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest

from grounding.errors import ConfigError
from grounding.metrics.coco_ap import ENGINES, NUMBERS, coco_ap
from tests.coco_sets import FAKE, HEIGHT, WIDTH, as_masks, drawn, fake, needs_fake

PUBLISHED = {
    "bbox": (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564),
    "segm": (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381),
}


# ---- the published numbers


@needs_fake
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_numbers_come_out_to_three_digits(kind, engine):
    scores = coco_ap(*fake(kind), kind=kind, engine=engine)
    assert tuple(round(value, 3) for value in scores.numbers.values()) == PUBLISHED[kind]
    assert (scores.pictures, scores.objects, scores.crowds, scores.detections) == (100, 830, 9, 734)
    assert scores.scored
    assert not scores.problems


@needs_fake
def test_the_numbers_above_are_those_that_coco_published():
    text = (FAKE / "val2014_fake_eval_res.txt").read_text()
    blocks = dict(re.findall(r"type=(segm|bbox)\n(.*?)\n\n", text + "\n\n", flags=re.S))
    assert {kind: tuple(map(float, re.findall(r"\] = ([\d.]+)", blocks[kind]))) for kind in PUBLISHED} == PUBLISHED


@needs_fake
def test_a_picture_without_detections_counts():
    truth, results = fake("bbox")
    seen = {row["image_id"] for row in results}
    without = {**truth, "images": [image for image in truth["images"] if image["id"] in seen]}
    without["annotations"] = [row for row in truth["annotations"] if row["image_id"] in seen]
    assert len(without["images"]) == 99
    assert coco_ap(truth, results).numbers["AR100"] < coco_ap(without, results).numbers["AR100"]


@needs_fake
@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "pycocotools"])
@pytest.mark.parametrize("kind", PUBLISHED)
def test_engines_give_the_same_numbers_to_a_billionth(kind, engine):
    reference, other = (coco_ap(*fake(kind), kind=kind, engine=name) for name in ("pycocotools", engine))
    assert other.numbers == pytest.approx(reference.numbers, abs=1e-9)
    known = [name for name, value in reference.categories.items() if value is not None]
    assert [name for name, value in other.categories.items() if value is not None] == known
    assert [other.categories[name] for name in known] == pytest.approx(
        [reference.categories[name] for name in known], abs=1e-9
    )
    np.testing.assert_allclose(other.curve, reference.curve, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", PUBLISHED)
def test_engines_agree_on_crowds_ties_and_crowded_pictures(kind, seed):
    truth, results = drawn(seed)
    results = as_masks(results) if kind == "segm" else results
    reference, *others = (coco_ap(truth, results, kind=kind, engine=name).numbers for name in ENGINES)
    for other in others:
        assert [value is None for value in other.values()] == [value is None for value in reference.values()]
        assert [value or 0.0 for value in other.values()] == pytest.approx(
            [value or 0.0 for value in reference.values()], abs=1e-9
        )


@pytest.mark.parametrize("kind", PUBLISHED)
def test_pycocotools_says_the_same_without_us(kind, capsys):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = drawn(5)
    for row in truth["annotations"]:
        row["id"] += 1  # an object with the id 0 counts as never found there
    if kind == "segm":
        results = as_masks(results)
    ours = coco_ap(truth, results, kind=kind).numbers
    coco = COCO()
    coco.dataset = copy.deepcopy(truth)
    coco.createIndex()
    rows = copy.deepcopy(results)
    if kind == "segm":
        from grounding.masks import Mask

        for row in rows:
            row["segmentation"] = Mask.from_polygons(row["segmentation"], WIDTH, HEIGHT).rle
    theirs = COCOeval(coco, coco.loadRes(rows), kind)
    theirs.evaluate()
    theirs.accumulate()
    theirs.summarize()
    capsys.readouterr()
    assert [-1 if value is None else value for value in ours.values()] == theirs.stats.tolist()


# ---- what is measured, and what is not


def one_cat(**changes):
    truth = {
        "images": [{"id": 7, "width": 100, "height": 100}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}
        ],
    }
    return {**truth, **changes}


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_to_measure_is_none(engine):
    found = [{"image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 50], "score": 0.5}]
    scores = coco_ap(one_cat(), found, engine=engine)
    assert scores.numbers == {name: None if name[-1] in "sl" else pytest.approx(1.0) for name in NUMBERS}
    assert scores.categories == {"cat": pytest.approx(1.0), "dog": None}
    empty = coco_ap(one_cat(annotations=[]), found, engine=engine)
    assert set(empty.numbers.values()) == {None}
    assert empty.curve == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_no_detection_at_all_is_zero_and_no_error(engine):
    scores = coco_ap(one_cat(), [], engine=engine)
    assert scores.numbers["AP"] == scores.numbers["AR100"] == 0.0
    assert scores.detections == 0


def test_curve_is_precision_over_recall_at_half():
    near = {"image_id": 7, "category_id": 3, "score": 0.9}
    truth = one_cat()
    truth["annotations"].append({**truth["annotations"][0], "id": 2, "bbox": [70, 70, 20, 20], "area": 400})
    wrong = {**near, "bbox": [0, 80, 10, 10], "score": 0.8}
    scores = coco_ap(
        truth, [{**near, "bbox": [10, 10, 50, 50]}, wrong, {**near, "bbox": [70, 70, 20, 20], "score": 0.7}]
    )
    curve = dict(scores.curve)
    assert len(curve) == 101
    assert (curve[0.0], curve[0.5], curve[0.51], curve[1.0]) == pytest.approx((1.0, 1.0, 2 / 3, 2 / 3))


def test_lower_scores_are_left_out():
    found = [{"image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 50], "score": 0.2}]
    assert coco_ap(one_cat(), found, min_score=0.2).numbers["AP"] == pytest.approx(1.0)
    assert coco_ap(one_cat(), found, min_score=0.3).numbers["AP"] == 0.0


def test_without_scores_the_order_written_decides():
    right = {"image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 50]}
    wrong = {**right, "bbox": [70, 70, 20, 20]}
    first, second = coco_ap(one_cat(), [right, wrong]), coco_ap(one_cat(), [wrong, right])
    assert not first.scored
    assert (first.numbers["AP50"], second.numbers["AP50"]) == pytest.approx((1.0, 0.5))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", PUBLISHED)
def test_nothing_is_printed_and_nothing_is_changed(kind, engine, capfd):
    truth, results = drawn(1)
    results = as_masks(results) if kind == "segm" else results
    before = copy.deepcopy((truth, results))
    coco_ap(truth, results, kind=kind, engine=engine)
    assert capfd.readouterr() == ("", "")
    assert (truth, results) == before


def test_unknown_engine_names_the_known():
    with pytest.raises(ConfigError, match=r"no engine named 'fast'; known: pycocotools, faster-coco-eval, hotcoco"):
        coco_ap(one_cat(), [], engine="fast")


def test_scores_are_plain_json():
    scores = coco_ap(one_cat(), [{"image_id": 7, "category_id": 3, "bbox": [10, 10, 50, 0], "score": 1}])
    data = json.loads(json.dumps(scores.to_json()))
    assert data["numbers"]["AP"] == 0.0
    assert data["problems"][0]["kind"] == "empty box"
