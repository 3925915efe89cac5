"""Owns Canvas: the one way from a picture's pixels to what a model sees, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from grounding.boxes import Boxes, as_boxes, as_points
from grounding.errors import ImageError


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where the pixels of a picture lie in what a model sees: model = original * scale + (left, top).

    Made by `identity`, `squash` or `pad`. Coordinates are continuous and nothing is rounded or clipped on the way, so
    both directions undo each other; the scales are those of the resized picture in whole pixels, as `apply` makes it.
    """

    width: int
    height: int
    model_width: int
    model_height: int
    scale_x: float = 1.0
    scale_y: float = 1.0
    left: int = 0
    top: int = 0

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.model_width, self.model_height) < 1 or not (
            0 < self.scale_x < math.inf and 0 < self.scale_y < math.inf
        ):
            raise ImageError(
                f"a canvas needs sizes over 0; seen a picture of {self.width} x {self.height} "
                f"in {self.model_width} x {self.model_height}"
            )

    @classmethod
    def identity(cls, width: int, height: int) -> Canvas:
        """Model pixels are the picture's pixels."""
        return cls(width, height, width, height)

    @classmethod
    def squash(cls, width: int, height: int, model_width: int, model_height: int) -> Canvas:
        """The picture stretched to the model's size, whatever its shape."""
        cls.identity(width, height)
        return cls(width, height, model_width, model_height, model_width / width, model_height / height)

    @classmethod
    def pad(cls, width: int, height: int, size: int | tuple[int, int], *, where: str = "center") -> Canvas:
        """The picture in its own shape, as large as fits into `size`, the rest padding.

        `size`: the side of a square, or width and height. `where`: "center", or "corner" for the picture at the top
        left and padding at the right or the bottom.
        """
        if where not in ("center", "corner"):
            raise ImageError(f'where must be "center" or "corner"; seen {where!r}')
        cls.identity(width, height)
        model_width, model_height = (size, size) if isinstance(size, int) else size
        scale = min(model_width / width, model_height / height)
        # A picture of 20000 x 10 would round to no height at all.
        inner_width = min(max(round(width * scale), 1), model_width)
        inner_height = min(max(round(height * scale), 1), model_height)
        center = where == "center"
        left = (model_width - inner_width) // 2 if center else 0
        top = (model_height - inner_height) // 2 if center else 0
        return cls(width, height, model_width, model_height, inner_width / width, inner_height / height, left, top)

    @property
    def inner_size(self) -> tuple[int, int]:
        """Width and height of the resized picture within the model's canvas, in model pixels."""
        return round(self.width * self.scale_x), round(self.height * self.scale_y)

    def to_model(self, boxes_px: ArrayLike) -> Boxes:
        """(N, 4) boxes in model pixels, from pixels of the original."""
        return as_boxes(boxes_px) * np.tile(self._scale, 2) + np.tile(self._offset, 2)

    def to_original(self, boxes_model: ArrayLike) -> Boxes:
        """(N, 4) boxes in pixels of the original, from model pixels; parts in the padding lie outside the picture."""
        return (as_boxes(boxes_model) - np.tile(self._offset, 2)) / np.tile(self._scale, 2)

    def points_to_model(self, points_px: ArrayLike) -> Boxes:
        """(N, 2) points x, y in model pixels, from pixels of the original."""
        return as_points(points_px) * self._scale + self._offset

    def points_to_original(self, points_model: ArrayLike) -> Boxes:
        """(N, 2) points x, y in pixels of the original, from model pixels."""
        return (as_points(points_model) - self._offset) / self._scale

    def unit_to_original(self, boxes_unit: ArrayLike) -> Boxes:
        """(N, 4) boxes in pixels of the original, from fractions of the model's whole canvas, padding included."""
        return self.to_original(as_boxes(boxes_unit) * np.tile(self._model_size, 2))

    def original_to_unit(self, boxes_px: ArrayLike) -> Boxes:
        """(N, 4) boxes as fractions of the model's whole canvas, padding included."""
        return self.to_model(boxes_px) / np.tile(self._model_size, 2)

    def apply(
        self,
        image: Image.Image,
        *,
        fill: tuple[int, int, int] = (0, 0, 0),
        resample: Image.Resampling = Image.Resampling.BICUBIC,
    ) -> Image.Image:
        """What the model sees: the picture resized, with padding of colour `fill`; itself when nothing changes."""
        if image.size != (self.width, self.height):
            raise ImageError(
                f"this canvas is for a picture of {self.width} x {self.height}; seen {image.width} x {image.height}"
            )
        inner = image if image.size == self.inner_size else image.resize(self.inner_size, resample)
        if inner.size == (self.model_width, self.model_height) and not (self.left or self.top):
            return inner
        whole = Image.new(image.mode, (self.model_width, self.model_height), fill)
        whole.paste(inner, (self.left, self.top))
        return whole

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y])

    @property
    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.left, self.top], dtype=np.float64)

    @property
    def _model_size(self) -> NDArray[np.float64]:
        return np.array([self.model_width, self.model_height], dtype=np.float64)
