"""Rounding: which bin a fraction falls on, what a bin stands for, and what the wrong reading costs."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from grounding.boxes import iou_pairs
from grounding.codecs.bins import LOCATION, PALIGEMMA, pick_rule
from grounding.errors import ConfigError

RULES = [LOCATION, *PALIGEMMA.values()]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("fraction", "bin_"), [(0.0, 0), (1.0, 1023), (0.5, 512), (0.25, 256), (0.0004, 0), (0.0005, 1), (0.9996, 1023)]
)
def test_a_fraction_falls_on_the_nearest_bin(rule, fraction, bin_):
    assert rule.write(fraction) == bin_


@given(st.sampled_from(RULES), st.floats(allow_nan=False))
def test_no_bin_outside_the_vocabulary_is_ever_written(rule, fraction):
    assert 0 <= rule.write(fraction) <= rule.top


@given(st.sampled_from([LOCATION, PALIGEMMA["official"]]), st.floats(0, 1))
def test_reading_gives_back_a_fraction_within_half_a_bin(rule, fraction):
    assert abs(rule.read(rule.write(fraction)) - fraction) <= 0.5 / 1023 + 1e-12


@given(st.sampled_from(RULES), st.integers(0, 1023))
def test_a_bin_survives_reading_and_writing(rule, bin_):
    assert rule.write(bin_ / 1023) == bin_
    assert 0 <= rule.read(bin_) <= 1


def test_both_edges_of_the_picture_have_a_bin_and_supervision_misses_the_far_one():
    assert LOCATION.read(1023) == 1.0
    assert PALIGEMMA["official"].read(1023) == 1.0
    assert PALIGEMMA["supervision"].read(1023) == 1023 / 1024


@pytest.mark.parametrize(
    ("rounding", "at_8_px", "at_32_px", "at_64_px"),
    [("official", 0.934, 0.983, 0.991), ("supervision", 0.866, 0.964, 0.982)],
)
def test_the_wrong_divisor_costs_small_objects_most(rounding, at_8_px, at_32_px, at_64_px):
    rule = PALIGEMMA[rounding]
    size = np.array([640.0, 480.0, 640.0, 480.0])
    random = np.random.default_rng(0)
    for side, expected in ((8, at_8_px), (32, at_32_px), (64, at_64_px)):
        corners = random.uniform(0, 1, (2000, 2)) * (size[:2] - side)
        truth = np.concatenate([corners, corners + side], axis=1)
        read = np.array([[rule.read(rule.write(value)) for value in box] for box in truth / size]) * size
        assert iou_pairs(truth, read).mean() == pytest.approx(expected, abs=0.006)


def test_the_first_rule_is_the_default_and_an_unknown_one_is_named():
    assert pick_rule("paligemma", PALIGEMMA, None) is PALIGEMMA["official"]
    with pytest.raises(ConfigError, match=r"paligemma has no rounding 'floor'; known: official, supervision"):
        pick_rule("paligemma", PALIGEMMA, "floor")
