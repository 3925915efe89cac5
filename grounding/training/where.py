"""Owns the question beside the text: which patches does a phrase mean? It teaches the decoder to look before it writes.

Shapes: B rows, L tokens of a row, N patches (the first N tokens of a row), Q phrases of a batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.model.blocks import Norm


class WhereHead(nn.Module):
    """Scores every patch for every phrase, of the decoder's states at the phrase's end and at the patches."""

    def __init__(self, width: int, layers: int) -> None:
        """`layers`: how many blocks the decoder has."""
        super().__init__()
        self.phrase, self.patch = nn.Linear(width, width), nn.Linear(width, width)
        self.norms = nn.ModuleList([Norm(width), Norm(width)])
        self.bias = nn.Parameter(torch.tensor(-3.0))
        self.layer = max(1, round(0.6 * layers))
        """The hidden state, counted from the embeddings, by which a phrase should know its patches."""

    def forward(self, states: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Mean binary cross-entropy of `states` (B, L, D), and of the batch phrase_ends (Q, 2) row and place,
        phrase_patches (Q, N) the share of each patch that is meant, phrase_located (Q,) whether anything is asked for.
        """
        rows, places = (column.contiguous() for column in batch["phrase_ends"].unbind(1))
        count = batch["phrase_patches"].shape[1]
        phrases = self.phrase(self.norms[0](states[rows, places]))
        patches = self.patch(self.norms[1](states[:, :count]))
        order = torch.arange(len(rows), device=rows.device)
        order = order - torch.searchsorted(rows, rows)  # which phrase of its picture; rows ascend
        grid = phrases.new_zeros(len(patches), int(order.max()) + 1, phrases.shape[1]).index_put((rows, order), phrases)
        scores = torch.bmm(grid, patches.transpose(1, 2))[rows, order].float() * phrases.shape[-1] ** -0.5
        scores = scores + self.bias
        target = batch["phrase_patches"]
        each = F.binary_cross_entropy_with_logits(scores, target, reduction="none")
        per_phrase = each.sum(1) / (target.sum(1) + 2.0)
        located = batch["phrase_located"].float()
        return (per_phrase * located).sum() / located.sum().clamp_min(1)
