"""SpriteSet: a folder of named cut-outs (PNG or WebP with alpha) to make scenes of.

A sprite is trimmed to what is opaque, kept in halving sizes, and scaled and turned in one step when it is drawn. What
counts as the sprite is every sub-pixel more than half opaque, so its box and visibility are exact.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, radians, sin
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from grounding.data.scenes.curves import Points, contours_of, join_contours
from grounding.data.scenes.palette import Rgb
from grounding.errors import ConfigError, ImageTooLargeError, InputError, UnreadableImageError
from grounding.images import ImageLimits

if TYPE_CHECKING:
    from grounding.data.scenes.scene import Thing

Pixels = NDArray[np.uint8]

FINE = 2  # sub-pixels a pixel, as everywhere in drawn scenes
TURN = 12.0  # degrees a sprite may be turned either way: many stop being themselves upside down
SPRITE_LIMITS = ImageLimits(max_bytes=20_000_000, max_pixels=25_000_000)
KEPT_SIDE = 384  # px; nothing is drawn larger at FINE
_CUTS_KEPT = 48


@dataclass(frozen=True, eq=False)
class Cut:
    """A sprite scaled and turned, trimmed to its opaque extent, at `FINE`."""

    rgba: Pixels
    """Colours multiplied by alpha."""
    mask: Pixels
    """255 where more than half opaque, else 0."""

    @property
    def width(self) -> int:
        return int(self.mask.shape[1])

    @property
    def height(self) -> int:
        return int(self.mask.shape[0])


@dataclass(frozen=True, eq=False)
class Stamp:
    """A cut in its place: left and top in sub-pixels of the picture."""

    cut: Cut
    left: int
    top: int

    def _part(self, canvas: Pixels) -> Pixels:
        return canvas[self.top : self.top + self.cut.height, self.left : self.left + self.cut.width]

    def cover(self, mask: Pixels, value: int) -> None:
        """Write `value` into an index mask wherever the sprite is."""
        np.copyto(self._part(mask), np.uint8(value), where=self.cut.mask.view(np.bool_))

    def paste(self, canvas: Pixels) -> None:
        """Blend the sprite over a canvas at `FINE`."""
        part, rgba = self._part(canvas), self.cut.rgba
        through = (255 - rgba[..., 3:]).astype(np.uint16)
        part[:] = np.minimum((part * through + 127) // 255 + rgba[..., :3], 255).astype(np.uint8)

    def outline(self) -> Points:
        """The outline in pixels of the picture; separate parts and holes are reached by seams."""
        shape = join_contours(contours_of(self.cut.mask, tolerance=1.0))
        return (shape + np.array([self.left + 0.5, self.top + 0.5])) / FINE


class SpriteSet:
    """Named cut-outs. Several cut-outs may share a name; each name is drawn equally often."""

    def __init__(self, pictures: Sequence[tuple[str, Pixels]]) -> None:
        """From (name, RGBA uint8 array (height, width, 4)) pairs, in an order that should not change."""
        if not pictures:
            raise ConfigError("a SpriteSet needs at least one cut-out")
        self._names: list[str] = []
        self._levels: list[list[Pixels]] = []
        self._means: list[Rgb] = []
        for name, rgba in pictures:
            levels, mean = _prepared(name, rgba)
            self._names.append(name)
            self._levels.append(levels)
            self._means.append(mean)
        self.names: tuple[str, ...] = tuple(sorted(set(self._names)))
        """The different names, sorted."""
        self._numbers = {name: [i for i, n in enumerate(self._names) if n == name] for name in self.names}
        self._cuts: OrderedDict[tuple[int, int, int, float, bool], Cut] = OrderedDict()

    @classmethod
    def from_folder(cls, folder: str | Path, *, limits: ImageLimits = SPRITE_LIMITS) -> SpriteSet:
        """All PNG and WebP cut-outs of a folder, in the order of their file names.

        `red_panda-2.png` is a "red panda"; a `names.json` beside them, {"file name": "name"}, says otherwise.
        Raises ConfigError for a folder without cut-outs, ImageError for a file that cannot be one.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise ConfigError(f"no folder {str(folder)!r}: give one that holds PNG or WebP cut-outs")
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in (".png", ".webp") and f.is_file())
        if not files:
            raise ConfigError(f"no PNG or WebP files in {str(folder)!r}")
        given = _given_names(folder / "names.json")
        return cls([(given.get(f.name) or name_from_file(f), _read(f, limits)) for f in files])

    def __len__(self) -> int:
        return len(self._names)

    def name(self, number: int) -> str:
        """What a sprite shows."""
        return self._names[number]

    def pick(self, at: float) -> int:
        """A sprite's number from a random number in [0, 1): first a name, then one of its cut-outs."""
        scaled = at * len(self.names)
        numbers = self._numbers[self.names[int(scaled)]]
        return numbers[int((scaled - int(scaled)) * len(numbers))]

    def proportions(self, number: int) -> tuple[float, float]:
        """Width and height, the longer one 1."""
        height, width = self._levels[number][0].shape[:2]
        return width / max(width, height), height / max(width, height)

    def mean_color(self, number: int) -> Rgb:
        """The average colour of its opaque pixels."""
        return self._means[number]

    def stamp(self, thing: Thing) -> Stamp:
        """The sprite of a thing, in its size, turn and place."""
        if thing.sprite is None:
            raise InputError(f"{thing.name!r} is not a sprite")
        width, height = (max(2, round(side * FINE)) for side in thing.drawn_size)
        cut = self._cut(thing.sprite, width, height, thing.rotation, thing.flipped)
        x, y = thing.center
        return Stamp(cut, round(x * FINE - cut.width / 2), round(y * FINE - cut.height / 2))

    def _cut(self, number: int, width: int, height: int, rotation: float, flipped: bool) -> Cut:
        key = (number, width, height, rotation, flipped)
        if key in self._cuts:
            self._cuts.move_to_end(key)
            return self._cuts[key]
        cut = self._cuts[key] = _scaled_and_turned(self._levels[number], width, height, rotation, flipped)
        if len(self._cuts) > _CUTS_KEPT:
            self._cuts.popitem(last=False)
        return cut


