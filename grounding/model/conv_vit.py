"""Owns our small vision encoder: convolutions to stride 16, then a few ViT blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, initialization
from transformers.modeling_outputs import BaseModelOutput

from grounding.model.blocks import Block, Norm, init_linear
from grounding.model.configuration import GroundingVisionConfig


class ConvStage(nn.Module):
    """A 3x3 convolution, batch-normalized, rectified; with a skip where nothing changes shape."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.skip = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)))
        return x + y if self.skip else y


class GroundingVisionModel(PreTrainedModel):
    """Convolutions to stride 16, then ViT blocks over the grid. Each token stands for 16 x 16 pixels, row by row."""

    config_class = GroundingVisionConfig
    config: GroundingVisionConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GroundingVisionConfig) -> None:
        super().__init__(config)
        early, late = config.stem_channels or (64, 128)
        self.stem = nn.Sequential(
            ConvStage(16 * config.num_channels, early),
            ConvStage(early, late, 2),
            ConvStage(late, late),
            ConvStage(late, config.hidden_size, 2),
        )
        self.position = nn.Parameter(torch.empty(1, config.grid**2, config.hidden_size))
        self.blocks = nn.ModuleList(
            Block(
                config.hidden_size,
                config.intermediate_size,
                config.num_attention_heads,
                layer,
                config.num_hidden_layers,
            )
            for layer in range(config.num_hidden_layers)
        )
        self.norm = Norm(config.hidden_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            init_linear(module)
        elif isinstance(module, nn.Conv2d):
            initialization.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            initialization.ones_(module.weight)
            initialization.zeros_(module.bias)
            initialization.zeros_(module.running_mean)
            initialization.ones_(module.running_var)
        elif isinstance(module, Norm):
            initialization.ones_(module.weight)
        elif isinstance(module, GroundingVisionModel):
            initialization.copy_(module.position, grid_features(self.config.grid, self.config.hidden_size))

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        """(B, 3, S, S) in -1 to 1 -> last_hidden_state (B, (S / 16)^2, D)."""
        x = F.pixel_unshuffle(pixel_values.to(self.position.dtype), 4).contiguous(memory_format=torch.channels_last)
        x = self.stem(x).flatten(2).transpose(1, 2)
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
