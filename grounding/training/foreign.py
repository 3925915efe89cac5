"""Owns ForeignProcessor: what a checkpoint of another family needs beside its weights to be trained here.

PaliGemma, Florence-2, Qwen2.5-VL and others learn in the form in which they will be asked: backends/families.py knows
how, and this package's own loop trains them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from grounding.backends.families import BY_TYPE, COORDINATES, Family
from grounding.backends.family_inputs import FamilyInputs
from grounding.backends.hub import fetch, fetch_config, is_hub_name, read_config
from grounding.backends.huggingface import HuggingFaceGrounder, open_huggingface
from grounding.errors import CheckpointError, ConfigError
from grounding.training.recipe import Recipe

UNTAUGHT: Mapping[str, str] = MappingProxyType(
    {"Fuyu": "its numbers are put into its prompts one by one, which answers would need too"}
)
"""Families that can be asked and not trained, and why."""


def is_foreign(checkpoint: str | None) -> bool:
    """Whether a recipe's checkpoint is of a family in `grounding.backends.families`, by its config.json.

    Raises CheckpointError or UnknownModelError where there is none.
    """
    if checkpoint is None:
        return False
    directory = Path(checkpoint).expanduser()
    if not directory.is_dir() and is_hub_name(checkpoint):
        directory = fetch_config(checkpoint)
    return read_config(directory).get("model_type") in BY_TYPE


def open_foreign(recipe: Recipe) -> tuple[Any, ForeignProcessor]:
    """The model of `recipe.model.checkpoint` with all weights in the type that they are kept in, and its processor.

    Weights are in float32, or in bfloat16 where the recipe computes in it and every stage trains adapters only: frozen
    weights need no more. `recipe.model.codec`: what it is to write, where that is not "location" and not the family's
    own. `recipe.model.resize_options`: `min_pixels` and `max_pixels` of Qwen's families, kept in what is saved.
    """
    checkpoint = str(recipe.model.checkpoint)
    directory = Path(checkpoint).expanduser()
    if not directory.is_dir() and is_hub_name(checkpoint):
        directory = fetch(checkpoint)
    adapters = all(stage.lora is not None and set(stage.train) == {"lora"} for stage in recipe.stages)
    codec = None if recipe.model.codec == "location" else recipe.model.codec
    torch.manual_seed(recipe.seed)
    grounder = open_huggingface(
        directory,
        device="cpu",
        dtype="bfloat16" if recipe.bf16 and adapters else "float32",
        codec=codec,
        **recipe.model.resize_options,
    )
    if reason := UNTAUGHT.get(grounder.family.name):
        raise ConfigError(
            f"{grounder.family.name} can't be trained here: {reason}; take one of " + ", ".join(family_names())
        )
    return grounder.model, ForeignProcessor(grounder)


class ForeignProcessor(FamilyInputs):
    """A family's processor and codec, and what its tokens mean to a training. Holds no weights."""

    def __init__(self, grounder: HuggingFaceGrounder) -> None:
        super().__init__(grounder.name, grounder.family, grounder.processor, grounder.codec)
        self.options, self.padding_side = grounder.options, grounder.asking.padding_side
        config = grounder.model.config
        self.encodes = bool(config.is_encoder_decoder)
        """Whether an encoder reads the question and a decoder writes: Florence-2. Else both stand in one row."""
        self.dtype = grounder.model.dtype
        self.places = grounder.places
        """How many tokens a row may have."""
        self.ends = grounder.ends
        """Tokens at which writing stops."""
        tokenizer = self.processor.tokenizer
        self.end = tokenizer.eos_token_id if tokenizer.eos_token_id in self.ends else min(self.ends)
        self.pad = int(tokenizer.pad_token_id)
        self.start = self._start(grounder.model)
        self.locations = location_range(self.codec.name, tokenizer.get_vocab())
        """Id of the first token that is a coordinate, and how many follow each other; 0 and 0 where there are none."""

    def _start(self, model: Any) -> int:
        """What a decoder's row begins with; any number where there is no encoder."""
        if not self.encodes:
            return -1
        for config in (model.generation_config, model.config.get_text_config(), model.config):
            if (start := getattr(config, "decoder_start_token_id", None)) is not None:
                return int(start)
        raise CheckpointError(
            f"{self.name} names no decoder_start_token_id, with which its answers begin: copy generation_config.json"
        )

    def grounder(self, model: Any) -> HuggingFaceGrounder:
        """The model, to be asked as it is."""
        return HuggingFaceGrounder(self.name, self.family, model, self.processor, self.codec, self.options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Its files beside the weights, so that `grounding.load` and transformers alone open the folder as before."""
        tokenizer = self.processor.tokenizer
        used = tokenizer.padding_side
        tokenizer.padding_side = self.padding_side
        tokenizer.backend_tokenizer.no_padding()  # what the last batch was padded to would be saved too
        try:
            self.processor.save_pretrained(folder)
        finally:
            tokenizer.padding_side = used


def location_range(codec: str, vocabulary: Mapping[str, int]) -> tuple[int, int]:
    """First id and number of the tokens that are a line of bins, in their order; (0, 0) where there is no such line.

    Neighbours in that line are neighbours in the picture, so that a target may be spread over them. Kosmos-2's tokens
    count the fields of a grid, row by row, and digits are no bins: both have none.
    """
    coordinates = COORDINATES.get(codec)
    if coordinates is None or coordinates.per_box != 4:
        return 0, 0
    pattern = re.compile(coordinates.pattern)
    found = {token: id_ for token, id_ in vocabulary.items() if pattern.fullmatch(token)}
    ids = [id_ for _, id_ in sorted(found.items(), key=lambda pair: int(re.sub(r"\D", "", pair[0])))]
    if not ids or ids != list(range(ids[0], ids[0] + len(ids))):
        return 0, 0
    return ids[0], len(ids)


def family_names() -> tuple[str, ...]:
    """The families that can be trained, for messages and documents."""
    families: dict[str, Family] = {family.name: family for family in BY_TYPE.values()}
    return tuple(name for name in families if name not in UNTAUGHT)
