"""The kinds of things and how each is drawn: outlines and details in unit coordinates.

A kind is written down in any handy coordinates (x right, y down). `shape_of` turns it into a `Shape`: contours of its
silhouette, centred on the origin and scaled so that the longer side is 1, ready for one even-odd polygon fill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import pi

import cv2
import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes.curves import Points, box, contours_of, ellipse, join_contours, poly, regular, stroke

FILLS = ("solid", "outlined", "striped", "dotted", "checked", "gradient")
LETTERS = tuple("ACEFHJKLMNPRTUVWXY")  # those that no digit and no other kind looks like
DIGITS = tuple("123456789")  # 0 would be an oval


@dataclass(frozen=True)
class Kind:
    """How one kind of thing is drawn and what may be done to it."""

    name: str
    solids: tuple[Points, ...]
    """Polygons whose union is the silhouette."""
    cuts: tuple[Points, ...] = ()
    """Polygons taken out of the union."""
    details: tuple[tuple[Points, str], ...] = ()
    """Polygons painted on top, each with its tone: "dark", "light", "black" or "white"."""
    turn: float = 15.0
    """Largest rotation either way that leaves the name certain; 180: any."""
    flips: bool = False
    """Whether it may be mirrored."""
    stretch: float = 0.0
    """Largest relative change of width against height."""
    fills: tuple[str, ...] = FILLS
    """The fills that suit it."""
    tiny: bool = True
    """Whether it is still told apart when small."""


@dataclass(frozen=True)
class Shape:
    """A kind in unit coordinates: centred, longer side 1."""

    contours: tuple[Points, ...]
    """Outline, then holes: filled together, even-odd."""
    outline: Points
    """One closed polygon of the same area: holes are reached by seams."""
    details: tuple[tuple[Points, str], ...]
    extremes: Points
    """The outline's convex hull: enough to know its extent however it is turned."""
    width: float
    height: float
    kind: Kind = field(repr=False)


def _heart() -> Points:
    t = np.linspace(0, 2 * pi, 56, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y], axis=1)


def _leaf() -> Points:
    t = np.linspace(0, pi, 24)
    upper = np.stack([-np.cos(t), -0.42 * np.sin(t) ** 1.2], axis=1)
    lower = np.stack([np.cos(t), 0.42 * np.sin(t) ** 1.2], axis=1)
    return np.concatenate([upper, lower[1:-1]])


def _drop() -> Points:
    round_part = ellipse(0, 0.3, 0.62, 0.62, -28, 208, 40)
    return np.concatenate([round_part, poly((0, -1.0))])


def _crescent() -> Points:
    outer = ellipse(0, 0, 1, 1, 50, 310, 44)
    inner = ellipse(0.47, 0, 0.78, 0.78, 0, 360, 60)
    start, stop = outer[0], outer[-1]
    first = int(np.argmin(np.hypot(*(inner - stop).T)))
    last = int(np.argmin(np.hypot(*(inner - start).T)))
    run = [inner[i % 60] for i in range(first, last - 1 if last < first else last - 61, -1)]
    return np.concatenate([outer, np.array(run)])


_BAND = ("solid", "striped", "gradient")  # too narrow for dots and checks to be told apart
_PLAIN_ONLY = ("solid", "striped", "dotted", "checked", "gradient")
_GLYPH = ("solid", "gradient")
_FLAT = ("solid", "outlined", "gradient")


