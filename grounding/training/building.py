"""Owns the building of what a recipe trains: fresh or pretrained parts joined to one model, with its processor."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from grounding.codecs import get_codec
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.wording import texts_of
from grounding.images import Canvas
from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingProcessor,
)
from grounding.model.tokenization import train_tokenizer
from grounding.training.recipe import Recipe

TOKENIZER_LESSONS = 1000
"""Lessons whose texts a fresh tokenizer is learned from."""


def build(recipe: Recipe, mixture: Mixture) -> tuple[GroundingForConditionalGeneration, GroundingProcessor]:
    """The model with weights of the recipe's seed, and its processor."""
    wanted = recipe.model
    torch.manual_seed(recipe.seed)
    tokenizer = train_tokenizer(lesson_texts(mixture, wanted.codec), wanted.vocab_size)
    config = GroundingConfig(
        vision_config={"image_size": wanted.image_size or 224, **wanted.vision_config},
        text_config={"vocab_size": wanted.vocab_size, **wanted.language_config},
        projector=wanted.projector,
        projector_options=dict(wanted.projector_options) or None,
        fusion=wanted.fusion,
        fusion_options=dict(wanted.fusion_options) or None,
        attention=wanted.attention,
        resize=wanted.resize,
        codec=wanted.codec,
        vision_feature_layer=wanted.vision_feature_layer,
    )
    model = GroundingForConditionalGeneration(config)
    processor = GroundingProcessor(
        GroundingImageProcessor(config.image_size, wanted.resize),
        tokenizer,
        codec=wanted.codec,
        image_tokens=model.count_image_tokens(),
    )
    return model, processor


def lesson_texts(mixture: Mixture, codec: str, count: int = TOKENIZER_LESSONS) -> Iterator[str]:
    """Prompts and answers of a mixture's first lessons; a picture's size doesn't matter to their words."""
    writer = get_codec(codec)
    for position in range(count):
        lesson = mixture.lesson(position)
        sizes = [turn.size for turn in lesson.turns if hasattr(turn, "size")][:1] or [(1000, 1000)]
        for prompt, answer in texts_of(lesson, writer, [Canvas.identity(*size) for size in sizes]):
            yield prompt
            yield answer
