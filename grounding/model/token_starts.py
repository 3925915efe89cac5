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
"""Waves a coordinate, from half a one over the picture to one every four bins; slow waves are louder."""
MOST_ROWS = 16384
"""Rows that statistics are taken of, evenly spread: enough for a mean and a spread, and a few MB whatever the table."""


def place_features(coordinates: Tensor) -> Tensor:
    """(N, F) float32 sines and cosines of coordinates (N, K) in 0..1, each of the K in columns of its own.

    As many waves as the finest axis can tell apart; rows have a mean of zero over the tokens.
    """
    parts = []
    for axis in coordinates.double().unbind(1):
        finest = max(2, len(axis.unique())) / 4
        waves = torch.exp(torch.linspace(math.log(0.5), math.log(max(finest, 0.5)), WAVES, dtype=torch.float64))
        angles = 2 * math.pi * axis[:, None] * waves
        loudness = waves**SLOPE
        parts += [torch.sin(angles) * loudness, torch.cos(angles) * loudness, 2 * axis[:, None] - 1]
    features = torch.cat(parts, 1).float()
    return features - features.mean(0)


def start_rows(table: Tensor, known: Tensor, coordinates: Tensor, start: Start, seed: int) -> Tensor:
    """(N, D) float32 rows for tokens at `coordinates` (N, K), to stand in `table` (V, D) beside its rows `known`.

    fourier: the mean row, and away from it a random direction for each feature, so that neighbours are alike and places
    far from each other are not; norm and distance from the mean are those of the known rows. mean: the mean row.
    random: normal rows as an initializer would draw them, with the table's own deviation.
    """
    rows = sample_rows(table, known)
    mean, count, width = rows.mean(0), len(coordinates), table.shape[1]
    generator = torch.Generator().manual_seed(seed)
    if start == "mean":
        return mean.expand(count, width).clone()
    if start == "random":
        return torch.randn(count, width, generator=generator) * rows.std()
    features = place_features(coordinates)
    away = features @ torch.randn(features.shape[1], width, generator=generator)
    distance = (rows - mean).square().sum(1).mean().sqrt()
    return mean + away * (distance / away.square().sum(1).mean().sqrt().clamp_min(1e-12))


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
