"""Owns View: a part of a photograph as it is shown in a lesson, perhaps flipped, in another light and another size.

What a detector is sure of is what is easily seen, and who learns of nothing else finds nothing else. So a view may also
show the photograph from farther away, or out of focus: what is certain of the photograph is certain of the view. A crop
cuts no thing that may be an answer by much: those it would cut are nearly whole in it, or gone, or no answers any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from grounding.data.photos.cleaning import CleanLabels
from grounding.data.photos.labels import Box, WeakBox
from grounding.errors import InputError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How much a view may differ from the photograph."""

    flip: float = 0.5
    """Share of views with left and right in each other's place."""
    crop: float = 0.4
    """Share of views that show a part only."""
    far: float = 0.3
    """Share of views that show all of it from farther away, amid one colour."""
    farthest: float = 2.0
    """By how much smaller the photograph is in them at most."""
    blurred: float = 0.3
    """Share of views out of focus."""
    blurriest: float = 0.25
    """Share of the pixels of a side that is left of them at least."""
    smallest: float = 0.55
    """Share of the width, and of the height, that such a part has at least."""
    kept: float = 0.85
    """Share of a thing's box that a view must hold for the thing to be an answer still."""
    gone: float = 0.08
    """Share of a thing's box up to which a view holds nothing of the thing."""
    light: float = 0.2
    """By how much brightness, contrast and saturation change at most: a fifth."""
    lit: float = 0.7
    """Share of views in another light."""

    def __post_init__(self) -> None:
        if not 0 < self.smallest <= 1:
            raise InputError(f"smallest is {self.smallest}; a view shows more than 0 and up to 1 of each side")
        if self.crop + self.far > 1:
            raise InputError(
                f"crop is {self.crop} and far {self.far}; a view is one of them or neither: up to 1 in all"
            )
        if self.farthest < 1:
            raise InputError(f"farthest is {self.farthest}; a photograph is smaller by a factor of 1 or more")
        if not 0 < self.blurriest <= 1:
            raise InputError(f"blurriest is {self.blurriest}; more than 0 and up to 1 of the pixels are left")
        if not 0 <= self.light < 1:
            raise InputError(f"light is {self.light}; it is 0 or more and less than 1")


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a photograph."""

    window: Box = (0.0, 0.0, 1.0, 1.0)
    """The part of the photograph, x1, y1, x2, y2 as shares of its sides; what lies outside it is of its mean colour."""
    flipped: bool = False
    """Whether left and right are in each other's place."""
    brightness: float = 1.0
    """Factor of all values."""
    contrast: float = 1.0
    """Factor of what the values are from the middle."""
    saturation: float = 1.0
    """Factor of what the channels are from gray."""
    sharpness: float = 1.0
    """Share of the pixels of a side that is left."""

    def picture(self, image: Pixels, size: int) -> Pixels:
        """What is seen, (size, size, 3) RGB, squashed; in the photograph's own light."""
        height, width = image.shape[:2]
        x1, y1, x2, y2 = self.window
        left, top, right, bottom = max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0)
        a, b = round(left * width), max(round(right * width), round(left * width) + 1)
        c, d = round(top * height), max(round(bottom * height), round(top * height) + 1)
        # where that part lies in the picture, px
        e, f = round((left - x1) / (x2 - x1) * size), round((right - x1) / (x2 - x1) * size)
        g, h = round((top - y1) / (y2 - y1) * size), round((bottom - y1) / (y2 - y1) * size)
        seen = _resized(image[c:d, a:b], max(f - e, 1), max(h - g, 1))
        if seen.shape[:2] != (size, size):
            whole = np.empty((size, size, 3), np.uint8)
            whole[:] = image.mean((0, 1)).astype(np.uint8)
            whole[g : g + len(seen), e : e + seen.shape[1]] = seen
            seen = whole
        if self.sharpness < 1.0:
            few = max(round(self.sharpness * size), 1)
            seen = _resized(_resized(seen, few, few), size, size)
        return np.ascontiguousarray(seen[:, ::-1] if self.flipped else seen)

    def lit(self, image: Pixels) -> Pixels:
        """The same picture in the view's light."""
        if self.brightness == self.contrast == self.saturation == 1.0:
            return image
        values = image.astype(np.float32)
        if self.saturation != 1.0:
            gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
            values = gray + (values - gray) * self.saturation
        middle = float(values.mean())
        values = (middle + (values - middle) * self.contrast) * self.brightness
        return np.clip(values + 0.5, 0, 255).astype(np.uint8)

    def box(self, box: Box) -> tuple[Box, float]:
        """Where a box lies in the view, cut at its edges, as shares of its sides; and how much of it that is."""
        x1, y1, x2, y2 = self.window
        wide, high = x2 - x1, y2 - y1
        left, top, right, bottom = (
            (box[0] - x1) / wide,
            (box[1] - y1) / high,
            (box[2] - x1) / wide,
            (box[3] - y1) / high,
        )
        whole = (right - left) * (bottom - top)
        left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in (left, top, right, bottom))
        if self.flipped:
            left, right = 1.0 - right, 1.0 - left
        return (left, top, right, bottom), max(right - left, 0.0) * max(bottom - top, 0.0) / whole

    def seen(self, weak: WeakBox, options: ViewOptions) -> tuple[WeakBox, bool] | None:
        """A thing as the view holds it, and whether that is all of it; None where the view holds hardly any of it."""
        box, share = self.box(weak.box)
        return None if share <= options.gone else (replace(weak, box=box), share >= options.kept)