def _kinds() -> list[Kind]:
    return [
        Kind("circle", (ellipse(0, 0, 1, 1),), fills=_PLAIN_ONLY, turn=0),
        Kind("square", (box(-1, -1, 1, 1),), turn=12),
        Kind("triangle", (poly((0, -0.95), (1, 0.8), (-1, 0.8)),), turn=20),
        Kind("rectangle", (box(-1, -0.48, 1, 0.48),), turn=15, stretch=0.12),
        Kind("star", (regular(5, 0.42),), turn=36),
        Kind("heart", (_heart(),), turn=20),
        Kind("diamond", (poly((0, -1), (0.66, 0), (0, 1), (-0.66, 0)),), turn=12),
        Kind("pentagon", (regular(5),), turn=12, tiny=False),
        Kind("hexagon", (regular(6, phase=0),), turn=10, tiny=False),
        Kind("cross", (poly(*_plus(0.36)),), turn=12),
        Kind("ring", (ellipse(0, 0, 1, 1),), cuts=(ellipse(0, 0, 0.55, 0.55),), fills=_BAND, turn=0),
        Kind("crescent", (_crescent(),), turn=35, flips=True, fills=("outlined", *_BAND)),
        Kind(
            "arrow",
            (poly((-1, -0.22), (0.15, -0.22), (0.15, -0.62), (1, 0), (0.15, 0.62), (0.15, 0.22), (-1, 0.22)),),
            turn=180,
        ),
        Kind("oval", (ellipse(0, 0, 1, 0.52),), fills=_PLAIN_ONLY, turn=15),
        Kind("drop", (_drop(),), turn=15),
        Kind("lightning bolt", (_bolt(),), turn=12, flips=True, fills=_FLAT, tiny=False),
        Kind(
            "house",
            (box(-0.78, -0.1, 0.78, 1), poly((0, -1), (1.05, -0.05), (-1.05, -0.05)), box(0.4, -0.85, 0.64, -0.2)),
            details=(
                (box(-0.17, 0.4, 0.2, 1), "dark"),
                (box(-0.62, 0.18, -0.32, 0.5), "light"),
                (box(0.36, 0.18, 0.64, 0.5), "light"),
                (box(-0.77, -0.05, 0.77, 0.05), "dark"),
            ),
            turn=8,
            flips=True,
        ),
        Kind(
            "tree",
            (
                poly((0, -1.1), (0.5, -0.35), (-0.5, -0.35)),
                poly((0, -0.75), (0.66, 0.15), (-0.66, 0.15)),
                poly((0, -0.3), (0.82, 0.68), (-0.82, 0.68)),
                box(-0.15, 0.6, 0.15, 1.1),
            ),
            details=((box(-0.15, 0.68, 0.15, 1.1), "dark"),),
            turn=8,
        ),
        Kind(
            "car",
            (
                poly((-1.1, -0.02), (-0.72, -0.08), (-0.42, -0.55), (0.38, -0.55), (0.7, -0.08), (1.05, 0.02)),
                poly((-1.1, -0.04), (1.08, -0.04), (1.12, 0.36), (-1.14, 0.36)),
                ellipse(-0.62, 0.36, 0.27, 0.27, steps=24),
                ellipse(0.62, 0.36, 0.27, 0.27, steps=24),
            ),
            details=(
                (poly((-0.52, -0.08), (-0.34, -0.43), (-0.06, -0.43), (-0.06, -0.08)), "light"),
                (poly((0.06, -0.08), (0.06, -0.43), (0.31, -0.43), (0.5, -0.08)), "light"),
                (ellipse(-0.62, 0.36, 0.27, 0.27, steps=24), "black"),
                (ellipse(0.62, 0.36, 0.27, 0.27, steps=24), "black"),
                (ellipse(-0.62, 0.36, 0.11, 0.11, steps=16), "white"),
                (ellipse(0.62, 0.36, 0.11, 0.11, steps=16), "white"),
            ),
            turn=10,
            flips=True,
        ),
        Kind(
            "cup",
            (
                poly((-0.8, -0.75), (0.5, -0.75), (0.4, 0.8), (-0.7, 0.8)),
                ellipse(0.52, -0.02, 0.46, 0.46, steps=32),
            ),
            cuts=(ellipse(0.56, -0.02, 0.24, 0.26, -88, 88, steps=20),),
            details=((ellipse(-0.15, -0.61, 0.57, 0.11, steps=28), "dark"),),
            turn=10,
            flips=True,
        ),
        Kind(
            "fish",
            (ellipse(-0.2, 0, 0.8, 0.5), poly((0.3, 0), (1, -0.52), (0.82, 0), (1, 0.52))),
            details=(
                (ellipse(-0.62, -0.12, 0.13, 0.13, steps=16), "white"),
                (ellipse(-0.64, -0.12, 0.07, 0.07, steps=12), "black"),
                (poly((-0.1, 0.02), (0.25, -0.12), (0.22, 0.2)), "dark"),
            ),
            turn=20,
            flips=True,
        ),
        Kind(
            "flower",
            (ellipse(0, 0, 0.5, 0.5), *(ellipse(x * 0.58, y * 0.58, 0.42, 0.42, steps=24) for x, y in regular(6))),
            details=((ellipse(0, 0, 0.3, 0.3, steps=24), "center"),),
            turn=30,
            fills=("solid", "outlined", "gradient", "striped"),
        ),
        Kind(
            "cloud",
            (
                ellipse(-0.62, 0.16, 0.42, 0.38, steps=28),
                ellipse(-0.18, -0.16, 0.5, 0.5, steps=28),
                ellipse(0.38, -0.02, 0.4, 0.4, steps=28),
                ellipse(0.72, 0.22, 0.34, 0.32, steps=28),
                box(-0.62, 0.1, 0.72, 0.54),
            ),
            turn=6,
            flips=True,
        ),
        Kind(
            "key",
            (
                ellipse(-0.62, 0, 0.42, 0.42, steps=32),
                box(-0.3, -0.12, 1, 0.12),
                box(0.45, 0, 0.62, 0.42),
                box(0.8, 0, 1, 0.46),
            ),
            cuts=(ellipse(-0.66, 0, 0.2, 0.2, steps=24),),
            turn=180,
            fills=_FLAT,
            tiny=False,
        ),
        Kind(
            "umbrella",
            (
                _canopy(),
                box(-0.06, -0.2, 0.06, 0.8),
                *stroke([(0, 0.8), (0.05, 0.93), (0.17, 0.98), (0.3, 0.92), (0.34, 0.78)], 0.12),
            ),
            details=((box(-0.05, -0.04, 0.05, 0.8), "dark"),),
            turn=12,
            flips=True,
            tiny=False,
        ),
        Kind(
            "mushroom",
            (ellipse(0, 0, 1, 0.95, 180, 360, 32), poly((-0.3, -0.05), (0.3, -0.05), (0.4, 0.85), (-0.4, 0.85))),
            details=((poly((-0.3, 0.02), (0.3, 0.02), (0.38, 0.83), (-0.38, 0.83)), "pale"),),
            turn=10,
        ),
        Kind(
            "boat",
            (
                poly((-1, 0.35), (1, 0.35), (0.66, 0.9), (-0.66, 0.9)),
                box(-0.1, -1, 0.02, 0.4),
                poly((0.02, -0.95), (0.82, 0.2), (0.02, 0.2)),
                poly((-0.1, -0.6), (-0.68, 0.2), (-0.1, 0.2)),
                box(-0.12, 0.1, 0.04, 0.4),
            ),
            details=((poly((-1, 0.35), (1, 0.35), (0.9, 0.5), (-0.9, 0.5)), "dark"),),
            turn=8,
            flips=True,
            fills=("solid", "striped", "dotted", "checked", "gradient"),
        ),
        Kind(
            "balloon",
            (ellipse(0, -0.35, 0.62, 0.75), poly((-0.13, 0.5), (0, 0.32), (0.13, 0.5)), box(-0.035, 0.45, 0.035, 1.1)),
            details=((ellipse(-0.24, -0.62, 0.12, 0.2, steps=16), "light"), (box(-0.035, 0.5, 0.035, 1.1), "dark")),
            turn=10,
        ),
        Kind(
            "apple",
            (
                ellipse(-0.32, 0.12, 0.56, 0.7),
                ellipse(0.32, 0.12, 0.56, 0.7),
                poly((-0.06, -0.45), (0.08, -0.95), (0.2, -0.9), (0.07, -0.4)),
                _leaf() * 0.3 + np.array([0.42, -0.76]),
            ),
            details=(
                (poly((-0.06, -0.42), (0.08, -0.95), (0.2, -0.9), (0.07, -0.4)), "dark"),
                (ellipse(-0.5, -0.05, 0.1, 0.2, steps=16), "light"),
            ),
            turn=12,
            flips=True,
        ),
    ]


