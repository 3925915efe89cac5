"""Owns the model that a training on photographs starts from: a finished model of drawn scenes, given a second encoder;
or a finished model of photographs, which goes on.

The decoder and the encoder of scenes go on with what they know. A new encoder's features come in through rows of the
projector that are zero, so that at first the model answers as it did; all but the edges of boxes that it is told, which
come in as the decoder has learned to read edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from grounding.data.scenes.generate import Picture
from grounding.errors import CheckpointError
from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingLiteVisionConfig,
    GroundingNanoVisionConfig,
    GroundingNanoVisionModel,
    GroundingPairConfig,
    GroundingProcessor,
    GroundingVisionConfig,
)
from grounding.model.nano_vit import CLASSES
from grounding.model.packaged import read_nanodet, read_published
from grounding.model.proposals import cover_channels, edge_waves
from grounding.model.tokenization import train_tokenizer
from grounding.model.vision import patch_features
from grounding.training.collator import patch_owners
from grounding.training.photos.config import PhotosConfig

FILLED = 0.6
"""Part of a patch that a thing covers, from which the patch is that thing's."""


def photo_processor(texts: Iterable[str], config: PhotosConfig) -> GroundingProcessor:
    """The processor of the new model: a tokenizer learned of `texts`, and square pictures of the new encoder's size."""
    tokenizer = train_tokenizer(texts, config.vocab_size)
    grid = config.image_size // (32 if config.eyes == "nanodet" else 16)
    return GroundingProcessor(GroundingImageProcessor(config.image_size), tokenizer, image_tokens=grid * grid)


def start_model(
    before: Path, processor: GroundingProcessor, config: PhotosConfig, drawn: Iterable[Picture] = ()
) -> GroundingForConditionalGeneration:
    """The model of `before`, a folder, seeing through two encoders and reading the tokens of `processor`.

    With `drawn` scenes, the edges that a new encoder is told come in as the decoder reads edges: see `told_as_read`. Of
    a model of photographs the encoder for photographs is kept as well where its shape is the one asked for. Raises
    CheckpointError for a model of another make than ours.
    """
    known: Any = GroundingForConditionalGeneration.from_pretrained(before, dtype=torch.float32)
    spelled = GroundingProcessor.from_pretrained(before).tokenizer
    paired = isinstance(known.config.vision_config, GroundingPairConfig)
    scenes = known.config.vision_config.second if paired else known.config.vision_config
    if not isinstance(scenes, GroundingVisionConfig) or known.config.projector != "linear" or not known.own_language:
        raise CheckpointError(f"{before} is no model of drawn scenes with our own encoder, projector and decoder")
    eyes = eyes_config(config, scenes)
    words = known.config.text_config.to_dict()
    words |= {"vocab_size": config.vocab_size, "max_position_embeddings": eyes.grid**2 + config.most_tokens}
    model: Any = GroundingForConditionalGeneration(
        GroundingConfig(
            vision_config=GroundingPairConfig(first=eyes, second=scenes, second_size=scenes.image_size),
            text_config=words,
        )
    )
    if isinstance(eyes, GroundingNanoVisionConfig):
        model.vision.first.network.load_published(read_nanodet(config.weights or Path()))
    else:
        model.vision.first.load_published(read_published(config.eyes))
    model.vision.second.load_state_dict((known.vision.second if paired else known.vision).state_dict())
    with torch.no_grad():
        weight = model.projector.weight
        weight.zero_()
        weight[:, -scenes.hidden_size :] = known.projector.weight[:, -scenes.hidden_size :]
        if paired and _same_shape(known.vision.first, model.vision.first):
            model.vision.first.load_state_dict(known.vision.first.state_dict())
            weight.copy_(known.projector.weight)
        elif getattr(eyes, "proposals", 0) and (read := told_as_read(known, processor, drawn)) is not None:
            weight[:, torch.tensor(cover_channels(CLASSES)) + eyes.hidden_size] = read
        model.projector.bias.copy_(known.projector.bias)
        _take_decoder(model, known, eyes.grid)
        table = known.language.embedding.words
        model.language.embedding.words.copy_(translated(table, spelled, processor.tokenizer))
    started: GroundingForConditionalGeneration = model
    return started


