"""Owns layouts: which views of a picture an encoder sees, which feature of them each image token takes, and where in
the picture that feature stands. Python and numpy alone.

A picture is first laid on a plane (its Canvas), then views are cut from that plane:

    squash       one square, the picture stretched to it
    pad          one square, the picture in its own shape, bars beside it
    llava_next   the whole picture as one square, then the tiles of the grid in which it is seen largest
    internvl     the tiles of the grid nearest to its shape, stretched to it, then the whole picture
    native       one view of the picture's own shape, in whole patches

Coordinates are continuous: `x1 y1 x2 y2`, the left edge of the first pixel is 0.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from grounding.errors import ConfigError
from grounding.images import Canvas

Rectangle = tuple[float, float, float, float]
LINE_END = -1
"""Stands in `Layout.tokens` for the learned token that ends a line."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How one picture is shown to a model, and what its N image tokens stand for."""

    canvas: Canvas
    """From pixels of the original to the plane that views are cut from."""
    views: tuple[Rectangle, ...]
    """x1 y1 x2 y2 on that plane, each resized to a view."""
    tokens: NDArray[np.int64]
    """(N, 2) the view, counted within the picture, and the feature of it; feature -1 is a line's end."""
    places: NDArray[np.float64]
    """(N, 4) x1 y1 x2 y2 px of the original; those in bars reach out of the picture. NaN for what has no place: line
    ends and latents."""
    shapes: tuple[tuple[int, int], ...] = ()
    """Rows and columns of patches of each view, where views have shapes of their own."""

    @cached_property
    def plain(self) -> bool:
        """Whether the tokens are all features of all views in turn, so that nobody has to be told which they are."""
        if self.shapes:
            return False  # views of different shapes have different numbers of them
        steps = np.diff(self.tokens, axis=0)
        next_view = (steps[:, 0] == 1) & (self.tokens[1:, 1] == 0)
        next_feature = (steps[:, 0] == 0) & (steps[:, 1] == 1)
        return bool((self.tokens[:, 1] >= 0).all() and (next_view | next_feature).all())


@dataclass(frozen=True, slots=True)
class View:
    """What an encoder and a projector make of one view."""

    size: int = 224
    """Side of a square view, px."""
    grid: tuple[int, int] = (14, 14)
    """Rows and columns of features that a square view gives; (latents, 0) where they stand for no place."""
    line_ends: bool = False
    """Whether a learned token follows each line of features."""
    cell: float | None = None
    """Side of what a feature stands for, px of the view, where the features do not divide the view evenly: the last of
    a line then stands for what is left. None: they divide it evenly."""

    def edges(self, count: int) -> NDArray[np.float64]:
        """(count + 1,) where features begin and end along a side of the view, px."""
        steps = np.arange(count + 1.0)
        return np.minimum(steps * (self.size / count if self.cell is None else self.cell), self.size)


class Plan(Protocol):
    """A way to show pictures; the classes below."""

    def plane(self, width: int, height: int, size: int) -> Canvas:
        """The plane for a picture of `width` x `height` px and square views of side `size`."""

    def layout(self, width: int, height: int, view: View) -> Layout:
        """Views, tokens and places of a picture of `width` x `height` px."""

    def __hash__(self) -> int:
        """By its options."""


@dataclass(frozen=True, slots=True)
class Squash:
    """The picture stretched to one square."""

    def plane(self, width: int, height: int, size: int) -> Canvas:
        return Canvas.squash(width, height, size, size)

    def layout(self, width: int, height: int, view: View) -> Layout:
        canvas = self.plane(width, height, view.size)
        return _build(canvas, [_whole(canvas)], view)


@dataclass(frozen=True, slots=True)
class Pad:
    """The picture in its own shape in the middle of one square, as LLaVA-1.5 shows it."""

    def plane(self, width: int, height: int, size: int) -> Canvas:
        return Canvas.pad(width, height, size)

    def layout(self, width: int, height: int, view: View) -> Layout:
        canvas = self.plane(width, height, view.size)
        return _build(canvas, [_whole(canvas)], view)