def _plus(arm: float) -> list[tuple[float, float]]:
    a = arm
    return [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)]


def _bolt() -> Points:
    return poly((0.2, -1), (-0.62, 0.12), (-0.08, 0.12), (-0.3, 1), (0.62, -0.22), (0.06, -0.22), (0.5, -1))


def _canopy() -> Points:
    dome = ellipse(0, 0, 1, 0.92, 180, 360, 32)
    scallops = [ellipse(x, 0.0, 1 / 3, 0.16, 0, -180, 9)[1:-1] for x in (2 / 3, 0.0, -2 / 3)]
    return np.concatenate([dome, *scallops])


_W = 0.36  # stroke width of glyphs, for a cap height of 2


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, stop: float) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in ellipse(cx, cy, rx, ry, start, stop, 18)]


_GLYPHS: dict[str, list[list[tuple[float, float]]]] = {
    "A": [[(-0.75, 1), (0, -1), (0.75, 1)], [(-0.45, 0.35), (0.45, 0.35)]],
    "C": [_arc(0, 0, 0.8, 1, -45, -315)],
    "E": [[(0.6, -1), (-0.6, -1), (-0.6, 1), (0.6, 1)], [(-0.6, 0), (0.4, 0)]],
    "F": [[(0.65, -1), (-0.55, -1), (-0.55, 1)], [(-0.55, 0), (0.45, 0)]],
    "H": [[(-0.7, -1), (-0.7, 1)], [(0.7, -1), (0.7, 1)], [(-0.7, 0), (0.7, 0)]],
    "J": [[(0.45, -1), (0.45, 0.45), *_arc(-0.05, 0.45, 0.5, 0.55, 0, 170)]],
    "K": [[(-0.6, -1), (-0.6, 1)], [(0.65, -1), (-0.55, 0.2)], [(-0.15, -0.15), (0.7, 1)]],
    "L": [[(-0.5, -1), (-0.5, 1), (0.65, 1)]],
    "M": [[(-0.9, 1), (-0.9, -1), (0, 0.35), (0.9, -1), (0.9, 1)]],
    "N": [[(-0.7, 1), (-0.7, -1), (0.7, 1), (0.7, -1)]],
    "P": [[(-0.6, 1), (-0.6, -1), (0.1, -1), *_arc(0.1, -0.45, 0.55, 0.55, -90, 90), (-0.6, 0.1)]],
    "R": [
        [(-0.6, 1), (-0.6, -1), (0.1, -1), *_arc(0.1, -0.47, 0.53, 0.53, -90, 90), (-0.6, 0.06)],
        [(0.05, 0.1), (0.7, 1)],
    ],
    "T": [[(-0.8, -1), (0.8, -1)], [(0, -1), (0, 1)]],
    "U": [[(-0.65, -1), (-0.65, 0.35), *_arc(0, 0.35, 0.65, 0.65, 180, 0), (0.65, -1)]],
    "V": [[(-0.75, -1), (0, 1), (0.75, -1)]],
    "W": [[(-1.05, -1), (-0.55, 1), (0, -0.55), (0.55, 1), (1.05, -1)]],
    "X": [[(-0.7, -1), (0.7, 1)], [(0.7, -1), (-0.7, 1)]],
    "Y": [[(-0.75, -1), (0, 0), (0.75, -1)], [(0, 0), (0, 1)]],
    "1": [[(-0.45, -0.6), (0.05, -1), (0.05, 1)], [(-0.45, 1), (0.55, 1)]],
    "2": [[*_arc(0, -0.42, 0.6, 0.58, -170, 35), (-0.62, 1), (0.68, 1)]],
    "3": [[*_arc(0, -0.5, 0.55, 0.5, -160, 90)], [*_arc(0, 0.48, 0.62, 0.52, -90, 160)]],
    "4": [[(0.35, 1), (0.35, -1), (-0.7, 0.4), (0.75, 0.4)]],
    "5": [[(0.55, -1), (-0.45, -1), (-0.52, -0.1), *_arc(-0.02, 0.35, 0.62, 0.63, -125, 140)]],
    "6": [[*_arc(0.5, 0.2, 1.1, 1.2, -90, -180)], [*_arc(0, 0.4, 0.6, 0.6, 0, 360)]],
    "7": [[(-0.65, -1), (0.65, -1), (-0.2, 1)]],
    "8": [[*_arc(0, -0.5, 0.5, 0.5, 0, 360)], [*_arc(0, 0.48, 0.62, 0.53, 0, 360)]],
    "9": [[*_arc(-0.5, -0.2, 1.1, 1.2, 90, 0)], [*_arc(0, -0.4, 0.6, 0.6, 0, 360)]],
}


