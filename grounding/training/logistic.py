"""Owns logistic regression of a few numbers, by Newton's steps: how far judges, and scores, are to be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fit_logistic(x: NDArray[np.float64], y: NDArray[np.float64], ridge: float = 1.0) -> NDArray[np.float64]:
    """(K,) weights for which 1 / (1 + exp(-x @ weights)) of inputs (N, K) is likeliest to give y (N,), each 0 or 1.

    `ridge`: a pull of the weights to zero, as of so many observations; it also settles what the data leave open.
    """
    weights = np.zeros(x.shape[1])
    pull = ridge * np.eye(len(weights))
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (y - p) - pull @ weights
        bend = (x * (p * (1 - p))[:, None]).T @ x + pull
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights
