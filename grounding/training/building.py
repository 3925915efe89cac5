"""Owns the building of what a recipe trains: fresh or pretrained parts joined to one model, with its processor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import AutoTokenizer, PreTrainedModel

from grounding.codecs import get_codec
from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.wording import texts_of
from grounding.errors import CheckpointError, ConfigError
from grounding.images import Canvas
from grounding.model import GroundingConfig, GroundingForConditionalGeneration, GroundingProcessor
from grounding.model.building import HALF, normalization, processor_for
from grounding.model.location_tokens import add_tokens, grow_vocabulary
from grounding.model.pretrained import VisionPart, join_pair, load_language, load_vision
from grounding.model.tokenization import IMAGE, train_tokenizer
from grounding.training.box_tokens import BoxTokens, box_tokens
from grounding.training.part_configs import language_config, vision_config
from grounding.training.recipe import ModelRecipe, Recipe

TOKENIZER_LESSONS = 1000
"""Lessons whose texts a fresh tokenizer is learned from."""


def build(recipe: Recipe, mixture: Mixture) -> tuple[Any, Any]:
    """The model with weights of the recipe's seed, and its processor.

    Ours; or, where `checkpoint` names one of another family, that family's as `foreign` opens it. Raises ConfigError,
    CheckpointError and MissingExtraError, naming the setting.
    """
    torch.manual_seed(recipe.seed)
    if recipe.model.checkpoint is not None:
        from grounding.training.foreign import is_foreign, open_foreign

        return open_foreign(recipe) if is_foreign(recipe.model.checkpoint) else open_own(recipe.model)
    return join_parts(recipe, mixture)


# ---- a finished model


def open_own(wanted: ModelRecipe) -> tuple[GroundingForConditionalGeneration, GroundingProcessor]:
    """A model of ours to go on with, in float32. Raises ConfigError where the recipe wants another one than it is."""
    from grounding.backends.native import open_native

    native = open_native(str(wanted.checkpoint), device="cpu", dtype="float32")
    model, processor = native.model.train(), native.processor
    for field in dataclasses.fields(ModelRecipe):
        said, default = getattr(wanted, field.name), field.default
        has = getattr(model.config, field.name, getattr(processor, field.name, None))
        has = tuple(has) if isinstance(has, list) else has
        if said not in (default, has) and field.name in KEPT:
            raise ConfigError(
                f"model.{field.name} is {said!r}, and {has!r} in the checkpoint {wanted.checkpoint}: leave it out, or "
                "start without the checkpoint"
            )
    return model, processor


KEPT = ("codec", "image_size", "resize", "projector", "fusion", "attention", "vision_feature_layer", "prompt_template")
"""Settings that a finished model has decided."""


# ---- parts


def join_parts(recipe: Recipe, mixture: Mixture) -> tuple[GroundingForConditionalGeneration, GroundingProcessor]:
    """An encoder and a language model, each fresh or pretrained, with everything between them fresh."""
    wanted, tokens = recipe.model, box_tokens(recipe.model.codec)
    language, tokenizer = _language(recipe, mixture, tokens)
    vision, part = _vision(wanted)
    found = language.config if language is not None else None
    text = found or language_config(wanted.language_config, tokenizer, tokens.bins, recipe.most_tokens)
    first = tokenizer.convert_tokens_to_ids(tokens.places[0]) if tokens.bins else None
    config = GroundingConfig(
        vision_config=vision,
        text_config=text,
        projector=wanted.projector,
        projector_options=dict(wanted.projector_options) or None,
        fusion=wanted.fusion,
        fusion_options=dict(wanted.fusion_options) or None,
        attention=wanted.attention,
        resize=wanted.resize,
        codec=wanted.codec,
        line_ends=wanted.line_ends,
        patch_coordinates=wanted.patch_coordinates,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        location_token_id=first,
        num_locations=tokens.bins,
        vision_feature_layer=_layers(wanted),
    )
    torch.manual_seed(recipe.seed)
    model = GroundingForConditionalGeneration(config, part.model if part else None, language)
    if language is None:
        _start_places(model, tokenizer, tokens, recipe.seed)
    if ranges := getattr(model.language.config, "new_token_ranges", None):
        model.config.new_token_ranges = ranges
    processor = processor_for(
        model,
        tokenizer,
        mean=wanted.pixel_mean or (part.mean if part else _normalization(vision)[0]),
        std=wanted.pixel_std or (part.std if part else _normalization(vision)[1]),
        resize_options=wanted.resize_options,
        prompt_template=wanted.prompt_template,
        max_prompt_tokens=wanted.max_prompt_tokens,
    )
    pad, begin, end, _ = processor.ids
    generation: Any = model.generation_config
    generation.pad_token_id, generation.bos_token_id, generation.eos_token_id = pad, begin, end
    _check_room(recipe, model, processor)
    return model.train(), processor


def _normalization(vision: Any) -> tuple[Any, Any]:
    """Of a fresh encoder: what its kind is trained with, or, where nobody knows, from -1 to 1."""
    try:
        return normalization(vision)
    except ConfigError:
        return HALF


def _layers(wanted: ModelRecipe) -> int | list[int]:
    layers = wanted.vision_feature_layer
    return layers if isinstance(layers, int) else list(layers)


def _vision(wanted: ModelRecipe) -> tuple[Any, VisionPart | None]:
    """The configuration of the encoder, and the encoder with its weights where they come from somewhere."""
    if not wanted.vision:
        return vision_config(wanted.vision_config, wanted.image_size), None
    names = (wanted.vision,) if isinstance(wanted.vision, str) else wanted.vision
    if len(names) > 2:
        raise ConfigError(f"model.vision names {len(names)} encoders: give one, or two that stand side by side")
    if len(names) == 2:
        first, second = (_loaded(name, {}, None) for name in names)
        part = join_pair(first, second, **wanted.vision_config)
    else:
        part = _loaded(names[0], wanted.vision_config, wanted.image_size)
    side = getattr(part.config, "image_size", None)
    if wanted.image_size is not None and side not in (None, wanted.image_size):
        raise ConfigError(
            f"model.image_size is {wanted.image_size}, and {wanted.vision} sees {side} px alone: leave image_size out"
        )
    return part.config, part


def _loaded(name: str, options: dict[str, Any], image_size: int | None) -> VisionPart:
    """A pretrained encoder, told the size of pictures where it can see several."""
    options = dict(options)
    if image_size is not None and name == "efficientnet-lite0":
        options.setdefault("image_size", image_size)
    elif image_size is not None and name.startswith("timm:"):
        options.setdefault("img_size", image_size)
    try:
        return load_vision(name, **options)
    except TypeError as error:
        raise ConfigError(f"model.vision_config: {name} is not loaded with these ({error})") from error


def _language(recipe: Recipe, mixture: Mixture, tokens: BoxTokens) -> tuple[PreTrainedModel | None, Any]:
    """The pretrained language model (None: a fresh one is to be made) and the tokenizer, with every token it needs."""
    wanted = recipe.model
    if wanted.language is None:
        return None, _tokenizer(recipe, mixture, tokens)
    try:
        language, tokenizer = load_language(wanted.language, **wanted.language_config)
    except TypeError as error:
        raise ConfigError(f"model.language_config: {wanted.language} is not loaded with these ({error})") from error
    tokenizer.add_tokens([AddedToken(IMAGE, normalized=False, special=True)], special_tokens=True)
    if tokens.places:
        add_tokens(language, tokenizer, tokens.places, tokens.coordinates, marks=tokens.tags, seed=recipe.seed)
    grow_vocabulary(language, len(tokenizer))
    return language, tokenizer


def _tokenizer(recipe: Recipe, mixture: Mixture, tokens: BoxTokens) -> Any:
    """A tokenizer learned from the data's own texts, or a given one, with the tokens of boxes at its end."""
    wanted = recipe.model
    marks = (*tokens.tags, *tokens.marks)
    if wanted.tokenizer is None:
        least = 300 + len(tokens.places) + len(marks)  # bytes, specials, and a few words
        if wanted.vocab_size < least:
            raise ConfigError(
                f"model.vocab_size is {wanted.vocab_size}; the codec {wanted.codec} needs {least} tokens or more, "
                f"{len(tokens.places)} of them for boxes"
            )
        texts = lesson_texts(mixture, wanted.codec)
        digits = not tokens.places
        return train_tokenizer(texts, wanted.vocab_size, marks=marks, places=tokens.places, single_digits=digits)
    try:
        tokenizer = AutoTokenizer.from_pretrained(Path(wanted.tokenizer).expanduser())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise CheckpointError(f"model.tokenizer: {wanted.tokenizer} holds no tokenizer ({reason})") from error
    tokenizer.add_tokens([AddedToken(IMAGE, normalized=False, special=True)], special_tokens=True)
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in (*marks, *tokens.places)])
    return tokenizer


