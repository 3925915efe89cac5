"""Owns the rule of nouns: which of a detector's boxes a phrase means, by name, place, size, colour and neighbours.

Every hint adds to a box's points, which are logarithms: a box that is e times as likely has one point more. The weights
are round numbers set by hand, not fitted to anybody's answers.

    N  boxes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grounding.backends.noun_phrase import Beside, Wanted

Floats = NDArray[np.float64]

SURENESS = 4.0
"""Power of a detector's score in the points: scores of 0.4 and 0.8 are of boxes whose precision differs tenfold."""
NO_FIT = 0.005
"""How well a name fits that the noun does not mean."""
ANY_FIT = 0.5
"""How well every name fits where the phrase names nothing."""
UNKNOWN_FIT = 0.15
"""The same where it names something that no detector's name stands for."""
PLAUSIBLE = 0.06
"""Boxes with at least this share of the best one's points span the range within which left is left."""
SAME = 0.5
"""Boxes of one name that overlap by this IoU are one thing."""
SIDE, AREA, COLOR, NEIGHBOUR, COUNTED, MANY = 3.5, 0.5, 1.2, 2.5, 5.0, 0.5
"""Points: for the end of an axis, for a large box, for a colour, a neighbour, the right place in a row, company."""


class Shares(Protocol):
    """What knows the colours of a picture."""

    def share(self, color: str, part: str, box_unit: Floats) -> float:
        """How much of a part of the box has the colour, 0 to 1."""


@dataclass(frozen=True)
class Boxes:
    """A detector's boxes of one picture, those of one thing counted once."""

    names: tuple[str, ...]
    scores: Floats
    """(N,) the detector's, 0 to 1."""
    unit: Floats
    """(N, 4) x1 y1 x2 y2 as shares of the picture's width and height."""

    @classmethod
    def of(cls, names: tuple[str, ...], scores: Floats, unit: Floats) -> Boxes:
        """The surest of the boxes that overlap by SAME or more under one name, surest first."""
        kept: list[int] = []
        for place in np.argsort(-scores, kind="stable").tolist():
            rivals = [other for other in kept if names[other] == names[place]]
            if not rivals or _iou(unit[[place]], unit[rivals]).max() < SAME:
                kept.append(place)
        return cls(tuple(names[place] for place in kept), scores[kept], unit[kept].reshape(-1, 4))

    def __len__(self) -> int:
        return len(self.names)


def rank(wanted: Wanted, boxes: Boxes, colors: Shares) -> tuple[Floats, Floats]:
    """(N,) each box's share of the choice, which sum to 1, and (N,) how sure it is to be what is wanted, 0 to 1.

    The second is the first times how well the name fits times the detector's score: under one rival, or of another
    name, a box is unsure. Needs at least one box.
    """
    fits = _fits(wanted, boxes)
    points = np.log(fits) + SURENESS * np.log(np.clip(boxes.scores, 1e-3, 1.0))
    points += AREA * np.log(_area(boxes.unit) + 0.01)
    if not wanted.nouns:
        points += MANY * _company(boxes)
    plausible = points >= points.max() + np.log(PLAUSIBLE)
    for axis, end in wanted.sides:
        points = points + SIDE * end * _along(axis, boxes, plausible)
    if wanted.young:
        points = points - 0.4 * SIDE * _along("size", boxes, plausible)
    if wanted.ordinal is not None:
        points = points + COUNTED * _counted(wanted.ordinal, boxes, fits)
    for color, part in wanted.colors:
        points = points + COLOR * _colored(color, part, boxes, plausible, colors)
    for other in wanted.beside:
        points = points + NEIGHBOUR * _beside(other, boxes, colors)
    shares = np.exp(points - points.max())
    shares = shares / shares.sum()
    return shares, shares * fits * boxes.scores


def _fits(wanted: Wanted, boxes: Boxes) -> Floats:
    if not wanted.nouns:
        return np.full(len(boxes), UNKNOWN_FIT if wanted.unknown else ANY_FIT)
    return np.array([max(wanted.nouns.get(name, 0.0), NO_FIT) for name in boxes.names])


def _company(boxes: Boxes) -> Floats:
    """(N,) for a phrase without a noun: the players know the noun, so there are several of it, and they are large."""
    weight = boxes.scores**SURENESS * np.sqrt(_area(boxes.unit))
    total = {
        name: sum(weight[place] for place, other in enumerate(boxes.names) if other == name) for name in boxes.names
    }
    return np.log(np.array([total[name] for name in boxes.names]) / weight.sum() + 1e-3)


# ---- where it lies


def _along(axis: str, boxes: Boxes, plausible: NDArray[np.bool_]) -> Floats:
    """(N,) how far along the axis each box lies, 0 to 1: half of it within the picture, half among the plausible."""
    unit = boxes.unit
    if axis == "near":
        return (_along("size", boxes, plausible) + _among(unit[:, 3], plausible)) / 2
    if axis == "middle":
        return 1 - np.abs(2 * _along("x", boxes, plausible) - 1)
    if axis == "size":
        return _among(np.log(_area(unit) + 1e-4), plausible)
    if axis == "height":
        return _among(np.log((unit[:, 3] - unit[:, 1]) / np.maximum(unit[:, 2] - unit[:, 0], 1e-3)), plausible) / 3
    values = _middle(unit)[:, 0 if axis == "x" else 1]
    return (values + _among(values, plausible)) / 2


