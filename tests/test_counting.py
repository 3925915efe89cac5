"""One phrase, a number: exact, within one, and how far off."""

import pytest

from grounding.metrics.counting import measure
from grounding.metrics.intervals import ratio_figures
from tests.questions import BOX, FAR, NONE, PROSE, case, cases, grounding

ASKED = cases(
    (grounding(BOX, FAR), grounding(BOX, FAR)),
    (grounding(BOX, FAR), grounding(BOX)),
    (grounding(BOX), grounding(BOX, FAR, BOX)),
    (None, NONE),
    (None, BOX),
    (grounding(BOX, FAR), NONE),
    (grounding(BOX, FAR), PROSE),
    (None, "failed"),
)


def test_figures_are_as_by_hand():
    found = ratio_figures(measure(ASKED).figures, [one.picture for one in ASKED])
    assert found["exact"].value == 2 / 8
    assert found["within one"].value == 4 / 8
    assert found["mean absolute error"].value == pytest.approx((0 + 1 + 2 + 0 + 1 + 2 + 2 + 1) / 8)


def test_each_wrong_count_has_one_error():
    assert [verdict.error for verdict in measure(ASKED).verdicts] == [
        None,
        "too few",
        "too many",
        None,
        "something where nothing is",
        "nothing found",
        "unreadable",
        "failed",
    ]


def test_what_is_counted_is_places_and_not_what_the_text_says():
    answer = grounding(BOX, FAR, problems=["truncated"], task="count").replace(text="3 : ...")
    assert measure([case(grounding(BOX, FAR), answer)]).verdicts[0].value == 1.0
