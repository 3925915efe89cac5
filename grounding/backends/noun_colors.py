"""Owns how much of a box has a colour: every pixel is called by one of eleven names, and their shares are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LONGEST_SIDE_PX = 256
"""A picture is looked at no larger: colours of boxes need no more."""
NAMES = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
PARTS = {
    "whole": (0.2, 0.2, 0.8, 0.8),
    "upper": (0.25, 0.18, 0.75, 0.52),
    "lower": (0.25, 0.52, 0.75, 0.92),
    "head": (0.25, 0.0, 0.75, 0.2),
}
"""Which part of a box is looked at, as shares of its sides: left, top, right, bottom; its edges are background."""


class Colors:
    """The colours of one picture."""

    def __init__(self, picture: Image.Image) -> None:
        small = picture.copy()
        small.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
        pixels = np.asarray(small.convert("HSV"), np.float32)
        self._names = _named(pixels)
        self._brightness = pixels[..., 2] / 255

    def share(self, color: str, part: str, box_unit: NDArray[np.float64]) -> float:
        """How much of that part of the box has the colour, 0 to 1; of "dark" and "light": how dark or light it is."""
        height, width = self._names.shape
        x1, y1, x2, y2 = box_unit
        left, top, right, bottom = PARTS[part]
        columns = _range(x1 + left * (x2 - x1), x1 + right * (x2 - x1), width)
        rows = _range(y1 + top * (y2 - y1), y1 + bottom * (y2 - y1), height)
        if color in ("dark", "light"):
            light = float(self._brightness[rows, columns].mean())
            return light if color == "light" else 1 - light
        return float((self._names[rows, columns] == NAMES.index(color)).mean())


def _range(first: float, last: float, length: int) -> slice:
    """The pixels between two shares of a side; at least one."""
    start = min(max(int(first * length), 0), length - 1)
    return slice(start, max(start + 1, min(round(last * length), length)))


def _named(hsv: NDArray[np.float32]) -> NDArray[np.int8]:
    """(H, W) the number in NAMES of each pixel's colour; `hsv`: (H, W, 3), 0-255 as PIL has it."""
    hue, saturation, value = hsv[..., 0] * 360 / 255, hsv[..., 1] / 255, hsv[..., 2] / 255
    limits = ((12, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (258, "blue"), (295, "purple"))
    names = np.full(hue.shape, NAMES.index("red"), np.int8)
    names[hue < 345] = NAMES.index("pink")
    for limit, name in reversed(limits):
        names[hue < limit] = NAMES.index(name)
    warm = (hue < 50) | (hue > 345)
    names[warm & (value < 0.62) & (hue > 8) & (hue < 50)] = NAMES.index("brown")
    names[(hue > 12) & (hue < 50) & (saturation < 0.5)] = NAMES.index("brown")
    names[((hue < 12) | (hue > 330)) & (saturation < 0.5) & (value > 0.7)] = NAMES.index("pink")
    colorless = saturation < np.where(value > 0.85, 0.15, 0.2)
    names[colorless] = NAMES.index("gray")
    names[colorless & (value > 0.72)] = NAMES.index("white")
    names[(value < 0.2) | (colorless & (value < 0.3))] = NAMES.index("black")
    return names
