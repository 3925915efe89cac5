"""Owns the making of the processor that fits a model: whatever the model decides is read from it, never told twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedConfig
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    IMAGENET_STANDARD_MEAN,
    IMAGENET_STANDARD_STD,
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
)

from grounding.errors import ConfigError
from grounding.model.image_processing import GroundingImageProcessor
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.patches import merge_size, patch_side, takes_patches
from grounding.model.processing import WORDS, GroundingProcessor
from grounding.model.projectors import projected_grid, projected_stride
from grounding.model.tokenization import IMAGE
from grounding.model.vision import patch_features

Numbers = Sequence[float]
HALF = (tuple(IMAGENET_STANDARD_MEAN), tuple(IMAGENET_STANDARD_STD))
CLIP = (tuple(OPENAI_CLIP_MEAN), tuple(OPENAI_CLIP_STD))
IMAGENET = (tuple(IMAGENET_DEFAULT_MEAN), tuple(IMAGENET_DEFAULT_STD))
NORMALIZATIONS: dict[str, tuple[Numbers, Numbers]] = {
    "grounding_vision": HALF,
    "grounding_lite_vision": HALF,
    "grounding_patches": HALF,
    "siglip_vision_model": HALF,
    "siglip2_vision_model": HALF,
    "clip_vision_model": CLIP,
    "qwen2_vl_vision": CLIP,
    "qwen2_5_vl_vision": CLIP,
    "qwen3_vl_vision": HALF,
    "dinov2": IMAGENET,
    "dinov2_with_registers": IMAGENET,
    "dinov3_vit": IMAGENET,
    "dinov3_convnext": IMAGENET,
}
"""Mean and std of pixels (red, green, blue, of 0 to 1) that encoders were trained with, by their model type."""


def processor_for(
    model: GroundingForConditionalGeneration,
    tokenizer: Any,
    *,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    fill: Sequence[int] | None = None,
    resize_options: Mapping[str, Any] | None = None,
    prompt_template: str = WORDS,
    image_token: str | None = None,
    max_prompt_tokens: int | None = None,
) -> GroundingProcessor:
    """The processor of a model: sizes, grids, layout and codec are the model's own.

    `mean`, `std`: None takes what the encoder was trained with, where that is known. `fill`: the colour of bars, 0 to
    255; None: the mean's for "pad", as LLaVA-1.5, else black. `resize_options`: those of the layout (`tiling.PLANS`),
    such as {"max_tiles": 6}; patches and their merging are the model's. `image_token`: None: the tokenizer's name of
    `config.image_token_id`. `max_prompt_tokens`: None: 128 for our decoder, 1024 for others. Raises ConfigError where
    model and tokenizer don't fit each other.
    """
    config, vision = model.config, model.config.vision_config
    known = normalization(vision) if mean is None or std is None else (mean, std)
    mean, std = mean or known[0], std or known[1]
    if fill is None:
        fill = [round(255 * value) for value in mean] if config.resize == "pad" else (0, 0, 0)
    options = dict(resize_options or {})
    if config.resize == "native":
        if not takes_patches(vision):
            raise ConfigError(
                f"resize is 'native', and {vision.model_type} sees squares alone: take an encoder of patches "
                "(siglip2_vision_model, grounding_patches, qwen2_vl_vision), or another resize"
            )
        options["patch_size"] = patch_side(vision)
        options["merge"] = merge_size(vision) * projected_stride(config.projector, config.projector_options)
    side = patch_rows(model)
    rows, columns = projected_grid(config.projector, config.projector_options, side, side)
    cell = cell_side(model, side) if columns else None
    pictures = GroundingImageProcessor(
        config.image_size,
        config.resize,
        mean,
        std,
        fill,
        grid=(rows, columns),
        cell=None if cell is None or cell * columns == config.image_size else cell,
        line_ends=config.line_ends,
        resize_options=options,
    )
    image_token = image_token or _image_token(model, tokenizer)
    processor = GroundingProcessor(
        pictures,
        tokenizer,
        codec=config.codec,
        max_prompt_tokens=max_prompt_tokens or (128 if model.own_language else 1024),
        prompt_template=prompt_template,
        image_token=image_token,
        fusion=config.fusion,
    )
    check_fit(model, processor)
    return processor


def normalization(config: PreTrainedConfig) -> tuple[Numbers, Numbers]:
    """Mean and std that an encoder of this configuration was trained with. Raises ConfigError where nobody knows."""
    if config.model_type == "grounding_pair":
        return config.mean, config.std
    if config.model_type == "timm_wrapper":
        facts = getattr(config, "pretrained_cfg", None) or {}
        if facts.get("mean") and facts.get("std"):
            return facts["mean"], facts["std"]
    if config.model_type not in NORMALIZATIONS:
        raise ConfigError(
            f"nobody knows by which mean and std pictures for {config.model_type} are normalized: give mean= and std=, "
            "three numbers each, for values of 0 to 1"
        )
    return NORMALIZATIONS[config.model_type]


@torch.no_grad()
def patch_rows(model: GroundingForConditionalGeneration) -> int:
    """Rows (as many as columns) of patch features of a square view. Raises ConfigError where they are no square."""
    side = model.config.image_size
    blank = torch.zeros(1, 3, side, side, dtype=model.dtype, device=model.device)
    training = [module for module in model.vision.modules() if module.training]  # frozen layers may not be
    count = patch_features(model.vision.eval(), blank, model.config.vision_feature_layer).shape[1]
    for module in training:
        module.training = True
    rows = math.isqrt(count)
    if rows * rows != count:
        raise ConfigError(f"the encoder gives {count} features for a square picture, which are no square grid of them")
    return rows


def cell_side(model: GroundingForConditionalGeneration, rows: int) -> float:
    """Side of what a feature stands for behind the projector, px of a view that gives `rows` rows of patches.

    A convolution over patches leaves what is left of the last one unseen: 384 px are 27 patches of 14.
    """
    config = model.config
    each: float = config.image_size / rows
    patch = getattr(config.vision_config, "patch_size", None)
    if isinstance(patch, int):
        merged = patch * merge_size(config.vision_config)
        each = merged if config.image_size // merged == rows else each
    return float(each * projected_stride(config.projector, config.projector_options))


def check_fit(model: GroundingForConditionalGeneration, processor: GroundingProcessor) -> None:
    """Raises ConfigError where a model and a processor don't belong together."""
    config, tokenizer = model.config, processor.tokenizer
    words, rows = len(tokenizer), int(config.text_config.vocab_size)
    if words > rows:
        raise ConfigError(
            f"the tokenizer has {words} tokens and the language model rows for {rows}: resize its embeddings, "
            "as grounding.add_location_tokens does"
        )
    pictures = processor.image_processor
    for what, mine, theirs in (
        ("image_token_id", config.image_token_id, processor.ids[3]),
        ("codec", config.codec, processor.codec),
        ("resize", config.resize, pictures.resize),
        ("line_ends", config.line_ends, pictures.line_ends),
        ("fusion", config.fusion, processor.fusion),
    ):
        if mine != theirs:
            raise ConfigError(
                f"{what} is {mine!r} for the model and {theirs!r} for its processor: load both from one directory, or "
                "let processor_for make the processor"
            )


def _image_token(model: GroundingForConditionalGeneration, tokenizer: Any) -> str:
    """The tokenizer's name of the model's image token."""
    number = model.config.image_token_id
    name = tokenizer.convert_ids_to_tokens(number) if 0 <= number < len(tokenizer) else None
    if name is None or len(tokenizer(name, add_special_tokens=False)["input_ids"]) != 1:
        raise ConfigError(
            f"image_token_id is {number} in the model's config, where the tokenizer has no token of its own: add one, "
            f"such as {IMAGE}, and set config.image_token_id to its id"
        )
    return str(name)