def _glyph(character: str) -> Kind:
    parts = [piece for line in _GLYPHS[character] for piece in stroke(line, _W)]
    name = f"digit {character}" if character in DIGITS else f"letter {character}"
    return Kind(name, tuple(parts), turn=8, fills=_GLYPH, tiny=False)


@lru_cache(maxsize=1)
def _table() -> dict[str, Kind]:
    table = {kind.name: kind for kind in _kinds()}
    table.update({kind.name: kind for kind in map(_glyph, LETTERS + DIGITS)})
    return table


SHAPES = (
    "circle", "square", "triangle", "rectangle", "star", "heart", "diamond", "pentagon", "hexagon", "cross", "ring",
    "crescent", "arrow", "oval", "drop", "lightning bolt", "house", "tree", "car", "cup", "fish", "flower", "cloud",
    "key", "umbrella", "mushroom", "boat", "balloon", "apple",
)  # fmt: skip
KINDS = (*SHAPES, "letter", "digit")


def names_of(kind: str) -> tuple[str, ...]:
    """The nouns a kind may carry: itself, or one a glyph."""
    if kind == "letter":
        return tuple(f"letter {c}" for c in LETTERS)
    if kind == "digit":
        return tuple(f"digit {c}" for c in DIGITS)
    return (kind,)


