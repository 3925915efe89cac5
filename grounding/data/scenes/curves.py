"""Curves as corner points: the pieces that things are cut from, and outlines read back from masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def ellipse(cx: float, cy: float, rx: float, ry: float, start: float = 0, stop: float = 360, steps: int = 48) -> Points:
    """Points along an ellipse from `start` to `stop` degrees (0 is right, 90 is down)."""
    whole = abs(stop - start) >= 360
    angles = np.radians(np.linspace(start, stop, steps, endpoint=not whole))
    return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)


def regular(corners: int, inner: float | None = None, phase: float = -90) -> Points:
    """A regular polygon, or a star when `inner` gives the radius of its notches; one corner at `phase` degrees."""
    count = corners if inner is None else corners * 2
    radii = [1.0 if inner is None or i % 2 == 0 else inner for i in range(count)]
    angles = [phase * pi / 180 + 2 * pi * i / count for i in range(count)]
    return np.array([(r * cos(a), r * sin(a)) for r, a in zip(radii, angles, strict=True)])


def box(x1: float, y1: float, x2: float, y2: float) -> Points:
    """A rectangle."""
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)


def poly(*points: tuple[float, float]) -> Points:
    """A polygon from its corners."""
    return np.array(points, dtype=np.float64)


def stroke(points: Sequence[tuple[float, float]] | Points, width: float) -> tuple[Points, ...]:
    """A thick line with round joints, as polygons."""
    line = np.asarray(points, dtype=np.float64)
    parts = [ellipse(x, y, width / 2, width / 2, steps=16) for x, y in line.tolist()]
    for a, b in pairwise(line):
        along = (b - a) / max(float(np.hypot(*(b - a))), 1e-9)
        side = np.array([-along[1], along[0]]) * width / 2
        parts.append(np.stack([a + side, b + side, b - side, a - side]))
    return tuple(parts)


def contours_of(mask: NDArray[np.uint8], tolerance: float) -> tuple[Points, ...]:
    """The outlines of a mask, the largest first, and the holes in them, simplified to within `tolerance` pixels.

    Outlines run one way round and holes the other. Specks under a hundredth of the largest outline are left out.
    """
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(c) for c in found]
    order = sorted(range(len(found)), key=areas.__getitem__, reverse=True)
    kept = [i for i in order if areas[i] >= 0.01 * areas[order[0]] and len(found[i]) > 2]
    simple = (cv2.approxPolyDP(found[i], tolerance, True)[:, 0].astype(np.float64) for i in kept)
    return tuple(points for points in simple if len(points) > 2)


def join_contours(contours: Sequence[Points]) -> Points:
    """One polygon with the area of several: each part or hole is reached by a seam walked both ways."""
    outline = contours[0]
    for part in contours[1:]:
        gaps = ((outline[:, None] - part[None]) ** 2).sum(axis=2)
        i, j = np.unravel_index(int(gaps.argmin()), gaps.shape)
        from_seam = np.roll(part, -int(j), axis=0)
        outline = np.concatenate([outline[: i + 1], from_seam, from_seam[:1], outline[i:]])
    return outline
