"""Phrases with nothing to find: what is rejected, and how often a place is shown all the same."""

import pytest

from grounding.errors import InputError
from grounding.metrics.absent import measure
from grounding.metrics.intervals import ratio_figures
from tests.questions import BOX, FAR, NONE, PROSE, case, cases, grounding

ASKED = cases((None, NONE), (None, BOX), (None, PROSE), (None, "failed"))


def test_prose_is_no_false_positive_and_no_rejection():
    found = ratio_figures(measure(ASKED).figures, [one.picture for one in ASKED])
    assert (found["rejected"].value, found["false-positive rate"].value) == (0.25, 0.25)
    assert [verdict.error for verdict in measure(ASKED).verdicts] == [
        None,
        "something where nothing is",
        "unreadable",
        "failed",
    ]


def test_rate_by_score_counts_the_surest_region():
    asked = cases((None, grounding(BOX, FAR, scores=(0.2, 0.65))), (None, grounding(BOX, scores=(0.35,))), (None, NONE))
    rates = measure(asked).groups["score at least"]
    shares = {limit: rates[limit]["false-positive rate"].value for limit in rates}
    assert list(shares) == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]
    assert [shares[limit] for limit in ("0.1", "0.3", "0.4", "0.6", "0.7")] == pytest.approx(
        [2 / 3, 2 / 3, 1 / 3, 1 / 3, 0]
    )


def test_without_scores_there_is_no_rate_by_score():
    assert measure(ASKED).groups == {}


def test_a_phrase_with_something_to_find_is_refused():
    with pytest.raises(InputError, match="1 of 2 phrases have something to find, such as '1': score them as rec"):
        measure(cases((None, NONE), (BOX, BOX)))
    with pytest.raises(InputError):
        measure([case(BOX, NONE)])
