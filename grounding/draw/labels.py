"""Owns labels: what they say, how large they are, where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grounding.boxes import Boxes, as_boxes
from grounding.draw.colors import Color, against, mixed
from grounding.draw.shapes import line, plate
from grounding.draw.words import CAPITAL, LEADING, length, lines, write
from grounding.result import Grounding

SMALLEST_FONT = 8
"""In pixels; smaller letters can't be told apart."""
_MOST_COVERED = 0.25  # of a picture, by labels


class Label(NamedTuple):
    """Words on a plate, the score at the end of the last line."""

    lines: list[str]
    score: str
    size: tuple[int, int]


def names_of(grounding: Grounding) -> list[str]:
    """What each region is called: its label, or a caption's words, or the phrase if it is alone, or its number."""
    names = []
    for number, region in enumerate(grounding.regions, 1):
        name = region.label
        if name is None and region.span is not None and grounding.task == "caption":
            name = grounding.text[slice(*region.span)]
        if name is None:
            name = grounding.phrase if grounding.count == 1 else f"#{number}"
        names.append(name)
    return names


def put_labels(
    picture: Image.Image,
    boxes: Boxes,
    dots: Boxes,
    texts: Sequence[tuple[str, str]],
    colors: Sequence[Color],
    font: int,
    line_width: float,
) -> None:
    """Draws a label for each box onto the picture; `dots` are the boxes of points, which stay free.

    Labels that would cover more than a quarter of the picture are made smaller, then lose their scores; on a picture
    too small even for that, the last of them are left out.
    """
    font, labels = _labels_for(picture.size, boxes, texts, font)
    own = [index for index, label in enumerate(labels) if label is not None]
    kept = [label for label in labels if label is not None]
    places = place_labels([label.size for label in kept], own, boxes, dots, picture.size)
    for label, index, place in zip(kept, own, places, strict=True):
        _leader(picture, place, label.size, boxes[index], line_width, colors[index])
    for label, index, place in zip(kept, own, places, strict=True):
        _chip(picture, place, label, font, colors[index])


def _labels_for(
    size: tuple[int, int], boxes: Boxes, texts: Sequence[tuple[str, str]], font: int
) -> tuple[int, list[Label | None]]:
    smaller = min(max(round(font * 0.8), SMALLEST_FONT), font)
    room = _MOST_COVERED * size[0] * size[1]
    for now, scored in ((font, True), (smaller, True), (smaller, False)):
        # A label may be as wide as its box, and in any case take a part of the picture: all of a small one.
        usual = max(size[0] * 0.4, now * 12)
        widths = np.clip(boxes[:, 2] - boxes[:, 0], usual, size[0])
        labels = [
            _label(words, score if scored else "", width, size, now)
            for (words, score), width in zip(texts, widths, strict=True)
        ]
        areas = [label.size[0] * label.size[1] if label else 0 for label in labels]
        if sum(areas) <= room:
            return now, labels
    kept = np.cumsum(areas) <= room
    return now, [label if keep else None for label, keep in zip(labels, kept, strict=True)]


def _label(words: str, score: str, most: float, picture: tuple[int, int], font: int) -> Label | None:
    """The label at most `most` wide, in two lines or in one; None without words, or where the picture is too small."""
    pad = padding(font)
    tail = length(f" {score}", font) if score else 0.0
    for count in (2, 1):
        broken = lines(words, font, most - 2 * pad, count, tail)
        if not broken:
            return None
        widths = [length(row, font) for row in broken]
        widths[-1] += tail
        size = (math.ceil(max(widths)) + 2 * pad, plate_height(len(broken), font))
        if size[0] <= picture[0] and size[1] <= picture[1]:
            return Label(broken, score, size)
    return None


def padding(font: int) -> int:
    """Between a plate's side and its words."""
    return max(round(font * 0.36), 2)


def plate_height(count: int, font: int) -> int:
    """Of a plate with that many lines."""
    return round(font * (1.44 + LEADING * (count - 1)))


def first_line(font: int) -> int:
    """From a plate's top to its first line's capitals."""
    return round((plate_height(1, font) - CAPITAL * font) / 2)


def _chip(picture: Image.Image, place: tuple[int, int], label: Label, font: int, color: Color) -> None:
    plate(picture, place, label.size, font * 0.22, color)
    ink = against(color)
    x = end = float(place[0] + padding(font))
    y = top = place[1] + first_line(font)
    for number, row in enumerate(label.lines):
        y = top + round(number * font * LEADING)
        end = write(picture, (x, y), row, font, ink)
    if label.score:
        write(picture, (end, y), f" {label.score}" if label.lines[-1] else label.score, font, mixed(ink, color, 0.15))


