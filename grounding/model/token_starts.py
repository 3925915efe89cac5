"""Owns what the rows of new tokens start from: features of a coordinate, shaped like the rows that are there already.

Shapes: N new tokens, K coordinates of a token, F features, V rows of the table, D its width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from grounding.errors import ConfigError

Start = Literal["fourier", "mean", "random"]
STARTS: tuple[Start, ...] = ("fourier", "mean", "random")

WAVES, SLOPE = 32, -0.25
"""Waves a coordinate, from half a one over the picture to one every sixteen bins; slow waves are louder. With finer
ones a bin learns less from its neighbours."""
MOST_ROWS = 16384
"""Rows that statistics are taken of, evenly spread: enough for a mean and a spread, and a few MB whatever the table."""


def place_features(coordinates: Tensor) -> Tensor:
    """(N, F) float32 sines and cosines of coordinates (N, K) in 0..1, each of the K in columns of its own.

    Columns have a mean of zero over the tokens.
    """
    parts = []
    for axis in coordinates.double().unbind(1):
        steps = max(2, len(axis.unique()))
        finest = max(0.5, min(steps / 4, max(8, steps / 16)))
        waves = torch.exp(torch.linspace(math.log(0.5), math.log(finest), WAVES, dtype=torch.float64))
        angles = 2 * math.pi * axis[:, None] * waves
        loudness = waves**SLOPE
        parts += [torch.sin(angles) * loudness, torch.cos(angles) * loudness, 2 * axis[:, None] - 1]
    features = torch.cat(parts, 1).float()
    return features - features.mean(0)


def start_rows(table: Tensor, known: Tensor, coordinates: Tensor, start: Start, seed: int) -> Tensor:
    """(N, D) float32 rows for tokens at `coordinates` (N, K), to stand in `table` (V, D) beside its rows `known`.

    fourier: a random direction for each feature, so that neighbours are alike and places far from each other are not,
    at the mean norm of the known rows. mean: their mean row. random: normal rows as an initializer would draw them,
    with the table's own deviation.
    """
    rows = sample_rows(table, known)
    count, width = len(coordinates), table.shape[1]
    generator = torch.Generator().manual_seed(seed)
    if start == "mean":
        return rows.mean(0).expand(count, width).clone()
    if start == "random":
        return torch.randn(count, width, generator=generator) * rows.std()
    features = place_features(coordinates)
    mixed = features @ torch.randn(features.shape[1], width, generator=generator)
    # around zero: rows around the mean row learned no faster, in a head of its own more slowly
    return mixed * (rows.norm(dim=1).mean() / mixed.norm(dim=1).mean().clamp_min(1e-12))


def sample_rows(table: Tensor, known: Tensor) -> Tensor:
    """(at most MOST_ROWS, D) float32 on the CPU: rows of `table` that `known` (ids) names, evenly spread."""
    if len(known) > MOST_ROWS:
        known = known[torch.linspace(0, len(known) - 1, MOST_ROWS).long()]
    return table.detach()[known.to(table.device)].float().cpu()


def check_start(start: str) -> None:
    """Raises ConfigError for a start that there is none of."""
    if start not in STARTS:
        raise ConfigError(f"start {start!r} is not known: {', '.join(STARTS)}")


def as_coordinates(coordinates: Sequence[float] | Sequence[Sequence[float]], count: int) -> Tensor:
    """(count, K) float64. Raises ConfigError where they are not as many as the tokens, or outside 0 to 1."""
    values = torch.as_tensor(coordinates, dtype=torch.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != count:
        raise ConfigError(f"coordinates of shape {tuple(values.shape)} for {count} tokens: give one row for each token")
    if not bool(((values >= 0) & (values <= 1)).all()):
        low, high = values.min().item(), values.max().item()
        raise ConfigError(f"coordinates run from {low:g} to {high:g}: give shares of the picture's side, 0 to 1")
    return values
