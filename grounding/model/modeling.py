"""Owns our vision-language model: pictures and texts in, logits over words and location tokens out.

Shapes: B rows, P pictures, N image tokens a picture, T text tokens a row, L = N + T, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast

from grounding.errors import InputError
from grounding.model.blocks import init_linear
from grounding.model.cache import RowCache
from grounding.model.configuration import GroundingConfig
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT, as_bias, pick_fusion, visibility
from grounding.model.language import GroundingTextModel, build_language, coordinate_features
from grounding.model.projectors import build_projector
from grounding.model.vision import build_vision, patch_features, vision_width


class GroundingForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A vision encoder, a projector and a language decoder; what sees what is said in `fusion`.

    forward takes
        input_ids       (B, L) text with `config.image_token_id` at the N places of each picture, images first
        pixel_values    (P, 3, S, S) in -1 to 1, P = B; None when the pictures are in `past_key_values` already
        attention_mask  (B, L) 1 for what is there, 0 for padding (all of the past too)
        token_roles     (B, L) `fusion` roles; None: images by their id, padding by the mask, the rest prompt
        segment_ids     (B, L) which phrase a text token belongs to; None: one phrase a row
        position_ids    (B, L); None: counted from the mask
        labels          (B, L) the token each place should predict, -100 for none (already shifted)
    and gives loss (when there are labels), logits (B, L or logits_to_keep, V), past_key_values, hidden_states.
    """

    config_class = GroundingConfig
    config: GroundingConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    _no_split_modules = ["Block"]

    def __init__(self, config: GroundingConfig) -> None:
        super().__init__(config)
        self.vision = build_vision(config.vision_config)
        self.language = build_language(config.text_config)
        width = int(config.text_config.hidden_size)
        self.projector = build_projector(config.projector, vision_width(config.vision_config, self.vision), width)
        self.fuse = pick_fusion(config.fusion)
        self.own_language = isinstance(self.language, GroundingTextModel)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """The parts start themselves; only the projector is left."""
        if isinstance(module, nn.Linear):
            init_linear(module)

    def get_input_embeddings(self) -> nn.Module:
        return self.language.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module | None:
        return self.language.get_output_embeddings()

    # ---- pictures

    def image_features(self, pixel_values: Tensor) -> Tensor:
        """(P, 3, S, S) -> (P, N, D): patch features in the language model's width."""
        features: Tensor = self.projector(patch_features(self.vision, pixel_values, self.config.vision_feature_layer))
        return features

    def image_cache(self, pixel_values: Tensor) -> Cache:
        """Keys and values of (P, 3, S, S) pictures in every layer: all that any phrase needs to know of them."""
        features = self.image_features(pixel_values)
        cache = DynamicCache()
        count = features.shape[1]
        if self.own_language:
            self.language(
                inputs_embeds=features, past_key_values=cache, use_cache=True, prefix=count, logits_to_keep=-1
            )
        else:
            everything = torch.zeros(features.shape[0], 1, count, count, dtype=features.dtype, device=features.device)
            self.language(inputs_embeds=features, attention_mask=everything, past_key_values=cache, use_cache=True)
        return cache

    # ---- pictures and texts

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_roles: Tensor | None = None,
        segment_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | RowCache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        output_hidden_states: bool = False,
        image_features: Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        if input_ids is None:
            raise InputError("forward needs input_ids")
        embeddings = self.get_input_embeddings()(input_ids)
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        unpadded = attention_mask is None
        if attention_mask is None:
            attention_mask = input_ids.new_ones(input_ids.shape[0], past + input_ids.shape[1])
        if position_ids is None:
            position_ids = (attention_mask.long().cumsum(1) - 1).clamp_min(0)[:, past:]
        places = input_ids == self.config.image_token_id
        if pixel_values is not None and image_features is None and bool(places.any()):
            image_features = self.image_features(pixel_values)
        if image_features is not None:
            self._check_places(places, image_features)
            embeddings = self.fuse(embeddings, image_features, places)
        elif bool(places.any()):
            raise InputError("the text holds image tokens, and neither pixel_values nor image_features were given")
        prefix = 0
        visible: Tensor | None
        if past and unpadded and input_ids.shape[1] == 1:
            visible = None  # the common step of writing: one token that sees everything
        elif past == 0:
            if token_roles is None:
                token_roles = torch.where(places, IMAGE, torch.where(attention_mask.bool(), PROMPT, PAD))
            if self.own_language:
                prefix = leading_images(places)
            visible = visibility(token_roles, segment_ids, start=prefix)
        else:
            visible = self._visible_after(past, input_ids, attention_mask, token_roles)
        output = self.language(
            inputs_embeds=embeddings,
            attention_mask=visible if self.own_language or visible is None else as_bias(visible, embeddings.dtype),
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            logits_to_keep=logits_to_keep,
            **({"prefix": prefix} if self.own_language else {}),
        )
        loss = None
        if labels is not None:
            loss = F.cross_entropy(output.logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=output.logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
        )

    def _check_places(self, places: Tensor, image_features: Tensor) -> None:
        want, seen = image_features.shape[0] * image_features.shape[1], int(places.sum())
        if want != seen:
            raise InputError(
                f"the text has {seen} image tokens and the pictures {want} features "
                f"({image_features.shape[0]} x {image_features.shape[1]}): let GroundingProcessor write the text"
            )

    def _visible_after(self, past: int, input_ids: Tensor, attention_mask: Tensor, roles: Tensor | None) -> Tensor:
        """What new tokens see of a past: all that is no padding; among themselves a prompt sees itself whole."""
        length = input_ids.shape[1]
        shown = attention_mask.bool()[:, None, None, :].expand(-1, 1, length, -1)
        if length == 1:
            return shown
        if roles is None:
            roles = torch.where(attention_mask[:, past:].bool(), ANSWER, PAD)
        among = visibility(roles)
        return torch.cat([shown[..., :past], among], 3)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Cache | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Pictures go in once, with the whole prompt; after that one token at a time."""
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        return {
            "input_ids": input_ids[:, past:],
            "pixel_values": pixel_values if past == 0 else None,
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": kwargs.get("use_cache", True),
            "logits_to_keep": 1,
        }

    def start_location_embeddings(self) -> None:
        """Start the 1,024 location tokens of a foreign language model from their coordinates, at its embeddings' norm."""
        if self.own_language:
            return  # ours are made of these features
        table = self.language.get_input_embeddings().weight
        first, count = int(self.config.location_token_id or 0), self.config.num_locations
        features = coordinate_features(count, 32)
        generator = torch.Generator().manual_seed(0)
        mixed = features @ torch.randn(features.shape[1], table.shape[1], generator=generator)
        norm = table[:first].float().norm(dim=1).mean()
        with torch.no_grad():
            table[first : first + count] = (mixed / mixed.norm(dim=1).mean() * norm).to(table.dtype)


def leading_images(places: Tensor) -> int:
    """How many tokens at the start of every row are image tokens, when all rows agree and hold no others; else 0."""
    counts = places.sum(1)
    count = int(counts[0])
    if count == 0 or not bool((counts == count).all()) or not bool(places[:, :count].all()):
        return 0
    return count