@torch.no_grad()
def told_as_read(known: Any, processor: GroundingProcessor, scenes: Iterable[Picture]) -> Tensor | None:
    """(D, 1 + 4 * (2 * WAVES + 1)) what a patch of a thing looks like to the decoder of drawn scenes, by the thing's
    edges alone: a ridge regression over the patches that one thing fills; None where there are none.

    The encoder of scenes learned to hold each patch's edges where the decoder finds them (a linear map reads them to
    about a hundredth of the picture). Edges told in the same way are copied from the first step on.
    """
    inputs, targets = [], []
    paired = isinstance(known.config.vision_config, GroundingPairConfig)
    eyes = known.vision.second if paired else known.vision
    side, grid = eyes.config.image_size, eyes.config.grid
    for picture in scenes:
        pixels = torch.from_numpy(np.stack([processor.image_processor.pixels(Image.fromarray(picture.image))]))
        pixels = processor.image_processor.scale(pixels).float()
        pixels = F.interpolate(pixels, (side, side), mode="bilinear", antialias=side < pixels.shape[-1])
        seen = F.linear(patch_features(eyes, pixels)[0], known.projector.weight[:, -eyes.config.hidden_size :])
        owners = patch_owners(picture.scene, grid)
        size = torch.tensor([picture.scene.width, picture.scene.height] * 2)
        for index, thing in enumerate(picture.scene.things):
            filled = torch.from_numpy((owners == index).mean(1) >= FILLED)
            edges = edge_waves((torch.tensor(thing.box) / size).float()).flatten()
            inputs.append(torch.cat([torch.ones(1), edges]).expand(int(filled.sum()), -1))
            targets.append(seen[filled])
    if not inputs:
        return None
    x, y = torch.cat(inputs).double(), torch.cat(targets).double()
    return torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]).double(), x.T @ y).T.float()


def _same_shape(one: nn.Module, other: nn.Module) -> bool:
    """Whether the weights of one encoder fit the other."""
    shapes = [{name: tensor.shape for name, tensor in encoder.state_dict().items()} for encoder in (one, other)]
    return shapes[0] == shapes[1]


def eyes_config(
    config: PhotosConfig, scenes: GroundingVisionConfig
) -> GroundingNanoVisionConfig | GroundingLiteVisionConfig:
    """The new encoder, as wide as that of scenes."""
    shape = {
        "image_size": config.image_size,
        "hidden_size": scenes.hidden_size,
        "intermediate_size": scenes.intermediate_size,
        "num_attention_heads": scenes.num_attention_heads,
        "num_hidden_layers": config.vision_layers,
    }
    if config.eyes == "nanodet":
        return GroundingNanoVisionConfig(proposals=config.proposals, **shape)
    return GroundingLiteVisionConfig(variant=config.eyes, **shape)


def start_eyes(config: PhotosConfig) -> GroundingNanoVisionModel:
    """NanoDet's network as it was published, in the new encoder."""
    eyes = GroundingNanoVisionModel(GroundingNanoVisionConfig(image_size=config.image_size))
    eyes.network.load_published(read_nanodet(config.weights or Path()))
    return eyes


def _take_decoder(model: Any, known: Any, grid: int) -> None:
    ours, theirs = model.language, known.language
    ours.blocks.load_state_dict(theirs.blocks.state_dict())
    ours.norm.load_state_dict(theirs.norm.state_dict())
    ours.embedding.locations.load_state_dict(theirs.embedding.locations.state_dict())
    seen = known.config.vision_config
    seen = seen.first if isinstance(seen, GroundingPairConfig) else seen
    ours.position.copy_(moved_positions(theirs.position, len(ours.position), seen.grid, grid))


def moved_positions(table: Tensor, length: int, before: int, now: int) -> Tensor:
    """(length, D) positions for `now` x `now` image tokens and text behind, of a table (P, D) for `before` x `before`.

    Those of the grid are interpolated; those of the text keep their distance from the picture, the last one repeated.
    """
    width = table.shape[1]
    grid = table[: before**2].T.reshape(1, width, before, before)
    grid = F.interpolate(grid, size=(now, now), mode="bilinear", align_corners=False)
    text = table[before**2 :]
    wanted = length - now**2
    if len(text) < wanted:
        text = torch.cat([text, text[-1:].expand(wanted - len(text), -1)])
    return torch.cat([grid.reshape(width, now**2).T, text[:wanted]])


def translated(table: Tensor, before: PreTrainedTokenizerFast, now: PreTrainedTokenizerFast) -> Tensor:
    """(W, D) rows for the word tokens of `now`, of the rows of the tokenizer `before`.

    A token that both have keeps its row; another starts as the mean of the pieces that it was spelled in.
    """
    old = before.get_vocab()
    rows = []
    for text, number in sorted(now.get_vocab().items(), key=lambda item: item[1]):
        if text.startswith("<loc"):
            break
        if text in old and old[text] < len(table):
            rows.append(table[old[text]])
            continue
        pieces = before.encode(now.decode([number]), add_special_tokens=False)
        rows.append(table[pieces].mean(0) if pieces else table.mean(0))
    found = torch.stack(rows)
    if not math.isfinite(float(found.sum())):
        raise CheckpointError("the embeddings to start from hold values that are no numbers")
    return found
