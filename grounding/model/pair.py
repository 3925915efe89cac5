"""Owns two vision encoders side by side: one picture, the features of both, patch by patch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from grounding.model.configuration import GroundingPairConfig
from grounding.model.vision import beside, build_vision, patch_features, vision_width


class GroundingPairModel(PreTrainedModel):
    """Such as CLIP and DINOv2. Each sees the pixels normalized as it was trained with; see GroundingPairConfig."""

    config_class = GroundingPairConfig
    config: GroundingPairConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GroundingPairConfig) -> None:
        super().__init__(config)
        self.first = build_vision(config.first)
        self.second = build_vision(config.second)
        self.post_init()

    @property
    def width(self) -> int:
        """Width of the joined features."""
        return vision_width(self.first, self.config.first_layer) + vision_width(self.second, self.config.second_layer)

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        """(V, 3, S, S) normalized by the pair's mean and std -> last_hidden_state (V, N, D1 + D2), N the first's."""
        config = self.config
        first = renormalize(pixel_values, config.mean, config.std, config.first_mean, config.first_std)
        second = renormalize(pixel_values, config.mean, config.std, config.second_mean, config.second_std)
        side = config.second_side
        if second.shape[-1] != side:
            shrinks = side < second.shape[-1]
            second = F.interpolate(
                second.float(), size=(side, side), mode="bilinear", align_corners=False, antialias=shrinks
            )
        features = [
            patch_features(self.first, first, config.first_layer),
            patch_features(self.second, second, config.second_layer),
        ]
        return BaseModelOutput(last_hidden_state=beside(features))


def renormalize(
    pixel_values: Tensor, mean: Sequence[float], std: Sequence[float], to_mean: Sequence[float], to_std: Sequence[float]
) -> Tensor:
    """(V, 3, S, S) as if normalized by `to_mean` and `to_std`, of pixels normalized by `mean` and `std`."""
    if (tuple(mean), tuple(std)) == (tuple(to_mean), tuple(to_std)):
        return pixel_values
    scale = [a / b for a, b in zip(std, to_std, strict=True)]
    shift = [(a - b) / c for a, b, c in zip(mean, to_mean, to_std, strict=True)]
    by, more = (pixel_values.new_tensor(values).view(1, 3, 1, 1) for values in (scale, shift))
    return pixel_values * by + more
