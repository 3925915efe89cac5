"""Owns AugmentedPicture: a picture with steps taken when it is opened, each of which moves boxes as it moves pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageEnhance

from grounding.data.pictures import Picture
from grounding.masks import Mask

Box = tuple[float, float, float, float]


class Step(ABC):
    """One change of a picture, with the same change of what lies in it. Sizes are width and height, px."""

    tag: str
    """What it adds to the picture's key."""

    @abstractmethod
    def apply(self, image: Image.Image) -> Image.Image:
        """The changed picture."""

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Of the changed picture."""
        return size

    def point(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """Where a point of a picture of `size` goes, which may be outside."""
        return x, y

    def box(self, box: Sequence[float], size: tuple[int, int]) -> Box:
        """Where a box goes, cut at the edge of the changed picture; of no area where it lies outside."""
        (ax, ay), (bx, by) = self.point(box[0], box[1], size), self.point(box[2], box[3], size)
        wide, high = self.size(size)
        x1, x2 = sorted((min(max(ax, 0.0), wide), min(max(bx, 0.0), wide)))
        y1, y2 = sorted((min(max(ay, 0.0), high), min(max(by, 0.0), high)))
        return x1, y1, x2, y2

    def mask(self, mask: Mask, size: tuple[int, int]) -> Mask:
        """Where a mask goes: polygons stay polygons, cut at the edge, and pixels stay pixels."""
        wide, high = self.size(size)
        if "polygons" not in mask.to_json():
            pixels = Image.fromarray(mask.array.astype(np.uint8) * 255)
            return Mask.from_array(np.asarray(self.apply(pixels)) > 127)
        moved = [[self.point(x, y, size) for x, y in polygon.tolist()] for polygon in mask.polygons]
        cut = [cut_polygon(polygon, wide, high) for polygon in moved]
        return Mask.from_polygons([polygon for polygon in cut if len(polygon) > 2], wide, high)


@dataclass(frozen=True, slots=True)
class Flip(Step):
    """Left and right change places."""

    tag = "flip"

    def apply(self, image: Image.Image) -> Image.Image:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    def point(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        return size[0] - x, y


@dataclass(frozen=True, slots=True)
class Crop(Step):
    """A rectangle is left, in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def tag(self) -> str:  # type: ignore[override]  # made of the numbers
        return f"crop-{self.left}-{self.top}-{self.right}-{self.bottom}"

    def apply(self, image: Image.Image) -> Image.Image:
        return image.crop((self.left, self.top, self.right, self.bottom))

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top

    def point(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        return x - self.left, y - self.top


@dataclass(frozen=True, slots=True)
class Resize(Step):
    """Another size, as a camera of fewer pixels would have taken it."""

    width: int
    height: int

    @property
    def tag(self) -> str:  # type: ignore[override]  # made of the numbers
        return f"{self.width}x{self.height}"

    def apply(self, image: Image.Image) -> Image.Image:
        if image.size == (self.width, self.height):
            return image
        return image.resize((self.width, self.height), Image.Resampling.BILINEAR)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        return self.width, self.height

    def point(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        return x * self.width / size[0], y * self.height / size[1]


@dataclass(frozen=True, slots=True)
class Colours(Step):
    """Other light and other colours; everything stays where it is."""

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    """Degrees that hues are turned by."""

    tag = "colours"

    def apply(self, image: Image.Image) -> Image.Image:
        if image.mode != "RGB":
            return image
        if self.hue:
            values = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2HSV)
            turned = (values[..., 0].astype(np.int16) + round(self.hue / 2)) % 180  # OpenCV has two degrees a step
            image = Image.fromarray(
                cv2.cvtColor(np.dstack([turned.astype(np.uint8), values[..., 1:]]), cv2.COLOR_HSV2RGB)
            )
        for factor, enhance in (
            (self.brightness, ImageEnhance.Brightness),
            (self.contrast, ImageEnhance.Contrast),
            (self.saturation, ImageEnhance.Color),
        ):
            if factor != 1.0:
                image = enhance(image).enhance(factor)
        return image


@dataclass(frozen=True, slots=True)
class AugmentedPicture(Picture):
    """A picture with steps; small, so that it can be sent to whoever opens it."""

    base: Picture
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:  # type: ignore[override]  # made of the steps
        return "+".join([self.base.key, *(step.tag for step in self.steps)])

    def open(self) -> Image.Image:
        image = self.base.open()
        for step in self.steps:
            image = step.apply(image)
        return image

    def missing(self) -> bool:
        return self.base.missing()


def stepped(picture: Picture, step: Step) -> Picture:
    """The picture with one more step; two flips are none."""
    base, steps = (picture.base, picture.steps) if isinstance(picture, AugmentedPicture) else (picture, ())
    if isinstance(step, Flip) and steps and isinstance(steps[-1], Flip):
        return AugmentedPicture(base, steps[:-1]) if len(steps) > 1 else base
    return AugmentedPicture(base, (*steps, step))


def cut_polygon(polygon: Sequence[tuple[float, float]], width: float, height: float) -> list[tuple[float, float]]:
    """What of a polygon lies in a picture (Sutherland and Hodgman, 1974); [] where nothing does."""
    cut = list(polygon)
    for axis, edge, side in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        kept: list[tuple[float, float]] = []
        for last, point in zip([*cut[-1:], *cut[:-1]], cut, strict=True):
            inside, before = (point[axis] - edge) * side >= 0, (last[axis] - edge) * side >= 0
            if inside != before:
                share = (edge - last[axis]) / (point[axis] - last[axis])
                other = last[1 - axis] + share * (point[1 - axis] - last[1 - axis])
                kept.append((edge, other) if axis == 0 else (other, edge))
            if inside:
                kept.append(point)
        cut = kept
    return cut
