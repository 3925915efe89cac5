"""Owns our encoder for photographs: the convolutions of a small published detector, then a few ViT blocks.

The network is NanoDet's (R. Lyu, github.com/RangiLyu/nanodet, Apache-2.0) in its form without depthwise convolutions:
a cross-stage partial backbone, a pyramid that is added up and down, and a convolution for each stride before its boxes.
Plain convolutions train fast on processors and GPUs alike; batch normalization lies within them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

from grounding.errors import CheckpointError
from grounding.model.configuration import COCO_CLASSES, GroundingNanoVisionConfig
from grounding.model.grid_vit import GridVisionModel
from grounding.model.proposals import told_boxes, told_width

PIXEL_MEAN = (103.53, 116.28, 123.675)
PIXEL_STD = (57.375, 57.12, 58.395)
"""By which the published network wants pixels normalized: blue, green, red, of 0 to 255."""
STRIDES = (8, 16, 32)
LEVEL_WIDTH = 128
"""Channels of the pyramid."""
CLASSES, EDGE_BINS = COCO_CLASSES, 11
"""What the published head gives for each cell: scores of COCO's classes, and 4 x 11 logits of how far each edge is."""


class LeakyConv(nn.Module):
    """A 3x3 convolution with a shift, then a leaky rectifier."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), 0.1)


class PartialBlock(nn.Module):
    """Half of the channels go through narrow convolutions, and everything stands side by side in the end."""

    def __init__(self, channels: int, repeats: int, stride: int) -> None:
        super().__init__()
        self.enter = LeakyConv(channels, channels, stride)
        half = channels // 2
        self.narrow = nn.ModuleList(
            nn.ModuleList([LeakyConv(channels, half), LeakyConv(half, half)]) for _ in range(repeats)
        )
        self.leave = LeakyConv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        first = x = self.enter(x)
        pair: Any
        for pair in self.narrow:
            kept = pair[0](x)
            x = torch.cat([pair[1](kept), kept], 1)
        return torch.cat([self.leave(x), first], 1)


class NanoNetwork(nn.Module):
    """The published network, up to the features before its boxes, and its boxes for those who want them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = LeakyConv(3, 32, 2)
        self.stages = nn.ModuleList(
            [PartialBlock(32, 1, 1), PartialBlock(64, 2, 2), PartialBlock(128, 2, 2), PartialBlock(256, 3, 2)]
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, LEVEL_WIDTH, 1) for width in (128, 256, 512))
        self.heads = nn.ModuleList(LeakyConv(LEVEL_WIDTH, LEVEL_WIDTH) for _ in STRIDES)
        self.outputs = nn.ModuleList(nn.Conv2d(LEVEL_WIDTH, CLASSES + 4 * EDGE_BINS, 1) for _ in STRIDES)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, S, S) blue, green, red, normalized as published -> (B, 128, s, s) at strides 8, 16 and 32."""
        x = F.max_pool2d(self.stem(pixels), 3, 2, 1)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.laterals, found[1:], strict=True))
        middle = middle + resized(coarse, middle)
        fine = fine + resized(middle, fine)
        middle = middle + resized(fine, middle)
        coarse = coarse + resized(middle, coarse)
        return [head(level) for head, level in zip(self.heads, (fine, middle, coarse), strict=True)]

    def convolutions(self) -> list[nn.Conv2d]:
        """Every convolution, in the order in which the published graph numbers them."""
        convs: list[Any] = [self.stem.conv]
        stage: Any
        head: Any
        for stage in self.stages:
            convs.append(stage.enter.conv)
            convs += [layer.conv for pair in stage.narrow for layer in pair]
            convs.append(stage.leave.conv)
        convs += list(self.laterals)
        for head, output in zip(self.heads, self.outputs, strict=True):
            convs += [head.conv, output]
        return convs

    @torch.no_grad()
    def load_published(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights of `packaged.read_nanodet`: "0.weight" (out, in, k, k) and "0.bias", by the convolution's
        number. Raises CheckpointError for weights of another network."""
        convs = self.convolutions()
        if len(tensors) != 2 * len(convs):
            raise CheckpointError(f"{len(tensors)} tensors, and NanoDet has {2 * len(convs)}: the file is another's")
        for number, conv in enumerate(convs):
            both: tuple[tuple[str, Any], ...] = (("weight", conv.weight), ("bias", conv.bias))
            for name, ours in both:
                theirs = tensors[f"{number}.{name}"]
                if theirs.shape != ours.shape:
                    raise CheckpointError(
                        f"convolution {number}: {name} of shape {tuple(theirs.shape)}, and NanoDet has "
                        f"{tuple(ours.shape)} there: the file is another network's"
                    )
                ours.copy_(theirs)