def _leader(
    picture: Image.Image,
    place: tuple[int, int],
    size: tuple[int, int],
    box: NDArray[np.float64],
    width: float,
    color: Color,
) -> None:
    """A line from a label that lies off its box to the nearest point of the box."""
    low, high = np.array(place, dtype=np.float64), np.array(place) + np.array(size)
    near = np.clip((low + high) / 2, box[:2], box[2:])
    start = np.clip(near, low, high)
    if np.hypot(*(near - start)) > width / 2 + 2:
        ends = (float(start[0]), float(start[1])), (float(near[0]), float(near[1]))
        line(picture, *ends, width + 2, against(color))
        line(picture, *ends, width, color)


# ---- places


def place_labels(
    sizes: Sequence[tuple[int, int]], own: Sequence[int], boxes: Boxes, dots: Boxes, picture: tuple[int, int]
) -> list[tuple[int, int]]:
    """Left and top of each label: inside the picture, and off the other labels where there is room.

    `sizes` are widths and heights of labels that fit into the picture, label i of box own[i]. Each label has some
    places in and around its box, and in turn takes the one that costs least as the others then stand, until none moves.
    What costs most is hiding another label, then a dot, then a small box, then lying far off.
    """
    spots, fixed = [], []
    for size, index in zip(sizes, own, strict=True):
        rects, costs = _spots(boxes[index], np.array(size, dtype=np.float64), np.array(picture, dtype=np.float64))
        covered = _shared(rects, boxes)
        hidden = covered / np.maximum(_area(boxes), 1.0)
        hidden[:, index] *= 0.6  # its own box it may cover sooner than another
        costs = costs + 4.0 * hidden.sum(1) + 0.5 * covered.sum(1) / (size[0] * size[1])
        spots.append(rects)
        fixed.append(costs + 6.0 * (_shared(rects, as_boxes(dots)) > 0).sum(1))
    chosen = np.zeros((len(sizes), 4))
    for turn in range(6):
        before = chosen.copy()
        for i, (rects, costs) in enumerate(zip(spots, fixed, strict=True)):
            placed = np.delete(chosen, i, axis=0) if turn else chosen[:i]
            met = _shared(rects, placed) / (sizes[i][0] * sizes[i][1])
            chosen[i] = rects[np.argmin(costs + (12.0 * (met > 0) + 30.0 * met).sum(1))]
        if (before == chosen).all():
            break
    return [(int(rect[0]), int(rect[1])) for rect in chosen]


_BESIDE = 24  # places on each ring around a box
_RINGS = np.array([0.8, 1.6, 2.6, 4.0, 6.0])  # how far off, in heights of the label


def _spots(
    box: NDArray[np.float64], size: NDArray[np.float64], picture: NDArray[np.float64]
) -> tuple[Boxes, NDArray[np.float64]]:
    """Where a label may lie (K, 4), and what each place costs by itself (K,)."""
    (x1, y1, x2, y2), (width, height) = box, size
    left, middle, right = x1, (x1 + x2 - width) / 2, x2 - width
    above, below, foot = y1 - height, y2, y2 - height
    touching = [
        *((left, above, 0.0), (right, above, 0.2), (middle, above, 0.5)),
        *((left, below, 0.3), (right, below, 0.4), (middle, below, 0.6)),
        *((left, y1, 0.6), (right, y1, 0.7), (left, foot, 0.8), (right, foot, 0.9)),  # in its corners
        *((x2, y1, 0.8), (x1 - width, y1, 0.9), (x2, foot, 1.0), (x1 - width, foot, 1.1)),  # beside
        *((x2, above, 1.2), (x1 - width, above, 1.3)),
    ]
    turns = np.arange(_BESIDE) * (2 * math.pi / _BESIDE)
    ways = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    ways /= np.abs(ways).max(1, keepdims=True)
    half = (box[2:] - box[:2] + size) / 2
    away = [(box[:2] + box[2:] - size) / 2 + ways * (half + height * ring) for ring in _RINGS]
    wanted = np.concatenate([np.array(touching)[:, :2], *away])
    costs = np.concatenate([np.array(touching)[:, 2], np.repeat(3.0 + _RINGS, _BESIDE)])
    places = np.clip(np.rint(wanted), 0.0, np.maximum(picture - size, 0.0))
    costs += 0.5 * np.abs(places - wanted).sum(1) / height
    return np.concatenate([places, places + size], axis=1), costs


def _area(boxes: Boxes) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = boxes[:, 2:] - boxes[:, :2]
    return sides.prod(axis=1)


def _shared(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """(N, M) area that each of `a` shares with each of `b`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    sides: NDArray[np.float64] = np.maximum(np.minimum(a[:, None, 2:], b[None, :, 2:]) - low, 0.0)
    return sides.prod(axis=2)
