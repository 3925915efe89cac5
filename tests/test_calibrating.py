"""Scores that say how often boxes are right: the fit, what it makes of scores, and a model that carries it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import grounding
from grounding.errors import ConfigError
from grounding.metrics.calibration import calibration_of
from grounding.model.answers import calibrated, log_odds
from grounding.training.calibrating import FEWEST, fit_calibration, scored_boxes
from tests import tiny


def told(count: int, seed: int) -> tuple[list[float], list[bool]]:
    """Scores that say .8 of what is so six times in ten."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.05, 0.98, count)
    odds = np.log(scores / (1 - scores))
    return scores.tolist(), (rng.random(count) < 1 / (1 + np.exp(-(1.4 * odds - 1.3)))).tolist()


def test_scores_that_promise_too_much_are_set_right() -> None:
    fitted = fit_calibration(*told(4000, 1))
    assert fitted == pytest.approx([1.4, -1.3], abs=0.12)
    scores, right = told(4000, 2)
    before, after = (
        calibration_of(values, right, len(right)) for values in (scores, [calibrated(s, fitted) for s in scores])
    )
    assert before.ece > 0.1
    assert after.ece < 0.03
    assert np.argsort(scores).tolist() == np.argsort([calibrated(score, fitted) for score in scores]).tolist()


def test_a_slope_of_one_and_no_shift_leave_scores_as_they_are() -> None:
    for score in (0.001, 0.3, 0.9, 0.999):
        assert calibrated(score, [1.0, 0.0]) == pytest.approx(score)
    assert 0 < calibrated(0.0, [2.0, 1.0]) < calibrated(1.0, [2.0, 1.0]) < 1
    assert log_odds(0.5) == 0


def test_too_few_boxes_and_scores_that_mislead_give_none() -> None:
    scores, right = told(FEWEST - 1, 3)
    assert fit_calibration(scores, right) is None
    scores, right = told(400, 3)
    assert fit_calibration(scores, [not good for good in right]) is None


def test_a_model_carries_its_calibration(tmp_path) -> None:
    model, processor = tiny.model(), tiny.processor()
    image = torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8).numpy()

    def scores(folder) -> list[float]:
        answer = grounding.load(folder).ground(Image.fromarray(image), "the red square")
        return [region.score for region in answer.regions]

    for name, fitted in (("plain", None), ("fitted", [0.5, -1.0])):
        model.config.score_calibration = fitted
        model.save_pretrained(tmp_path / name)
        processor.save_pretrained(tmp_path / name)
    plain, fitted = scores(tmp_path / "plain"), scores(tmp_path / "fitted")
    assert fitted == pytest.approx([calibrated(score, [0.5, -1.0]) for score in plain], abs=1e-6)


def test_a_calibration_that_turns_scores_around_is_refused() -> None:
    with pytest.raises(ConfigError, match="score_calibration is"):
        tiny.config(score_calibration=[-1.0, 0.0])


def test_what_is_asked_is_scored_without_the_calibration_there_was() -> None:
    from grounding.data.scenes.generate import draw_picture

    model, processor = tiny.model(), tiny.processor()
    model.config.score_calibration = [3.0, -2.0]
    pictures = [draw_picture(seed) for seed in range(4)]
    scores, right = scored_boxes(model, processor, pictures)
    assert len(scores) == len(right)
    assert model.config.score_calibration == [3.0, -2.0]
    model.config.score_calibration = None
    assert scored_boxes(model, processor, pictures)[0] == scores
