"""Owns the parts of a model by name: which parameters belong to which, what a stage freezes, and how many move."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from grounding.errors import ConfigError

PARTS = ("vision", "projector", "fusion", "language", "embeddings", "locations", "lora")
"""What a stage may name, besides "all"; "locations" are the rows of location tokens within the embeddings."""

_PATTERNS: tuple[tuple[str, str], ...] = (
    ("lora", r"\blora_|trainable_tokens_delta"),
    ("fusion", r"(^|\.)(cross_attention|gated_cross_attention|fusion)\b"),
    (
        "projector",
        r"(^|\.)(projector|line_end|multi_modal_projector|merger|image_projection|image_proj_norm|connector)\b",
    ),
    ("vision", r"(^|\.)(vision|vision_tower|vision_model|visual|image_encoder|vit)\b"),
    (
        "embeddings",
        r"(^|\.)(embedding|embed_tokens|embeddings|wte|lm_head|shared|word_embeddings|output_projection|embed_out)\b",
    ),
)
"""Part to a pattern of parameters' names, in the order in which they are tried: ours and those of transformers."""


def part_of(name: str) -> str:
    """The part that a parameter belongs to, by its name; "language" where nothing else fits."""
    for part, pattern in _PATTERNS:
        if re.search(pattern, name):
            return part
    return "language"


def freeze(model: nn.Module, train: Sequence[str]) -> dict[str, int]:
    """Lets the named parts move and nothing else; parameters that move, by part.

    Raises ConfigError for a part that there is none of.
    """
    wanted = set(PARTS) if "all" in train else set(train)
    if unknown := wanted - set(PARTS):
        raise ConfigError(f"no part {sorted(unknown)[0]!r} of a model; known: all, {', '.join(PARTS)}")
    moving: dict[str, int] = {}
    present = set()
    for name, parameter in model.named_parameters():
        part = part_of(name)
        present.add(part)
        parameter.requires_grad_(part in wanted)
        if part in wanted:
            moving[part] = moving.get(part, 0) + parameter.numel()
    if "all" not in train and (absent := wanted - present - {"locations"}):
        raise ConfigError(
            f"the stage trains {sorted(absent)[0]!r}, and this model has none; it has {', '.join(present)}"
        )
    return moving


def totals(model: nn.Module) -> dict[str, int]:
    """Parameters of each part, moving or not."""
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = part_of(name)
        found[part] = found.get(part, 0) + parameter.numel()
    return found