def name_from_file(file: Path) -> str:
    """The noun in a file name: `red_panda-2.png` shows a "red panda"."""
    stem = re.sub(r"[-_ ]\d+$", "", file.stem)
    return re.sub(r"[\s_-]+", " ", stem).strip().lower() or file.stem


def _given_names(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {str(file)!r}: {error}") from error
    if not isinstance(names, dict) or not all(isinstance(n, str) and n.strip() for n in names.values()):
        raise ConfigError(f'{str(file)!r} should be {{"file name": "name", ...}} with a text for each file')
    return {file_name: name.strip() for file_name, name in names.items()}


def _read(file: Path, limits: ImageLimits) -> Pixels:
    size = file.stat().st_size
    if size > limits.max_bytes:
        raise ImageTooLargeError(f"{str(file)!r} has {size} bytes, more than {limits.max_bytes}: shrink it")
    try:
        with PilImage.open(file, formats=["PNG", "WEBP"]) as picture:
            if picture.width * picture.height > limits.max_pixels:
                seen = f"{picture.width} x {picture.height}"
                raise ImageTooLargeError(f"{str(file)!r} is {seen}, over {limits.max_pixels} pixels: shrink it")
            return np.asarray(picture.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, PilImage.DecompressionBombError) as error:
        if isinstance(error, ImageTooLargeError):
            raise
        raise UnreadableImageError(f"{str(file)!r} is not a readable PNG or WebP: {error}") from error


def _prepared(name: str, rgba: Pixels) -> tuple[list[Pixels], Rgb]:
    """A cut-out trimmed, multiplied by its alpha and halved again and again; and its mean colour."""
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != np.uint8:
        raise UnreadableImageError(f"sprite {name!r} should be uint8 (height, width, 4), got {rgba.dtype} {rgba.shape}")
    if int(rgba[..., 3].min()) > 127:
        raise UnreadableImageError(f"sprite {name!r} has no transparent pixels: cut it out of its background first")
    x, y, w, h = cv2.boundingRect((rgba[..., 3] > 127).astype(np.uint8))
    if min(w, h) < 4:
        raise UnreadableImageError(f"sprite {name!r} has next to no opaque pixels")
    trimmed = rgba[y : y + h, x : x + w]
    opaque = trimmed[..., :3][trimmed[..., 3] > 127].mean(axis=0)
    alpha = trimmed[..., 3:].astype(np.uint16)
    level = trimmed.copy()
    level[..., :3] = (trimmed[..., :3] * alpha + 127) // 255
    if max(w, h) > KEPT_SIDE:
        share = KEPT_SIDE / max(w, h)
        size = (max(1, round(w * share)), max(1, round(h * share)))
        level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA))
    levels = [level]
    while min(level.shape[:2]) >= 16:
        size = (level.shape[1] // 2, level.shape[0] // 2)
        level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA))
        levels.append(level)
    red, green, blue = (int(c) for c in opaque)
    return levels, (red, green, blue)


def _scaled_and_turned(levels: list[Pixels], width: int, height: int, rotation: float, flipped: bool) -> Cut:
    # The smallest level that is not enlarged: linear sampling then never skips pixels.
    source = next((level for level in reversed(levels) if max(level.shape[:2]) >= max(width, height)), levels[0])
    tall, wide = source.shape[:2]
    c, s = cos(radians(rotation)), sin(radians(rotation))
    out_w = ceil(abs(c) * width + abs(s) * height) + 2
    out_h = ceil(abs(s) * width + abs(c) * height) + 2
    sx, sy = (-width if flipped else width) / wide, height / tall
    matrix = np.array([[c * sx, -s * sy, 0.0], [s * sx, c * sy, 0.0]])
    middle = matrix[:, :2] @ np.array([(wide - 1) / 2, (tall - 1) / 2])
    matrix[:, 2] = np.array([(out_w - 1) / 2, (out_h - 1) / 2]) - middle
    rgba = np.asarray(cv2.warpAffine(source, matrix, (out_w, out_h), flags=cv2.INTER_LINEAR), np.uint8)
    mask = np.asarray(cv2.threshold(np.ascontiguousarray(rgba[..., 3]), 127, 255, cv2.THRESH_BINARY)[1], np.uint8)
    x, y, w, h = cv2.boundingRect(mask)
    return Cut(rgba[y : y + h, x : x + w], mask[y : y + h, x : x + w])
