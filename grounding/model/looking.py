"""Owns how our model's attention is read: where in the picture it looked while it wrote the coordinates of a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from grounding.errors import ConfigError
from grounding.model.fusion import ANSWER, IMAGE, PROMPT
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor


@torch.inference_mode()
def attention_over_patches(
    model: GroundingForConditionalGeneration,
    processor: GroundingProcessor,
    image: Image,
    prompt: str,
    answer: str,
    places: Sequence[int],
) -> NDArray[np.float64]:
    """(side, side) where the model looked as it chose the answer's tokens at `places`; each at most 1, the largest 1.

    The mean over layers, heads and places of the attention on each patch, from the token before each place, which is
    the one that chose it. Rows from top to bottom. Raises ConfigError for a decoder that is not ours.
    """
    if not model.own_language:
        raise ConfigError("attention is read from our own decoder alone; this model has another")
    prompt_ids, answer_ids = processor.encode_prompts([prompt])[0], processor.encode_answers([answer])[0]
    count, start = processor.image_tokens, processor.image_tokens + len(prompt_ids)
    ids = [processor.ids[3]] * count + prompt_ids + answer_ids
    roles = [IMAGE] * count + [PROMPT] * len(prompt_ids) + [ANSWER] * len(answer_ids)
    watched = torch.tensor([start + place - 1 for place in places], device=model.device)
    pixels = processor.image_processor(image)["pixel_values"].to(model.device, model.dtype)
    seen: list[Tensor] = []
    hooks = [
        block.attention.register_forward_pre_hook(_reading(seen, watched, count)) for block in model.language.blocks
    ]
    try:
        model(
            input_ids=torch.tensor([ids], device=model.device),
            pixel_values=pixels,
            token_roles=torch.tensor([roles], device=model.device),
            logits_to_keep=1,
        )
    finally:
        for hook in hooks:
            hook.remove()
    heat = torch.stack(seen).mean(0)
    side = round(count**0.5)
    grid: NDArray[np.float64] = (heat / heat.max().clamp_min(1e-12)).reshape(side, side).double().cpu().numpy()
    return grid


def coordinate_places(answer_ids: Sequence[int], first: int, bins: int) -> list[tuple[int, ...]]:
    """Places of the coordinates of each box in an answer's ids, four a box, in the order they were written."""
    runs: list[int] = [place for place, token in enumerate(answer_ids) if first <= token < first + bins]
    return [tuple(runs[at : at + 4]) for at in range(0, len(runs) - 3, 4)]


def _reading(seen: list[Tensor], watched: Tensor, count: int) -> Any:
    """A hook that adds the (count,) attention of the watched tokens on the image tokens, mean over heads, to `seen`."""

    def read(module: Any, arguments: tuple[Any, ...]) -> None:
        x = arguments[0]
        rows, length, width = x.shape
        projected = module.qkv(x).view(rows, length, 3 * module.heads, width // module.heads)
        queries, keys, _ = projected.split(module.heads, 2)
        chosen = module.query_norm(queries)[0, watched].float()  # (places, H, D/H)
        against = module.key_norm(keys)[0].float()  # (L, H, D/H)
        scores = torch.einsum("phd,khd->hpk", chosen, against) * chosen.shape[-1] ** -0.5
        hidden = torch.arange(length, device=x.device)[None, :] > watched[:, None]
        weights = scores.masked_fill(hidden[None], -torch.inf).softmax(-1)
        seen.append(weights[:, :, :count].mean((0, 1)))

    return read
