"""Owns round and slanted shapes with soft edges, which PIL alone draws in steps: each is drawn larger, then shrunk."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from grounding.draw.colors import Color

_LARGER = 4


def disc(picture: Image.Image, center: tuple[float, float], radius: float, color: Color) -> None:
    """Paints a disc onto the picture."""
    left, top = math.floor(center[0] - radius), math.floor(center[1] - radius)
    side = math.ceil(2 * radius) + 2
    shape = Image.new("L", (side * _LARGER, side * _LARGER))
    x, y, reach = (center[0] - left) * _LARGER, (center[1] - top) * _LARGER, radius * _LARGER
    ImageDraw.Draw(shape).ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    picture.paste(color, (left, top), shape.reduce(_LARGER))


def line(
    picture: Image.Image, start: tuple[float, float], end: tuple[float, float], width: float, color: Color
) -> None:
    """Paints a straight line onto the picture."""
    left, top = math.floor(min(start[0], end[0]) - width), math.floor(min(start[1], end[1]) - width)
    size = [math.ceil(abs(a - b) + 2 * width) + 2 for a, b in zip(start, end, strict=True)]
    shape = Image.new("L", (size[0] * _LARGER, size[1] * _LARGER))
    ends = [((x - left) * _LARGER, (y - top) * _LARGER) for x, y in (start, end)]
    ImageDraw.Draw(shape).line(ends, fill=255, width=max(round(width * _LARGER), 1))
    picture.paste(color, (left, top), shape.reduce(_LARGER))


def plate(
    picture: Image.Image,
    place: tuple[int, int],
    size: tuple[int, int],
    corner: float,
    color: Color,
    opacity: float = 1.0,
) -> None:
    """Paints a rectangle with round corners onto the picture."""
    shape = Image.new("L", (size[0] * _LARGER, size[1] * _LARGER))
    whole = (0, 0, shape.width - 1, shape.height - 1)
    ImageDraw.Draw(shape).rounded_rectangle(whole, corner * _LARGER, fill=round(255 * opacity))
    picture.paste(color, place, shape.reduce(_LARGER))