def kind_named(name: str) -> Kind:
    """How the thing called `name` ("star", "letter A") is drawn."""
    return _table()[name]


_GRID = 900.0  # pixels the silhouette is rasterized over, once a kind
_MARGIN = 40


@cache
def shape_of(name: str) -> Shape:
    """The thing called `name` in unit coordinates."""
    kind = kind_named(name)
    points = np.concatenate(kind.solids)
    low, high = points.min(axis=0), points.max(axis=0)
    longer = float((high - low).max())
    scale: Callable[[Points], Points] = lambda p: (p - (low + high) / 2) / longer  # noqa: E731
    solids, cuts = [scale(p) for p in kind.solids], [scale(p) for p in kind.cuts]
    # Cuts are written clockwise like solids, and a hole has to run the other way.
    contours = (solids[0], *(c[::-1] for c in cuts)) if len(solids) == 1 else _contours_of_union(solids, cuts)
    width, height = ((high - low) / longer).tolist()
    details = tuple((scale(p), tone) for p, tone in kind.details)
    hull = cv2.convexHull(contours[0].astype(np.float32))[:, 0].astype(np.float64)
    return Shape(tuple(contours), join_contours(contours), details, hull, width, height, kind)


def _contours_of_union(solids: list[Points], cuts: list[Points]) -> tuple[Points, ...]:
    side = int(_GRID) + 2 * _MARGIN
    mask = np.zeros((side, side), np.uint8)
    for part in solids:
        cv2.fillPoly(mask, [_fixed((part + 0.5) * _GRID + _MARGIN)], 255, shift=4)
    for part in cuts:
        cv2.fillPoly(mask, [_fixed((part + 0.5) * _GRID + _MARGIN)], 0, shift=4)
    return tuple((c - _MARGIN) / _GRID - 0.5 for c in contours_of(mask, tolerance=1.5))


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.round(points * 16).astype(np.int32)
