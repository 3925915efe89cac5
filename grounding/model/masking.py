"""Owns who sees whom in the form that a language model takes: ours, with its picture first, or any of transformers,
whose layers may see no further than a window.

Shapes: B rows, L tokens, P tokens of the past, Q new tokens, K = P + Q. Functions give what is handed to the language
model. Their `config` is that of a language model of transformers, or None for ours; `dtype` that of the embeddings;
`positions` (B or 1, L or Q).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from grounding.errors import ConfigError
from grounding.model.blocks import as_bias
from grounding.model.fusion import IMAGE, PAD, visibility

TAKES_MASKS = ("eager", "sdpa")
"""Implementations of attention that take any mask."""


def masks_of_whole(
    config: PreTrainedConfig | None,
    roles: Tensor,
    segments: Tensor | None,
    positions: Tensor,
    causal: bool,
    dtype: torch.dtype,
    documents: Tensor | None = None,
) -> dict[str, Any]:
    """For a text with nothing before it, of (B, L) `roles`, `segments` and `documents` (see `visibility`)."""
    if config is None:
        prefix = 0 if causal else leading_images(roles == IMAGE)
        return {"attention_mask": visibility(roles, segments, prefix, causal, documents), "prefix": prefix}
    if causal and documents is None and (segments is None or bool((segments == segments[:, :1]).all())):
        # plainly causal: the language model's own masks, with which it can use the fastest attention there is
        return {"attention_mask": (roles != PAD).long()}
    visible = visibility(roles, segments, 0, causal, documents)
    pictures = roles == IMAGE
    whole = None if causal else (pictures[:, :, None] & pictures[:, None])[:, None] & visible
    return {"attention_mask": in_its_form(config, visible, dtype, positions, positions, whole)}


def masks_behind(
    config: PreTrainedConfig | None,
    roles: Tensor,
    attention_mask: Tensor,
    positions: Tensor,
    causal: bool,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """For new tokens of (B, Q) `roles` behind a past, of which all but padding (0 in `attention_mask` (B, K)) is seen.

    Of the new, a prompt sees itself whole.
    """
    count = roles.shape[1]
    past = attention_mask.shape[1] - count
    shown = attention_mask[:, None, None, :past].bool().expand(-1, 1, count, -1)
    visible = torch.cat([shown, visibility(roles, causal=causal)], 3)
    if config is None:
        return {"attention_mask": visible}
    places = torch.cat([attention_mask[:, :past].long().cumsum(1) - 1, positions.expand(len(roles), -1)], 1)
    return {"attention_mask": in_its_form(config, visible, dtype, positions, places)}


def masks_of_step(
    config: PreTrainedConfig | None, attention_mask: Tensor | None, positions: Tensor, dtype: torch.dtype
) -> dict[str, Any]:
    """For one new token a row, which sees all that is no padding: (B, K) `attention_mask`, or None where none is."""
    if attention_mask is None:
        return {"attention_mask": None}
    visible = attention_mask.bool()[:, None, None, :]
    if config is None:
        return {"attention_mask": visible}
    places = attention_mask.long().cumsum(1) - 1 if window_of(config) else attention_mask
    return {"attention_mask": in_its_form(config, visible, dtype, positions, places)}


def masks_of_pictures(config: PreTrainedConfig | None, features: Tensor, causal: bool) -> dict[str, Any]:
    """For pictures (B, L, D) alone."""
    rows, count = features.shape[:2]
    if config is None:
        return {"attention_mask": None, "prefix": 0 if causal else count}
    if causal:
        return {"attention_mask": None}
    places = torch.arange(count, device=features.device)[None]
    everything = places.new_ones(rows, 1, count, count, dtype=torch.bool)
    return {"attention_mask": in_its_form(config, everything, features.dtype, places, places, everything)}


def window_of(config: PreTrainedConfig) -> int | None:
    """How many tokens, itself among them, a token of a sliding layer sees; None where there is no such layer."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    return None if not window or (kinds and "sliding_attention" not in kinds) else int(window)


def in_its_form(
    config: PreTrainedConfig,
    visible: Tensor,
    dtype: torch.dtype,
    places: Tensor,
    all_places: Tensor,
    whole: Tensor | None = None,
) -> Tensor | dict[str, Tensor]:
    """Visibility (B, 1, Q, K) as a model of `config` takes it: one bias for all layers, or one for each kind.

    Sliding layers see no further than their window, back as ahead, along the positions `places` (B or 1, Q) and
    `all_places` (B or 1, K); but `whole` (B, 1, Q, K) bool always: within pictures, as Gemma 3 sees them. Raises
    ConfigError where the model's attention takes no such masks.
    """
    implementation = getattr(config, "_attn_implementation", None) or "eager"
    if implementation not in TAKES_MASKS:
        raise ConfigError(
            f"attn_implementation is {implementation!r}, which takes no masks of pictures and prompts: take sdpa, or "
            "attention='causal' with one phrase a row"
        )
    bias, window = as_bias(visible, dtype), window_of(config)
    if window is None or all_places.shape[-1] <= window:
        return bias
    near = (places[:, :, None] - all_places[:, None]).abs()[:, None] < window
    if whole is not None:
        near = near | whole
    sliding = as_bias(visible & near, dtype)
    if getattr(config, "layer_types", None):
        return {"full_attention": bias, "sliding_attention": sliding}
    return sliding


def leading_images(places: Tensor) -> int:
    """How many tokens at the start of every row are image tokens, when all rows agree and hold no others; else 0."""
    counts = places.sum(1)
    count = int(counts[0])
    if count == 0 or not bool((counts == count).all()) or not bool(places[:, :count].all()):
        return 0
    return count
