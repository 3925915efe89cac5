"""Owns figures with their intervals: sums over sums, drawn anew by whole pictures.

Questions about one picture share its difficulty, so they are not drawn one by one: pictures are (the cluster bootstrap,
Field and Welsh, JRSS B 2007), with replacement, as many as there are; the interval is from the 2.5th to the 97.5th
percentile of the figure over the draws. The seed is fixed and pictures are drawn in the order of their names: the same
answers give the same interval, whatever order they stand in.

    N  questions      K  pictures      C  figures      D  draws
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.metrics.base import Column, Figure

DRAWS = 2000
SEED = 0
_CELLS = 2_000_000
"""How many counts are held at once: 16 MB."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two models on the same questions, and the second less the first with its paired interval."""

    first: float | None
    second: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def ratio_figures(
    columns: Mapping[str, Column], pictures: Sequence[str], *, draws: int = DRAWS, seed: int = SEED
) -> dict[str, Figure]:
    """Each column's figure with its 95 % interval. `pictures`: one a question.

    A column with nothing below the line has no value. One whose questions are all about one picture has no interval:
    there is nothing to draw anew.
    """
    if not columns:
        return {}
    sums = _by_picture(list(columns.values()), pictures)
    values = _ratios(sums.sum(0)[None])[0]
    low, high = _percentiles(_ratios(_drawn(sums, draws, seed)))
    known = (sums[:, len(columns) :] > 0).sum(0) > 1
    figures = {}
    for index, (name, column) in enumerate(columns.items()):
        value = None if np.isnan(values[index]) else float(values[index])
        edges = (float(low[index]), float(high[index])) if known[index] else (None, None)
        figures[name] = Figure(value, edges[0], edges[1], int(np.count_nonzero(column.below)))
    return figures


def ratio_differences(
    first: Mapping[str, Column],
    second: Mapping[str, Column],
    pictures: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> dict[str, Difference]:
    """Second less first for every figure that both have, with a 95 % interval: both see the same pictures drawn."""
    names = [name for name in first if name in second]
    if not names:
        return {}
    sums = [_by_picture([columns[name] for name in names], pictures) for columns in (first, second)]
    values = [_ratios(table.sum(0)[None])[0] for table in sums]
    drawn = _drawn(np.hstack(sums), draws, seed)
    middle = 2 * len(names)
    low, high = _percentiles(_ratios(drawn[:, middle:]) - _ratios(drawn[:, :middle]))
    known = np.logical_and(*((table[:, len(names) :] > 0).sum(0) > 1 for table in sums))
    differences = {}
    for index, name in enumerate(names):
        one, two = (None if np.isnan(side[index]) else float(side[index]) for side in values)
        edges = (float(low[index]), float(high[index])) if known[index] else (None, None)
        count = int(np.count_nonzero(first[name].below))
        between = None if one is None or two is None else two - one
        differences[name] = Difference(one, two, between, edges[0], edges[1], count)
    return differences


def _by_picture(columns: Sequence[Column], pictures: Sequence[str]) -> Floats:
    """(K, 2C) sums of what each picture's questions add, by their names: first above the line, then below."""
    number = {picture: place for place, picture in enumerate(sorted(set(pictures)))}
    place = np.array([number[picture] for picture in pictures], np.intp)
    parts = [*(column.above for column in columns), *(column.below for column in columns)]
    return np.stack([np.bincount(place, part, minlength=len(number)) for part in parts], axis=1)


def _drawn(sums: Floats, draws: int, seed: int) -> Floats:
    """(D, 2C) the sums over K pictures drawn with replacement, D times."""
    pictures = len(sums)
    if not pictures:
        return np.zeros((draws, sums.shape[1]))
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // pictures)
    parts = []
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        picks = rng.integers(0, pictures, (rows, pictures)) + pictures * np.arange(rows)[:, None]
        counts = np.bincount(picks.ravel(), minlength=rows * pictures).reshape(rows, pictures)
        parts.append(counts.astype(np.float64) @ sums)
    return np.concatenate(parts)


def _ratios(sums: Floats) -> Floats:
    """(D, C) above over below; NaN where there is nothing below."""
    above, below = np.split(sums, 2, axis=1)
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _percentiles(values: Floats) -> tuple[Floats, Floats]:
    """The 2.5th and the 97.5th percentile of each column over the draws that have a value."""
    edges = np.full((2, values.shape[1]), np.nan)
    whole = ~np.isnan(values).any(0)
    if whole.any():
        edges[:, whole] = np.percentile(values[:, whole], [2.5, 97.5], axis=0)
    for index in np.flatnonzero(~whole):
        there = values[~np.isnan(values[:, index]), index]
        if len(there):
            edges[:, index] = np.percentile(there, [2.5, 97.5])
    return edges[0], edges[1]
