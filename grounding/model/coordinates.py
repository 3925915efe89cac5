"""Owns coordinates beside features: where each patch lies, for encoders whose features don't tell.

A transformer over patches has learned its places; a convolutional network's features are the same wherever a thing
lies, and a language model then sees what, but not where (CoordConv, Liu et al. 2018, shows what that costs).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from grounding.errors import ConfigError


def append_coordinates(patches: Tensor, channels: int, spatial_shapes: Tensor | None = None) -> Tensor:
    """(V, N, W + channels): behind each patch's features (V, N, W) the sines and cosines of its row and column.

    Both come with a mean square of 1: features of convolutional networks are several times as large, and behind a norm
    over all of it nothing would be left of the place. Rows and columns count from 0 to 1 over the view.
    `spatial_shapes` (V, 2): rows and columns of each view; None: one square grid of N. Raises ConfigError where N is
    no square.
    """
    count = patches.shape[1]
    if spatial_shapes is None:
        side = math.isqrt(count)
        if side * side != count:
            raise ConfigError(f"patch_coordinates need a grid, and {count} patches are none: set it to 0")
        spatial_shapes = torch.tensor([[side, side]], device=patches.device)
    rows, columns = spatial_shapes.to(patches.device).unbind(1)
    number = torch.arange(count, device=patches.device)[None]
    down = (number.div(columns[:, None], rounding_mode="floor") + 0.5) / rows[:, None]
    across = (number % columns[:, None] + 0.5) / columns[:, None]
    waves = torch.exp(torch.linspace(math.log(0.25), math.log(8.0), channels // 4, device=patches.device))
    angles = 2 * math.pi * torch.cat([down[..., None] * waves, across[..., None] * waves], 2)
    places = math.sqrt(2) * torch.cat([torch.sin(angles), torch.cos(angles)], 2)
    features = F.rms_norm(patches.float(), patches.shape[-1:], eps=1e-6)
    return torch.cat([features, places.expand(len(patches), -1, -1)], 2).to(patches.dtype)


def check_channels(channels: int) -> None:
    """Raises ConfigError unless sines and cosines of rows and of columns share the channels evenly."""
    if channels < 0 or channels % 4:
        raise ConfigError(f"patch_coordinates is {channels}; it is a number of channels that four divides, or 0")
