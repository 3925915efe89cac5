"""What an answer can be, and the rates of what is wrong with answers."""

import pytest

from grounding.metrics.intervals import ratio_figures
from grounding.metrics.judging import ANSWERED, EMPTY, FAILED, UNREADABLE, best_place, ranked_places, rates_of, state_of
from grounding.result import PROBLEM_KINDS
from tests.questions import BOX, FAR, NONE, PROSE, case, cases, grounding


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("failed", FAILED),
        (NONE, EMPTY),
        (PROSE, UNREADABLE),
        (grounding(problems=["truncated"]), UNREADABLE),
        (grounding(problems=["out_of_range"]), UNREADABLE),
        (grounding(BOX), ANSWERED),
        (grounding(BOX, problems=["prose", "truncated"]), ANSWERED),
    ],
)
def test_an_answer_is_failed_unreadable_empty_or_answered(answer, state):
    assert state_of(case(BOX, answer)) == state


def test_rates_are_shares_of_all_questions():
    asked = cases(
        (BOX, "failed"),
        (BOX, NONE),
        (BOX, PROSE),
        (BOX, grounding(BOX, problems=["duplicate", "duplicate", "out_of_range"])),
        (BOX, grounding(BOX, problems=["truncated"])),
    )
    figures = ratio_figures(rates_of(asked), [one.picture for one in asked])
    rates = {name: figure.value for name, figure in figures.items()}
    mandatory = ("unreadable", "empty", "out of range", "duplicate", "truncated", "failed")
    assert {name: rates[name] for name in mandatory} == dict.fromkeys(mandatory, 0.2)
    assert rates["inverted"] == 0.0


def test_every_kind_of_problem_shows_in_a_rate():
    for kind in PROBLEM_KINDS:
        asked = [case(BOX, grounding(problems=[kind]))]
        assert any(column.above.sum() for column in rates_of(asked).values()), kind


def test_best_place_is_the_number_of_the_surest_region():
    assert best_place(grounding(FAR, BOX, scores=(0.1, 0.2))) == 1
    assert best_place(grounding(BOX, BOX)) == 0
    assert best_place(NONE) is best_place(None) is None


def test_places_are_ranked_by_score_and_those_without_one_come_last():
    answer = grounding(BOX, FAR, BOX, FAR, BOX, scores=(0.2, None, 0.9, 0.2, None))
    assert ranked_places(answer) == [2, 0, 3, 1, 4]
    assert best_place(answer) == ranked_places(answer)[0]
