"""A model small enough for tests: 64 px, 16 image tokens, width 64, and a tokenizer that knows a few drawn scenes."""

from __future__ import annotations

import copy
from functools import lru_cache

import torch
from PIL import Image

from grounding.data.scenes.generate import Picture, PictureOptions, draw_picture
from grounding.data.scenes.scene import SceneOptions
from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingProcessor,
)
from grounding.model.decode import Ask
from grounding.model.tokenization import train_tokenizer

SIZE, TOKENS, WIDTH, VOCAB = 64, 16, 64, 1600
OPTIONS = PictureOptions(SceneOptions(sides=(96, 160), things=(2, 6)), phrases=6)
SHAPE = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_attention_heads": 2}


@lru_cache(maxsize=4)
def pictures(count: int = 8) -> tuple[Picture, ...]:
    """Drawn pictures of small sides, with their questions."""
    return tuple(draw_picture(seed, OPTIONS) for seed in range(count))


def image(number: int) -> Image.Image:
    """One of them, as PIL."""
    return Image.fromarray(pictures()[number].image)


def tokenizer():
    """A tokenizer of one's own, which may be given more tokens."""
    return copy.deepcopy(learned_tokenizer())


@lru_cache(maxsize=1)
def learned_tokenizer():
    """Learned from the questions and answers of 40 pictures."""
    samples = [sample for picture in pictures(40) for sample in picture.samples]
    return train_tokenizer((text for sample in samples for text in (sample.prompt, sample.answer)), VOCAB)


def processor(**options) -> GroundingProcessor:
    return GroundingProcessor(GroundingImageProcessor(SIZE), tokenizer(), image_tokens=TOKENS, **options)


def config(**changes) -> GroundingConfig:
    """One block that sees, two that speak. Embeddings start wide, so that no two tokens are near a tie."""
    text = {**SHAPE, "vocab_size": VOCAB, "num_hidden_layers": 2, "initializer_range": 0.1}
    vision = {**SHAPE, "image_size": SIZE, "num_hidden_layers": 1, "stem_channels": [16, 32]}
    return GroundingConfig(**{"vision_config": vision, "text_config": text, **changes})


def model(seed: int = 0, **changes) -> GroundingForConditionalGeneration:
    """With random weights of the seed, in eval mode."""
    torch.manual_seed(seed)
    return GroundingForConditionalGeneration(config(**changes)).eval()


def asks(processor: GroundingProcessor, count: int, grammar: bool = True) -> list[Ask]:
    """Questions about several pictures, several of each, of different lengths and tasks."""
    found = []
    codec = processor.codec_object
    for picture in pictures():
        shown = Image.fromarray(picture.image)
        canvas = processor.canvas(*shown.size)
        for sample in picture.samples:
            limit = codec.grammar(sample.task, names=sample.names, **({"point": True} if sample.point else {}))
            found.append(Ask(shown, sample.prompt, canvas, sample.task, limit if grammar else None))
    return [found[number % len(found)] for number in range(count)]


def checkpointing(model) -> None:
    """Switch gradient checkpointing on, by the name that transformers has for it."""
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
