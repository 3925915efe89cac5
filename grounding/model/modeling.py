"""Owns our vision-language model: pictures and texts in, logits over words and location tokens out.

Shapes: B rows, P pictures, N image tokens a picture, T text tokens a row, L = N + T, D width, V views or vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel, initialization
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import logging

from grounding.errors import InputError
from grounding.model.blocks import Norm, init_linear
from grounding.model.cache import RowCache
from grounding.model.causal_models import check_causal_model
from grounding.model.configuration import GroundingConfig, attention_kept
from grounding.model.coordinates import append_coordinates
from grounding.model.cross_attention import Shown, checkpoint_with_pictures, showing
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT, build_fusion
from grounding.model.generating import PictureGeneration
from grounding.model.language import GroundingTextModel, build_language, refuse_cache
from grounding.model.masking import masks_behind, masks_of_pictures, masks_of_step, masks_of_whole
from grounding.model.projectors import build_projector, project
from grounding.model.vision import build_vision, feature_shapes, patch_features, vision_width


class GroundingForConditionalGeneration(PreTrainedModel, PictureGeneration, GenerationMixin):
    """A vision encoder, a projector and a language decoder; what sees what is said in `fusion`.

    forward takes
        input_ids       (B, L) text with `config.image_token_id` at the N places of each picture, or, with fusion
                        "cross_attention", at the one place where it stands
        pixel_values    (V, 3, S, S), the views of all pictures, one or several of each; or (V, patches, values of one)
                        where pictures keep their shape; None when they are in `past_key_values` already
        image_index     (M, 2) for each image token of the batch in order: which view and which of its features; feature
                        -1 is a line's end; None: every feature of every view in turn
        spatial_shapes  (V, 2) rows and columns of patches of each view, where pictures keep their shape; else None
        picture_tokens  (P,) how many rows of image_index each picture has, which cross-attention needs to know; None:
                        each view is a picture of its own
        image_features  (V, N, D) or (M, D), instead of pixel_values: what `image_features` gave
        attention_mask  (B, L) 1 for what is there, 0 for padding (all of the past too)
        token_roles     (B, L) `fusion` roles; None: images by their id, padding by the mask, the rest prompt
        segment_ids     (B, L) which phrase a text token belongs to; None: one phrase a row
        document_ids    (B, L) which of several texts that share a row a token belongs to; they and their pictures do
                        not see each other; None: one text a row
        position_ids    (B, L); None: counted from the mask
        labels          (B, L) the token each place should predict, -100 for none (already shifted)
        num_items_in_batch  how many labels a whole step has, of which these may be a part: the loss is their sum over
                        that number, as transformers' Trainer wants it where it accumulates; None: their mean
    and gives loss (when there are labels), logits (B, L or logits_to_keep, V), past_key_values, hidden_states.
    """

    config_class = GroundingConfig
    config: GroundingConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    _no_split_modules: Any = ("Block", "GatedCrossAttention")
    supports_gradient_checkpointing = True
    gradient_checkpointing = False

    def __init__(self, config: GroundingConfig, vision: nn.Module | None = None, language: Any = None) -> None:
        """`vision`, `language`: parts that are there already, with their weights; None: made fresh."""
        with attention_kept(config.vision_config, config.text_config):
            super().__init__(config)
        self.vision = build_vision(config.vision_config) if vision is None else vision
        self.language = build_language(config.text_config) if language is None else language
        for part in (vision, language):
            for module in part.modules() if part is not None else ():
                module._is_hf_initialized = True  # what transformers would draw anew, it leaves alone by this
        self.own_language = isinstance(self.language, GroundingTextModel)
        if not self.own_language:
            check_causal_model(self.language)
        width = int(config.text_config.hidden_size)
        features = vision_width(self.vision, config.vision_feature_layer)
        features += config.patch_coordinates
        self.projector = build_projector(config.projector, features, width, config.projector_options)
        self.fusion: Any = build_fusion(config.fusion, self.language, width, config.fusion_options)
        self.line_end = nn.Parameter(torch.zeros(width)) if config.line_ends else None
        self.post_init()
        # what is wrapped and kept whole when a model is spread over devices: every repeated layer that is here
        layers = {type(module).__name__ for module in self.modules() if isinstance(module, GradientCheckpointingLayer)}
        here = {type(module).__name__ for module in self.modules()}
        self._no_split_modules = sorted(layers | (here & set(self._no_split_modules)))

    @classmethod
    def from_pretrained(cls, name: str | Path, *args: Any, **options: Any) -> Self:
        """As transformers'; where the weights lie in a directory here, without a progress bar on stderr."""
        with progress_bar_off(Path(name).is_dir()):
            return super().from_pretrained(name, *args, **options)

    def _init_weights(self, module: nn.Module) -> None:
        """The parts start themselves; the projector, the fusion and the line's end are left."""
        if isinstance(module, nn.Linear):
            init_linear(module)
        elif isinstance(module, Norm):
            initialization.ones_(module.weight)
        elif module is self:
            if self.line_end is not None:
                initialization.zeros_(self.line_end)
        elif callable(start := getattr(module, "start_weights", None)):
            start()
        else:
            super()._init_weights(module)

    def get_input_embeddings(self) -> nn.Module:
        return self.language.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module | None:
        return self.language.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.language.set_output_embeddings(new_embeddings)

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *args: Any, **options: Any) -> Any:
        """As transformers', of the language model. `config.location_token_id` stays: new tokens come behind all others.

        Raises ConfigError for our own decoder, whose location tokens end its vocabulary.
        """
        embeddings = self.language.resize_token_embeddings(new_num_tokens, *args, **options)
        self.vocab_size = self.config.text_config.vocab_size = int(self.language.config.vocab_size)
        self.tie_weights()
        return embeddings

    def _set_gradient_checkpointing(self, *args: Any, **options: Any) -> None:
        super()._set_gradient_checkpointing(*args, **options)
        if self.fusion.marks:
            checkpoint_with_pictures(self.language)

    # ---- pictures

    def image_features(
        self, pixel_values: Tensor, image_index: Tensor | None = None, spatial_shapes: Tensor | None = None
    ) -> Tensor:
        """(V, N, D) features of views in the language model's width; (M, D) those of image tokens where `image_index`
        (M, 2) says which each takes."""
        layer = self.config.vision_feature_layer
        patches = patch_features(self.vision, pixel_values.to(self.dtype), layer, spatial_shapes)
        shapes = feature_shapes(self.config.vision_config, spatial_shapes)
        if self.config.patch_coordinates:
            patches = append_coordinates(patches, self.config.patch_coordinates, shapes)
        features: Tensor = project(self.projector, patches, shapes)
        if image_index is None:
            return features
        view, place = image_index.unbind(1)
        chosen = features[view, place.clamp_min(0)]
        if self.line_end is not None:
            chosen = torch.where((place < 0)[:, None], self.line_end.to(chosen.dtype), chosen)
        elif bool((place < 0).any()):
            raise InputError("the pictures' lines have ends, and this model knows none: line_ends=True in its config")
        return chosen

    def image_cache(self, pixel_values: Tensor | None = None, image_features: Tensor | None = None) -> Cache:
        """Keys and values of pictures in every layer: all that any phrase needs to know of them.

        Pictures of one view each (P, 3, S, S), or the features of their tokens (P, N, D), as many for every picture.
        """
        if image_features is None:
            if pixel_values is None:
                raise InputError("image_cache needs pixel_values or image_features")
            image_features = self.image_features(pixel_values)
        cache = DynamicCache()
        if self.fusion.marks:
            marks = torch.full((len(image_features), 1), self.config.image_token_id, device=image_features.device)
            self(
                input_ids=marks, image_features=image_features, past_key_values=cache, use_cache=True, logits_to_keep=1
            )
        else:
            masks = masks_of_pictures(self._foreign, image_features, self.causal)
            keep = -1 if self.own_language else 1
            self.language(
                inputs_embeds=image_features, past_key_values=cache, use_cache=True, logits_to_keep=keep, **masks
            )
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
        picture_tokens: Tensor | None = None,
        document_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        if input_ids is None:
            raise InputError("forward needs input_ids")
        if self.gradient_checkpointing and self.training:
            refuse_cache(use_cache, past_key_values)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()  # one that keeps all: those of transformers drop what windows don't see
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if past and not (segment_ids is None and document_ids is None):
            raise InputError(
                "segment_ids and document_ids say nothing of what a cache holds: give all of the text anew"
            )
        embeddings = self._embed(input_ids, past_key_values)
        shown: Shown | None = None
        if past and input_ids.shape[1] == 1 and pixel_values is None and image_features is None:
            # the common step of writing: one token that sees all that is no padding, whatever token it is
            if position_ids is None:
                position_ids = last_positions(attention_mask, input_ids, past)
            masks = masks_of_step(self._foreign, attention_mask, position_ids, embeddings.dtype)
        else:
            if attention_mask is None:
                attention_mask = input_ids.new_ones(input_ids.shape[0], past + input_ids.shape[1])
            if position_ids is None:
                position_ids = (attention_mask.long().cumsum(1) - 1).clamp_min(0)[:, past:]
            places = input_ids == self.config.image_token_id
            if image_features is None and pixel_values is not None:
                image_features = self.image_features(pixel_values, image_index, spatial_shapes)
            if self.fusion.marks:
                shown = self._meet(image_features, picture_tokens, places, past, use_cache, document_ids)
            else:
                embeddings = self._place_images(embeddings, places, image_features)
            if past:
                if token_roles is None:
                    token_roles = torch.where(attention_mask[:, past:].bool(), ANSWER, PAD)
                masks = masks_behind(
                    self._foreign, token_roles, attention_mask, position_ids, self.causal, embeddings.dtype
                )
            else:
                if token_roles is None:
                    token_roles = torch.where(places, IMAGE, torch.where(attention_mask.bool(), PROMPT, PAD))
                masks = masks_of_whole(
                    self._foreign, token_roles, segment_ids, position_ids, self.causal, embeddings.dtype, document_ids
                )
        if self.fusion.marks and shown is None:
            shown = self.fusion.recall(past_key_values)
        with showing(shown) if shown is not None else nullcontext():
            output = self.language(
                inputs_embeds=embeddings,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=bool(use_cache) or past_key_values is not None,
                output_hidden_states=output_hidden_states,
                logits_to_keep=logits_to_keep,
                **masks,
            )
        if shown is not None and shown.keep:
            self.fusion.remember(shown, past_key_values)
        loss = None
        if labels is not None:
            kind = "mean" if num_items_in_batch is None else "sum"
            loss = F.cross_entropy(output.logits.flatten(0, 1).float(), labels.flatten(), reduction=kind)
            loss = loss / (1 if num_items_in_batch is None else num_items_in_batch)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=output.logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
        )

    @property
    def causal(self) -> bool:
        """Whether everything sees what is before it and nothing else."""
        return self.config.attention == "causal"

    @property
    def _foreign(self) -> PreTrainedConfig | None:
        """Configuration of a language model that is not ours."""
        return None if self.own_language else self.language.config

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
            return self.fusion(embeddings, image_features, places)
        pictures, each = image_features.shape[:2]
        if pictures * each != seen:
            raise InputError(
                f"the text has {seen} image tokens and the pictures {pictures * each} features "
                f"({pictures} x {each}): let GroundingProcessor write the text, with image_tokens={each}"
            )
        return self.fusion(embeddings, image_features, places)

    def _meet(
        self,
        features: Tensor | None,
        counts: Tensor | None,
        places: Tensor,
        past: int,
        use_cache: bool | None,
        documents: Tensor | None = None,
    ) -> Shown | None:
        """What cross-attention looks at, where pictures come with this text; else None. Raises InputError where they
        don't match the text."""
        if features is None:
            if not past and bool(places.any()):
                raise InputError("the text holds image tokens, and neither pixel_values nor image_features were given")
            return None
        if past:
            raise InputError("with cross-attention all pictures come with the beginning of the text, before any cache")
        shown: Shown | None = self.fusion.meet(features, counts, places, bool(use_cache), documents)
        return shown


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
