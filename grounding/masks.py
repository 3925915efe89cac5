"""Owns Mask: which pixels of a picture belong to a region, as exact pixels (COCO run lengths) or as the polygons given.

A mask made from polygons keeps those polygons and fills them only when pixels are asked for; one made from pixels keeps
them exactly and traces its outlines only when polygons are asked for. Polygons are in the same continuous pixel
coordinates as boxes, so an outline runs along pixel edges and filling it gives the same pixels back.

    H, W  rows and columns of the picture      K  corners of one polygon
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grounding.errors import BoxError, MissingExtraError

Polygon = tuple[tuple[float, float], ...]


def _coco() -> Any:
    try:
        import pycocotools.mask as coco_mask
    except ImportError as error:
        raise MissingExtraError("the pixels of a mask need pycocotools: pip install 'grounding-vlm[eval]'") from error
    return coco_mask


@dataclass(frozen=True)
class Mask:
    """Pixels of a picture of `width` by `height`. Build one with `from_array`, `from_polygons` or `from_rle`.

    Two masks are equal when they were given the same way and hold the same; compare pixels with `iou(a, b) == 1`.
    """

    width: int
    height: int
    _polygons: tuple[Polygon, ...] | None = None
    _counts: str | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise BoxError(f"a mask needs a width and a height over 0; seen {self.width} x {self.height}")
        if (self._polygons is None) == (self._counts is None):
            raise BoxError(
                "a mask holds polygons or run lengths, one of the two: use Mask.from_polygons or Mask.from_rle"
            )

    @classmethod
    def from_array(cls, array: ArrayLike) -> Mask:
        """The mask of an (H, W) array: True, or anything but 0, is inside."""
        pixels = np.asarray(array)
        if pixels.ndim != 2 or pixels.size == 0:
            raise BoxError(f"a mask must have the shape (H, W) with H and W over 0; seen {pixels.shape}")
        height, width = pixels.shape
        rle = _coco().encode(np.asfortranarray(pixels != 0, dtype=np.uint8))
        return cls(int(width), int(height), None, rle["counts"].decode("ascii"))

    @classmethod
    def from_polygons(cls, polygons: Iterable[ArrayLike], width: int, height: int) -> Mask:
        """The mask inside any of the polygons, each (K, 2) of x, y with K of 3 or more, or COCO's flat list x, y, x, y.

        Parts outside the picture are cut. No polygons: nothing is inside.
        """
        kept: list[Polygon] = []
        for polygon in polygons:
            points = np.array(polygon, dtype=np.float64)
            if points.ndim == 1 and points.size % 2 == 0:
                points = points.reshape(-1, 2)
            if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
                raise BoxError(f"a polygon must have the shape (K, 2) with 3 corners or more; seen {points.shape}")
            if not np.isfinite(points).all():
                raise BoxError("a polygon's corners must be finite numbers; seen NaN or infinity")
            kept.append(tuple((float(x), float(y)) for x, y in points))
        return cls(int(width), int(height), tuple(kept), None)

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any]) -> Mask:
        """The mask of a COCO dict: "size" [H, W], and "counts" as str or bytes (compressed) or a list of run lengths.

        Run lengths go down the columns and begin with those outside. Raises BoxError when they do not add up to H * W,
        before any compiled code sees them.
        """
        try:
            height, width = (int(side) for side in rle["size"])
            counts = rle["counts"]
            if isinstance(counts, bytes):
                counts = counts.decode("ascii", errors="replace")
            runs = _runs_from_text(counts) if isinstance(counts, str) else [int(run) for run in counts]
        except BoxError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BoxError('run lengths come as {"size": [height, width], "counts": ...}') from error
        if height < 1 or width < 1 or min(runs, default=0) < 0 or sum(runs) != height * width:
            raise BoxError(f"the run lengths of a mask of {width} x {height} must be positive and add up to its pixels")
        return cls(width, height, None, counts if isinstance(counts, str) else _text_from_runs(runs))

    # ---- what is inside

    @cached_property
    def _rle(self) -> dict[str, Any]:
        size = [self.height, self.width]
        if self._counts is not None:
            return {"size": size, "counts": self._counts}
        if not self._polygons:
            return {"size": size, "counts": _text_from_runs([self.height * self.width])}
        near = [_near(polygon, self.width, self.height) for polygon in self._polygons]
        flat = [[value for point in polygon for value in point] for polygon in near if len(polygon) > 2]
        if not flat:
            return {"size": size, "counts": _text_from_runs([self.height * self.width])}
        coco = _coco()
        merged = coco.merge(coco.frPyObjects(flat, self.height, self.width))
        return {"size": size, "counts": merged["counts"].decode("ascii")}

    @property
    def rle(self) -> dict[str, Any]:
        """COCO's dict: {"size": [H, W], "counts": compressed run lengths as str}."""
        return {"size": list(self._rle["size"]), "counts": self._rle["counts"]}

    @property
    def array(self) -> NDArray[np.bool_]:
        """(H, W) True inside. Made anew each time, so it may be changed."""
        pixels: NDArray[np.uint8] = _coco().decode(self._rle)
        return np.ascontiguousarray(pixels, dtype=np.bool_)

    @property
    def polygons(self) -> list[NDArray[np.float64]]:
        """Outlines, each (K, 2) of x, y in pixels: those given, or else traced along the pixels' edges.

        A traced outline goes clockwise on screen and has a corner only where it turns. A hole is joined to the outline
        around it by a cut of no width, as COCO's format has no holes. Empty list: nothing is inside.
        """
        return [np.array(polygon, dtype=np.float64) for polygon in self._outlines]

    @cached_property
    def _outlines(self) -> tuple[Polygon, ...]:
        return self._polygons if self._polygons is not None else _trace(self.array)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 around what is inside, in pixels (of polygons, to the fraction); all 0 when nothing is."""
        if self._polygons is not None:
            if not self._polygons:
                return (0.0, 0.0, 0.0, 0.0)
            points = np.concatenate(self.polygons)
            low, high = np.clip([points.min(0), points.max(0)], 0.0, [self.width, self.height])
            return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        x, y, width, height = (float(value) for value in _coco().toBbox(self._rle))
        return (x, y, x + width, y + height)

    @property
    def area(self) -> int:
        """How many pixels are inside."""
        return int(_coco().area(self._rle))

    # ---- JSON

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: polygons as flat lists when polygons were given, else COCO's run lengths."""
        if self._polygons is None:
            return self.rle
        flat = [[value for point in polygon for value in point] for polygon in self._polygons]
        return {"size": [self.height, self.width], "polygons": flat}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Mask:
        """The mask that `to_json` wrote."""
        if "polygons" not in data:
            return cls.from_rle(data)
        try:
            height, width = data["size"]
        except (KeyError, TypeError, ValueError) as error:
            raise BoxError(
                'a mask of polygons comes as {"size": [height, width], "polygons": [[x, y, ...]]}'
            ) from error
        return cls.from_polygons(data["polygons"], width, height)


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of the pixels, 0 to 1; 0 when both are empty. Raises BoxError if the sizes differ."""
    if (a.width, a.height) != (b.width, b.height):
        raise BoxError(f"masks of {a.width} x {a.height} and {b.width} x {b.height} lie in different pictures")
    coco = _coco()
    both = int(coco.area(coco.merge([a.rle, b.rle], intersect=True)))
    either = a.area + b.area - both
    return both / either if either else 0.0


# ---- polygons that go far


def _near(polygon: Polygon, width: int, height: int) -> Polygon:
    """The polygon, cut where it goes further from the picture than the picture is wide or high.

    COCO's code takes memory for every pixel along an outline, also for those far outside, and fails without a word
    where there is not enough of it. What is inside the picture stays the same (Sutherland and Hodgman, 1974).
    """
    limits = ((0, -width, 1), (0, 2 * width, -1), (1, -height, 1), (1, 2 * height, -1))  # axis, edge, side to keep
    for axis, edge, side in limits:
        if all((point[axis] - edge) * side >= 0 for point in polygon):
            continue
        kept: list[tuple[float, float]] = []
        for last, point in zip((polygon[-1], *polygon[:-1]), polygon, strict=True):
            a, b = last[axis] / 2, point[axis] / 2  # halves, as the difference of the largest numbers is none
            if (a - edge / 2) * side < 0 <= (b - edge / 2) * side or (b - edge / 2) * side < 0 <= (a - edge / 2) * side:
                share = (edge / 2 - a) / (b - a)
                other = 2 * (last[1 - axis] / 2 + share * (point[1 - axis] / 2 - last[1 - axis] / 2))
                kept.append((float(edge), other) if axis == 0 else (other, float(edge)))
            if (b - edge / 2) * side >= 0:
                kept.append(point)
        polygon = tuple(kept)
        if not polygon:
            return ()
    return polygon


# ---- COCO's compressed run lengths (cocoapi, common/maskApi.c)
# Each is written in groups of 5 bits, low first, a sixth bit saying that more follow, as characters from "0" on;
# from the fourth run on, what is written is the difference to the run two before.


def _runs_from_text(text: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise BoxError(f"run lengths hold the character {character!r}, which COCO's format does not have")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise BoxError("run lengths end in the middle of a number: the text was cut off")
    return runs


def _text_from_runs(runs: Sequence[int]) -> str:
    characters: list[str] = []
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        more = True
        while more:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)
            characters.append(chr(48 + group + (32 if more else 0)))
    return "".join(characters)


# ---- outlines of pixels


def _trace(inside: NDArray[np.bool_]) -> tuple[Polygon, ...]:
    """Outlines along pixel edges with the inside on the right hand; pixels that touch at a corner only are kept apart.

    The outlines are a linked list of corners: number i lies at xs[i], ys[i] and is followed by after[i]. Each straight
    run of edges is named by the corner it starts from: the runs along rows first, then those along columns.
    """
    if not inside.any():
        return ()
    framed = np.pad(inside, 1).astype(np.int8)
    row_y, row_x, row_end, row_sign = _runs_of_edges(np.diff(framed, axis=0)[:, 1:-1])
    col_x, col_y, col_end, col_sign = _runs_of_edges(-np.diff(framed, axis=1)[1:-1, :].T)
    stride = inside.shape[1] + 1

    def key(x: NDArray[np.int64], y: NDArray[np.int64], sign: NDArray[np.int64]) -> NDArray[np.int64]:
        return (y * stride + x) * 2 + (sign > 0)

    row_keys, col_keys = key(row_x, row_y, row_sign), key(col_x, col_y, col_sign)
    # Growing x, then the right turn is to growing y; growing y, then the right turn is to shrinking x.
    after_row = len(row_x) + _find_either(col_keys, key(row_end, row_y, row_sign), key(row_end, row_y, -row_sign))
    after_col = _find_either(row_keys, key(col_x, col_end, -col_sign), key(col_x, col_end, col_sign))
    xs, ys = [*row_x.tolist(), *col_x.tolist()], [*row_y.tolist(), *col_y.tolist()]
    after: list[int] = [*after_row.tolist(), *after_col.tolist()]

    outer: list[int] = []
    holes: list[int] = []
    seen = [False] * len(after)
    for first in range(len(row_x), len(after)):
        if seen[first]:
            continue
        signed_area, leftmost, corner = 0, first, first
        while not seen[corner]:
            seen[corner] = True
            signed_area += xs[corner] * (ys[after[corner]] - ys[corner])
            if corner >= len(row_x) and xs[corner] < xs[leftmost]:
                leftmost = corner
            corner = after[corner]
        (outer if signed_area > 0 else holes).append(leftmost)

    rising = np.flatnonzero(col_sign < 0)
    rising = rising[np.lexsort((col_end[rising], col_x[rising]))]
    tops = (col_x * (inside.shape[0] + 1) + col_end)[rising]
    before = {after[corner]: corner for corner in range(len(row_x))} if holes else {}
    pieces: dict[int, list[int]] = {}
    # From left to right, so that what lies left of a hole is already part of an outline.
    for hole in sorted(holes, key=lambda corner: xs[corner]):
        x, y = xs[hole], ys[hole]
        wall = int(np.flatnonzero(~np.pad(inside[y, :x], (1, 0)))[-1])
        run = int(rising[np.searchsorted(tops, wall * (inside.shape[0] + 1) + y, side="right") - 1]) + len(row_x)
        parts = pieces.setdefault(run, [run])
        start = next(part for part in parts if ys[part] > y >= ys[after[part]])
        there, back, again = len(xs), len(xs) + 1, len(xs) + 2
        xs += [wall, wall, x]
        ys += [y, y, y]
        after += [hole, after[start], back]
        after[start], after[before[hole]] = there, again
        parts.append(back)
    return tuple(_loop(first, xs, ys, after) for first in outer)


def _runs_of_edges(edges: NDArray[np.int8]) -> tuple[NDArray[np.int64], ...]:
    """For every longest run of one sign along the rows of `edges`: its row, start, end and sign (- goes backwards)."""
    framed = np.pad(edges, ((0, 0), (1, 1)))
    changed = framed[:, 1:] != framed[:, :-1]
    line, low = np.nonzero(changed & (framed[:, 1:] != 0))
    high = np.nonzero(changed & (framed[:, :-1] != 0))[1]
    sign = edges[line, low].astype(np.int64)
    return line, np.where(sign > 0, low, high), np.where(sign > 0, high, low), sign


def _find_either(keys: NDArray[np.int64], wanted: NDArray[np.int64], otherwise: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted key stands in `keys`; where it does not occur, where the other one does."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    at = np.minimum(np.searchsorted(ordered, wanted), len(keys) - 1)
    at_other = np.minimum(np.searchsorted(ordered, otherwise), len(keys) - 1)
    found: NDArray[np.int64] = order[np.where(ordered[at] == wanted, at, at_other)]
    return found


def _loop(first: int, xs: list[int], ys: list[int], after: list[int]) -> Polygon:
    points: list[tuple[float, float]] = []
    corner = first
    while True:
        point = (float(xs[corner]), float(ys[corner]))
        if not points or points[-1] != point:
            points.append(point)
        corner = after[corner]
        if corner == first:
            return tuple(points)