def resized(x: Tensor, like: Tensor) -> Tensor:
    """(B, C, h, w) of x at the size of another level, between the nearest cells."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class GroundingNanoVisionModel(GridVisionModel):
    """The network's three levels joined at stride 32, with its own boxes if `proposals` asks for them, then ViT blocks.
    A token stands for 32 x 32 px, row by row."""

    config_class = GroundingNanoVisionConfig
    config: GroundingNanoVisionConfig
    mean: Tensor
    scale: Tensor

    def __init__(self, config: GroundingNanoVisionConfig) -> None:
        super().__init__(config)
        self.network = NanoNetwork()
        self.network.outputs.requires_grad_(False)
        widths = config.level_widths
        self.reduce = nn.ModuleList(nn.Conv2d(LEVEL_WIDTH, width, 1) for width in widths)
        cells = [(32 // stride) ** 2 for stride in STRIDES]
        self.join = nn.Linear(sum(a * b for a, b in zip(cells, widths, strict=True)), config.hidden_size)
        self.told = nn.Linear(told_width(CLASSES), config.hidden_size, bias=False) if config.proposals else None
        self.add_blocks()

    def levels(self, pixel_values: Tensor) -> list[Tensor]:
        """(B, 3, S, S) red, green, blue in -1 to 1 -> what NanoNetwork gives."""
        mean = pixel_values.new_tensor(PIXEL_MEAN).view(1, 3, 1, 1)
        std = pixel_values.new_tensor(PIXEL_STD).view(1, 3, 1, 1)
        pixels = ((pixel_values.flip(1) + 1) * 127.5 - mean) / std
        levels: list[Tensor] = self.network(
            pixels.to(self.position.dtype).contiguous(memory_format=torch.channels_last)
        )
        return levels

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        """(B, 3, S, S) in -1 to 1 -> last_hidden_state (B, (S / 32)^2, D), D the configuration's `out_hidden_size`.

        What is told of boxes stands behind the blocks' features as it is: a decoder copies edges best as they were.
        """
        seen, levels = [], self.levels(pixel_values)
        for stride, reduce, level in zip(STRIDES, self.reduce, levels, strict=True):
            seen.append(F.pixel_unshuffle(F.relu(reduce(level)), 32 // stride))
        x = self.join(torch.cat(seen, 1).flatten(2).transpose(1, 2))
        if self.told is None:
            return self.through_blocks(x)
        told = told_boxes(*self.boxes_of(levels, pixel_values.shape[-1]), self.config.grid, self.config.proposals)
        told = told.to(self.told.weight.dtype)
        features = self.through_blocks(x + self.told(told)).last_hidden_state
        return BaseModelOutput(last_hidden_state=torch.cat([features, told.to(features.dtype)], 2))

    @torch.no_grad()
    def published_boxes(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, M, 80) of COCO's classes in their usual order and boxes (B, M, 4), xyxy as shares of the picture,
        of all cells of the three levels: what the published detector says."""
        return self.boxes_of(self.levels(pixel_values), pixel_values.shape[-1])

    @torch.no_grad()
    def boxes_of(self, levels: Sequence[Tensor], side: int) -> tuple[Tensor, Tensor]:
        """`published_boxes` of `levels`, of a picture of `side` px."""
        names, boxes = [], []
        for stride, level, output in zip(STRIDES, levels, self.network.outputs, strict=True):
            found = output(level).float().permute(0, 2, 3, 1)
            rows, columns = found.shape[1:3]
            away = found[..., CLASSES:].unflatten(3, (4, EDGE_BINS)).softmax(4)
            away = (away * torch.arange(EDGE_BINS, device=away.device)).sum(4) * stride
            y = (torch.arange(rows, device=away.device) + 0.5) * stride
            x = (torch.arange(columns, device=away.device) + 0.5) * stride
            y, x = y[:, None].expand(rows, columns), x[None].expand(rows, columns)
            edges = torch.stack([x - away[..., 0], y - away[..., 1], x + away[..., 2], y + away[..., 3]], 3)
            names.append(found[..., :CLASSES].flatten(1, 2))
            boxes.append((edges / side).flatten(1, 2))
        return torch.cat(names, 1), torch.cat(boxes, 1)
