"""Owns what our vision encoders share: ViT blocks over a grid of tokens, whose learned positions start as waves.

Shapes: B pictures, N tokens (G x G, row by row), D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, initialization
from transformers.modeling_outputs import BaseModelOutput

from grounding.model.blocks import Norm, build_blocks, init_linear


class GridVisionModel(PreTrainedModel):
    """An encoder whose convolutions give a grid of tokens: `add_blocks` at the end of its making, `through_blocks` at
    the end of its pass."""

    config: Any
    main_input_name = "pixel_values"

    def add_blocks(self) -> None:
        """Positions, blocks and the last norm, as the configuration says; then fresh weights for all of it."""
        self.position = nn.Parameter(torch.empty(1, self.config.grid**2, self.config.hidden_size))
        self.blocks = build_blocks(self.config)
        self.norm = Norm(self.config.hidden_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            init_linear(module)
        elif isinstance(module, nn.Conv2d):
            initialization.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                initialization.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            initialization.ones_(module.weight)
            initialization.zeros_(module.bias)
            initialization.zeros_(module.running_mean)
            initialization.ones_(module.running_var)
        elif isinstance(module, Norm):
            initialization.ones_(module.weight)
        elif isinstance(module, GridVisionModel):
            initialization.copy_(module.position, grid_features(module.config.grid, module.config.hidden_size))

    def through_blocks(self, x: Tensor) -> BaseModelOutput:
        """(B, N, D) -> last_hidden_state (B, N, D)."""
        x = x + self.position.to(x.dtype)
        for block in self.blocks:
            x = block(x)
        return BaseModelOutput(last_hidden_state=self.norm(x))


def grid_features(side: int, width: int) -> Tensor:
    """(1, side * side, width) sines and cosines of each cell's row and column, as a start for learned positions."""
    frequencies = torch.exp(torch.linspace(math.log(0.5), math.log(side), width // 4)) * math.pi
    centers = (torch.arange(side) + 0.5) / side
    waves = torch.cat([torch.sin(centers[:, None] * frequencies), torch.cos(centers[:, None] * frequencies)], 1)
    rows, columns = waves[:, None].expand(-1, side, -1), waves[None].expand(side, -1, -1)
    features = torch.cat([rows, columns], 2).reshape(1, side * side, -1)
    return 0.2 * F.pad(features, (0, width - features.shape[-1]))
