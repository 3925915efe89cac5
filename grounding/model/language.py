"""Owns our small language decoder, its location embeddings, and the building of any other causal language model."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel, initialization
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast

from grounding.errors import ConfigError, InputError
from grounding.model.blocks import Norm, as_bias, build_blocks, init_linear
from grounding.model.cache import RowCache
from grounding.model.causal_models import build_causal_model
from grounding.model.configuration import GroundingTextConfig


def coordinate_features(bins: int, frequencies: int) -> Tensor:
    """(bins, 2 * frequencies + 2) float32: sines and cosines of each bin's coordinate, the coordinate, and a one.

    From half a wave over the picture to a wave every four bins; slow waves are louder, so that neighbours start alike.
    """
    if not bins:
        return torch.empty(0, 2 * frequencies + 2)
    coordinates = torch.arange(bins, dtype=torch.float64) / (bins - 1)
    waves = torch.exp(torch.linspace(math.log(0.5), math.log(bins / 4), frequencies, dtype=torch.float64))
    angles = 2 * math.pi * coordinates[:, None] * waves
    loudness = waves**-0.25
    parts = [torch.sin(angles) * loudness, torch.cos(angles) * loudness, 2 * coordinates[:, None] - 1]
    return torch.cat([*parts, torch.ones(bins, 1, dtype=torch.float64)], 1).float()


class TokenEmbedding(nn.Module):
    """Embeddings of words, one row each, and of location tokens, mapped from the features of their coordinate."""

    features: Tensor

    def __init__(self, config: GroundingTextConfig) -> None:
        super().__init__()
        self.num_locations, self.scale = config.num_locations, config.hidden_size**0.5
        self.words = nn.Parameter(torch.empty(config.vocab_size - config.num_locations, config.hidden_size))
        self.locations = nn.Linear(2 * config.location_frequencies + 2, config.hidden_size, bias=False)
        self.frequencies = config.location_frequencies

    def reset(self, std: float) -> None:
        """Words normal with `std`; the map such that location tokens start with the words' norm."""
        initialization.normal_(self.words, std=std)
        features = coordinate_features(max(self.num_locations, 2), self.frequencies)
        initialization.normal_(self.locations.weight, std=std / features.square().sum(1).mean().sqrt().item())

    @property
    def weight(self) -> Tensor:
        """(V, D): the whole table, words first."""
        features = coordinate_table(self.num_locations, self.frequencies, self.words.device, self.words.dtype)
        return torch.cat([self.words, F.linear(features, self.locations.weight)])

    def forward(self, input_ids: Tensor, table: Tensor | None = None) -> Tensor:
        """(..., D); `table`: `weight`, where the caller has made it already."""
        return F.embedding(input_ids, self.weight if table is None else table) * self.scale


_TABLES: dict[tuple[int, int, torch.device, torch.dtype], Tensor] = {}