def _among(values: Floats, plausible: NDArray[np.bool_]) -> Floats:
    """(N,) from 0 for the least of the plausible to 1 for the greatest; 0.5 where they are all alike."""
    low, high = values[plausible].min(), values[plausible].max()
    if high - low < 0.02:
        return np.full(len(values), 0.5)
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _counted(ordinal: tuple[int, str, float], boxes: Boxes, fits: Floats) -> Floats:
    """(N,) 1 for the box in that place of the row, 0 for the others; a row that is too short takes in unsure boxes."""
    number, axis, end = ordinal
    good = fits > 0.5 * fits.max()
    row = np.flatnonzero(good & (boxes.scores >= 0.75 * boxes.scores[good].max()))
    if len(row) < number:
        row = np.flatnonzero(good)[:number]  # surest first
    values = -boxes.unit[:, 3] if axis == "near" else _middle(boxes.unit)[:, 0 if axis == "x" else 1]
    values = -values if axis == "near" else values
    order = row[np.argsort(-end * values[row], kind="stable")]
    taken = np.zeros(len(boxes))
    taken[order[min(number, len(order)) - 1]] = 1.0
    return taken


# ---- how it looks


def _colored(color: str, part: str, boxes: Boxes, plausible: NDArray[np.bool_], colors: Shares) -> Floats:
    """(N,) how much more of the colour a box has than the plausible ones on average, as a logarithm of -2 to 2."""
    shares = np.array([colors.share(color, part, box) for box in boxes.unit])
    if part == "whole":  # of a person only clothes can be meant
        people = np.array([name == "person" for name in boxes.names])
        for place in np.flatnonzero(people):
            shares[place] = max(colors.share(color, cloth, boxes.unit[place]) for cloth in ("upper", "lower"))
    return np.clip(np.log((shares + 0.05) / (shares[plausible].mean() + 0.05)), -2.0, 2.0)


# ---- what it is beside


def _beside(other: Beside, boxes: Boxes, colors: Shares) -> Floats:
    """(N,) how well each box lies to the other thing, 0 to 1, wherever that may be."""
    shares, sure = rank(other.what, boxes, colors)
    if sure.max() < 0.1:
        return np.zeros(len(boxes))  # no such thing was found
    if other.relation == "between":
        return _between(boxes, np.argsort(-shares, kind="stable")[:2])
    value = np.zeros(len(boxes))
    for place in np.argsort(-shares, kind="stable")[:3].tolist():
        own = _iou(boxes.unit, boxes.unit[[place]])[:, 0] < 0.8  # nothing lies beside itself
        value += shares[place] * own * _lies(other.relation, boxes.unit, boxes.unit[place])
    return value


def _lies(relation: str, unit: Floats, other: Floats) -> Floats:
    """(N,) how well each box is in the relation to one other, 0 to 1."""
    near = np.exp(-3 * _gap(unit, other))
    (x, y), (other_x, other_y) = _middle(unit).T, _middle(other[None])[0]
    if relation in ("left", "right"):
        return near * _step((other_x - x) if relation == "left" else (x - other_x))
    if relation in ("above", "under"):
        return near * _step((other_y - y) if relation == "above" else (y - other_y))
    if relation in ("behind", "before"):
        return near * _step((other[3] - unit[:, 3]) if relation == "behind" else (unit[:, 3] - other[3]))
    if relation == "touch":
        return _covered(unit, other)
    return near


def _between(boxes: Boxes, pair: NDArray[np.intp]) -> Floats:
    middles = _middle(boxes.unit)
    distance = np.linalg.norm(middles - middles[pair].mean(0), axis=1)
    value = np.exp(-4 * distance)
    value[pair] = 0.0
    return value


def _step(distance: Floats) -> Floats:
    """From 0 to 1 around no distance, within about a tenth of the picture."""
    return 1 / (1 + np.exp(-distance / 0.04))


# ---- boxes


def _area(unit: Floats) -> Floats:
    return (unit[:, 2] - unit[:, 0]) * (unit[:, 3] - unit[:, 1])


def _middle(unit: Floats) -> Floats:
    return (unit[:, :2] + unit[:, 2:]) / 2


def _gap(unit: Floats, other: Floats) -> Floats:
    """(N,) how far each box is from the other, as a share of the picture's side; 0 where they touch."""
    gaps = np.maximum(np.maximum(unit[:, :2] - other[2:], other[:2] - unit[:, 2:]), 0.0)
    return np.hypot(gaps[:, 0], gaps[:, 1])


def _shared(first: Floats, second: Floats) -> Floats:
    """(N, M) area that boxes share."""
    sides = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    return np.maximum(sides, 0.0).prod(2)


def _iou(first: Floats, second: Floats) -> Floats:
    shared = _shared(first, second)
    return shared / np.maximum(_area(first)[:, None] + _area(second)[None] - shared, 1e-9)


def _covered(unit: Floats, other: Floats) -> Floats:
    """(N,) the share of the smaller of the two that lies in the larger."""
    return _shared(unit, other[None])[:, 0] / np.maximum(np.minimum(_area(unit), _area(other[None])), 1e-9)
