"""Owns what training minimizes: soft coordinates, words, what each patch shows, and which patches a phrase means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.training.collator import IGNORE
from grounding.training.config import TrainingConfig
from grounding.training.where import WhereHead


@lru_cache(maxsize=4)
def soft_targets(bins: int, sigma: float) -> Tensor:
    """(bins, bins): row b is a normal of width `sigma` bins around b, summing to one."""
    places = torch.arange(bins, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((places[None] - places[:, None]) / max(sigma, 1e-3)) ** 2)
    return weights / weights.sum(1, keepdim=True)


def token_losses(logits: Tensor, labels: Tensor, first_location: int, bins: int, sigma: float) -> tuple[Tensor, Tensor]:
    """(M,) cross-entropy of each place and (M,) distance of the expected coordinate, of logits (M, V), labels (M,).

    A coordinate's target is spread over neighbouring bins (DIST2Loss and others show that the plain target wastes what
    bins mean); the distance is a share of the picture, and 0 for words.
    """
    logits = logits.float()
    log_probabilities = F.log_softmax(logits, 1)
    losses = -log_probabilities.gather(1, labels[:, None])[:, 0]
    distances = torch.zeros_like(losses)
    chosen = ((labels >= first_location) & (labels < first_location + bins)).nonzero()[:, 0]
    if len(chosen):
        targets = soft_targets(bins, sigma).to(logits.device)[labels[chosen] - first_location]
        span = slice(first_location, first_location + bins)
        losses = losses.index_put((chosen,), -(targets * log_probabilities[chosen, span]).sum(1))
        coordinates = torch.linspace(0, 1, bins, device=logits.device)
        expected = F.softmax(logits[chosen, span], 1) @ coordinates
        true = coordinates[labels[chosen] - first_location]
        distances = distances.index_put((chosen,), (expected - true).abs())
    return losses, distances


def labelled_logits(
    model: GroundingForConditionalGeneration, batch: Mapping[str, Tensor], **pictures: Tensor
) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
    """Labels (M,) of a batch and the logits (M, V) of their places by our own decoder, and all its hidden states
    (B, L, D), the embeddings first. `pictures`: its pixel_values, or their image_features."""
    output = model(
        input_ids=batch["input_ids"],
        token_roles=batch["token_roles"],
        segment_ids=batch["segment_ids"],
        position_ids=batch["position_ids"],
        output_hidden_states=True,
        logits_to_keep=-1,
        **pictures,
    )
    places = batch["labels"] != IGNORE
    states: Any = output.hidden_states
    hidden = states[-1][places]
    words: Any = model.language
    return batch["labels"][places], F.linear(hidden, words.embedding.weight.to(hidden.dtype)), states


class TrainingModel(nn.Module):
    """The model with the heads that only training needs: what each patch shows, and which patches a phrase means."""

    def __init__(
        self, model: GroundingForConditionalGeneration, counts: tuple[int, int, int, int], config: TrainingConfig
    ) -> None:
        """`counts`: classes of names, colours, fills and sizes."""
        super().__init__()
        self.model, self.settings = model, config
        width = int(model.config.vision_config.hidden_size)
        text_width = int(model.config.text_config.hidden_size)
        self.counts = counts
        self.dense = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, sum(counts) + 4))
        self.where = WhereHead(text_width, len(model.language.blocks))
        self.dense_only = False

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """`loss` and its parts, each a scalar; parts not trained in this step are left out."""
        from grounding.model.vision import patch_features

        model, settings = self.model, self.settings
        patches = patch_features(model.vision, batch["pixel_values"], model.config.vision_feature_layer)
        losses = self.dense_losses(patches, batch)
        dense = losses["patch"]
        if self.dense_only:
            return {"loss": dense, **losses}
        labels, logits, states = labelled_logits(model, batch, image_features=model.projector(patches))
        first = int(model.config.location_token_id or 0)
        each, distance = token_losses(logits, labels, first, model.config.num_locations, settings.location_sigma)
        text, expectation = each.mean(), distance.sum() / (distance > 0).sum().clamp_min(1)
        where = self.where(states[self.where.layer], batch)
        loss = text + settings.expectation_weight * expectation + settings.dense_weight * dense
        loss = loss + settings.where_weight * where
        return {"loss": loss, "text": text, "expectation": expectation, "where": where, **losses}

    def dense_losses(self, patches: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What each patch shows: name, colour, fill, size, and the box of the thing."""
        outputs = self.dense(patches).float().flatten(0, 1)
        names, colors, fills, sizes, boxes = outputs.split([*self.counts, 4], 1)
        truth = batch["patch_names"].flatten()
        shown = truth > 0
        weight = torch.where(shown, 1.0, 0.2)
        each = F.cross_entropy(names, truth, reduction="none")
        losses = {"patch_name": (each * weight).sum() / weight.sum()}
        for key, values in (("colors", colors), ("fills", fills), ("sizes", sizes)):
            classes = batch[f"patch_{key}"].flatten()
            each = F.cross_entropy(values, classes, ignore_index=IGNORE, reduction="sum")
            losses[f"patch_{key}"] = each / (classes != IGNORE).sum().clamp_min(1)  # a batch may show none at all
        away = (boxes - batch["patch_boxes"].flatten(0, 1)).abs().mean(1)
        losses["patch_boxes"] = (away * shown).sum() / shown.sum().clamp_min(1)
        total = losses["patch_name"] + losses["patch_colors"] + losses["patch_fills"] + 0.5 * losses["patch_sizes"]
        losses = {key: value.detach() for key, value in losses.items()}
        losses["patch"] = total + 10 * ((away * shown).sum() / shown.sum().clamp_min(1))
        return losses
