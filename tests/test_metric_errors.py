"""The ways an answer goes wrong: exactly one for each wrong answer, none for a right one."""

import pytest

from grounding.metrics.errors import ERRORS
from grounding.metrics.protocols import PROTOCOLS
from grounding.metrics.rec import measure
from tests.questions import BOX, FAR, HALF, LOOSE, NONE, PROSE, case, cases, grounding


def errors(*asked, protocol="iou"):
    return [verdict.error for verdict in measure(list(asked), PROTOCOLS[protocol]).verdicts]


@pytest.mark.parametrize(
    ("truth", "answer", "error"),
    [
        (BOX, BOX, None),
        (BOX, HALF, None),
        (BOX, "failed", "failed"),
        (BOX, PROSE, "unreadable"),
        (BOX, NONE, "nothing found"),
        (BOX, FAR, "wrong object"),
        (BOX, LOOSE, "loose box"),
        (BOX, (10, 10, 19, 110), "wrong object"),  # IoU 0.09
        (BOX, (10, 10, 20, 110), "loose box"),  # IoU 0.1
        (None, NONE, None),
        (None, BOX, "something where nothing is"),
        (None, PROSE, "unreadable"),
        (None, "failed", "failed"),
    ],
)
def test_each_wrong_answer_has_one_error(truth, answer, error):
    assert errors(case(truth, answer)) == [error]
    assert error is None or error in ERRORS


def test_a_box_that_fits_another_thing_of_the_picture_is_the_wrong_object():
    left, right = (0.0, 0.0, 100.0, 100.0), (60.0, 0.0, 160.0, 100.0)  # they overlap with IoU 0.25
    asked = [case(left, right, "1"), case(right, right, "2")]
    assert errors(*asked) == ["wrong object", None]
    apart = [case(left, right, "1"), case(right, right, "2", picture="two.png")]
    assert errors(*apart) == ["loose box", None]


def test_a_box_that_a_stricter_protocol_refuses_is_loose():
    asked = cases((BOX, HALF), (BOX, FAR))
    assert errors(*asked, protocol="iou-strict") == ["loose box", "wrong object"]


def test_errors_are_told_apart_by_the_box_that_was_judged():
    answer = grounding(LOOSE, FAR, scores=(0.1, 0.9))
    assert errors(case(BOX, answer)) == ["wrong object"]
    assert errors(case(BOX, answer), protocol="oracle-best") == ["loose box"]
