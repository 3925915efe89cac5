"""What things are drawn on: a field of one byte a pixel, coloured by a ramp between two quiet colours.

One field and one ramp (`cv2.applyColorMap`) keep every kind to a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes.palette import Rgb, distances, mixed

Image = NDArray[np.uint8]
Field = NDArray[np.uint8]

# Quiet colours, light and dark, besides a few strong ones: `choose_base` keeps those far from what is drawn.
_BASES: tuple[Rgb, ...] = (
    (255, 255, 255), (240, 236, 226), (226, 232, 240), (214, 224, 208), (236, 216, 210), (222, 208, 232),
    (200, 214, 226), (212, 200, 178), (190, 204, 190), (176, 180, 190), (158, 176, 166), (184, 164, 150),
    (246, 234, 190), (200, 236, 236), (250, 214, 220), (206, 238, 200), (92, 98, 110), (70, 84, 76), (84, 70, 66),
    (60, 58, 84), (44, 50, 60), (36, 40, 52), (28, 44, 42), (52, 36, 40), (12, 14, 20), (96, 112, 132), (112, 100, 120),
    (14, 62, 50), (70, 18, 34), (166, 196, 232), (232, 190, 160),
)  # fmt: skip

_BASES_RGB = np.array(_BASES, dtype=np.float64)
_FAR_ENOUGH = 200.0  # in `palette.distance`; pairs nearer than this start to melt at 20 px


def choose_base(colors: Sequence[Rgb], rng: np.random.Generator) -> tuple[Rgb, Rgb]:
    """Two background colours away from all of `colors`: the base, and what its pattern leans to."""
    gaps = np.full(len(_BASES), 999.0)
    for color in set(colors):
        np.minimum(gaps, distances(_BASES_RGB, color), out=gaps)
    good = np.flatnonzero(gaps >= _FAR_ENOUGH).tolist()
    if len(good) < 2:
        good = np.argsort(gaps)[-2:].tolist()
    base = _BASES[good[int(rng.integers(len(good)))]]
    other = _BASES[good[int(rng.integers(len(good)))]]
    # What lies between two colours that are far from all may be near to one: then lean less.
    share = 0.12 + 0.22 * float(rng.random())
    need = 0.8 * min(_FAR_ENOUGH, *(float(distances(np.array([base]), c)[0]) for c in colors)) if colors else 0.0
    leaning = mixed(base, other, share)
    while share > 0.02 and any(float(distances(np.array([leaning]), c)[0]) < need for c in colors):
        share /= 2
        leaning = mixed(base, other, share)
    return base, leaning


def paint(kind: str, width: int, height: int, base: Rgb, other: Rgb, rng: np.random.Generator) -> Image:
    """A background of one of `BACKGROUNDS`, between the colours `base` and `other`."""
    if kind == "plain":
        image = np.empty((height, width, 3), np.uint8)
        image[:] = base
        return image
    field = _FIELDS[kind](width, height, rng)
    steps = np.linspace(0.0, 1.0, 256)[:, None]
    ramp = np.array(base) * (1 - steps) + np.array(other) * steps
    if other == base or float(distances(np.array([base]), other)[0]) < 24:  # a pattern nobody would see
        ramp = ramp + steps * (30 if sum(base) < 384 else -30)
    table = np.clip(np.round(ramp), 0, 255).astype(np.uint8).reshape(256, 1, 3)
    return np.asarray(cv2.applyColorMap(field, table))


@lru_cache(maxsize=1)
def grain() -> Field:
    """A fixed square of Gaussian noise round 128 (deviation 32), to cut pieces from: far cheaper than fresh noise."""
    noise = np.random.default_rng(20240229).normal(128, 32, (1024, 1024))
    return np.clip(np.round(noise), 0, 255).astype(np.uint8)


def cut_grain(width: int, height: int, rng: np.random.Generator) -> Field:
    """A random piece of `grain`; the larger sides are tiled."""
    pool = grain()
    if width > pool.shape[1] or height > pool.shape[0]:
        pool = np.tile(pool, (-(-height // 1024), -(-width // 1024)))
    x = int(rng.integers(pool.shape[1] - width + 1))
    y = int(rng.integers(pool.shape[0] - height + 1))
    return pool[y : y + height, x : x + width]


def _soft(width: int, height: int, rng: np.random.Generator, across: int, down: int) -> Field:
    small = rng.integers(0, 256, (down, across), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _gradient(width: int, height: int, rng: np.random.Generator) -> Field:
    corners = rng.permutation(np.array([0, 255, int(rng.integers(256)), int(rng.integers(256))]))
    small = corners.reshape(2, 2).astype(np.uint8)
    # Corner pixels hold their value half a cell in, so cut the middle of a picture twice as large.
    big = cv2.resize(small, (width * 2, height * 2), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(big[height // 2 : height // 2 + height, width // 2 : width // 2 + width])


def _noise(width: int, height: int, rng: np.random.Generator) -> Field:
    if rng.random() < 0.5:
        return np.ascontiguousarray(cut_grain(width, height, rng))
    piece = np.ascontiguousarray(cut_grain((width + 1) // 2, (height + 1) // 2, rng))
    return np.asarray(cv2.resize(piece, (width, height), interpolation=cv2.INTER_NEAREST))


def _paper(width: int, height: int, rng: np.random.Generator) -> Field:
    soft = _soft(width, height, rng, int(rng.integers(4, 9)), int(rng.integers(4, 9)))
    return np.asarray(cv2.addWeighted(soft, 0.6, np.ascontiguousarray(cut_grain(width, height, rng)), 0.4, 0))


def _wood(width: int, height: int, rng: np.random.Generator) -> Field:
    long, fine = int(rng.integers(2, 4)), int(rng.integers(14, 30))
    across, down = (long, fine) if rng.random() < 0.5 else (fine, long)
    return _soft(width, height, rng, across, down)


def _stripes(width: int, height: int, rng: np.random.Generator) -> Field:
    period = float(rng.integers(10, 36))
    angle = float(rng.random()) * np.pi
    x = np.arange(width, dtype=np.float32) * (np.cos(angle) / period)
    y = np.arange(height, dtype=np.float32) * (np.sin(angle) / period)
    phase = ((x[None] + y[:, None]) * 256).astype(np.int32).astype(np.uint8)
    return np.asarray(cv2.threshold(phase, 127, 255, cv2.THRESH_BINARY)[1])


def _lines(width: int, height: int, rng: np.random.Generator) -> Field:
    field = np.zeros((height, width), np.uint8)
    count = int(rng.integers(6, 20))
    ends = rng.random((count, 4)) * np.array([width, height, width, height])
    for x1, y1, x2, y2 in ends.astype(int).tolist():
        cv2.line(field, (x1, y1), (x2, y2), int(120 + (x1 + y2) % 136), 1 + (x2 + y1) % 3, cv2.LINE_AA)
    return field


def _dots(width: int, height: int, rng: np.random.Generator) -> Field:
    step = int(rng.integers(12, 30))
    tile = np.zeros((step * 2, step * 2), np.uint8)
    radius = max(1, int(step * (0.12 + 0.14 * float(rng.random()))))
    for x, y in ((step // 2, step // 2), (step // 2 + step, step // 2 + step)):
        cv2.circle(tile, (x, y), radius, 255, -1, cv2.LINE_AA)
    return _tiled(tile, width, height, rng)


def _checker(width: int, height: int, rng: np.random.Generator) -> Field:
    step = int(rng.integers(12, 34))
    tile = np.zeros((step * 2, step * 2), np.uint8)
    tile[:step, :step] = 255
    tile[step:, step:] = 255
    return _tiled(tile, width, height, rng)


def _blobs(width: int, height: int, rng: np.random.Generator) -> Field:
    soft = _soft(width, height, rng, int(rng.integers(5, 10)), int(rng.integers(5, 10)))
    return np.asarray(cv2.threshold(soft, int(rng.integers(110, 170)), 255, cv2.THRESH_BINARY)[1])


def _tiled(tile: Field, width: int, height: int, rng: np.random.Generator) -> Field:
    tall, wide = tile.shape
    x, y = int(rng.integers(wide)), int(rng.integers(tall))
    whole = np.tile(tile, (-(-(height + y) // tall), -(-(width + x) // wide)))
    return np.ascontiguousarray(whole[y : y + height, x : x + width])


_FIELDS: dict[str, Callable[[int, int, np.random.Generator], Field]] = {
    "gradient": _gradient,
    "noise": _noise,
    "paper": _paper,
    "wood": _wood,
    "stripes": _stripes,
    "lines": _lines,
    "dots": _dots,
    "checker": _checker,
    "blobs": _blobs,
}
BACKGROUNDS = ("plain", *_FIELDS)
