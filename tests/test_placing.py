"""Coordinates out of distributions over bins: modes one behind the other, and the box that most of them agree on."""

import pytest
import torch
from hypothesis import given, strategies as st

from grounding.model.placing import WINDOW, agreed, around_mode, modes

BINS = 1024


def hill(center: float, width: float = 3.0) -> torch.Tensor:
    """(BINS,) a bell of mass 1."""
    return (-((torch.arange(BINS) - center) ** 2) / (2 * width**2)).softmax(0)


def test_modes_come_one_behind_the_other_with_what_each_holds():
    spread = (0.5 * hill(200.3) + 0.3 * hill(700) + 0.2 * hill(400))[None]
    means, masses = modes(spread, 4)
    assert means[0, :3].tolist() == pytest.approx([200.3, 700, 400], abs=0.05)
    assert masses[0, :3].tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert masses[0, 3] < 1e-3


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, BINS - 2))
def test_no_bin_is_counted_twice_and_none_that_is_blocked_is_named(seed, most, floor):
    random = torch.Generator().manual_seed(seed)
    scores = 4 * torch.randn(3, BINS, generator=random)
    scores[:, : floor + 1] = float("-inf")
    spread = scores.softmax(1)
    means, masses = modes(spread, most)
    assert means.shape == masses.shape == (3, most)
    assert bool((masses.sum(1) <= 1 + 1e-4).all())
    assert bool((means.round()[masses > 0] > floor).all())
    first, inside = around_mode(spread)
    assert torch.equal(first, means[:, 0])
    assert torch.equal(inside, masses[:, 0])


def test_windows_at_the_edges_stay_within():
    for center in (0, BINS - 1):
        mean, inside = around_mode(hill(center)[None])
        assert abs(float(mean) - center) < WINDOW
        assert float(inside) > 0.99


def test_the_box_that_most_agree_on_is_kept_over_the_likeliest_one():
    alone, one, other = (0.6, 0.6, 0.9, 0.9), (0.1, 0.1, 0.4, 0.4), (0.11, 0.1, 0.41, 0.4)
    log = torch.log(torch.tensor([0.4, 0.31, 0.29])).tolist()
    assert agreed([alone, one, other], log) == 1
    assert agreed([alone, one], log[:2]) == 0
    assert agreed([alone], [-50.0]) == 0
