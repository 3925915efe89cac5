"""Owns the way from pixels to patch features of any encoder: ours, one of transformers or timm, two at once, or none.

Shapes: V views, S their side in px, N patches (the most of any view, padded behind), D width.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from grounding.errors import ConfigError, InputError
from grounding.model.configuration import (
    GroundingLiteVisionConfig,
    GroundingNanoVisionConfig,
    GroundingPairConfig,
    GroundingPatchesConfig,
    GroundingVisionConfig,
)
from grounding.model.conv_vit import GroundingVisionModel
from grounding.model.lite_vit import GroundingLiteVisionModel
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.model.patches import (
    OUTPUT_ALONE,
    GroundingPatchesModel,
    check_merge,
    encode_patches,
    merge_size,
    patch_side,
    patchify,
    takes_patches,
)

Layers = int | Sequence[int]
"""Which hidden states of an encoder are taken: one, or several whose features are put side by side."""
TOWERS = {
    "qwen2_vl_vision": ("transformers.models.qwen2_vl.modeling_qwen2_vl", "Qwen2VisionTransformerPretrainedModel"),
    "qwen2_5_vl_vision": (
        "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
        "Qwen2_5_VisionTransformerPretrainedModel",
    ),
}
"""Vision towers that AutoModel, in some versions of transformers, does not build from their own configuration."""


def build_vision(config: PreTrainedConfig) -> PreTrainedModel:
    """The encoder a configuration names: ours, or any that transformers' AutoModel builds (timm by its wrapper).

    In the precision that all is made in, whatever its own checkpoint was saved in. Raises ConfigError for a timm
    encoder that gives a list instead of features.
    """
    if isinstance(config, GroundingVisionConfig):
        return GroundingVisionModel(config)
    if isinstance(config, GroundingLiteVisionConfig):
        return GroundingLiteVisionModel(config)
    if isinstance(config, GroundingNanoVisionConfig):
        return GroundingNanoVisionModel(config)
    if isinstance(config, GroundingPatchesConfig):
        return GroundingPatchesModel(config)
    if isinstance(config, GroundingPairConfig):
        from grounding.model.pair import GroundingPairModel  # which builds its two by this function

        return GroundingPairModel(config)
    if (getattr(config, "model_args", None) or {}).get("features_only"):
        raise ConfigError("features_only in model_args: leave it out, and choose stages by vision_feature_layer")
    dtype = torch.get_default_dtype()
    if config.model_type in TOWERS:
        module, name = TOWERS[config.model_type]
        return getattr(importlib.import_module(module), name)._from_config(config, dtype=dtype)
    model = AutoModel.from_config(config, dtype=dtype)
    return getattr(model, "vision_model", model)


def vision_width(model: PreTrainedModel, layer: Layers = -1) -> int:
    """Width of the features that `patch_features` takes from `layer`. Raises ConfigError where it can't be known."""
    return sum(_layer_width(model, number) for number in _listed(layer))


def _layer_width(model: PreTrainedModel, layer: int) -> int:
    config, timm_model = model.config, getattr(model, "timm_model", None)
    if layer != -1 and getattr(config, "model_type", None) in OUTPUT_ALONE:
        raise ConfigError(f"vision_feature_layer is {layer}; {config.model_type} gives its output alone, which is -1")
    widths = getattr(config, "hidden_sizes", None)  # of a backbone that narrows, one a stage
    if timm_model is not None:
        width = timm_model.num_features if layer == -1 else timm_model.feature_info[layer]["num_chs"]
    elif isinstance(widths, (list, tuple)) and widths:
        width = widths[layer]
    else:
        names = ("out_hidden_size", "hidden_size")  # the first is the width after merging, in Qwen2.5-VL's tower
        width = getattr(model, "width", None) or next(filter(None, (getattr(config, n, None) for n in names)), None)
    if width is None:
        raise ConfigError(
            f"{type(model).__name__} doesn't say how wide its features are: set hidden_size in vision_config"
        )
    return int(width)