def coordinate_table(bins: int, frequencies: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """`coordinate_features`, made once for each device and precision."""
    key = (bins, frequencies, device, dtype)
    if key not in _TABLES:
        with torch.inference_mode(False):  # a tensor made in inference mode could never be trained on
            _TABLES[key] = coordinate_features(bins, frequencies).to(device, dtype)
    return _TABLES[key]


class GroundingTextModel(PreTrainedModel, GenerationMixin):
    """Our small causal language model; the head is the embedding table, transposed."""

    config_class = GroundingTextConfig
    config: GroundingTextConfig
    _no_split_modules: ClassVar[list[str]] = ["Block"]
    supports_gradient_checkpointing = True
    gradient_checkpointing = False

    def __init__(self, config: GroundingTextConfig) -> None:
        super().__init__(config)
        self.embedding = TokenEmbedding(config)
        self.position = nn.Parameter(torch.empty(config.max_position_embeddings, config.hidden_size))
        self.blocks = build_blocks(config)
        self.norm = Norm(config.hidden_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, TokenEmbedding):
            module.reset(self.config.initializer_range)
        elif isinstance(module, nn.Linear):
            init_linear(module)
        elif isinstance(module, Norm):
            initialization.ones_(module.weight)
        elif isinstance(module, GroundingTextModel):
            initialization.normal_(module.position, std=self.config.initializer_range * module.embedding.scale)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embedding = value  # type: ignore[assignment]  # whoever sets it answers for what it can do

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *_: Any, **__: Any) -> Any:
        """The embeddings. Raises ConfigError for another number than there is: location tokens end the vocabulary."""
        if new_num_tokens not in (None, self.config.vocab_size):
            raise ConfigError(
                f"our own decoder has {self.config.vocab_size} tokens, the location tokens last, and can't have "
                f"{new_num_tokens}: build one with that vocab_size, or take another language model"
            )
        return self.embedding

    def head(self, hidden: Tensor, table: Tensor | None = None) -> Tensor:
        """(..., D) -> (..., V) logits; `table`: the embeddings' weight, where the caller has made it already."""
        return F.linear(hidden, (self.embedding.weight if table is None else table).to(hidden.dtype))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | RowCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool = False,
        logits_to_keep: int | Tensor = 0,
        prefix: int = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Logits (B, L, V), or of the last `logits_to_keep` places (0: all, -1: none, a tensor: those places);
        (M, V) of the M true places of a bool tensor (B, L).

        `attention_mask`: None, causal; (B, K) ones and zeros, causal without padding; (B, 1, L - prefix, K) bool, as is
        `prefix`: the first so many tokens see each other in both directions and nothing else.
        """
        table = past_key_values.table if isinstance(past_key_values, RowCache) else None
        x = self.embedding(input_ids, table) if inputs_embeds is None else inputs_embeds
        if torch.is_autocast_enabled(x.device.type):
            # half the memory traffic of the skips, where it counts: in training
            x = x.to(torch.get_autocast_dtype(x.device.type))
        if self.gradient_checkpointing and self.training:
            refuse_cache(use_cache, past_key_values)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if position_ids is None:
            position_ids = torch.arange(past, past + x.shape[1], device=x.device)[None]
        x = x + F.embedding(position_ids, self.position).to(x.dtype)
        bias = self._bias(attention_mask, x, past, prefix)
        states = [x] if output_hidden_states else None
        for block in self.blocks:
            x = block(x, bias, past_key_values, prefix)
            if states is not None:
                states.append(x)
        x = self.norm(x)
        if isinstance(logits_to_keep, int) and logits_to_keep < 0:
            logits = x.new_empty(x.shape[0], 0, self.config.vocab_size)
        else:
            kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            places = isinstance(kept, Tensor) and kept.dtype == torch.bool
            logits = self.head(x[kept] if places else x[:, kept], table)
        return CausalLMOutputWithPast(
            logits=logits, past_key_values=past_key_values, hidden_states=(*states, x) if states else None
        )

    def _bias(self, mask: Tensor | None, x: Tensor, past: int, prefix: int) -> Tensor | None:
        length = x.shape[1]
        if mask is not None and mask.ndim == 4:
            return as_bias(mask, x.dtype) if mask.dtype == torch.bool else mask.to(x.dtype)
        if length == 1 and (mask is None or bool(mask.all())):
            return None
        places = torch.arange(past + length, device=x.device)
        visible = places[None, :] <= places[past + prefix :, None]
        visible = visible[None, None]
        if mask is not None:
            visible = visible & mask.bool()[:, None, None, :]
        return as_bias(visible, x.dtype)


def refuse_cache(use_cache: bool | None, cache: object) -> None:
    """Raises InputError where a cache is asked of blocks that will run twice, and would write into it twice."""
    if use_cache or cache is not None:
        raise InputError("gradient checkpointing keeps no keys and values: call eval() before generate, or disable it")


def build_language(config: PreTrainedConfig) -> PreTrainedModel:
    """The decoder a configuration names: ours, or another's; see `causal_models`."""
    if isinstance(config, GroundingTextConfig):
        return GroundingTextModel(config)
    return build_causal_model(config)
