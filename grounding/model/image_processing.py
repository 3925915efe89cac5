"""Owns the way from pictures to the vision encoder's pixels, with the Layout that says what stands where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from grounding.errors import ConfigError, UnreadableImageError
from grounding.images import Canvas, ImageSource, open_image
from grounding.model.tiling import Layout, Native, Plan, View, pick_plan

ONE_SQUARE = ("squash", "pad")
"""Ways to show a picture in which it always is one square view."""


class GroundingImageProcessor(BaseImageProcessor):
    """Shows pictures as `resize` says (see `tiling`), and scales their values by `mean` and `std`."""

    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(
        self,
        size: int = 224,
        resize: str = "squash",
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        fill: Sequence[int] = (0, 0, 0),
        grid: Sequence[int] | None = None,
        cell: float | None = None,
        line_ends: bool = False,
        resize_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """`size`: the side of a square view, px. `fill`: the colour of bars beside a picture, 0 to 255.

        `grid`: rows and columns of features that encoder and projector give for a square view, or (latents, 0);
        layouts need it, and GroundingProcessor fills it in. `cell`: the side of what a feature stands for, px of the
        view, where features do not divide it evenly. `line_ends`: whether a learned token ends each line of
        features, as `config.line_ends` of the model. `resize_options`: those of the class that `tiling.PLANS` names.
        Raises ConfigError.
        """
        super().__init__(**kwargs)
        self.size, self.resize = size, resize
        self.mean, self.std, self.fill = list(mean), list(std), list(fill)
        self.grid = None if grid is None else [int(side) for side in grid]
        self.cell, self.line_ends = cell, line_ends
        self.resize_options = dict(resize_options or {})
        pick_plan(resize, self.resize_options)
        if len(self.fill) != 3 or not all(0 <= value <= 255 for value in self.fill):
            raise ConfigError(f"fill {self.fill} is no colour: give red, green and blue from 0 to 255")
        if self.grid is not None and (len(self.grid) != 2 or self.grid[0] < 1 or self.grid[1] < 0):
            raise ConfigError(f"grid {self.grid} must be rows and columns of features, or a number of latents and 0")

    # ---- where things stand

    @property
    def plan(self) -> Plan:
        """The way to show pictures, with its options."""
        return pick_plan(self.resize, self.resize_options)

    def canvas(self, width: int, height: int) -> Canvas:
        """From the pixels of a picture of this size to the plane that views are cut from."""
        return self.plan.plane(width, height, self.size)

    def layout(self, width: int, height: int) -> Layout:
        """Views, image tokens and their places of a picture of `width` x `height` px. Raises ConfigError."""
        if self.grid is None:
            raise ConfigError(
                "the image processor doesn't know how many features a view gives: pass grid=(rows, columns), "
                "or let processor_for make it"
            )
        rows, columns = self.grid
        return _layout(self.plan, width, height, View(self.size, (rows, columns), self.line_ends, self.cell))

    # ---- pixels

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """(S, S, 3) uint8 of an RGB picture shown as one square."""
        if image.size == (self.size, self.size):
            return np.asarray(image)
        if self.resize == "squash":
            return np.asarray(image.resize((self.size, self.size), Image.Resampling.BILINEAR, reducing_gap=3.0))
        return np.asarray(self.canvas(*image.size).apply(image, fill=self._fill))

    def views(self, image: Image.Image) -> NDArray[np.uint8]:
        """Of an RGB picture: (V, S, S, 3) uint8 squares; or (1, patches, p * p * 3) of its own shape, as SigLIP 2
        takes them: patches row by row, of each its pixels row by row, of each of those red, green and blue."""
        if self.resize in ONE_SQUARE:
            return self.pixels(image)[None]
        canvas = self.canvas(*image.size)
        plane = np.asarray(canvas.apply(image, fill=self._fill))
        plan, size = self.plan, self.size
        if isinstance(plan, Native):
            rows, columns = canvas.model_height // plan.patch_size, canvas.model_width // plan.patch_size
            parts = plane.reshape(rows, plan.patch_size, columns, plan.patch_size, 3).transpose(0, 2, 1, 3, 4)
            return parts.reshape(1, rows * columns, -1)
        squares = []
        for x1, y1, x2, y2 in (map(int, view) for view in self.layout(*image.size).views):
            if (x2 - x1, y2 - y1) == (size, size):
                squares.append(plane[y1:y2, x1:x2])
            else:  # the whole picture
                squares.append(np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)))
        return np.stack(squares)

    def scale(self, pixels: Tensor) -> Tensor:
        """(V, S, S, 3) uint8 -> (V, 3, S, S) float32, normalized; or (V, patches, p * p * 3) -> the same shape."""
        if pixels.ndim == 3:
            values = pixels.unflatten(2, (-1, 3)).float().div_(255)
            mean, std = (torch.tensor(v, device=values.device) for v in (self.mean, self.std))
            return values.sub_(mean).div_(std).flatten(2)
        values = pixels.permute(0, 3, 1, 2).float().div_(255)
        mean, std = (torch.tensor(v, device=values.device).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return values.sub_(mean).div_(std)

    def tensors(
        self, views: Sequence[NDArray[np.uint8]], sizes: Sequence[tuple[int, int]], index: bool = False
    ) -> dict[str, Any]:
        """What forward takes, of the `views` of pictures of `sizes` (width, height).

        `pixel_values`; `image_index` where tokens are not simply all features in turn, or if `index`; `spatial_shapes`
        where pictures keep their shape; and `picture_tokens`, the number of image tokens of each picture.
        """
        patches = views[0].ndim == 3
        scaled = self.scale(torch.from_numpy(np.concatenate(views, axis=1 if patches else 0)))
        if patches:
            scaled = pad_sequence(scaled[0].split([part.shape[1] for part in views]), batch_first=True)
        values: dict[str, Any] = {"pixel_values": scaled}
        if self.grid is None and self.resize in ONE_SQUARE and not self.line_ends:
            return values
        layouts = [self.layout(*size) for size in sizes]
        values["picture_tokens"] = [len(layout.tokens) for layout in layouts]
        if shapes := [shape for layout in layouts for shape in layout.shapes]:
            values["spatial_shapes"] = torch.tensor(shapes)
        if index or not all(layout.plain for layout in layouts):
            starts = np.cumsum([0, *(len(layout.views) for layout in layouts)])
            parts = [layout.tokens + np.array([start, 0]) for layout, start in zip(layouts, starts, strict=False)]
            values["image_index"] = torch.from_numpy(np.concatenate(parts))
        return values

    def __call__(
        self,
        images: ImageSource | Sequence[Any],
        return_tensors: str | None = "pt",
        index: bool = False,
        **_: Any,
    ) -> BatchFeature:
        """What `tensors` says. A picture is anything that open_image takes; `images` one, a list of them, or a list of
        lists, those of each text. `index`: give `image_index` always."""
        several: list[Any] = list(images) if isinstance(images, (list, tuple)) else [images]
        several = [one for some in several for one in (some if isinstance(some, (list, tuple)) else [some])]
        if not several:
            raise UnreadableImageError("no picture was given: the list is empty")
        opened = [open_image(image) for image in several]
        return BatchFeature(self.tensors([self.views(one) for one in opened], [one.size for one in opened], index))

    @property
    def _fill(self) -> tuple[int, int, int]:
        red, green, blue = self.fill
        return red, green, blue


@lru_cache(maxsize=256)
def _layout(plan: Plan, width: int, height: int, view: View) -> Layout:
    """A plan's layout, made once for pictures of one size."""
    layout = plan.layout(width, height, view)
    layout.tokens.flags.writeable = layout.places.flags.writeable = False
    return layout