def patch_features(
    model: PreTrainedModel, pixel_values: Tensor, layer: Layers = -1, spatial_shapes: Tensor | None = None
) -> Tensor:
    """(V, N, D) features of the patches of views, row by row; class and register tokens are left out.

    Views are squares (V, 3, S, S); or patches (V, N, p * p * C), for encoders of pictures that keep their shape, with
    `spatial_shapes` (V, 2) the rows and columns of each. N is then the most of any view, and what stands behind a
    view's own is of no meaning. `feature_shapes` says what shapes come out.

    `layer` -1 takes the encoder's output; -2 the hidden state before its last block, as LLaVA does, or the stage before
    the last of a convolutional one (stride 16). Several are put side by side at the first one's grid.
    Raises InputError for pixels of another kind than the encoder sees.
    """
    weight = next((weight for weight in model.parameters() if weight.is_floating_point()), pixel_values)
    pixel_values = pixel_values.to(weight.dtype)
    if takes_patches(model.config):
        if pixel_values.ndim == 4:
            pixel_values, spatial_shapes = patchify(pixel_values, patch_side(model.config))
        if spatial_shapes is None:
            raise InputError("pixel_values are patches, and spatial_shapes does not say in how many rows and columns")
        found = [encode_patches(model, pixel_values, spatial_shapes, number) for number in _listed(layer)]
        return found[0] if len(found) == 1 else torch.cat(found, 2)
    if pixel_values.ndim != 4:
        raise InputError(
            f"pixel_values of shape {tuple(pixel_values.shape)}: {model.config.model_type} sees squares (V, 3, S, S), "
            "and no pictures that keep their shape"
        )
    return beside([_without_leading(model, found, pixel_values) for found in _hidden(model, pixel_values, layer)])


def _hidden(model: PreTrainedModel, pixel_values: Tensor, layer: Layers) -> list[Tensor]:
    """What the layers give, in one pass: (V, tokens, D), or (V, D, rows, columns)."""
    layers = _listed(layer)
    output = model(pixel_values, **({"output_hidden_states": True} if set(layers) != {-1} else {}))
    found = []
    for number in layers:
        features = output.last_hidden_state if number == -1 else output.hidden_states[number]
        if number == -1 and getattr(getattr(model, "timm_model", None), "output_fmt", "NCHW") == "NHWC":
            features = features.permute(0, 3, 1, 2)
        found.append(features)
    return found


def _without_leading(model: PreTrainedModel, features: Tensor, pixel_values: Tensor) -> Tensor:
    if features.ndim == 4:
        return features.flatten(2).transpose(1, 2)
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


def beside(features: Sequence[Tensor]) -> Tensor:
    """(V, N, D1 + D2 + ...) features of square grids (V, N, D1), (V, N2, D2), ... patch by patch at the first's grid.

    The others are interpolated linearly to that grid, each cell's centre being its place; averaged first where it is
    the coarser one.
    """
    first, *rest = features
    return torch.cat([first, *(_to_grid(others, math.isqrt(first.shape[1])) for others in rest)], 2) if rest else first


def _to_grid(features: Tensor, side: int) -> Tensor:
    """(V, side * side, D) of (V, N, D) on a square grid."""
    views, count, width = features.shape
    own = math.isqrt(count)
    if own == side:
        return features
    grid = features.transpose(1, 2).reshape(views, width, own, own).float()
    grid = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=False, antialias=side < own)
    return grid.flatten(2).transpose(1, 2).to(features.dtype)


def feature_grid(config: PreTrainedConfig, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of the features that an encoder gives for a view of so many rows and columns of patches.

    They are the same but for towers that merge (Qwen2-VL's), which give half as many along each side. Raises InputError
    for a view that does not divide so.
    """
    merge = merge_size(config)
    check_merge(rows, columns, merge)
    return rows // merge, columns // merge


def feature_shapes(config: PreTrainedConfig, spatial_shapes: Tensor | None) -> Tensor | None:
    """(V, 2) rows and columns of features, as `feature_grid`, of views of `spatial_shapes` (V, 2); None of None."""
    merge = merge_size(config)
    return spatial_shapes if spatial_shapes is None or merge == 1 else spatial_shapes // merge


def _listed(layer: Layers) -> list[int]:
    layers = [layer] if isinstance(layer, int) else list(layer)
    if not layers:
        raise ConfigError("vision_feature_layer is an empty list: name at least one layer, such as -1")
    return layers
