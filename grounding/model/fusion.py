"""Owns how picture and text meet: who may look at whom, and where image features stand among the text's embeddings.

Roles, one a token: PAD, IMAGE, PROMPT, ANSWER. Image tokens see image tokens, in both directions, and never the text,
so a picture's keys and values serve every phrase; a prompt sees the image and itself, in both directions; an answer
sees the images before it, its prompt and the answer so far. Several phrases of one picture may stand in one row, told
apart by their `segments`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from grounding.errors import ConfigError
from grounding.model.cross_attention import CrossAttention

PAD, IMAGE, PROMPT, ANSWER = 0, 1, 2, 3


def visibility(
    roles: Tensor,
    segments: Tensor | None = None,
    start: int = 0,
    causal: bool = False,
    documents: Tensor | None = None,
) -> Tensor:
    """(B, 1, L - start, L) bool: whether the token at a place (third axis, from `start`) may look at another (fourth).

    `roles` (B, L) of the numbers above; `segments` (B, L) the phrase that a text token belongs to; images, any number;
    `documents` (B, L) which of several texts that share a row, pictures and all, a token belongs to: none sees another.
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
    image = image & (earlier if causal else earlier | (viewer != ANSWER))
    itself = (viewer == PAD) & (places[start:, None] == places[None, :])
    seen_of = image | text
    if documents is not None:
        seen_of = seen_of & (documents[:, start:, None] == documents[:, None, :])
    return (seen_of | itself)[:, None]


class Concatenation(nn.Module):
    """Image features among the text's embeddings, one place each, as in LLaVA. Nothing to learn."""

    marks: ClassVar[bool] = False

    def __init__(self, language: nn.Module, width: int) -> None:
        super().__init__()

    def forward(self, embeddings: Tensor, features: Tensor, image_places: Tensor) -> Tensor:
        """Features (B, N, D) or (M, D) take the places (B, L) of image tokens among the embeddings (B, L, D)."""
        places = image_places[..., None].expand_as(embeddings)
        return embeddings.masked_scatter(places, features.to(embeddings.dtype))


FUSIONS: dict[str, Callable[..., nn.Module]] = {"concatenation": Concatenation, "cross_attention": CrossAttention}
"""Name to builder: (language model, its width, **options) -> module."""


def build_fusion(name: str, language: nn.Module, width: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Raises ConfigError for a name that is not in FUSIONS, and for options which that fusion doesn't take."""
    if name not in FUSIONS:
        raise ConfigError(f"no fusion named {name!r}; known: {', '.join(FUSIONS)}")
    known = list(inspect.signature(FUSIONS[name]).parameters)[2:]
    for option in options or {}:
        if option not in known:
            raise ConfigError(
                f"the fusion {name!r} has no option {option!r}; it takes {', '.join(known) or 'none'}: change "
                "fusion_options"
            )
    return FUSIONS[name](language, width, **(options or {}))
