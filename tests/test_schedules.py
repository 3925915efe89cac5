"""The learning rate over a stage's steps: written-out curves, and what holds of all of them."""

import pytest
from hypothesis import given, strategies as st

from grounding.training.recipe import StageRecipe
from grounding.training.schedules import rate

NAMES = ("cosine", "wsd", "linear", "constant")


def curve(**settings):
    stage = StageRecipe("x", **settings)
    return [rate(stage, step) for step in range(stage.steps + 1)]


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({"schedule": "constant", "steps": 4}, [1, 1, 1, 1, 1]),
        ({"schedule": "constant", "steps": 4, "warmup": 4}, [0.25, 0.5, 0.75, 1, 1]),
        ({"schedule": "linear", "steps": 4}, [1, 0.75, 0.5, 0.25, 0]),
        ({"schedule": "linear", "steps": 6, "warmup": 2}, [0.5, 1, 1, 0.75, 0.5, 0.25, 0]),
        ({"schedule": "cosine", "steps": 4}, [1, 0.853553, 0.5, 0.146447, 0]),
        ({"schedule": "cosine", "steps": 8, "warmup": 0.5}, [0.25, 0.5, 0.75, 1, 1, 0.853553, 0.5, 0.146447, 0]),
        ({"schedule": "wsd", "steps": 5, "decay": 2}, [1, 1, 1, 1, 0.5, 0]),
        ({"schedule": "wsd", "steps": 8, "warmup": 2, "decay": 0.5}, [0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]),
    ],
)
def test_each_schedule_has_its_curve(settings, want):
    assert curve(**settings) == pytest.approx(want, abs=1e-6)


@given(st.sampled_from(NAMES), st.integers(1, 300), st.floats(0, 0.5), st.floats(0.01, 0.5))
def test_a_rate_rises_once_and_then_never_again(name, steps, warmup, decay):
    stage = StageRecipe("x", steps, schedule=name, warmup=warmup, decay=decay)
    rates = curve(schedule=name, steps=steps, warmup=warmup, decay=decay)
    assert all(0 <= value <= 1 for value in rates)
    assert rates[0] > 0
    top = max(0, stage.warmup_steps - 1)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top + 1 :] == sorted(rates[top + 1 :], reverse=True)


def test_a_longer_run_has_the_same_rates_until_the_fall_begins():
    short, long = (curve(schedule="wsd", steps=steps, warmup=5, decay=10) for steps in (40, 80))
    assert short[:31] == long[:31]
