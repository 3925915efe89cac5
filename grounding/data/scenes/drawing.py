"""Paints a laid-out scene: background, things in their fills and details, then grain, blur and JPEG over it all."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes import backgrounds, palette
from grounding.data.scenes.curves import Points
from grounding.data.scenes.layout import FIXED_BITS, offset_of, to_fixed, turned
from grounding.data.scenes.looks import Chance, sprites_of
from grounding.data.scenes.palette import Rgb
from grounding.data.scenes.scene import Scene, SceneOptions, Thing
from grounding.data.scenes.sprites import FINE
from grounding.data.scenes.things import shape_of

# Repeat of a pattern over the longer side of the thing. Few and large: three dots tell more than a blur of twenty.
_PERIODS = {"striped": (0.19, 0.26), "dotted": (0.22, 0.27), "checked": (0.3, 0.38)}

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8]


def render(scene: Scene, rng: np.random.Generator, options: SceneOptions) -> Image:
    """The picture of a scene, (height, width, 3) RGB. What is drawn where was decided by `layout`."""
    chance = Chance(rng)
    colors = [palette.jittered(t.color, rng) if t.color is not None else None for t in scene.things]
    avoid = [c for c in colors if c is not None]
    if options.sprites is not None:
        avoid += [options.sprites.mean_color(t.sprite) for t in scene.things if t.sprite is not None]
    base, other = backgrounds.choose_base(avoid, rng)
    ground = backgrounds.paint(scene.background, scene.width, scene.height, base, other, rng)
    size = (scene.width * FINE, scene.height * FINE)
    canvas = np.asarray(cv2.resize(ground, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    clean = canvas.copy() if any(t.fill == "outlined" for t in scene.things) else canvas
    for thing, color in zip(scene.things, colors, strict=True):
        if color is None:
            sprites_of(options).stamp(thing).paste(canvas)
        else:
            _draw(canvas, clean, thing, color, chance)
    image = cv2.resize(canvas, (scene.width, scene.height), interpolation=cv2.INTER_AREA)
    return _degraded(np.asarray(image, np.uint8), chance, rng, options)


def _draw(canvas: Image, clean: Image, thing: Thing, color: Rgb, chance: Chance) -> None:
    shape = shape_of(thing.name)
    offset = offset_of(thing, shape)

    def fixed(points: Points) -> NDArray[np.int32]:
        return to_fixed(turned(points, thing, shape) + offset)

    contours = [fixed(c) for c in shape.contours]
    extent = max(thing.drawn_size) * FINE
    if thing.fill == "solid":
        cv2.fillPoly(canvas, contours, color, shift=FIXED_BITS)
        for points, tone in shape.details:
            cv2.fillPoly(canvas, [fixed(points)], _tone(tone, color), shift=FIXED_BITS)
        cv2.polylines(canvas, contours, True, palette.darker(color), 1, shift=FIXED_BITS)
        return
    # Other fills are painted on a patch and copied through the silhouette.
    left, top = int(thing.full_box[0] * FINE) - 2, int(thing.full_box[1] * FINE) - 2
    left, top = max(left, 0), max(top, 0)
    right = min(int(thing.full_box[2] * FINE) + 3, canvas.shape[1])
    bottom = min(int(thing.full_box[3] * FINE) + 3, canvas.shape[0])
    corner = np.array([left, top], np.int32) << FIXED_BITS
    local = [c - corner for c in contours]
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, local, 255, shift=FIXED_BITS)
    if thing.fill == "outlined":
        patch = clean[top:bottom, left:right].copy()
        for points, _ in shape.details:
            cv2.polylines(patch, [fixed(points) - corner], True, color, max(2, round(extent * 0.028)), shift=FIXED_BITS)
        cv2.polylines(patch, local, True, color, 2 * max(3, round(extent * 0.07)), shift=FIXED_BITS)
    else:
        patch = _filled(thing.fill, mask.shape[1], mask.shape[0], color, extent, chance)
        for points, tone in shape.details:
            cv2.fillPoly(patch, [fixed(points) - corner], _tone(tone, color), shift=FIXED_BITS)
        cv2.polylines(patch, local, True, palette.darker(color), 2, shift=FIXED_BITS)
    cv2.copyTo(patch, mask, canvas[top:bottom, left:right])


def _filled(fill: str, width: int, height: int, color: Rgb, extent: float, chance: Chance) -> Image:
    """A patch of a gradient or of one of the patterns."""
    patch = np.empty((height, width, 3), np.uint8)
    if fill == "gradient":
        ends = [palette.mixed(color, (255, 255, 255), 0.38), palette.mixed(color, (0, 0, 0), 0.24)]
        if chance.random() < 0.5:
            ends.reverse()
        steps = height if chance.random() < 0.7 else width
        ramp = np.linspace(ends[0], ends[1], steps).astype(np.uint8)
        patch[:] = ramp[:, None] if steps == height else ramp[None]
        return patch
    patch[:] = color
    period = 2 * max(5, round(extent * chance.between(*_PERIODS[fill]) / 2))
    pattern = _pattern(fill, period, chance.whole(0, 3) if fill == "striped" else 0)
    tall, wide = pattern.shape
    x, y = chance.whole(0, period - 1), chance.whole(0, period - 1)
    if y + height > tall or x + width > wide:
        pattern = np.tile(pattern, (ceil((y + height) / tall), ceil((x + width) / wide)))
    second = np.empty((height, width, 3), np.uint8)
    second[:] = palette.accent(color)
    cv2.copyTo(second, pattern[y : y + height, x : x + width], patch)
    return patch


@lru_cache(maxsize=160)
def _pattern(fill: str, period: int, turn: int) -> Mask:
    """Where the second colour goes, 400 px square or so: `turn` 0-3 is the direction of stripes."""
    side = 400 - 400 % period
    y, x = np.mgrid[0:side, 0:side]
    if fill == "striped":
        along = (x, y, x + y, x - y)[turn]
        on = (along * (1.0 if turn < 2 else 0.7071)) % period < period * 0.42
    elif fill == "checked":
        cell = max(period // 2, 2)
        on = (x // cell + y // cell) % 2 == 0
    else:
        half = period / 2
        near = np.hypot(x % period - half, y % period - half)
        shifted = np.hypot((x + half) % period - half, (y + half) % period - half)
        on = np.minimum(near, shifted) < period * 0.23
    return np.where(on, 255, 0).astype(np.uint8)


def _tone(tone: str, color: Rgb) -> Rgb:
    if tone == "dark":
        return palette.darker(color)
    if tone == "light":
        return palette.mixed(color, (235, 245, 255), 0.72) if palette.luminance(color) < 190 else (96, 116, 136)
    if tone == "pale":
        return (242, 230, 206) if palette.luminance(color) < 225 else (206, 192, 168)
    if tone == "center":
        return (250, 206, 60) if color[0] < 200 or color[1] < 110 or color[2] > 120 else (120, 72, 36)
    return (16, 16, 18) if tone == "black" else (246, 246, 246)


def _degraded(image: Image, chance: Chance, rng: np.random.Generator, options: SceneOptions) -> Image:
    height, width = image.shape[:2]
    if chance.random() < options.blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), chance.between(0.4, 0.85)), np.uint8)
    if chance.random() < options.noise:
        grain = backgrounds.cut_grain(width * 3, height, rng).reshape(height, width, 3)
        strength = chance.between(0.06, 0.4)  # of a deviation of 32
        image = np.asarray(cv2.addWeighted(image, 1.0, grain, strength, -128 * strength), np.uint8)
    if chance.random() < options.jpeg:
        quality = chance.whole(45, 90)
        packed = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
    return image
