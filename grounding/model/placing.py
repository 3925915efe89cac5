"""Owns what a distribution over location tokens says: the coordinate around its mode, the other coordinates it may
mean, and which of several boxes written that way to keep.

    B  rows      M  modes      N  bins
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from grounding.boxes import iou

SMOOTHING = 9
"""Bins over which mass is summed to find a coordinate's mode: what training spreads over neighbours counts together."""
WINDOW = 12
"""Bins on either side of the mode whose mean is the coordinate, and whose mass is its probability."""
APART = 40
"""Bins on either side of a mode in which no other one is looked for: what lies there is about the same edge."""
LEAST = 0.3
"""A box that is less likely than the likeliest by more than this factor is not followed."""


def around_mode(spread: Tensor) -> tuple[Tensor, Tensor]:
    """Of probabilities over bins (B, N): (B,) the mean, in bins, of the window around the mode, and its mass."""
    means, masses = modes(spread, 1)
    return means[:, 0], masses[:, 0]


def modes(spread: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """(B, M) means, in bins, of the windows around the `most` highest modes of probabilities (B, N), and what each
    window holds, the first mode first. What lies near one is taken away before the next is looked for; a mass of 0 says
    that there is none. A bin of probability 0 is not allowed, and no mean falls on one."""
    bins = spread.shape[1]
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=spread.device)
    left, means, masses = spread, [], []
    for number in range(most):
        summed = F.avg_pool1d(left[:, None], SMOOTHING, 1, SMOOTHING // 2)[:, 0]
        mode = summed.masked_fill(left <= 0, -1).argmax(1)
        near = mode[:, None] + offsets
        window = left.gather(1, near.clamp(0, bins - 1)) * ((near >= 0) & (near < bins))
        inside = window.sum(1)
        mean = (window * near).sum(1) / inside.clamp_min(1e-12)
        allowed = left.gather(1, mean.round().long().clamp(0, bins - 1)[:, None])[:, 0] > 0
        means.append(torch.where(allowed, mean, mode.float()))
        masses.append(inside)
        if number + 1 < most:
            taken = mode[:, None] + torch.arange(-APART, APART + 1, device=spread.device)
            left = left.scatter(1, taken.clamp(0, bins - 1), 0.0)
    return torch.stack(means, 1), torch.stack(masses, 1)


def agreed(boxes: Sequence[Sequence[float]], likelihoods: Sequence[float]) -> int:
    """The number of the box that overlaps most, in the mean over what may be meant, with all of them.

    `boxes`: any with two corners in one order, `likelihoods`: their logarithms. The likeliest box may be one of several
    that mean one thing and share its likelihood; the box that most of them agree on is the better answer (minimum Bayes
    risk; Goel and Byrne, 2000).
    """
    highest = max(likelihoods)
    weights = torch.tensor([math.exp(value - highest) for value in likelihoods], dtype=torch.float64)
    overlaps = torch.as_tensor(iou(list(boxes), list(boxes)), dtype=torch.float64)
    return int((overlaps @ weights).argmax())
