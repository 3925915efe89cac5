"""Owns the building of any causal language model of transformers that can stand behind pictures."""

from __future__ import annotations

import inspect

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from grounding.errors import ConfigError

ATTENTIONS = ("full_attention", "sliding_attention")
"""Kinds of layers whose masks can be given from outside. Others (chunks, recurrences, convolutions) see the past in
ways of their own, which no mask says."""

NEEDED = ("inputs_embeds", "attention_mask", "position_ids", "past_key_values")
"""What its forward must take."""


def build_causal_model(config: PreTrainedConfig) -> PreTrainedModel:
    """The model a configuration names, in the precision that all is made in, whatever its own checkpoint was saved in.

    Raises ConfigError for one that cannot stand behind pictures.
    """
    check_config(config)
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.get_default_dtype())
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        raise ConfigError(f"transformers knows no causal language model of {config.model_type!r}") from error
    check_causal_model(model)
    return model


def check_config(config: PreTrainedConfig) -> None:
    """Raises ConfigError for a configuration whose model cannot stand behind pictures."""
    name = config.model_type
    if not hasattr(config, "hidden_size"):
        raise ConfigError(f"{name!r} is not the configuration of a language model: name its text_config")
    others = sorted(set(getattr(config, "layer_types", None) or ()) - set(ATTENTIONS))
    if others:
        raise ConfigError(f"{name!r} has layers of {', '.join(others)}; only {' and '.join(ATTENTIONS)} can be masked")
    if getattr(config, "is_encoder_decoder", False):
        raise ConfigError(f"{name!r} is an encoder with a decoder; take a causal language model, such as llama")
    if getattr(config, "alibi", False):
        raise ConfigError(f"{name!r} counts places from its mask (alibi), and pictures need masks of their own")


def check_causal_model(model: PreTrainedModel) -> None:
    """Raises ConfigError for a language model, built already, that cannot stand behind pictures."""
    check_config(model.config)
    name = model.config.model_type
    if getattr(model, "_is_stateful", False):
        raise ConfigError(f"{name!r} remembers by a state instead of keys and values, which no mask can be given to")
    taken = inspect.signature(model.forward).parameters
    missing = [part for part in NEEDED if part not in taken]
    if missing:
        raise ConfigError(f"{name!r} takes no {' and no '.join(missing)}, which pictures need")


def decoder_blocks(language: nn.Module) -> nn.ModuleList:
    """The blocks of a language model, ours or another's, in order. Raises ConfigError where they can't be found."""
    count = int(language.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    found = [
        (name.count("."), module)
        for name, module in language.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    if not found:
        raise ConfigError(
            f"{type(language).__name__} holds no list of {count} blocks for cross-attention to stand before"
        )
    return min(found, key=lambda one: one[0])[1]
