"""The scoring "detection": precision, recall, F1 and AP of questions and answers, and what is said beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from grounding.data.predictions import Header, Prediction, Predictions
from grounding.masks import Mask
from grounding.metrics.base import Case, Column, Scores
from grounding.metrics.coco_ap import ENGINES, NUMBERS
from grounding.metrics.coco_cases import coco_ap_of
from grounding.metrics.detection import measure
from grounding.metrics.errors import ERRORS
from grounding.metrics.protocols import PROTOCOLS
from grounding.result import Problem, Region
from grounding.score import compare, score
from tests.coco_sets import CAT, DOG, case

IOU = PROTOCOLS["iou"]
LOOSE_CAT = Region((10, 10, 60, 40), "cat")  # IoU 0.6 with CAT
FAR = Region((80, 80, 95, 95), "cat")


def value_of(measured, name):
    figure = measured.figures[name]
    if not isinstance(figure, Column):
        return figure.value
    return figure.above.sum() / figure.below.sum()


def test_boxes_of_all_pictures_are_pooled():
    cases = [case([CAT, DOG], [CAT, FAR, DOG]), case([CAT], [], picture="b.jpg")]
    measured = measure(cases, IOU)
    for level in ("0.5", "0.95", "0.5:0.95"):
        assert value_of(measured, f"precision@{level}") == pytest.approx(2 / 3)
        assert value_of(measured, f"recall@{level}") == pytest.approx(2 / 3)
        assert value_of(measured, f"f1@{level}") == pytest.approx(2 / 3)


def test_mean_over_thresholds_is_the_mean_of_ten_figures():
    measured = measure([case([CAT], [LOOSE_CAT])], IOU)
    assert value_of(measured, "f1@0.5") == 1.0
    assert value_of(measured, "f1@0.95") == 0.0
    assert value_of(measured, "f1@0.5:0.95") == pytest.approx(0.3)  # right at 0.5, 0.55 and 0.6
    assert [height for _, height in measured.curve] == [1.0] * 3 + [0.0] * 7


def test_mean_over_thresholds_is_exact_where_a_crowd_excuses_at_some():
    half_in_crowd = Region((40, 70, 60, 90), "cat")
    asked = case([CAT], [CAT, half_in_crowd], crowd=[Region((50, 60, 100, 100), "cat")])
    measured = measure([asked], IOU)
    assert value_of(measured, "precision@0.5") == 1.0
    assert value_of(measured, "precision@0.95") == 0.5
    assert value_of(measured, "precision@0.5:0.95") == pytest.approx((1 + 9 * 0.5) / 10)
    assert value_of(measured, "f1@0.5:0.95") == pytest.approx((1 + 9 * 2 / 3) / 10)


def test_categories_count_alike_in_their_mean_and_those_without_truth_do_not():
    cases = [case([CAT, CAT], [CAT], names=("cat", "dog", "owl")), case([DOG], [DOG], picture="b.jpg")]
    measured = measure(cases, IOU)
    assert value_of(measured, "f1@0.5, mean of categories") == pytest.approx((2 / 3 + 1) / 2)
    table = measured.groups["category"]
    assert list(table) == ["cat", "dog", "owl"]
    assert table["cat"]["recall@0.5"].value == 0.5
    assert table["cat"]["recall@0.5"].n == 2
    assert table["owl"]["f1@0.5"].value is None
    assert table["owl"]["AP"].value is None


def test_headline_is_ap_with_scores_and_f1_without():
    plain = [case([CAT], [CAT])]
    scored = [case([CAT], [Region(CAT.box, "cat", 0.4)])]
    assert measure(plain, IOU).headline == "f1@0.5:0.95"
    assert measure(scored, IOU).headline == "AP"
    assert set(NUMBERS) <= set(measure(plain, IOU).figures)
    assert next(iter(measure(scored, IOU).figures)) == "AP"


def test_a_model_without_scores_is_said_to_have_none():
    notes = " ".join(measure([case([CAT], [CAT])], IOU).notes)
    assert "the model gives no scores: AP is of boxes that all have the score 1, in the order written" in notes
    assert measure([case([CAT], [CAT])], IOU).calibration is None
    scored = measure([case([CAT], [Region(CAT.box, "cat", 0.4), FAR])], IOU)
    assert "no scores" not in " ".join(scored.notes)
    assert "1 of 2 boxes have no score" in " ".join(scored.notes)


def test_silence_is_not_called_a_lack_of_scores():
    measured = measure([case([CAT], [])], IOU)
    assert "no scores" not in " ".join(measured.notes)
    assert value_of(measured, "AP") == 0.0
    assert value_of(measured, "f1@0.5") == 0.0


def test_boxes_of_names_that_nobody_asked_for_lower_precision_and_are_named():
    measured = measure([case([CAT], [CAT, Region(CAT.box, "wolf")])], IOU)
    assert value_of(measured, "precision@0.5") == 0.5
    assert "1 boxes have names that nobody asked for ('wolf')" in " ".join(measured.notes)
    assert value_of(measured, "AP") == pytest.approx(1.0)


def test_a_box_in_a_crowd_is_neither_right_nor_wrong():
    measured = measure([case([CAT], [CAT, FAR], crowd=[Region((70, 70, 100, 100), "cat")])], IOU)
    assert value_of(measured, "precision@0.5") == 1.0
    assert measured.verdicts[0].error is None
    assert measured.verdicts[0].value == 1.0


@pytest.mark.parametrize(
    ("truth", "answer", "error", "value"),
    [
        ([CAT], [CAT], None, 1.0),
        ([], [], None, 1.0),
        ([CAT, DOG], [CAT], "too few", 2 / 3),
        ([CAT], [CAT, FAR], "too many", 2 / 3),
        ([CAT], [Region((10, 10, 60, 30), "cat")], "loose box", 0.0),
        ([CAT], [FAR], "wrong object", 0.0),
        ([CAT], [Region(CAT.box, "dog")], "wrong object", 0.0),
        ([CAT], [], "nothing found", 0.0),
        ([], [CAT], "something where nothing is", 0.0),
        ([CAT], None, "failed", 0.0),
        ([], None, "failed", 0.0),
    ],
)
def test_each_wrong_answer_is_wrong_in_one_way(truth, answer, error, value):
    (verdict,) = measure([case(truth, answer)], IOU).verdicts
    assert verdict.error == error
    assert error is None or error in ERRORS
    assert verdict.value == pytest.approx(value)


def test_an_unreadable_answer_is_no_silence():
    asked = case([CAT], [])
    broken = asked.answer.replace(problems=(Problem("prose", "words"),))
    (verdict,) = measure([Case("a", "a.jpg", asked.truth, broken, names=asked.names)], IOU).verdicts
    assert verdict.error == "unreadable"


def test_overlap_of_a_verdict_is_the_mean_over_true_boxes():
    (verdict,) = measure([case([CAT, DOG], [LOOSE_CAT])], IOU).verdicts
    assert verdict.overlap == pytest.approx(0.3)
    (nothing,) = measure([case([], [])], IOU).verdicts
    assert nothing.overlap is None


def test_another_protocol_judges_boxes_and_says_that_ap_stays_cocos():
    half = Region((10, 10, 60, 35), "cat")
    cases = [case([CAT], [half])]
    assert value_of(measure(cases, IOU), "recall@0.5") == 1.0
    strict = measure(cases, PROTOCOLS["iou-strict"])
    assert value_of(strict, "recall@0.5") == 0.0
    assert "precision, recall and F1 are of IoU > t" in " ".join(strict.notes)
    assert value_of(strict, "AP50") == pytest.approx(1.0)


def test_scores_are_calibrated_by_whether_their_box_is_right():
    found = [Region(CAT.box, "cat", 0.95), Region(FAR.box, "cat", 0.05)]
    calibration = measure([case([CAT], found)], IOU).calibration
    assert calibration.accuracy == (0.0, 1.0)
    assert calibration.ece == pytest.approx(0.05)


def test_no_question_at_all_measures_nothing():
    measured = measure([], IOU)
    assert measured.verdicts == measured.curve == ()
    assert {figure.value for figure in measured.figures.values() if not isinstance(figure, Column)} == {None}


def test_masks_get_their_own_ap_where_answers_have_any():
    mask = Mask.from_polygons([[10, 10, 60, 10, 60, 60, 10, 60]], 100, 100)
    true = Region(CAT.box, "cat", mask=mask)
    half = Mask.from_polygons([[10, 10, 60, 10, 60, 40, 10, 40]], 100, 100)  # IoU 0.6
    measured = measure([case([true], [Region(CAT.box, "cat", mask=half)])], IOU)
    assert value_of(measured, "AP") == pytest.approx(1.0)
    assert value_of(measured, "AP of masks") == pytest.approx(0.3)
    assert "AP of masks" not in measure([case([true], [CAT])], IOU).figures


@pytest.mark.parametrize("engine", ENGINES)
def test_ap_is_the_same_through_every_engine(engine):
    rng = np.random.default_rng(3)
    cases = []
    for number in range(20):
        boxes = rng.uniform(0, 60, (4, 2))
        true = [Region((x, y, x + 30, y + 30), name) for (x, y), name in zip(boxes, "abcd", strict=True)]
        found = [
            Region((x + dx, y, x + 30 + dx, y + 30), name, float(rng.random()))
            for (x, y), name, dx in zip(boxes, "abcd", rng.uniform(0, 9, 4), strict=True)
        ]
        cases.append(case(true, found, names=tuple("abcd"), picture=f"{number:02}.jpg"))
    measured = measure(cases, IOU, engine=engine)
    reference = coco_ap_of(cases)
    for name in NUMBERS:
        assert measured.figures[name].value == pytest.approx(reference.numbers[name], abs=1e-9)
    assert f"by {engine}" in " ".join(measured.notes)


# ---- through the door


def predictions(found, model="tiny"):
    header = Header("drawn", "detection", 6, model)
    rows = []
    for number, regions in enumerate(found):
        asked = case([CAT, DOG], regions, picture=f"{number}.jpg")
        rows.append(Prediction(str(number), asked.picture, asked.truth, asked.answer, names=asked.names))
    return Predictions(header, tuple(rows))


def test_score_measures_a_file_with_intervals_groups_and_rates():
    scores = score(predictions([[CAT, DOG], [CAT], [], [CAT, DOG], [FAR], [DOG]]))
    f1 = scores.figures["f1@0.5"]
    assert f1.value == pytest.approx(2 * 6 / (7 + 12))
    assert f1.low < f1.value < f1.high
    assert scores.figures["f1@0.5:0.95"].low is not None
    assert scores.headline == "f1@0.5:0.95"
    assert scores.rates["empty"].value == pytest.approx(1 / 6)
    assert scores.errors == {"too few": 2, "nothing found": 1, "wrong object": 1}
    again = Scores.from_json(json.loads(json.dumps(scores.to_json())))
    assert again.groups["category"]["cat"]["recall@0.5"].value == 0.5


def test_two_files_are_compared_by_their_f1():
    better, worse = predictions([[CAT, DOG]] * 6, "good"), predictions([[CAT]] * 6, "bad")
    difference = compare(worse, better).figures["f1@0.5:0.95"]
    assert difference.difference == pytest.approx(1 / 3)