def _resized(image: Pixels, width: int, height: int) -> Pixels:
    smaller = width * height < image.shape[0] * image.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=way), np.uint8)


def random_view(labels: CleanLabels, rng: Random, options: ViewOptions) -> View:
    """A view that holds at least one thing that may be an answer, where the photograph has one."""
    window = (0.0, 0.0, 1.0, 1.0)
    roll = rng.random()
    if roll < options.crop:
        for _ in range(8):
            tried = _window(labels, rng, options)
            view = View(tried)
            if not labels.sure or any(view.box(weak.box)[1] >= options.kept for weak in labels.sure):
                window = tried
                break
    elif roll < options.crop + options.far:
        wide, high = rng.uniform(1.0, options.farthest), rng.uniform(0.85, 1.15)
        high = min(max(wide * high, 1.0), options.farthest)
        x1, y1 = -rng.uniform(0.0, wide - 1.0), -rng.uniform(0.0, high - 1.0)
        window = (x1, y1, x1 + wide, y1 + high)
    view = View(window, flipped=rng.random() < options.flip)
    if rng.random() < options.blurred:
        view = replace(view, sharpness=rng.uniform(options.blurriest, 1.0))
    if rng.random() >= options.lit:
        return view
    low, high = 1.0 - options.light, 1.0 + options.light
    brightness, contrast, saturation = (rng.uniform(low, high) for _ in range(3))
    return replace(view, brightness=brightness, contrast=contrast, saturation=saturation)


def _window(labels: CleanLabels, rng: Random, options: ViewOptions) -> Box:
    """A part of the photograph, moved out to the edges of the answers that it would cut by little."""
    wide, high = rng.uniform(options.smallest, 1.0), rng.uniform(options.smallest, 1.0)
    x1, y1 = rng.uniform(0.0, 1.0 - wide), rng.uniform(0.0, 1.0 - high)
    x2, y2 = x1 + wide, y1 + high
    for weak in labels.sure:
        share = View((x1, y1, x2, y2)).box(weak.box)[1]
        if 0.6 < share < 1.0:
            a, b, c, d = weak.box
            x1, y1, x2, y2 = min(x1, a), min(y1, b), max(x2, c), max(y2, d)
    return x1, y1, x2, y2
