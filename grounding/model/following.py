"""Owns what the rows of a batch need to go on from their last token: cache, mask, positions, grammars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import DynamicCache

from grounding.model.cache import RowCache
from grounding.model.constrain import GrammarLogitsProcessor


@dataclass
class Following:
    """B rows in the middle of their answers."""

    cache: RowCache | DynamicCache
    mask: Tensor | None
    """(B, T) of a language model of transformers, and of prompts of several lengths; else None."""
    positions: Tensor
    """(B,) of the next token."""
    limits: GrammarLogitsProcessor | None

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows, in this order; one may come several times."""
        kept = torch.tensor(rows, device=self.positions.device)
        if isinstance(self.cache, RowCache):
            self.cache.select(rows)
        else:
            self.cache.batch_select_indices(kept)
        self.mask = None if self.mask is None else self.mask[kept]
        self.positions = self.positions[kept]
        if self.limits is not None:
            self.limits.select(rows)

    def step(self, model: Any, tokens: Sequence[int]) -> Tensor:
        """(B, V) scores behind one more token in each row, those that its grammar forbids at minus infinity."""
        if self.mask is not None:
            self.mask = F.pad(self.mask, (0, 1), value=1)
        scores: Tensor = model(
            input_ids=torch.tensor(tokens, device=self.positions.device)[:, None],
            past_key_values=self.cache,
            attention_mask=self.mask,
            position_ids=self.positions[:, None],
            use_cache=True,
            logits_to_keep=1,
        ).logits
        self.positions = self.positions + 1
        scores = scores[:, -1].float()
        return self.limits.apply(scores) if self.limits else scores
