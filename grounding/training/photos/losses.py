"""Owns the model in training on photographs: the model itself, with the heads that only training needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.vision import beside, patch_features, vision_width
from grounding.training.losses import labelled_logits, token_losses
from grounding.training.photos.config import PhotosConfig
from grounding.training.photos.dense import DenseHead, dense_losses
from grounding.training.where import WhereHead


class PhotoTrainingModel(nn.Module):
    """Gives `loss` and its parts: of the new encoder alone (`seeing`), or of all of it."""

    def __init__(self, model: GroundingForConditionalGeneration, names: int, colors: int, config: PhotosConfig) -> None:
        """`names`, `colors`: how many a patch may show."""
        super().__init__()
        self.model, self.settings = model, config
        text = model.config.text_config
        self.dense = DenseHead(vision_width(model.vision.first), names, colors)
        self.where = WhereHead(int(text.hidden_size), int(text.num_hidden_layers))
        self.seeing = False

    @property
    def eyes(self) -> Any:
        """The new encoder."""
        pair: Any = self.model.vision
        return pair.first

    def look(self, pixel_values: Tensor) -> Tensor:
        """(B, N, D) features of the new encoder, of pixels (B, 3, S, S)."""
        return patch_features(self.eyes, pixel_values)

    def both(self, seen: Tensor, pixel_values: Tensor) -> Tensor:
        """(B, N, D1 + D2): the features `seen` by the new encoder beside those of the resting encoder of scenes."""
        pair: Any = self.model.vision
        side = pair.config.second_side
        with torch.no_grad():
            shrunk = pixel_values.float()
            if side != pixel_values.shape[-1]:
                antialias = side < pixel_values.shape[-1]
                shrunk = F.interpolate(
                    shrunk, size=(side, side), mode="bilinear", align_corners=False, antialias=antialias
                )
            others = patch_features(pair.second, shrunk)
        return beside([seen, others.to(seen.dtype)])

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """`loss` and its parts, each a scalar."""
        seen = self.look(batch["pixel_values"])
        shown = batch["dense_rows"]  # photographs only
        losses: dict[str, Any] = {}
        dense = seen.sum() * 0
        if len(shown):
            losses = dense_losses(self.dense, seen[shown], batch)
            dense = losses.pop("patch")
            losses["patch"] = dense.detach()
        if self.seeing:
            return {"loss": dense, **losses}
        model, settings = self.model, self.settings
        seen_by_both = model.projector(self.both(seen, batch["pixel_values"]))
        labels, logits, states = labelled_logits(model, batch, image_features=seen_by_both)
        each, distance = token_losses(
            logits,
            labels,
            int(model.config.location_token_id or 0),
            model.config.num_locations,
            settings.location_sigma,
        )
        text, expectation = each.mean(), distance.sum() / (distance > 0).sum().clamp_min(1)
        where = self.where(states[self.where.layer], batch)
        loss = text + settings.expectation_weight * expectation + settings.dense_weight * dense
        loss = loss + settings.where_weight * where
        return {"loss": loss, "text": text, "expectation": expectation, "where": where, **losses}
