"""Owns View: a part of a photograph as it is shown in a lesson, perhaps flipped, in another light and another size.

A crop cuts no thing that may be an answer by much: those it would cut are nearly whole in it, or gone, or no answers
any more. So what is said of a view is as certain as what is said of the photograph.
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
    crop: float = 0.5
    """Share of views that show a part only."""
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
        if not 0 <= self.light < 1:
            raise InputError(f"light is {self.light}; it is 0 or more and less than 1")


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a photograph."""

    window: Box = (0.0, 0.0, 1.0, 1.0)
    """The part of the photograph, x1, y1, x2, y2 as shares of its sides."""
    flipped: bool = False
    """Whether left and right are in each other's place."""
    brightness: float = 1.0
    """Factor of all values."""
    contrast: float = 1.0
    """Factor of what the values are from the middle."""
    saturation: float = 1.0
    """Factor of what the channels are from gray."""

    def picture(self, image: Pixels, size: int) -> Pixels:
        """What is seen, (size, size, 3) RGB, squashed; in the photograph's own light."""
        height, width = image.shape[:2]
        x1, y1, x2, y2 = self.window
        a, b = round(x1 * width), max(round(x2 * width), round(x1 * width) + 1)
        c, d = round(y1 * height), max(round(y2 * height), round(y1 * height) + 1)
        seen = image[c:d, a:b]
        if self.flipped:
            seen = seen[:, ::-1]
        smaller = size * size < (b - a) * (d - c)
        return np.asarray(
            cv2.resize(
                np.ascontiguousarray(seen), (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            )
        )

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


def random_view(labels: CleanLabels, rng: Random, options: ViewOptions) -> View:
    """A view that holds at least one thing that may be an answer, where the photograph has one."""
    window = (0.0, 0.0, 1.0, 1.0)
    if rng.random() < options.crop:
        for _ in range(8):
            tried = _window(labels, rng, options)
            view = View(tried)
            if not labels.sure or any(view.box(weak.box)[1] >= options.kept for weak in labels.sure):
                window = tried
                break
    flipped = rng.random() < options.flip
    if rng.random() >= options.lit:
        return View(window, flipped)
    low, high = 1.0 - options.light, 1.0 + options.light
    return View(window, flipped, rng.uniform(low, high), rng.uniform(low, high), rng.uniform(low, high))


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
