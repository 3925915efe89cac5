"""Owns the names of colours: how far each goes by "red", "tan" and so on, and how far it may be skin.

The names are those of English's basic terms, and tan. They are cut along lightness, chroma and hue of CIE Lab, softly:
between two names a colour goes by either in part. The cuts were set by eye on photographs.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

COLOR_NAMES = (
    "black", "gray", "white", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "tan",
)  # fmt: skip
"""What may be said; the order of every table here."""
SKIN = len(COLOR_NAMES)
"""A column of its own: skin is brown, tan, pink or orange, and no clothing."""

Pixels = NDArray[np.uint8]
Codes = NDArray[np.int32]
"""(N,) pixels as rows of the tables."""
Shares = NDArray[np.float64]
_BITS = 5


def _ramp(values: Shares, low: Shares | float, high: Shares | float) -> Shares:
    """0 below `low`, 1 above `high`, straight between."""
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))


def _band(values: Shares, low: Shares | float, high: Shares | float, soft: float) -> Shares:
    """1 within, 0 outside, straight over `soft` to either side of each edge."""
    return np.asarray(np.minimum(_ramp(values, low - soft, low + soft), 1.0 - _ramp(values, high - soft, high + soft)))


@cache
def names_table() -> NDArray[np.float32]:
    """(32768, 13) how far each colour, five bits a channel, goes by each name and by skin; rows of names sum to 1."""
    steps = (np.arange(1 << _BITS) + 0.5) * (256 >> _BITS)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(1, -1, 3)
    lab = cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0].astype(np.float64)
    light, a, b = lab.T
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    # Shadow makes whites bluish, lamps make them yellowish, and grass and leaves shine on everything: a little of these
    # hues is no colour yet. Lighter colours need more of it too.
    tinted = np.maximum(_band(hue, 50, 130, 15), _band(hue, 230, 350, 15))
    floor = 8 + 4 * tinted + 2 * _ramp(light, 60, 90) + 4 * _band(hue, 300, 350, 15)
    colored = _ramp(chroma, floor - 3, floor + 5) * _ramp(light, 6, 20)
    vivid, deep = _ramp(chroma, 36, 52), 1 - _ramp(light, 46, 58)
    brownish = deep * (1 - _ramp(chroma, 48, 60))
    wine = 1 - _ramp(light, 34, 46)
    rosy = _ramp(light, 56, 68) * (1 - _ramp(chroma, 48, 62))
    around = np.where(hue < 180, hue + 360, hue)  # 180 to 540, so that reds lie in the middle
    fuchsia = 340 - 20 * _ramp(chroma, 45, 70) * _ramp(light, 42, 55)  # where purple ends and pink begins
    # Where red ends and orange begins: reds that are bright and not the purest are orange sooner.
    tangerine = 45 - 7 * _ramp(light, 48, 58) * (1 - _ramp(chroma, 85, 100))
    reds, magentas = _band(around, 374, 360 + tangerine, 6), _band(around, fuchsia, 374, 8)
    oranges, yellows = _band(hue, tangerine, 76, 8), _band(hue, 76, 106, 8)
    violet = 310 - 12 * (1 - _ramp(chroma, 20, 60))  # blues look violet sooner where they are pale
    dark, bright = 1 - _ramp(light, 22, 36), _ramp(light, 66, 82)
    names = {
        "black": (1 - colored) * dark * (1 - _ramp(chroma, 4, 9)),  # navy and wine red are nearly black
        "gray": (1 - colored) * (1 - dark - bright),
        "white": (1 - colored) * bright,
        "red": colored * (reds * (1 - rosy) * _ramp(chroma, 24, 36) + magentas * wine * vivid),
        "orange": colored * oranges * (1 - brownish) * vivid,
        "yellow": colored * yellows * (1 - brownish) * vivid,
        "green": colored * _band(hue, 108, 192, 8),
        "blue": colored * _ramp(hue, 196, 212) * (1 - _ramp(hue, violet - 6, violet + 6)),
        "purple": colored
        * (
            _ramp(hue, violet - 6, violet + 6) * (1 - _ramp(hue, fuchsia - 8, fuchsia + 8))
            + magentas * wine * (1 - vivid)
        ),
        "pink": colored * (magentas * (1 - wine) + reds * rosy),
        "brown": colored * (reds * (1 - _ramp(chroma, 24, 36)) * (1 - rosy) + (oranges + yellows) * brownish),
        "tan": colored * (oranges + yellows) * (1 - deep) * (1 - vivid),
    }
    weights = np.stack([*(names[name] for name in COLOR_NAMES), np.zeros_like(light)], 1)
    skin = _band(hue, 30, 72, 6) * _band(light, 28, 88, 5) * _band(chroma, 12, 44, 3)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1.0)
    weights[:, SKIN] = skin
    return weights.astype(np.float32)


@cache
def lab_table() -> NDArray[np.float32]:
    """(32768, 3) Lab of the same colours."""
    steps = (np.arange(1 << _BITS) + 0.5) * (256 >> _BITS)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(1, -1, 3)
    return np.asarray(cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0])


def codes_of(pixels: Pixels) -> Codes:
    """(N,) which row of the tables each pixel is."""
    flat = pixels.reshape(-1, 3).astype(np.int32) >> (8 - _BITS)
    return np.asarray((flat[:, 0] << (2 * _BITS)) | (flat[:, 1] << _BITS) | flat[:, 2])


def shares_of(pixels: Pixels) -> Shares:
    """(13,) how much of the pixels, (..., 3) RGB, goes by each name of COLOR_NAMES and by skin."""
    return np.asarray(names_table()[codes_of(pixels)].mean(0, dtype=np.float64))