def _start_places(model: GroundingForConditionalGeneration, tokenizer: Any, tokens: BoxTokens, seed: int) -> None:
    """Fresh rows of box tokens start from where they stand; those of our own decoder are made of it already."""
    if tokens.places and not (model.own_language and tokens.bins):
        add_tokens(model.language, tokenizer, tokens.places, tokens.coordinates, restart=True, seed=seed)


def _check_room(recipe: Recipe, model: GroundingForConditionalGeneration, processor: GroundingProcessor) -> None:
    """Raises ConfigError where a picture alone would fill a lesson."""
    size = processor.image_processor.size
    tokens = processor.text_tokens(size, size)
    if tokens + 64 > recipe.most_tokens:
        raise ConfigError(
            f"most_tokens is {recipe.most_tokens}, and a square picture takes {tokens}: raise it to "
            f"{tokens + 256} or more, or let model.projector or model.resize make fewer"
        )


def lesson_texts(mixture: Mixture, codec: str, count: int = TOKENIZER_LESSONS) -> Iterator[str]:
    """Prompts and answers of a mixture's first lessons; a picture's size doesn't matter to their words."""
    writer = get_codec(codec)
    for position in range(count):
        lesson = mixture.lesson(position)
        for prompt, answer in texts_of(lesson, writer, _canvases(lesson, writer)):
            yield prompt
            yield answer


def _canvases(lesson: Lesson, writer: Any) -> list[Canvas]:
    sizes = [turn.size for turn in lesson.turns if hasattr(turn, "size")][:1] or [(1000, 1000)] * len(lesson.pictures)
    return [writer.canvas(*size, input_size=size) for size in sizes]
