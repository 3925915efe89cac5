"""Owns the way from a picture to the vision encoder's pixels, with the Canvas that leads back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from grounding.errors import ConfigError, UnreadableImageError
from grounding.images import Canvas, ImageSource, open_image


class GroundingImageProcessor(BaseImageProcessor):
    """Squashes (or pads, then shrinks) pictures to `size` x `size` and scales their values to `mean` 0.5, `std` 0.5."""

    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(
        self,
        size: int = 224,
        resize: str = "squash",
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if resize not in ("squash", "pad"):
            raise ConfigError(f"resize {resize!r} is not known: squash or pad")
        self.size, self.resize = size, resize
        self.mean, self.std = list(mean), list(std)

    def canvas(self, width: int, height: int) -> Canvas:
        """How the pixels of a picture of this size relate to those of the model."""
        if self.resize == "squash":
            return Canvas.squash(width, height, self.size, self.size)
        return Canvas.pad(width, height, self.size)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """(S, S, 3) uint8 of an RGB picture."""
        if image.size == (self.size, self.size):
            return np.asarray(image)
        if self.resize == "squash":
            return np.asarray(image.resize((self.size, self.size), Image.Resampling.BILINEAR, reducing_gap=3.0))
        return np.asarray(self.canvas(*image.size).apply(image))

    def scale(self, pixels: torch.Tensor) -> torch.Tensor:
        """(P, S, S, 3) uint8 -> (P, 3, S, S) float32, normalized."""
        values = pixels.permute(0, 3, 1, 2).float().div_(255)
        mean, std = (torch.tensor(v, device=values.device).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return values.sub_(mean).div_(std)

    def __call__(
        self, images: ImageSource | Sequence[ImageSource], return_tensors: str | None = "pt", **_: Any
    ) -> BatchFeature:
        """`pixel_values` (P, 3, S, S) float32. A picture is anything that open_image takes, or a list of them."""
        several: list[Any] = list(images) if isinstance(images, (list, tuple)) else [images]
        if not several:
            raise UnreadableImageError("no picture was given: the list is empty")
        stacked = np.stack([self.pixels(open_image(image)) for image in several])
        return BatchFeature({"pixel_values": self.scale(torch.from_numpy(stacked))})
