"""Owns our vision-language model: pictures and texts in, logits over words and location tokens out.

Shapes: B rows, P pictures, N image tokens a picture, T text tokens a row, L = N + T, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import logging

from grounding.errors import InputError
from grounding.model.blocks import init_linear
from grounding.model.cache import RowCache
from grounding.model.configuration import GroundingConfig
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT, as_bias, pick_fusion, visibility
from grounding.model.language import GroundingTextModel, build_language, coordinate_features
from grounding.model.projectors import build_projector, project
from grounding.model.vision import build_vision, feature_shapes, patch_features, vision_width


class GroundingForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A vision encoder, a projector and a language decoder; what sees what is said in `fusion`.

    forward takes
        input_ids       (B, L) text with `config.image_token_id` at the N places of each picture, images first
        pixel_values    (V, 3, S, S), the views of all pictures, one or several of each; or (V, patches, values of one)
                        where pictures keep their shape; None when they are in `past_key_values` already
        image_index     (M, 2) for each image token of the batch in order: which view and which of its features; feature
                        -1 is a line's end; None: every feature of every view in turn
        spatial_shapes  (V, 2) rows and columns of patches of each view, where pictures keep their shape; else None
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
    _no_split_modules: ClassVar[list[str]] = ["Block"]

    def __init__(self, config: GroundingConfig) -> None:
        super().__init__(config)
        self.vision = build_vision(config.vision_config)
        self.language = build_language(config.text_config)
        width = int(config.text_config.hidden_size)
        features = vision_width(self.vision, config.vision_feature_layer)
        self.projector = build_projector(config.projector, features, width, config.projector_options)
        self.fuse = pick_fusion(config.fusion)
        self.line_end = nn.Parameter(torch.zeros(width)) if config.line_ends else None
        self.own_language = isinstance(self.language, GroundingTextModel)
        self.post_init()

    @classmethod
    def from_pretrained(cls, name: str | Path, *args: Any, **options: Any) -> Self:
        """As transformers'; where the weights lie in a directory here, without a progress bar on stderr."""
        with progress_bar_off(Path(name).is_dir()):
            return super().from_pretrained(name, *args, **options)

    def _init_weights(self, module: nn.Module) -> None:
        """The parts start themselves; only the projector is left."""
        if isinstance(module, nn.Linear):
            init_linear(module)

    def get_input_embeddings(self) -> nn.Module:
        return self.language.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module | None:
        return self.language.get_output_embeddings()

    # ---- pictures

    def image_features(
        self, pixel_values: Tensor, image_index: Tensor | None = None, spatial_shapes: Tensor | None = None
    ) -> Tensor:
        """(V, N, D) features of views in the language model's width; (M, D) those of image tokens where `image_index`
        (M, 2) says which each takes."""
        layer = self.config.vision_feature_layer
        patches = patch_features(self.vision, pixel_values.to(self.dtype), layer, spatial_shapes)
        features: Tensor = project(self.projector, patches, feature_shapes(self.config.vision_config, spatial_shapes))
        if image_index is None:
            return features
        view, place = image_index.unbind(1)
        chosen = features[view, place.clamp_min(0)]
        if self.line_end is not None:
            chosen = torch.where((place < 0)[:, None], self.line_end.to(chosen.dtype), chosen)
        elif bool((place < 0).any()):
            raise InputError("the pictures' lines have ends, and this model knows none: line_ends=True in its config")
        return chosen

    @torch.no_grad()
    def count_image_tokens(self) -> int:
        """N, how many tokens a square view takes: what GroundingProcessor has to know as `image_tokens`."""
        side, was_training = self.config.image_size, self.training
        blank = torch.zeros(1, 3, side, side, dtype=self.dtype, device=self.device)
        count = self.eval().image_features(blank).shape[1]
        self.train(was_training)
        return int(count)

    def image_cache(self, pixel_values: Tensor | None = None, image_features: Tensor | None = None) -> Cache:
        """Keys and values of pictures in every layer: all that any phrase needs to know of them.

        Pictures of one view each (P, 3, S, S), or the features of their tokens (P, N, D), as many for every picture.
        """
        if image_features is None:
            if pixel_values is None:
                raise InputError("image_cache needs pixel_values or image_features")
            image_features = self.image_features(pixel_values)
        features = image_features
        cache = DynamicCache()
        count = features.shape[1]
        causal = self.config.attention == "causal"
        if self.own_language:
            options = {} if causal else {"prefix": count}
            self.language(inputs_embeds=features, past_key_values=cache, use_cache=True, logits_to_keep=-1, **options)
        else:
            everything = torch.zeros(features.shape[0], 1, count, count, dtype=features.dtype, device=features.device)
            if causal:
                places = torch.arange(count, device=features.device)
                everything = as_bias(places[:, None] >= places[None], features.dtype).expand_as(everything)
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
        image_index: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        if input_ids is None:
            raise InputError("forward needs input_ids")
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        embeddings = self._embed(input_ids, past_key_values)
        prefix = 0
        visible: Tensor | None
        if past and input_ids.shape[1] == 1 and pixel_values is None and image_features is None:
            # the common step of writing: one token that sees all that is no padding, whatever token it is
            visible = None if attention_mask is None else attention_mask.bool()[:, None, None, :]
            if position_ids is None:
                position_ids = last_positions(attention_mask, input_ids, past)
        else:
            if attention_mask is None:
                attention_mask = input_ids.new_ones(input_ids.shape[0], past + input_ids.shape[1])
            if position_ids is None:
                position_ids = (attention_mask.long().cumsum(1) - 1).clamp_min(0)[:, past:]
            places = input_ids == self.config.image_token_id
            if image_features is None and pixel_values is not None:
                image_features = self.image_features(pixel_values, image_index, spatial_shapes)
            embeddings = self._place_images(embeddings, places, image_features)
            if past:
                visible = self._visible_after(past, input_ids, attention_mask, token_roles)
            else:
                if token_roles is None:
                    token_roles = torch.where(places, IMAGE, torch.where(attention_mask.bool(), PROMPT, PAD))
                causal = self.config.attention == "causal"
                if self.own_language and not causal:
                    prefix = leading_images(places)
                visible = visibility(token_roles, segment_ids, start=prefix, causal=causal)
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

    def _embed(self, input_ids: Tensor, cache: Cache | RowCache | None) -> Tensor:
        """(B, L, D) of the text."""
        embed = self.get_input_embeddings()
        embedded: Tensor = embed(input_ids, cache.table) if isinstance(cache, RowCache) else embed(input_ids)
        return embedded

    def _place_images(self, embeddings: Tensor, places: Tensor, image_features: Tensor | None) -> Tensor:
        """The embeddings (B, L, D) with image features at `places` (B, L). Raises InputError where they don't match."""
        seen = int(places.sum())
        if image_features is None:
            if seen:
                raise InputError("the text holds image tokens, and neither pixel_values nor image_features were given")
            return embeddings
        if image_features.ndim == 2:
            if len(image_features) != seen:
                raise InputError(
                    f"the text has {seen} image tokens and image_index {len(image_features)}: let GroundingProcessor "
                    "write both"
                )
            return self.fuse(embeddings, image_features, places)
        pictures, each = image_features.shape[:2]
        if pictures * each != seen:
            raise InputError(
                f"the text has {seen} image tokens and the pictures {pictures * each} features "
                f"({pictures} x {each}): let GroundingProcessor write the text, with image_tokens={each}"
            )
        return self.fuse(embeddings, image_features, places)

    def _visible_after(self, past: int, input_ids: Tensor, attention_mask: Tensor, roles: Tensor | None) -> Tensor:
        """What new tokens see of a past: all that is no padding; among themselves a prompt sees itself whole."""
        shown = attention_mask[:, None, None, :past].bool().expand(-1, 1, input_ids.shape[1], -1)
        if roles is None:
            roles = torch.where(attention_mask[:, past:].bool(), ANSWER, PAD)
        return torch.cat([shown, visibility(roles, causal=self.config.attention == "causal")], 3)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Cache | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Pictures go in once, with the whole prompt; after that one token at a time."""
        if kwargs.get("use_cache") is False:
            # without it the answer so far comes again with the prompt, and would see itself whole as the prompt does
            raise InputError("generate needs its cache here: leave use_cache out, or True")
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        pictures = {
            "pixel_values": pixel_values,
            **{name: kwargs.get(name) for name in ("image_index", "spatial_shapes")},
        }
        return {
            "input_ids": input_ids[:, past:],
            **(pictures if past == 0 else {}),
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": True,
            "logits_to_keep": 1,
        }

    def start_location_embeddings(self) -> None:
        """Start the location tokens of a foreign language model from their coordinates, at its embeddings' norm."""
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


def last_positions(attention_mask: Tensor | None, input_ids: Tensor, past: int) -> Tensor:
    """(B, 1) the position of one more token: how many there are before it, padding left out."""
    if attention_mask is None:
        return torch.full_like(input_ids, past)
    return attention_mask.long().sum(1, keepdim=True) - 1


@contextmanager
def progress_bar_off(off: bool) -> Iterator[None]:
    """Within, transformers draws no progress bars, if `off`."""
    if not (off and logging.is_progress_bar_enabled()):
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def leading_images(places: Tensor) -> int:
    """How many tokens at the start of every row are image tokens, when all rows agree and hold no others; else 0."""
    counts = places.sum(1)
    count = int(counts[0])
    if count == 0 or not bool((counts == count).all()) or not bool(places[:, :count].all()):
        return 0
    return count