@dataclass(frozen=True, slots=True)
class LlavaNext:
    """The whole picture squashed, then tiles of it, as LLaVA-NeXT shows it (transformers, models/llava_next).

    The grid is the one in which the picture is seen largest, and of those the one with the smallest bars. Tokens: the
    whole picture's; then the tiles' rows across all tiles, without the rows and columns of the bars, each with a line
    end where there are any. As published, the number of kept rows is rounded down, so that the last half of a cell
    beside a bar is seen in the whole picture alone. Unlike there, a line of which nothing is kept has no end either.
    """

    grids: tuple[tuple[int, int], ...] = ((2, 1), (1, 2), (2, 2), (1, 3), (3, 1))
    """Columns and rows of tiles, to choose from."""

    def __post_init__(self) -> None:
        pairs = _pairs(self.grids)
        if not pairs:
            raise ConfigError(f"grids is {self.grids!r}: give at least one pair of columns and rows, such as [2, 1]")
        object.__setattr__(self, "grids", pairs)

    def grid(self, width: int, height: int, size: int) -> tuple[int, int]:
        """Columns and rows of tiles."""

        def seen(grid: tuple[int, int]) -> tuple[int, int]:
            wide, high = grid[0] * size, grid[1] * size
            scale = min(wide / width, high / height)
            area = min(int(width * scale) * int(height * scale), width * height)
            return area, area - wide * high

        return max(self.grids, key=seen)

    def plane(self, width: int, height: int, size: int) -> Canvas:
        Canvas.identity(width, height)
        columns, rows = self.grid(width, height, size)
        wide, high = columns * size, rows * size
        if wide * height < high * width:  # bars above and below
            inner_wide, inner_high = wide, min(-(-height * wide // width), high)
        else:
            inner_wide, inner_high = min(-(-width * high // height), wide), high
        left, top = (wide - inner_wide) // 2, (high - inner_high) // 2
        return Canvas(width, height, wide, high, inner_wide / width, inner_high / height, left, top)

    def layout(self, width: int, height: int, view: View) -> Layout:
        canvas, size = self.plane(width, height, view.size), view.size
        inner_wide, inner_high = canvas.inner_size
        picture = (canvas.left, canvas.top, canvas.left + inner_wide, canvas.top + inner_high)
        tiles = _tiles(canvas, size)
        rows, columns = view.grid
        if not columns:
            return _build(canvas, [picture, *tiles], view)
        first = _build(canvas, [picture], replace(view, line_ends=False))
        across, down = canvas.model_width // size, canvas.model_height // size
        row_bars, column_bars = _bars(width, height, rows * down, columns * across)
        left, right = _joined(view.edges(columns), across, size)
        top, bottom = _joined(view.edges(rows), down, size)
        lines = [(first.tokens, first.places)]
        for row in range(row_bars, rows * down - row_bars):
            column = np.arange(column_bars, columns * across - column_bars)
            views = 1 + row // rows * across + column // columns
            features = row % rows * columns + column % columns
            high, low = np.full(len(column), top[row]), np.full(len(column), bottom[row])
            places = np.stack([left[column], high, right[column], low], 1)
            line = np.stack([views, features], 1), canvas.to_original(places)
            lines.append(_ended(*line) if view.line_ends and len(column) else line)
        tokens, places = (np.concatenate(parts) for parts in zip(*lines, strict=True))
        if len(tokens) == len(first.tokens):
            return first  # so narrow that no row of the tiles is left: they need not be looked at
        return Layout(canvas, (picture, *tiles), tokens, places)


@dataclass(frozen=True, slots=True)
class InternVL:
    """Tiles of the grid nearest to the picture's shape, stretched to it, then the whole picture, as InternVL shows it
    (transformers, models/got_ocr2/image_processing_got_ocr2.py, which InternVL's processor uses).

    Of grids equally near, the one with more tiles, while the picture has more than half their pixels.
    """

    max_tiles: int = 12
    """The most tiles, the whole picture not counted."""
    min_tiles: int = 1
    """The fewest tiles."""
    thumbnail: bool = True
    """Whether the whole picture follows, where there is more than one tile."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_tiles <= self.max_tiles:
            raise ConfigError(f"min_tiles {self.min_tiles}, max_tiles {self.max_tiles}: 1 or more, and in this order")

    def grid(self, width: int, height: int, size: int) -> tuple[int, int]:
        """Columns and rows of tiles."""
        best, nearest = (1, 1), math.inf
        for columns, rows in _grids(self.min_tiles, self.max_tiles):
            away = abs(width / height - columns / rows)
            if away < nearest or (away == nearest and width * height > 0.5 * size * size * columns * rows):
                best, nearest = (columns, rows), away
        return best

    def plane(self, width: int, height: int, size: int) -> Canvas:
        Canvas.identity(width, height)
        columns, rows = self.grid(width, height, size)
        return Canvas.squash(width, height, columns * size, rows * size)

    def layout(self, width: int, height: int, view: View) -> Layout:
        canvas = self.plane(width, height, view.size)
        views = _tiles(canvas, view.size)
        if self.thumbnail and len(views) > 1:
            views.append(_whole(canvas))
        return _build(canvas, views, view)


@dataclass(frozen=True, slots=True)
class Native:
    """The picture in its own shape, each side a multiple of `patch_size` * `merge` px.

    Without `min_patches` it is made as large as `max_patches` allow, as SigLIP 2 NaFlex does (transformers,
    models/siglip2: the largest scale at which the sides, rounded up to patches, hold no more). With `min_patches` it
    keeps its own size, each side rounded, between the two limits, as Qwen2-VL does (models/qwen2_vl, smart_resize).
    """

    max_patches: int = 256
    """The most patches of a picture, before the projector."""
    min_patches: int | None = None
    """The fewest, for pictures that keep their size; None: every picture takes as many as it may."""
    patch_size: int = 16
    """Side of a patch, px."""
    merge: int = 1
    """How many patches along each side the projector makes one feature of."""

    def __post_init__(self) -> None:
        if min(self.patch_size, self.merge) < 1 or self.max_patches < self.merge**2:
            raise ConfigError(
                f"patch_size {self.patch_size}, merge {self.merge}, max_patches {self.max_patches}: give 1 or more, "
                "and room for one feature, which takes merge * merge patches"
            )
        if self.min_patches is not None and not 0 < self.min_patches <= self.max_patches:
            raise ConfigError(f"min_patches {self.min_patches} must be from 1 to max_patches {self.max_patches}")

    def shape(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns of features."""
        most = self.max_patches // self.merge**2
        if self.min_patches is None:
            return _largest(width, height, most)
        unit = self.patch_size * self.merge
        rows, columns = round(height / unit), round(width / unit)
        if rows * columns > most:
            shrink = math.sqrt(height * width / (most * unit * unit))
            rows, columns = (max(1, math.floor(side / shrink / unit)) for side in (height, width))
        elif rows * columns * self.merge**2 < self.min_patches:
            grow = math.sqrt(self.min_patches * self.patch_size**2 / (height * width))
            rows, columns = (math.ceil(side * grow / unit) for side in (height, width))
        # A picture that is one feature high or wide may still be too long for the other side.
        return (rows, columns) if rows * columns <= most else _largest(width, height, most)

    def plane(self, width: int, height: int, size: int) -> Canvas:
        Canvas.identity(width, height)
        rows, columns = self.shape(width, height)
        unit = self.patch_size * self.merge
        return Canvas.squash(width, height, columns * unit, rows * unit)

    def layout(self, width: int, height: int, view: View) -> Layout:
        canvas = self.plane(width, height, view.size)
        grid = self.shape(width, height) if view.grid[1] else view.grid
        shape = canvas.model_height // self.patch_size, canvas.model_width // self.patch_size
        built = _build(canvas, [_whole(canvas)], View(view.size, grid, view.line_ends))  # which its cells divide evenly
        return Layout(canvas, built.views, built.tokens, built.places, (shape,))


PLANS: dict[str, type[Squash] | type[Pad] | type[LlavaNext] | type[InternVL] | type[Native]] = {
    "squash": Squash,
    "pad": Pad,
    "llava_next": LlavaNext,
    "internvl": InternVL,
    "native": Native,
}
"""Name of a way to show pictures (`config.resize`) to its class."""


def pick_plan(name: str, options: Mapping[str, Any] | None = None) -> Plan:
    """The way to show pictures that is called `name`, with its options. Raises ConfigError."""
    if name not in PLANS:
        raise ConfigError(f"resize {name!r} is not known: {', '.join(PLANS)}")
    known = [field.name for field in fields(PLANS[name])]
    for option in options or {}:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"resize {name!r} has no option {option!r}: {meant}it has {', '.join(known) or 'none'}")
    return PLANS[name](**(options or {}))


# ---- inside


def _whole(canvas: Canvas) -> Rectangle:
    return 0, 0, canvas.model_width, canvas.model_height


def _tiles(canvas: Canvas, size: int) -> list[Rectangle]:
    """The squares of a plane, row by row."""
    return [
        (x, y, x + size, y + size)
        for y in range(0, canvas.model_height, size)
        for x in range(0, canvas.model_width, size)
    ]


def _build(canvas: Canvas, views: Sequence[Rectangle], view: View) -> Layout:
    """All features of all views in turn."""
    rows, columns = view.grid
    tokens, places = [], []
    for number, (x1, y1, x2, y2) in enumerate(views):
        if not columns:
            tokens.append(np.stack([np.full(rows, number), np.arange(rows)], 1))
            places.append(np.full((rows, 4), np.nan))
            continue
        x = x1 + (x2 - x1) / view.size * view.edges(columns)
        y = y1 + (y2 - y1) / view.size * view.edges(rows)
        corners = [np.tile(x[:-1], rows), np.repeat(y[:-1], columns), np.tile(x[1:], rows), np.repeat(y[1:], columns)]
        cells = canvas.to_original(np.stack(corners, 1))
        features = np.stack([np.full(rows * columns, number), np.arange(rows * columns)], 1)
        if view.line_ends:
            lines = zip(np.split(features, rows), np.split(cells, rows), strict=True)
            features, cells = (np.concatenate(parts) for parts in zip(*(_ended(*line) for line in lines), strict=True))
        tokens.append(features)
        places.append(cells)
    return Layout(canvas, tuple(views), np.concatenate(tokens), np.concatenate(places))


def _joined(edges: NDArray[np.float64], tiles: int, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the features of tiles in a row begin, and where they end, px of the plane."""
    starts = np.arange(tiles)[:, None] * size
    return (starts + edges[:-1]).ravel(), (starts + edges[1:]).ravel()


def _ended(tokens: NDArray[Any], places: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A line with its end, which counts to the view of its last feature."""
    return np.vstack([tokens, (tokens[-1, 0], LINE_END)]), np.vstack([places, np.full(4, np.nan)])


def _bars(width: int, height: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows at the top and at the bottom, and columns at the left and at the right, that LLaVA-NeXT leaves out."""
    if width / height > columns / rows:
        return (rows - int(round(height * (columns / width), 7))) // 2, 0
    return 0, (columns - int(round(width * (rows / height), 7))) // 2


@lru_cache(maxsize=1024)
def _largest(width: int, height: int, most: int) -> tuple[int, int]:
    """Rows and columns of the largest scale at which a picture's sides, rounded up to cells, make at most `most`."""
    best, scale = (1, 1), 0.0
    for rows in range(1, most + 1):
        columns = most // rows
        # The scale at which one more row, or one more column, would begin: the sides below fill it.
        if rows * width <= columns * height:
            reached, shape = rows / height, (rows, max(1, -(-rows * width // height)))
        else:
            reached, shape = columns / width, (max(1, -(-columns * height // width)), columns)
        if reached > scale:
            best, scale = shape, reached
    return best


@lru_cache(maxsize=16)
def _grids(fewest: int, most: int) -> tuple[tuple[int, int], ...]:
    """Columns and rows of all grids of so many tiles, smaller ones first."""
    sides = range(1, most + 1)
    grids = [(columns, rows) for columns in sides for rows in sides if fewest <= columns * rows <= most]
    return tuple(sorted(grids, key=lambda grid: grid[0] * grid[1]))


def _pairs(grids: Any) -> tuple[tuple[int, int], ...]:
    """Pairs of whole numbers over 0, from lists as JSON has them."""
    try:
        pairs = tuple((int(columns), int(rows)) for columns, rows in grids)
    except (TypeError, ValueError):
        pairs = ()
    return pairs if all(min(pair) > 0 for pair in pairs) else ()
