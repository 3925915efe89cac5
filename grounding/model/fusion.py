"""Owns how picture and text meet: who may look at whom, and where image features stand among the text's embeddings.

Roles, one a token: PAD, IMAGE, PROMPT, ANSWER. Image tokens see image tokens, in both directions, and never the text,
so a picture's keys and values serve every phrase; a prompt sees the image and itself, in both directions; an answer
sees the image, its prompt and the answer so far. Several phrases of one picture may stand in one row, told apart by
their `segments`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from grounding.errors import ConfigError

PAD, IMAGE, PROMPT, ANSWER = 0, 1, 2, 3


def visibility(roles: Tensor, segments: Tensor | None = None, start: int = 0, causal: bool = False) -> Tensor:
    """(B, 1, L - start, L) bool: whether the token at a place (third axis, from `start`) may look at another (fourth).

    `roles` (B, L) of the numbers above; `segments` (B, L) the phrase that a text token belongs to; images, any number.
    Padding sees itself alone, so that no row is empty. `causal`: nobody sees what comes later, images and prompts
    neither; an image after words sees them then.
    """
    length = roles.shape[1]
    viewer, seen = roles[:, start:, None], roles[:, None, :]
    places = torch.arange(length, device=roles.device)
    earlier = places[start:, None] >= places[None, :]
    if causal:
        text = (viewer >= IMAGE) & (seen >= PROMPT) & earlier
    else:
        text = (viewer >= PROMPT) & ((seen == PROMPT) | ((seen == ANSWER) & (viewer == ANSWER) & earlier))
    if segments is not None:
        text = text & (segments[:, start:, None] == segments[:, None, :])
    image = (seen == IMAGE) & (viewer != PAD)
    if causal:
        image = image & earlier
    itself = (viewer == PAD) & (places[start:, None] == places[None, :])
    return (image | text | itself)[:, None]


def as_bias(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Visibility as a number to add to attention scores: 0, or the lowest there is."""
    bias = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return bias.masked_fill_(~visible, torch.finfo(dtype).min)


def concatenate(embeddings: Tensor, features: Tensor, image_places: Tensor) -> Tensor:
    """Image features (B, N, D) take the places (B, L) of image tokens among the embeddings (B, L, D), as in LLaVA."""
    places = image_places[..., None].expand_as(embeddings)
    return embeddings.masked_scatter(places, features.to(embeddings.dtype))


FUSIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"concatenation": concatenate}
"""Name to what puts features among embeddings."""


def pick_fusion(name: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Raises ConfigError for a name that is not in FUSIONS."""
    if name not in FUSIONS:
        raise ConfigError(f"no fusion named {name!r}; known: {', '.join(FUSIONS)}")
    return FUSIONS[name]
