"""Vision encoders of every kind, small enough for tests, with random weights; and what each of them gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DINOv3ConvNextConfig,
    DINOv3ViTConfig,
    PreTrainedConfig,
    ResNetConfig,
    Siglip2VisionConfig,
    SiglipVisionConfig,
)
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig

from grounding.model import GroundingPairConfig, GroundingPatchesConfig, GroundingVisionConfig

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
DINO = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "mlp_ratio": 2}
TOWER = {"depth": 2, "num_heads": 2, "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 48}
CLIP = CLIPVisionConfig(**SHAPE, image_size=56, patch_size=14)


def timm(architecture: str, size: int, **options: Any) -> PreTrainedConfig:
    """A configuration of timm's architecture by transformers' wrapper."""
    pytest.importorskip("timm", reason="timm is not installed")
    from transformers import TimmWrapperConfig

    return TimmWrapperConfig(architecture=architecture, model_args=options, do_pooling=False, image_size=size)


@dataclass(frozen=True)
class Encoder:
    """`build` its configuration; `layers` which hidden states; `side` of the grid and `width` for each of them."""

    build: Any
    layers: tuple[Any, ...]
    sides: tuple[int, ...]
    widths: tuple[int, ...]
    convolutional: bool = False
    """Whether a token sees far around its place even at random, so that a bright patch may change others more."""


ENCODERS = {
    "ours": Encoder(
        lambda: GroundingVisionConfig(**SHAPE, image_size=64, stem_channels=[8, 16]), (-1,), (4,), (32,), True
    ),
    "clip": Encoder(lambda: CLIP, (-1, -2), (4, 4), (32, 32)),
    "clip of LLaVA-1.5's grid": Encoder(
        lambda: CLIPVisionConfig(**SHAPE, image_size=336, patch_size=14), (-2,), (24,), (32,)
    ),
    "siglip": Encoder(
        lambda: SiglipVisionConfig(**SHAPE, image_size=48, patch_size=8), (-1, -2, [-1, -2]), (6, 6, 6), (32, 32, 64)
    ),
    "siglip 2 naflex": Encoder(
        lambda: Siglip2VisionConfig(**SHAPE, num_patches=36, patch_size=8), (-1, -2, [-2, -1]), (6, 6, 6), (32, 32, 64)
    ),
    "dinov2": Encoder(lambda: Dinov2Config(**DINO, image_size=56, patch_size=14), (-1, -2), (4, 4), (32, 32)),
    "dinov2 with registers": Encoder(
        lambda: Dinov2WithRegistersConfig(**DINO, image_size=56, patch_size=14, num_register_tokens=3),
        (-1, -2),
        (4, 4),
        (32, 32),
    ),
    "dinov3": Encoder(
        lambda: DINOv3ViTConfig(**SHAPE, image_size=64, patch_size=16, num_register_tokens=4),
        (-1, -2),
        (4, 4),
        (32, 32),
    ),
    "dinov3 convnext": Encoder(
        lambda: DINOv3ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], image_size=64),
        (-1, -2, [-2, -1]),
        (2, 4, 4),
        (32, 24, 56),
        True,
    ),
    "resnet": Encoder(
        lambda: ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", image_size=64),
        (-1, -2),
        (8, 16),
        (16, 8),
        True,
    ),
    "eva-02": Encoder(lambda: timm("eva02_tiny_patch14_224", 56, depth=3, img_size=56), (-1, -2), (4, 4), (192, 192)),
    "timm vit": Encoder(lambda: timm("vit_tiny_patch16_224", 64, depth=2, img_size=64), (-1, -2), (4, 4), (192, 192)),
    "timm swin": Encoder(
        lambda: timm("swin_tiny_patch4_window7_224", 64, img_size=64, embed_dim=24, depths=(1, 1, 1, 1)),
        (-1, -2),
        (2, 4),
        (192, 96),
        True,
    ),
    "efficientnet-lite0": Encoder(
        lambda: timm("efficientnet_lite0", 64), (-1, -2, -3, [-2, -1]), (2, 4, 8, 4), (1280, 112, 40, 1392), True
    ),
    "two side by side": Encoder(
        lambda: GroundingPairConfig(
            first=CLIP, second=Dinov2Config(**DINO, image_size=42, patch_size=14), first_layer=-2, second_std=[0.2] * 3
        ),
        (-1,),
        (4,),
        (64,),
    ),
    "raw patches": Encoder(lambda: GroundingPatchesConfig(image_size=60, patch_size=15), (-1,), (4,), (675,)),
    "qwen2-vl": Encoder(
        lambda: Qwen2VLVisionConfig(depth=2, embed_dim=32, hidden_size=48, num_heads=2, image_size=112),
        (-1,),
        (4,),
        (48,),
    ),
    "qwen2.5-vl": Encoder(
        lambda: Qwen2_5_VLVisionConfig(**TOWER, fullatt_block_indexes=[1], window_size=56, image_size=112),
        (-1,),
        (4,),
        (48,),
    ),
    "qwen3-vl": Encoder(
        lambda: Qwen3VLVisionConfig(
            **TOWER, patch_size=16, num_position_embeddings=64, deepstack_visual_indexes=[0], image_size=128
        ),
        (-1,),
        (4,),
        (48,),
    ),
}
"""By their name."""

CASES = [
    pytest.param(name, number, id=f"{name}, {encoder.layers[number]}")
    for name, encoder in ENCODERS.items()
    for number in range(len(encoder.layers))
]
"""Every encoder with each number of its `layers`."""


def brightened(pixels: torch.Tensor, side: int, row: int, column: int) -> torch.Tensor:
    """The pictures with one cell of a grid of `side` x `side` made bright."""
    cell = pixels.shape[-1] // side
    bright = pixels.clone()
    bright[:, :, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] += 3
    return bright
