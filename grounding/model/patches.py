"""Owns pictures as rows of patches: cutting, masking, and the encoders that take patches rather than squares.

Shapes: V views, N patches (the most of any view, padded behind), p the side of a patch in px, C channels.
A patch is written as SigLIP 2 NaFlex wants it: its pixels row by row, the channels of each pixel together.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from grounding.errors import InputError
from grounding.model.configuration import GroundingPatchesConfig

MERGING = ("qwen2_vl_vision", "qwen2_5_vl_vision", "qwen3_vl_vision")
"""Towers that join `spatial_merge_size` x `spatial_merge_size` patches into one feature at their end."""
OUTPUT_ALONE = ("grounding_vision", "grounding_patches", "grounding_pair", *MERGING)
"""Encoders whose hidden layers are no features of the patches, or are not shown."""


class GroundingPatchesModel(PreTrainedModel):
    """No encoder at all: the patches themselves, for a projector (a linear layer, as in Fuyu) to carry over."""

    config_class = GroundingPatchesConfig
    config: GroundingPatchesConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GroundingPatchesConfig) -> None:
        super().__init__(config)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        """(V, N, p * p * C) -> the same as last_hidden_state."""
        return BaseModelOutput(last_hidden_state=pixel_values)


def takes_patches(config: PreTrainedConfig) -> bool:
    """Whether the encoder of this configuration sees pictures as patches, and so at any size and shape."""
    return config.model_type in ("grounding_patches", "siglip2_vision_model", *MERGING)


def merge_size(config: PreTrainedConfig) -> int:
    """How many patches along a side become one feature: 2 in Qwen2-VL's tower, 1 elsewhere."""
    return int(config.spatial_merge_size) if config.model_type in MERGING else 1


def patch_side(config: PreTrainedConfig) -> int:
    """p, the side of a patch in px, of an encoder that takes patches."""
    side = config.patch_size
    return int(side[0] if isinstance(side, (list, tuple)) else side)


def check_merge(rows: int, columns: int, merge: int) -> None:
    """Raises InputError unless so many rows and columns of patches can be merged."""
    if rows % merge or columns % merge:
        raise InputError(
            f"a view of {rows} x {columns} patches cannot be merged by {merge}: make both multiples of {merge}"
        )


def patchify(pixel_values: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """(V, N, p * p * C) patches row by row of (V, C, H, W) pictures, and their rows and columns (V, 2).

    Raises InputError where H or W is no multiple of `side`.
    """
    views, channels, height, width = pixel_values.shape
    if height % side or width % side:
        raise InputError(f"a picture of {width} x {height} px does not divide into patches of {side} px: resize it")
    rows, columns = height // side, width // side
    grid = pixel_values.reshape(views, channels, rows, side, columns, side)
    patches = grid.permute(0, 2, 4, 3, 5, 1).reshape(views, rows * columns, side * side * channels)
    shapes = torch.tensor([[rows, columns]], device=pixel_values.device).expand(views, 2)
    return patches, shapes


def patches_there(spatial_shapes: Tensor, length: int) -> Tensor:
    """(V, length) bool: which patches are a view's own, the rest being padding."""
    return torch.arange(length, device=spatial_shapes.device)[None] < spatial_shapes.prod(1)[:, None]


def encode_patches(model: PreTrainedModel, patches: Tensor, spatial_shapes: Tensor, layer: int) -> Tensor:
    """(V, N, D) features of patches (V, N, p * p * C) of views of `spatial_shapes` (V, 2) rows and columns.

    A tower that merges gives fewer, as `vision.feature_shapes` says. Raises InputError where shapes and patches don't
    agree.
    """
    most = int(spatial_shapes.prod(1).max())
    if len(spatial_shapes) != len(patches) or most > patches.shape[1]:
        raise InputError(
            f"{len(patches)} views of up to {patches.shape[1]} patches, and spatial_shapes of {len(spatial_shapes)} "
            f"views of up to {most}: they must be of the same views"
        )
    kind = model.config.model_type
    if kind == "grounding_patches":
        return model(patches).last_hidden_state
    if kind in MERGING:
        return _encode_merging(model, patches, spatial_shapes)
    there = patches_there(spatial_shapes, patches.shape[1])
    output = model(
        patches,
        pixel_attention_mask=there.long(),
        spatial_shapes=spatial_shapes,
        output_hidden_states=layer != -1,
    )
    return output.last_hidden_state if layer == -1 else output.hidden_states[layer]


def _encode_merging(model: PreTrainedModel, patches: Tensor, spatial_shapes: Tensor) -> Tensor:
    """(V, N / merge^2, D): all views in one row without padding, the patches to be merged next to each other.

    The order and the doubled frame of a still are those of Qwen2-VL's image processor in transformers.
    """
    config = model.config
    side, merge, frames = patch_side(config), merge_size(config), config.temporal_patch_size
    frames = int(frames[0] if isinstance(frames, (list, tuple)) else frames)
    channels = patches.shape[2] // (side * side)
    row: list[Tensor] = []
    shapes = spatial_shapes.tolist()
    for view, (rows, columns) in zip(patches, shapes, strict=True):
        check_merge(rows, columns, merge)
        grid = view[: rows * columns].reshape(rows // merge, merge, columns // merge, merge, side * side, channels)
        row.append(grid.transpose(1, 2).reshape(rows * columns, side * side, channels))
    stills = torch.cat(row).transpose(1, 2)[:, :, None].expand(-1, -1, frames, -1).flatten(1)
    grid_thw = F.pad(spatial_shapes, (1, 0), value=1)
    merged = model(stills, grid_thw=grid_thw).pooler_output
    counts = [rows * columns // merge**2 for rows, columns in shapes]
    return torch.nn.utils.rnn.pad_sequence(list(merged.split(counts)), batch_first=True)
