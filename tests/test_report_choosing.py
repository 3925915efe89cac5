"""Orders of answers: what stands first, and whose pictures a page must have."""

from grounding import Grounding
from grounding.data.predictions import Prediction
from grounding.metrics.base import Verdict
from grounding.report.choosing import first_of, orders_of

NOTHING = Grounding("", (), "", 10, 10)


def rows(count):
    return [Prediction(str(number), str(number), NOTHING, NOTHING) for number in range(count)]


def verdicts(*values):
    return [Verdict(str(place), *value) for place, value in enumerate(values)]


def test_worst_begins_with_wrong_places_and_ends_with_answers_without_a_place():
    judged = verdicts((1.0, 0.9), (0.0, 0.3), (0.0, None), (0.0, 0.0), (0.5, 0.4))
    assert orders_of(rows(5), judged)["worst"] == [3, 1, 2, 4]


def test_surest_mistakes_are_wrong_ones_by_their_score():
    judged = verdicts((1.0, 0.9, None, 0.99), (0.0, 0.1, "loose box", 0.5), (0.0, 0.1, "loose box", 0.8), (0.0, 0.1))
    assert orders_of(rows(4), judged)["sure"] == [2, 1]


def test_no_scores_no_surest_mistakes():
    assert "sure" not in orders_of(rows(2), verdicts((0.0, 0.1), (1.0, 0.8)))


def test_random_order_is_the_same_whatever_the_order_of_the_file():
    there, back = rows(40), rows(40)[::-1]
    judged = verdicts(*[(1.0, 1.0)] * 40)
    one = [there[place].id for place in orders_of(there, judged)["random"]]
    two = [back[place].id for place in orders_of(back, judged)["random"]]
    assert one == two
    assert one != [row.id for row in there]


def test_two_models_apart_come_first_where_they_differ_and_only_there():
    orders = orders_of(rows(3), verdicts((1.0,), (0.0,), (0.5,)), verdicts((1.0,), (1.0,), (0.25,)))
    assert next(iter(orders)) == "apart"
    assert orders["apart"] == [1, 2]


def test_either_way_of_differing_gets_its_pictures():
    mine, theirs = verdicts(*[(0.0,)] * 30, (1.0,)), verdicts(*[(1.0,)] * 30, (0.0,))
    orders = orders_of(rows(31), mine, theirs)
    assert 30 in first_of(orders, mine, theirs, 2)


def test_every_kind_of_error_gets_its_pictures():
    judged = verdicts(*[(0.0, 0.0, "wrong object")] * 50, (0.0, None, "unreadable"))
    wanted = first_of(orders_of(rows(51), judged), judged, None, 4)
    assert 50 in wanted
    assert len(wanted) == len(set(wanted)) < 20


def test_questions_without_a_verdict_are_shown_and_not_called_worst():
    orders = orders_of(rows(2), [None, Verdict("1", 0.0)])
    assert orders["worst"] == [1]
    assert orders["file"] == [0, 1]
