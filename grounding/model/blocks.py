"""Owns the transformer block that our vision encoder and our language decoder share.

Shapes: B pictures or rows, Q queries, K keys, H heads, D width. On a CPU, plain matrix products trained faster than the
fused attention kernel (see benchmarks/blocks.py); on a GPU the fused kernel is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer

from grounding.model.cache import RowCache


class Norm(nn.Module):
    """Layer normalization with a scale and no shift, in the precision of its input (torch fuses this one on CPUs)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (x.shape[-1],), self.weight.to(x.dtype))


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Attention of (B, H, Q, D/H) over (B, H, K, D/H); `bias` (B or 1, 1, Q, K) is added to the scores."""
    scale = queries.shape[-1] ** -0.5
    if queries.is_cuda:
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    scores = torch.matmul(queries * scale, keys.transpose(-1, -2))
    if bias is not None:
        scores = scores + bias
    return torch.matmul(torch.softmax(scores, -1, dtype=scores.dtype), values)


def as_bias(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Visibility as a number to add to attention scores: 0, or the lowest there is."""
    bias = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return bias.masked_fill_(~visible, torch.finfo(dtype).min)


class Attention(nn.Module):
    """Self-attention with normalized queries and keys, which keeps long trainings at high rates stable."""

    def __init__(self, width: int, heads: int, layer: int = 0) -> None:
        super().__init__()
        self.heads, self.layer = heads, layer
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = Norm(width // heads)
        self.key_norm = Norm(width // heads)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, bias: Tensor | None = None, cache: Cache | RowCache | None = None, prefix: int = 0
    ) -> Tensor:
        """(B, Q, D) -> (B, Q, D).

        The first `prefix` rows see each other and nothing else; `bias` (B, 1, Q - prefix, K) says what the rest see.
        """
        rows, length, width = x.shape
        projected = self.qkv(x).view(rows, length, 3 * self.heads, width // self.heads)
        queries, keys, values = projected.split(self.heads, 2)
        queries = self.query_norm(queries).transpose(1, 2)
        keys, values = self.key_norm(keys).transpose(1, 2), values.transpose(1, 2)
        if cache is not None:
            keys, values = cache.update(keys, values, self.layer)
        if 0 < prefix < length:
            first = attend(queries[:, :, :prefix], keys[:, :, :prefix], values[:, :, :prefix], None)
            rest = attend(queries[:, :, prefix:], keys, values, bias)
            mixed = torch.cat([first, rest], 2)
        else:
            mixed = attend(queries, keys, values, None if prefix else bias)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, width))


class Block(GradientCheckpointingLayer):
    """Attention, then two linear layers with a ReLU between, each behind a normalization and around a skip."""

    def __init__(self, width: int, hidden: int, heads: int, layer: int = 0, depth: int = 1) -> None:
        super().__init__()
        self.attention_norm = Norm(width)
        self.attention = Attention(width, heads, layer)
        self.mlp_norm = Norm(width)
        self.mlp_in = nn.Linear(width, hidden, bias=False)
        self.mlp_out = nn.Linear(hidden, width, bias=False)
        for layer_out in (self.attention.out, self.mlp_out):
            layer_out.skip_depth = depth  # type: ignore[assignment]  # a number for init_linear, no module

    def forward(
        self, x: Tensor, bias: Tensor | None = None, cache: Cache | RowCache | None = None, prefix: int = 0
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), bias, cache, prefix)
        return x + self.mlp_out(F.relu(self.mlp_in(self.mlp_norm(x))))


def build_blocks(config: Any) -> nn.ModuleList:
    """The blocks that a configuration asks for by hidden_size, intermediate_size, num_attention_heads and
    num_hidden_layers."""
    depth = config.num_hidden_layers
    return nn.ModuleList(
        Block(config.hidden_size, config.intermediate_size, config.num_attention_heads, layer, depth)
        for layer in range(depth)
    )


def init_linear(layer: nn.Linear) -> None:
    """Truncated normal by fan-in; a layer with `skip_depth` writes to a skip of so many blocks and starts smaller."""
    std = layer.in_features**-0.5 * (2 * getattr(layer, "skip_depth", 0.5)) ** -0.5
    initialization.trunc_normal_(layer.weight, std=std, a=-3 * std, b=3 * std)
    if layer.bias is not None:
        initialization.zeros_(layer.bias)
