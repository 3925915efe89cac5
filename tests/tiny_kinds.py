"""Tiny models of many kinds: our decoder and a Llama, every layout, several box languages, both fusions."""

from __future__ import annotations

from functools import lru_cache

import torch

from grounding.model import GroundingConfig, GroundingForConditionalGeneration, GroundingProcessor
from grounding.model.building import processor_for
from tests import tiny

CHAT = "USER: <image> {prompt} ASSISTANT:"
PATCHES = {"model_type": "grounding_patches", "image_size": tiny.SIZE, "patch_size": 16}
SQUARES = {**tiny.SHAPE, "image_size": tiny.SIZE, "num_hidden_layers": 1, "stem_channels": [16, 32]}
KINDS = {
    # name: language model, prompt template, and what the configuration says
    "tiles": ("own", "{prompt}", {"resize": "llava_next", "line_ends": True}),
    "tiles and a thumbnail, left to right": ("own", "{prompt}", {"resize": "internvl", "attention": "causal"}),
    "native in decimals": ("own", "{prompt}", {"resize": "native", "codec": "shikra", "line_ends": True}),
    "a Llama": ("llama", "{prompt}", {"resize": "llava_next", "line_ends": True}),
    "a Llama that chats of native pictures": (
        "llama",
        CHAT,
        {"resize": "native", "codec": "kosmos-2", "attention": "causal"},
    ),
    "a Llama that chats": ("llama", CHAT, {"resize": "pad", "codec": "llava-1.5"}),
    "pictures beside the text": ("llama", "{prompt}", {"resize": "internvl", "fusion": "cross_attention"}),
    "pictures beside the text, left to right": (
        "own",
        CHAT,
        {"resize": "llava_next", "fusion": "cross_attention", "attention": "causal", "codec": "shikra"},
    ),
    "latents of tiles": (
        "own",
        "{prompt}",
        {"resize": "llava_next", "projector": "perceiver", "projector_options": {"latents": 5, "heads": 2}},
    ),
    "shuffled native pictures": ("llama", "{prompt}", {"resize": "native", "projector": "pixel_shuffle"}),
}


def config(name: str) -> GroundingConfig:
    """The configuration of a kind."""
    language, _, changes = KINDS[name]
    text = {**tiny.SHAPE, "vocab_size": tiny.VOCAB, "num_hidden_layers": 2, "initializer_range": 0.1}
    if language == "llama":
        text |= {"model_type": "llama", "num_key_value_heads": 1}
    text["max_position_embeddings"] = 1024
    vision = PATCHES if changes["resize"] == "native" else SQUARES
    options = {"every": 1} if changes.get("fusion") == "cross_attention" else None
    return GroundingConfig(vision_config=vision, text_config=text, fusion_options=options, **changes)


@lru_cache(maxsize=len(KINDS))
def kind(name: str) -> tuple[GroundingForConditionalGeneration, GroundingProcessor]:
    """A model with random weights, whose pictures matter to what it says, and its processor."""
    torch.manual_seed(0)
    model = GroundingForConditionalGeneration(config(name)).eval()
    for part, weight in model.named_parameters():
        if part.endswith("gate") or part == "line_end":  # which start at zero
            torch.nn.init.constant_(weight, 0.5)
    _, template, changes = KINDS[name]
    options = {"max_patches": 64} if changes["resize"] == "native" else None
    made = processor_for(
        model, tiny.tokenizer(), prompt_template=template, max_prompt_tokens=400, resize_options=options
    )
    return model, made
