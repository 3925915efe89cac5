"""Owns how generate writes with pictures: what it hands on with the prompt, which cache it keeps, and whose picture is
whose where rows are repeated.

Shapes: B rows, P pictures, V views, M image tokens of a batch, N a view, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation import GenerationMixin

from grounding.errors import InputError

PICTURE_INPUTS = ("pixel_values", "image_features", "image_index", "spatial_shapes", "picture_tokens")
"""What forward is told of pictures."""
FIRST_INPUTS = (*PICTURE_INPUTS, "token_roles", "segment_ids")
"""What generate hands on with the prompt and not after it."""


class PictureGeneration(GenerationMixin):
    """transformers' generate, for a model of pictures."""

    if TYPE_CHECKING:
        config: Any
        fusion: Any

        def image_features(
            self, pixel_values: Tensor, image_index: Tensor | None = None, spatial_shapes: Tensor | None = None
        ) -> Tensor: ...

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Cache | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Pictures go in once, with the whole prompt; after that one token at a time."""
        if kwargs.get("use_cache") is False:
            # without it the answer so far comes again with the prompt, and would see itself whole as the prompt does
            raise InputError("generate needs its cache here: leave use_cache out, or True")
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if not past and past_key_values is not None:
            if past_key_values.is_compileable:
                raise InputError("generate needs a cache that grows: leave cache_implementation out")
            if any(past_key_values.is_sliding):
                past_key_values = DynamicCache()
        return {
            "input_ids": input_ids[:, past:],
            **({} if past else {name: kwargs.get(name) for name in FIRST_INPUTS}),
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": True,
            "logits_to_keep": 1,
        }

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Each row `expand_size` times, with its pictures, which are encoded once."""
        if expand_size > 1 and input_ids is not None:
            pictures = {name: kwargs.pop(name, None) for name in PICTURE_INPUTS}
            features, counts = pictures["image_features"], pictures["picture_tokens"]
            if features is None and pictures["pixel_values"] is not None:
                names = ("pixel_values", "image_index", "spatial_shapes")
                features = self.image_features(*(pictures[name] for name in names))
            if features is not None:
                found = (input_ids == self.config.image_token_id).sum(1)
                kwargs_of_pictures = repeat_pictures(features, counts, found, expand_size, self.fusion.marks)
            else:
                kwargs_of_pictures = {}
            input_ids, kwargs = super()._expand_inputs_for_generation(
                expand_size, is_encoder_decoder, input_ids, **kwargs
            )
            return input_ids, {**kwargs, **kwargs_of_pictures}
        return super()._expand_inputs_for_generation(expand_size, is_encoder_decoder, input_ids, **kwargs)


def repeat_pictures(
    features: Tensor, counts: Tensor | None, found: Tensor, times: int, marks: bool
) -> dict[str, Tensor | None]:
    """`image_features` and `picture_tokens` for rows that come `times` times, each with its own.

    `features` (V, N, D) or (M, D) of all rows in turn, `counts` as picture_tokens, `found` (B,) image tokens of each
    row; `marks`: whether such a token stands for a picture, or for a feature.
    """
    if marks and counts is None and features.ndim == 3:
        order = torch.arange(len(features), device=features.device)
        return {"image_features": features[repeat_runs(order, found, times)], "picture_tokens": None}
    flat = features.flatten(0, -2)
    order = torch.arange(len(flat), device=features.device)
    if not marks or counts is None:
        return {"image_features": flat[repeat_runs(order, found, times)], "picture_tokens": counts}
    numbers = torch.as_tensor(counts, device=features.device).long()
    pictures = repeat_runs(torch.arange(len(numbers), device=features.device), found, times)
    each = torch.stack([part.sum() for part in numbers.split(found.tolist())])
    return {"image_features": flat[repeat_runs(order, each, times)], "picture_tokens": numbers[pictures]}


def repeat_runs(values: Tensor, lengths: Tensor, times: int) -> Tensor:
    """Consecutive runs of values, each `times` times before the next."""
    return torch.cat([run.repeat(times) for run in values.split(lengths.tolist())])
