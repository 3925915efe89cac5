"""Owns our small vision encoder: convolutions to stride 16, then a few ViT blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

from grounding.model.configuration import GroundingVisionConfig
from grounding.model.grid_vit import GridVisionModel


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


class GroundingVisionModel(GridVisionModel):
    """Convolutions to stride 16, then ViT blocks over the grid. Each token stands for 16 x 16 pixels, row by row."""

    config_class = GroundingVisionConfig
    config: GroundingVisionConfig

    def __init__(self, config: GroundingVisionConfig) -> None:
        super().__init__(config)
        early, late = config.stem_channels or (64, 128)
        self.stem = nn.Sequential(
            ConvStage(16 * config.num_channels, early),
            ConvStage(early, late, 2),
            ConvStage(late, late),
            ConvStage(late, config.hidden_size, 2),
        )
        self.add_blocks()

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        """(B, 3, S, S) in -1 to 1 -> last_hidden_state (B, (S / 16)^2, D)."""
        x = F.pixel_unshuffle(pixel_values.to(self.position.dtype), 4).contiguous(memory_format=torch.channels_last)
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.through_blocks(x)
