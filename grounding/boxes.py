"""Owns the box convention: float64 arrays (N, 4), xyxy, in pixels of the original picture.

Coordinates are continuous: a picture of width W spans 0 to W, pixel k covers k to k + 1, so a box's width is x2 - x1
and a box over the whole picture is (0, 0, W, H). Nothing here rounds. Functions take anything numpy can read as (N, 4),
a single box of four numbers, or an empty list; they return new arrays and never change what they were given.

    N, M  boxes in the first and in the second set
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grounding.errors import BoxError

Boxes: TypeAlias = NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> Boxes:
    """A new (N, 4) float64 array; one box of four numbers becomes (1, 4), an empty list (0, 4).

    Values are not judged (see `valid`), so the same function serves xyxy, xywh and cxcywh.
    Raises BoxError for anything that is not rows of four numbers.
    """
    return _rows(boxes, 4, "boxes")


def as_points(points: ArrayLike) -> Boxes:
    """A new (N, 2) float64 array of x, y; one point becomes (1, 2), an empty list (0, 2). Raises BoxError otherwise."""
    return _rows(points, 2, "points")


def _rows(values: ArrayLike, columns: int, noun: str) -> Boxes:
    try:
        seen = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists; tensors on a GPU or with gradients
        raise BoxError(f"{noun} must be rows of {columns} numbers; seen {_short(values)}: {error}") from error
    if seen.dtype.kind not in "biuf":
        raise BoxError(f"{noun} must be rows of {columns} numbers; seen {_short(values)}")
    rows = np.array(seen, dtype=np.float64)
    if rows.size == 0 and rows.shape in ((0,), (0, columns), (1, 0)):
        return np.zeros((0, columns))
    if rows.shape == (columns,):
        return rows.reshape(1, columns)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise BoxError(f"{noun} must have the shape (N, {columns}); seen {rows.shape}")
    return rows


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ---- conversions


def xyxy_to_xywh(boxes: ArrayLike) -> Boxes:
    """Left, top, width, height: what COCO files hold."""
    x1, y1, x2, y2 = as_boxes(boxes).T
    return np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)


def xywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Corners, from left, top, width, height."""
    x, y, width, height = as_boxes(boxes).T
    return np.stack([x, y, x + width, y + height], axis=1)


def xyxy_to_cxcywh(boxes: ArrayLike) -> Boxes:
    """Centre x, centre y, width, height: what DETR-like detectors speak."""
    x1, y1, x2, y2 = as_boxes(boxes).T
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1)


def cxcywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Corners, from centre x, centre y, width, height."""
    cx, cy, width, height = as_boxes(boxes).T
    return np.stack([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2], axis=1)


def normalize(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """Boxes as fractions of a picture of `width` by `height` pixels, not clipped."""
    return as_boxes(boxes) / _sides(width, height)


def denormalize(boxes_unit: ArrayLike, width: float, height: float) -> Boxes:
    """Boxes in pixels, from fractions of a picture of `width` by `height` pixels. Not clipped."""
    return as_boxes(boxes_unit) * _sides(width, height)


def clip(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """Boxes cut to the picture; one wholly outside becomes an empty box on the nearest edge."""
    return np.clip(as_boxes(boxes), 0.0, _sides(width, height))


def _sides(width: float, height: float) -> Boxes:
    if not (0 < width < np.inf and 0 < height < np.inf):
        raise BoxError(f"a picture needs a width and a height over 0; seen {width} x {height}")
    return np.array([width, height, width, height], dtype=np.float64)


# ---- measures


def area(boxes: ArrayLike) -> NDArray[np.float64]:
    """(N,) areas in square pixels; 0 for an empty or inverted box."""
    return _area(as_boxes(boxes))


def valid(boxes: ArrayLike) -> NDArray[np.bool_]:
    """(N,) True where a box is finite and has a positive width and height."""
    rows = as_boxes(boxes)
    finite = np.isfinite(rows).all(axis=1)
    return finite & (rows[:, 0] < rows[:, 2]) & (rows[:, 1] < rows[:, 3])


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """(N, M) intersection over union of every box of `a` with every box of `b`, from 0 to 1.

    A box without area overlaps nothing, not even itself: 0.
    """
    return _iou_and_union(as_boxes(a)[:, None, :], as_boxes(b)[None, :, :])[0]


def iou_pairs(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """(N,) intersection over union, row by row. Raises BoxError if the sets differ in length."""
    return _iou_and_union(*_paired(a, b))[0]


def giou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """(N, M) generalized IoU, from -1 to 1: IoU less the share of the smallest enclosing box that neither covers.

    Source: Rezatofighi et al., "Generalized Intersection over Union", 2019. Where that enclosing box has no area: 0.
    """
    return _giou(as_boxes(a)[:, None, :], as_boxes(b)[None, :, :])


def giou_pairs(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """(N,) generalized IoU, row by row. Raises BoxError if the sets differ in length."""
    return _giou(*_paired(a, b))


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[Boxes, Boxes]:
    rows_a, rows_b = as_boxes(a), as_boxes(b)
    if len(rows_a) != len(rows_b):
        raise BoxError(f"pairs need two sets of the same length; seen {len(rows_a)} and {len(rows_b)} boxes")
    return rows_a, rows_b


def _area(boxes: Boxes) -> Boxes:
    width = np.maximum(boxes[..., 2] - boxes[..., 0], 0.0)
    height = np.maximum(boxes[..., 3] - boxes[..., 1], 0.0)
    return width * height


def _iou_and_union(a: Boxes, b: Boxes) -> tuple[Boxes, Boxes]:
    shared = np.concatenate([np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], axis=-1)
    # An inverted box has no area, and so must not gain any by being cut against another.
    intersection = np.minimum(_area(shared), np.minimum(_area(a), _area(b)))
    union = _area(a) + _area(b) - intersection
    ratio = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    # a + b - intersection rounds, so a box inside a hardly larger one could come out one ulp over 1.
    return np.minimum(ratio, 1.0), union


def _giou(a: Boxes, b: Boxes) -> Boxes:
    ratio, union = _iou_and_union(a, b)
    hull = _area(np.concatenate([np.minimum(a[..., :2], b[..., :2]), np.maximum(a[..., 2:], b[..., 2:])], axis=-1))
    gap = np.divide(np.maximum(hull - union, 0.0), hull, out=np.zeros_like(hull), where=hull > 0)
    return np.maximum(ratio - gap, -1.0)
