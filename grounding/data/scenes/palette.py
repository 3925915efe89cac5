"""The colours things are drawn in, and the tones made from them.

Every colour is a small cloud round its centre: the jitter is narrow enough that no cloud touches its neighbour's.
Red, green, blue order throughout, 0 to 255.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]

COLORS: dict[str, Rgb] = {
    "red": (216, 34, 36),
    "orange": (250, 134, 16),
    "yellow": (248, 220, 36),
    "green": (36, 156, 58),
    "blue": (34, 78, 216),
    "purple": (126, 40, 168),
    "pink": (250, 138, 188),
    "brown": (118, 70, 34),
    "black": (22, 22, 24),
    "white": (248, 248, 248),
    "gray": (132, 134, 138),
    "cyan": (44, 200, 214),
}

CHANNEL_JITTER = 9
NEUTRAL_JITTER = 3  # black, white and gray take on a hue sooner than anything else
BRIGHTNESS_JITTER = 12


def jittered(name: str, rng: np.random.Generator) -> Rgb:
    """One colour of the cloud called `name`: all channels a little lighter or darker, each a little off."""
    shift = int(rng.integers(-BRIGHTNESS_JITTER, BRIGHTNESS_JITTER + 1))
    red, green, blue = COLORS[name]
    most = NEUTRAL_JITTER if name in ("black", "white", "gray") else CHANNEL_JITTER
    a, b, c = rng.integers(-most, most + 1, 3).tolist()
    return (_byte(red + shift + a), _byte(green + shift + b), _byte(blue + shift + c))


def mixed(color: Rgb, other: Rgb, share: float) -> Rgb:
    """`color` with `share` (0 to 1) of `other` in it."""
    keep = 1.0 - share
    return (
        _byte(int(color[0] * keep + other[0] * share)),
        _byte(int(color[1] * keep + other[1] * share)),
        _byte(int(color[2] * keep + other[2] * share)),
    )


def luminance(color: Rgb) -> float:
    """How light a colour looks, 0 to 255 (Rec. 601 weights)."""
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def darker(color: Rgb, share: float = 0.45) -> Rgb:
    """The tone for edges and details: towards black, or towards gray when it is nearly black already."""
    if luminance(color) < 50:
        return mixed(color, (200, 200, 200), share * 0.8)
    return mixed(color, (0, 0, 0), share)


def accent(color: Rgb) -> Rgb:
    """The second tone of stripes, dots and checks: far from `color` in lightness and close to it in hue."""
    light = luminance(color)
    if light > 225:
        return mixed(color, (60, 60, 66), 0.5)
    if light > 118:
        return mixed(color, (0, 0, 0), 0.45)
    if light < 45:
        return mixed(color, (255, 255, 255), 0.45)
    return mixed(color, (255, 255, 255), 0.62)


def distances(colors: NDArray[np.float64], other: Rgb) -> NDArray[np.float64]:
    """How different `colors` (N, 3) look from `other`: weighted distance in RGB, 0 to about 765 ("redmean")."""
    reddish = (colors[:, 0] + other[0]) / 512
    squares = (colors - np.array(other)) ** 2
    return np.asarray(np.sqrt((2 + reddish) * squares[:, 0] + 4 * squares[:, 1] + (3 - reddish) * squares[:, 2]))


def _byte(value: int) -> int:
    return 0 if value < 0 else 255 if value > 255 else value
