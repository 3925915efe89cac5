"""None, one or several boxes: Pr@(F1=1), N-acc, T-acc, as gRefCOCO's evaluator counts them."""

import numpy as np
import pytest

from grounding.metrics.generalized import greedy_matches, measure
from grounding.metrics.intervals import ratio_figures
from grounding.metrics.protocols import PROTOCOLS
from tests.questions import BOX, FAR, HALF, LOOSE, NONE, PROSE, case, cases, grounding

MIDDLE = (250.0, 200.0, 330.0, 260.0)
HEADLINE = "Pr@(F1=1, IoU>=0.5)"


def figures(asked, protocol="iou", **options):
    measured = measure(asked, PROTOCOLS[protocol], **options)
    return {name: one.value for name, one in ratio_figures(measured.figures, [one.picture for one in asked]).items()}


def grec_counts(overlaps, threshold=0.5):
    """True positives as henghuiding/gRefCOCO counts them: the largest overlap, again and again."""
    left, hits = np.array(overlaps), 0
    for _ in range(min(left.shape)):
        row, column = np.unravel_index(left.argmax(), left.shape)
        if left[row, column] < threshold:
            break
        hits += 1
        left[row, :] = left[:, column] = 0.0
    return hits


@pytest.mark.parametrize(
    ("truth", "answer", "value", "error"),
    [
        (grounding(BOX, FAR), grounding(FAR, BOX), 1.0, None),
        (grounding(BOX, FAR), grounding(BOX), 0.0, "too few"),
        (grounding(BOX), grounding(BOX, FAR), 0.0, "too many"),
        (grounding(BOX), grounding(BOX, BOX), 0.0, "too many"),
        (grounding(BOX, FAR), grounding(BOX, MIDDLE), 0.0, "wrong object"),
        (grounding(BOX, FAR), grounding(LOOSE, FAR), 0.0, "loose box"),
        (grounding(BOX, FAR), NONE, 0.0, "nothing found"),
        (grounding(BOX, FAR), PROSE, 0.0, "unreadable"),
        (grounding(BOX, FAR), "failed", 0.0, "failed"),
        (None, NONE, 1.0, None),
        (None, BOX, 0.0, "something where nothing is"),
        (None, PROSE, 0.0, "unreadable"),
    ],
)
def test_right_is_every_box_and_no_other(truth, answer, value, error):
    (verdict,) = measure([case(truth, answer)]).verdicts
    assert (verdict.value, verdict.error) == (value, error)


def test_figures_are_as_by_hand():
    asked = cases(
        (grounding(BOX, FAR), grounding(BOX, FAR)),
        (grounding(BOX, FAR), grounding(BOX)),  # F1 2/3
        (BOX, NONE),
        (None, NONE),
        (None, BOX),
        (None, PROSE),
    )
    found = figures(asked)
    assert found[HEADLINE] == pytest.approx(2 / 6)
    assert found["N-acc"] == pytest.approx(1 / 3)
    assert found["T-acc"] == pytest.approx(2 / 3)
    assert found["F1"] == pytest.approx((1 + 2 / 3 + 0 + 1 + 0 + 0) / 6)
    assert found["precision"] == pytest.approx(3 / 4)
    assert found["recall"] == pytest.approx(3 / 5)


def test_regions_under_the_score_threshold_are_left_out_and_counted():
    asked = [case(BOX, grounding(BOX, FAR, scores=(0.9, 0.6))), case(None, grounding(FAR, scores=(0.69,)), "b")]
    measured = measure(asked)
    assert [verdict.value for verdict in measured.verdicts] == [1.0, 1.0]
    assert measured.notes == ("2 of 3 regions score under 0.7 and were left out",)
    assert [verdict.value for verdict in measure(asked, score_threshold=0.5).verdicts] == [0.0, 0.0]


def test_a_score_of_exactly_the_threshold_is_enough_and_no_score_is_too():
    assert measure([case(BOX, grounding(BOX, scores=(0.7,)))]).verdicts[0].value == 1.0
    measured = measure([case(BOX, grounding(BOX, FAR))])
    assert measured.verdicts[0].error == "too many"
    assert measured.notes == ("the model gives no scores: every region it named counts",)


def test_matching_takes_the_largest_overlap_first_as_the_source_does():
    rng = np.random.default_rng(0)
    for _ in range(200):
        overlaps = rng.uniform(size=rng.integers(1, 6, 2))
        ours = sum(overlaps[pair] >= 0.5 for pair in greedy_matches(overlaps))
        assert ours == grec_counts(overlaps)


def test_the_source_takes_generalized_iou():
    moved = (27.0, 27.0, 127.0, 127.0)  # by 17 of 100 both ways: IoU 0.525, GIoU 0.482
    asked = [case(BOX, moved), case(BOX, HALF, "b")]
    assert figures(asked)[HEADLINE] == 1.0
    assert figures(asked, "mdetr-giou")["Pr@(F1=1, GIoU>=0.5)"] == 0.5
    assert figures(asked, "iou-strict")["Pr@(F1=1, IoU>0.5)"] == 0.5


def test_curve_at_half_is_the_headline():
    asked = cases((grounding(BOX, FAR), grounding(BOX, FAR)), (BOX, HALF), (BOX, LOOSE), (None, NONE))
    assert dict(measure(asked).curve)[0.5] == figures(asked)[HEADLINE] == 0.75


def test_calibration_is_of_all_regions_that_count():
    asked = [case(grounding(BOX, FAR), grounding(BOX, MIDDLE, scores=(0.95, 0.75)))]
    found = measure(asked).calibration
    assert (found.confidence, found.accuracy) == ((0.75, 0.95), (0.0, 1.0))


def test_the_region_that_stands_for_an_answer_is_its_surest_also_beside_one_without_a_score():
    (verdict,) = measure([case(BOX, grounding(FAR, BOX, scores=(None, 0.9)))]).verdicts
    assert (verdict.region, verdict.score) == (1, 0.9)
