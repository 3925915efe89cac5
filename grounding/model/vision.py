"""Owns the way from pixels to patch features: our small conv-stem ViT, and any backbone of transformers or timm."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, initialization
from transformers.modeling_outputs import BaseModelOutput

from grounding.errors import ConfigError
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


def build_vision(config: PreTrainedConfig) -> PreTrainedModel:
    """The encoder a configuration names: ours, or any that transformers' AutoModel builds (timm by its wrapper)."""
    if isinstance(config, GroundingVisionConfig):
        return GroundingVisionModel(config)
    model = AutoModel.from_config(config)
    return getattr(model, "vision_model", model)


def vision_width(model: PreTrainedModel, layer: int = -1) -> int:
    """Width of the features that `patch_features` takes from `layer`. Raises ConfigError where it can't be known."""
    if isinstance(model, GroundingVisionModel) and layer != -1:
        raise ConfigError(f"vision_feature_layer is {layer}; our own encoder gives its output alone, which is -1")
    config, timm_model = model.config, getattr(model, "timm_model", None)
    widths = getattr(config, "hidden_sizes", None)  # of a backbone that narrows, one a stage
    if timm_model is not None:
        width = timm_model.num_features if layer == -1 else timm_model.feature_info[layer]["num_chs"]
    elif isinstance(widths, (list, tuple)) and widths:
        width = widths[layer]
    else:
        width = getattr(config, "hidden_size", None)
    if width is None:
        raise ConfigError(
            f"{type(model).__name__} doesn't say how wide its features are: set hidden_size in vision_config"
        )
    return int(width)


def patch_features(
    model: PreTrainedModel, pixel_values: Tensor, layer: int = -1, spatial_shapes: Tensor | None = None
) -> Tensor:
    """(V, N, D) features of the patches of views, row by row; class and register tokens are left out.

    `layer` -1 takes the encoder's output; -2 the hidden state before its last block, as LLaVA does. Ours has only -1.
    `spatial_shapes` (V, 2): rows and columns of patches of each view, for encoders of pictures that keep their shape;
    N is then the most there are in a view, and what is behind a view's own is of no meaning.
    """
    if isinstance(model, GroundingVisionModel):
        return model(pixel_values).last_hidden_state
    if layer == -1:
        features: Tensor = model(pixel_values).last_hidden_state
    else:
        features = model(pixel_values, output_hidden_states=True).hidden_states[layer]
    if features.ndim == 4:
        channels_last = getattr(getattr(model, "timm_model", None), "output_fmt", "NCHW") == "NHWC" and layer == -1
        return features.flatten(1, 2) if channels_last else features.flatten(2).transpose(1, 2)
    return features[:, leading_tokens(model, features.shape[1], pixel_values) :]


def leading_tokens(model: PreTrainedModel, length: int, pixel_values: Tensor) -> int:
    """How many of the `length` tokens of an encoder stand before the patches: class and register tokens."""
    timm_model = getattr(model, "timm_model", None)
    if timm_model is not None:
        return int(getattr(timm_model, "num_prefix_tokens", 0))
    patch = getattr(model.config, "patch_size", None)
    patch = patch[0] if isinstance(patch, (list, tuple)) else patch
    if not isinstance(patch, int):
        return length - math.isqrt(length) ** 2
    return max(0, length - (pixel_values.shape[-2] // patch) * (pixel_values.shape[-1] // patch))
