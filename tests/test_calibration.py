"""Scores against being right: bins, ECE, and None where a score is no probability."""

import numpy as np
import pytest

from grounding.metrics.calibration import calibration_of


def test_bins_and_ece_are_as_by_hand():
    found = calibration_of([0.95, 0.9, 0.15, 0.12], [True, False, False, False], 4)
    assert found.confidence == pytest.approx((0.135, 0.925))
    assert found.accuracy == (0.0, 0.5)
    assert found.counts == (2, 2)
    assert found.ece == pytest.approx((2 * 0.135 + 2 * 0.425) / 4)
    assert found.scored == 1.0


def test_a_model_that_is_right_as_often_as_it_says_has_a_small_error():
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=20_000)
    found = calibration_of(scores.tolist(), (rng.uniform(size=20_000) < scores).tolist(), 20_000)
    assert found.ece < 0.02
    assert sum(found.counts) == 20_000


def test_answers_without_a_score_are_counted_and_left_out():
    found = calibration_of([None, 1.0, 0.0], [True, True, False], 3)
    assert (found.counts, found.ece) == ((1, 1), 0.0)
    assert found.scored == pytest.approx(2 / 3)


@pytest.mark.parametrize("scores", [[], [None, None], [0.5, 3.2], [-0.1, 0.4]])
def test_no_scores_or_scores_that_are_no_probabilities_give_none(scores):
    assert calibration_of(scores, [True] * len(scores), len(scores)) is None
