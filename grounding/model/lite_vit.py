"""Owns our encoder for photographs: EfficientNet-Lite's convolutions at three strides, then a few ViT blocks.

The convolutions carry the batch normalization of the published weights within them, so that nothing of a batch is ever
counted: a picture's features are the same alone and among others. Network: M. Tan and Q. Le, EfficientNet (ICML 2019),
table 1; the Lite variants leave squeeze-and-excitation out, take ReLU6, and do not widen the first and last stages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

from grounding.errors import CheckpointError
from grounding.model.configuration import LITE_SCALES, GroundingLiteVisionConfig
from grounding.model.grid_vit import GridVisionModel

STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4))
LAST = (6, 3, 1, 320, 1)
"""Widening, kernel, stride, channels and blocks of each stage of EfficientNet-B0; the last is never repeated."""
TAKEN = (2, 4, 6)
"""Stages whose output is taken: strides 8, 16 and 32."""
NORM_EPSILON = 1e-3
"""Of the published weights' batch normalizations, as in TensorFlow."""


class SameConv(nn.Module):
    """A convolution with a shift, padded as TensorFlow pads: at stride 2, one pixel more below and on the right."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, kernel, stride, 0 if stride > 1 else kernel // 2, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            pads = []
            for size in (x.shape[-1], x.shape[-2]):
                missing = max(0, (-(-size // self.stride) - 1) * self.stride + self.kernel - size)
                pads += [missing // 2, missing - missing // 2]
            x = F.pad(x, pads)
        return self.conv(x)


class InvertedResidual(nn.Module):
    """Widened, filtered channel by channel, narrowed; a skip where nothing changes shape (MobileNet-V2's block)."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = channels_in * widening
        self.widen = SameConv(channels_in, wide, 1) if widening != 1 else None
        self.filter = SameConv(wide, wide, kernel, stride, groups=wide)
        self.narrow = SameConv(wide, channels, 1)
        self.skip = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.widen is None else F.relu6(self.widen(x))
        y = self.narrow(F.relu6(self.filter(y)))
        return x + y if self.skip else y


def stage_shapes(variant: str) -> list[tuple[int, int, int, int, int]]:
    """Widening, kernel, stride, channels and blocks of the seven stages of "lite0" to "lite4"."""
    width, depth = LITE_SCALES[variant]
    shapes = []
    for number, (widening, kernel, stride, channels, blocks) in enumerate((*STAGES, LAST)):
        kept = number in (0, len(STAGES))
        shapes.append(
            (widening, kernel, stride, by_eight(channels * width), blocks if kept else math.ceil(blocks * depth))
        )
    return shapes


def by_eight(channels: float) -> int:
    """The nearest multiple of eight, never under nine tenths of `channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class GroundingLiteVisionModel(GridVisionModel):
    """Convolutions to strides 8, 16 and 32 joined at stride 16, then ViT blocks. A token is 16 x 16 px, row by row."""

    config_class = GroundingLiteVisionConfig
    config: GroundingLiteVisionConfig

    def __init__(self, config: GroundingLiteVisionConfig) -> None:
        super().__init__(config)
        shapes = stage_shapes(config.variant)
        channels = 32
        self.stem = SameConv(config.num_channels, channels, 3, 2)
        stages = []
        for widening, kernel, stride, width, count in shapes:
            stage = []
            for number in range(count):
                stage.append(InvertedResidual(channels, width, kernel, stride if number == 0 else 1, widening))
                channels = width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        fine, middle, coarse = (shapes[number][3] for number in TAKEN)
        self.join = nn.Linear(4 * fine + middle + coarse, config.hidden_size)
        self.add_blocks()

    def pyramid(self, pixel_values: Tensor) -> list[Tensor]:
        """(B, 3, S, S) in -1 to 1 -> (B, C, s, s) at strides 8, 16 and 32."""
        x = pixel_values.to(self.position.dtype).contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.stem(x))
        taken = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in TAKEN:
                taken.append(x)
        return taken

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        """(B, 3, S, S) in -1 to 1 -> last_hidden_state (B, (S / 16)^2, D)."""
        fine, middle, coarse = self.pyramid(pixel_values)
        fine = F.pixel_unshuffle(fine, 2)
        coarse = F.interpolate(coarse, size=middle.shape[-2:], mode="bilinear", align_corners=False)
        x = torch.cat([fine, middle, coarse], 1).flatten(2).transpose(1, 2)
        x = self.join(x)
        return self.through_blocks(x)

    @torch.no_grad()
    def load_published(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the convolutions from `tensors`, named as `efficientnet_lite_pytorch` publishes them.

        Each batch normalization goes into the convolution before it. Raises CheckpointError where the tensors are of
        another variant.
        """
        layers: list[tuple[str, str, Any]] = [("_conv_stem", "_bn0", self.stem)]
        number = 0
        for stage in self.stages:
            for block in stage.children():
                name = f"_blocks.{number}."
                if block.widen is not None:
                    layers.append((f"{name}_expand_conv", f"{name}_bn0", block.widen))
                layers.append((f"{name}_depthwise_conv", f"{name}_bn1", block.filter))
                layers.append((f"{name}_project_conv", f"{name}_bn2", block.narrow))
                number += 1
        if f"_blocks.{number}._project_conv.weight" in tensors:
            raise CheckpointError(f"the published weights have more than {number} blocks: not of {self.config.variant}")
        found = []
        for name, norm, layer in layers:
            weight, bias = folded(tensors, name, norm)
            if weight.shape != layer.conv.weight.shape:
                raise CheckpointError(
                    f"{name} has shape {tuple(weight.shape)}, and {self.config.variant} has "
                    f"{tuple(layer.conv.weight.shape)} there: take the variant's own weights"
                )
            found.append((layer.conv, weight, bias))
        for conv, weight, bias in found:  # all of them fit
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)


def folded(tensors: Mapping[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and shift of the convolution `conv` with the batch normalization `norm` within it. CheckpointError."""
    try:
        weight = tensors[f"{conv}.weight"].double()
        scale, shift, mean, variance = (
            tensors[f"{norm}.{name}"].double() for name in ("weight", "bias", "running_mean", "running_var")
        )
    except KeyError as error:
        raise CheckpointError(f"no tensor {error.args[0]!r}: the weights are of another network") from error
    by = scale / (variance + NORM_EPSILON).sqrt()
    return (weight * by[:, None, None, None]).float(), (shift - mean * by).float()
