"""One phrase, one box: figures by hand, and what never leaves the denominator."""

from itertools import pairwise

import pytest

from grounding.metrics.intervals import ratio_figures
from grounding.metrics.protocols import PROTOCOLS
from grounding.metrics.rec import STRICT, measure
from tests.questions import BOX, FAR, HALF, LOOSE, NONE, PROSE, case, cases, grounding


def figures(asked, protocol="iou"):
    measured = measure(asked, PROTOCOLS[protocol])
    return {name: one.value for name, one in ratio_figures(measured.figures, [one.picture for one in asked]).items()}


ASKED = cases((BOX, BOX), (BOX, HALF), (BOX, (10, 10, 110, 90)), (BOX, FAR))  # IoU 1, 0.5, 0.8, 0


def test_figures_are_as_by_hand():
    found = figures(ASKED)
    assert (found["acc@0.5"], found["acc@0.75"], found["acc@0.9"]) == (0.75, 0.5, 0.25)
    assert found["mean IoU"] == pytest.approx((1 + 0.5 + 0.8) / 4)
    # 1 passes all ten thresholds, 0.5 one of them, 0.8 those from 0.5 to 0.8
    assert found["mAcc"] == pytest.approx((10 + 1 + 7) / 40)
    assert len(STRICT) == 10


def test_exactly_half_is_right_or_wrong_by_protocol():
    assert [figures(ASKED, name)["acc@0.5"] for name in PROTOCOLS] == [0.75, 0.5, 0.5, 0.75, 0.75]


def test_mean_iou_is_plain_under_every_protocol_and_overlap_the_protocol_s():
    assert figures(ASKED, "mdetr-giou")["mean IoU"] == figures(ASKED)["mean IoU"]
    assert measure(ASKED, PROTOCOLS["mdetr-giou"]).verdicts[3].overlap < 0


def test_failed_and_unreadable_answers_count_as_wrong():
    asked = cases((BOX, BOX), (BOX, "failed"), (BOX, PROSE), (BOX, NONE))
    found = figures(asked)
    assert (found["acc@0.5"], found["mean IoU"]) == (0.25, 0.25)
    assert [verdict.overlap for verdict in measure(asked).verdicts] == [1.0, None, None, None]


def test_nothing_there_is_right_when_said_cleanly_and_no_part_of_mean_iou():
    asked = cases((None, NONE), (None, BOX), (None, PROSE), (BOX, BOX))
    found = figures(asked)
    assert (found["acc@0.5"], found["acc@0.9"], found["mean IoU"]) == (0.5, 0.5, 1.0)
    assert "3 of 4 phrases have nothing to find" in measure(asked).notes[0]


def test_the_surest_box_is_judged_never_the_best_fitting_but_by_the_oracle():
    asked = [case(BOX, grounding(BOX, FAR, scores=(0.3, 0.6)))]
    assert (figures(asked)["acc@0.5"], figures(asked, "oracle-best")["acc@0.5"]) == (0.0, 1.0)
    assert figures(asked)["several boxes"] == 1.0
    (verdict,) = measure(asked).verdicts
    assert (verdict.region, verdict.score, verdict.value) == (1, 0.6, 0.0)
    (verdict,) = measure(asked, PROTOCOLS["oracle-best"]).verdicts
    assert (verdict.region, verdict.score) == (0, 0.3)


def test_of_several_true_boxes_any_counts_and_it_is_said():
    asked = [case(grounding(FAR, BOX), BOX)]
    assert figures(asked)["acc@0.5"] == 1.0
    assert "several true boxes" in measure(asked).notes[0]


def test_curve_falls_from_threshold_to_threshold():
    curve = measure(ASKED).curve
    assert (curve[0], curve[-1]) == ((0.05, 0.75), (0.95, 0.25))
    assert len(curve) == 19
    assert all(left[1] >= right[1] for left, right in pairwise(curve))
    assert dict(curve)[0.5] == figures(ASKED)["acc@0.5"]


def test_calibration_is_of_the_judged_boxes():
    asked = cases((BOX, grounding(BOX, scores=(0.9,))), (BOX, grounding(LOOSE, scores=(0.9,))), (BOX, NONE))
    found = measure(asked).calibration
    assert (found.counts, found.accuracy, found.scored) == ((2,), (0.5,), 1.0)
    assert measure(ASKED).calibration is None


def test_no_questions_give_no_figures():
    measured = measure([])
    assert (measured.verdicts, measured.curve) == ((), ())


def test_a_pair_is_right_when_both_its_questions_are():
    asked = [
        case(truth, answer, f"{pair}{number}", f"{pair}.png", pair=pair)
        for number, (pair, truth, answer) in enumerate(
            [("a", BOX, BOX), ("a", FAR, FAR), ("b", BOX, BOX), ("b", FAR, BOX), ("c", BOX, BOX)]
        )
    ]
    assert figures(asked)["both of a pair"] == 0.5  # "c" stands alone
    assert figures(asked)["acc@0.5"] == 0.8
    assert "both of a pair" not in figures(ASKED)
