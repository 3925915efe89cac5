"""Owns the question beside the text of a recipe's answers: which of the picture's tokens does a phrase mean?

Answers alone teach it slowly: a language model that is new to pictures first learns how long boxes are and where things
mostly lie, and only much later to look. Here the state at a prompt's end is compared with those of the picture's
tokens, in the middle of the decoder, through two matrices of random numbers that never move: nothing is added to
the model that would have to be saved, shared out or thrown away.

Shapes: R rows, L tokens of a row, Q phrases with boxes, N tokens of a picture, D width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.errors import ConfigError
from grounding.model.token_tables import text_model
from grounding.training.spread import repeated_blocks

ENDS, SHARES = "phrase_ends", "phrase_patches"
"""Keys of a batch: (Q, 3) row, place of the prompt's last token, place of the picture's first; (Q, N) the share of each
of the picture's tokens that the boxes cover, -1 where a row has fewer tokens."""
DEPTH = 0.6
"""Share of the blocks by which a phrase should know its place: those behind read it off."""
COMPARED = 128
"""Numbers by which states are compared."""


def covered(places: NDArray[np.float64], boxes: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """(N,) the share of each place (N, 4), xyxy px, that one of the boxes covers; 0 for places without numbers."""
    shares = np.zeros(len(places))
    area = np.maximum((places[:, 2] - places[:, 0]) * (places[:, 3] - places[:, 1]), 1e-9)
    for x1, y1, x2, y2 in np.asarray(boxes, np.float64).reshape(-1, 4):
        wide = np.minimum(places[:, 2], x2) - np.maximum(places[:, 0], x1)
        high = np.minimum(places[:, 3], y2) - np.maximum(places[:, 1], y1)
        shares = np.fmax(shares, np.clip(wide, 0, None) * np.clip(high, 0, None) / area)
    return np.nan_to_num(shares).astype(np.float32)


class Places:
    """The question, asked of one model."""

    def __init__(self, model: nn.Module, seed: int) -> None:
        """Raises ConfigError for a model whose blocks or norms are not found."""
        blocks = list(repeated_blocks(text_model(model)))
        norms = (
            [module for module in blocks[round(DEPTH * len(blocks))].modules() if _is_norm(module)] if blocks else []
        )
        if not norms:
            raise ConfigError(f"where_weight needs blocks with norms, and {type(model).__name__} has none: set it to 0")
        self.norm = norms[0]
        self.seed = seed
        self.matrices: Tensor | None = None
        self.states: Tensor | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within, a forward pass leaves the states that `loss` compares."""

        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            self.states = output

        hook = self.norm.register_forward_hook(keep)
        try:
            yield
        finally:
            hook.remove()

    def loss(self, ends: Tensor, shares: Tensor) -> Tensor:
        """The sum over phrases of the cross-entropy between the picture's tokens and those that the boxes cover."""
        states, self.states = self.states, None
        if states is None or not len(ends):
            return shares.new_zeros(())
        if self.matrices is None:
            random = torch.Generator().manual_seed(self.seed)
            made = torch.randn(2, states.shape[-1], COMPARED, generator=random) / math.sqrt(states.shape[-1])
            self.matrices = made.to(states.device)
        there = shares >= 0
        rows, last, first = ends.unbind(1)
        places = (first[:, None] + torch.arange(shares.shape[1], device=ends.device)).where(there, first[:, None])
        phrases = F.rms_norm(states[rows, last].float(), states.shape[-1:]) @ self.matrices[0]
        tokens = F.rms_norm(states.float(), states.shape[-1:]) @ self.matrices[1]
        scores = torch.einsum("qk,qnk->qn", phrases, tokens[rows[:, None], places]) * COMPARED**-0.5
        scores = scores.masked_fill(~there, -torch.inf)
        wanted = shares.clamp_min(0)
        wanted = wanted / wanted.sum(1, keepdim=True).clamp_min(1e-6)
        each = wanted * F.log_softmax(scores, 1).masked_fill(~there, 0)
        return -each.sum()


def _is_norm(module: nn.Module) -> bool:
    return type(module).__name__.endswith("Norm") and any(p.ndim == 1 for p in module.parameters(recurse=False))
