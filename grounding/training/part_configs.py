"""Owns the configurations of fresh parts: what a recipe says of an encoder or a decoder, checked key by key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig

from grounding.errors import ConfigError
from grounding.model.configuration import OWN, GroundingTextConfig

VISION, LANGUAGE = "grounding_vision", "grounding_text"
"""Model types of our own parts."""


def vision_config(values: Mapping[str, Any], image_size: int | None) -> PreTrainedConfig:
    """The configuration of a fresh encoder for square views of `image_size` px (None: its own default)."""
    values = dict(values)
    kind = values.get("model_type", VISION)
    if kind == "timm_wrapper":
        values.setdefault("do_pooling", False)  # which would leave one feature of a picture
    if image_size is not None and kind == "grounding_pair":
        values["first"] = {"image_size": image_size, **(values.get("first") or {})}
    elif image_size is not None and kind == "siglip2_vision_model":
        values.setdefault("num_patches", (image_size // int(values.get("patch_size", 16))) ** 2)
    elif image_size is not None:
        values.setdefault("image_size", image_size)
    for name in ("first", "second") if kind == "grounding_pair" else ():
        values[name] = part_config(values.get(name) or {}, VISION, f"model.vision_config.{name}")
    return part_config(values, VISION, "model.vision_config")


def language_config(values: Mapping[str, Any], tokenizer: Any, bins: int, places: int) -> PreTrainedConfig:
    """The configuration of a fresh decoder with a row for each token of `tokenizer`.

    `bins`: how many location tokens end the vocabulary. `places`: how many tokens a row must have room for.
    """
    values = dict(values)
    kind = values.get("model_type", LANGUAGE)
    known = settings_of(_class_of(kind, "model.language_config"))
    names = {"bos_token_id", "eos_token_id", "pad_token_id"} & known
    values = {**{name: getattr(tokenizer, name) for name in sorted(names)}, **values, "vocab_size": len(tokenizer)}
    if kind == LANGUAGE:
        room = max(places, GroundingTextConfig().max_position_embeddings)
        values = {"max_position_embeddings": room, **values, "num_locations": bins}
    return part_config(values, LANGUAGE, "model.language_config")


def part_config(values: Mapping[str, Any], default: str, where: str) -> PreTrainedConfig:
    """The configuration that `values` with `model_type` describe. `where`: what errors call it. Raises ConfigError."""
    values = dict(values)
    kind = values.pop("model_type", default)
    config = _class_of(kind, where)
    known = settings_of(config) | {"image_size"}  # which timm's wrapper keeps though it does not know it
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else "leave it out"
            raise ConfigError(f"{where} has no setting {key!r} for {kind}; {hint}")
    try:
        return config(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except Exception as error:  # each family of configurations has errors of its own
        reason = " ".join(str(error).split())
        raise ConfigError(f"{where} can't be a {kind}: {reason:.200}") from error


def settings_of(config: type[PreTrainedConfig]) -> set[str]:
    """Names of what can be set about a kind of part."""
    return set(config().to_dict())


def _class_of(kind: Any, where: str) -> type[PreTrainedConfig]:
    if kind in OWN:
        return OWN[kind]
    if kind in CONFIG_MAPPING:
        found: type[PreTrainedConfig] = CONFIG_MAPPING[kind]
        return found
    close = difflib.get_close_matches(str(kind), [*OWN, *CONFIG_MAPPING.keys()], 1)
    hint = f"did you mean {close[0]!r}?" if close else "name one of transformers' model types"
    raise ConfigError(f"{where}: no architecture has the model_type {kind!r}; {hint}")
