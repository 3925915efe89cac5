"""Owns the several ways to write one box: what the first box of an answer may be is followed side by side until the
boxes are whole, and one of them is kept.

The likeliest first coordinate need not lead to the likeliest box: of two things of which one has a sharp upper edge and
the other a dim one, the first wins whatever is known of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from grounding.model.answers import Row, ordered
from grounding.model.following import Following
from grounding.model.placing import LEAST, agreed, modes

Chosen: TypeAlias = tuple[list[int], list[float], list[float | None]]
"""Of each row: the next token, its probability, and the coordinate of 0 to 1 that it stands for, if any."""
COORDINATES = 4


@dataclass(frozen=True, slots=True)
class Way:
    """How a row may go on: with what was chosen, or with another coordinate."""

    row: int
    token: int
    probability: float
    coordinate: float | None
    likelihood: float
    open: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """Follows at most `most` ways for each ask. `first`: the id of the location token of bin 0; `bins`: how many."""

    first: int
    bins: int
    most: int

    def branch(
        self, rows: Sequence[Row], allowed: Tensor, chosen: Chosen, state: Following
    ) -> tuple[list[Row], Chosen]:
        """The rows, and what each writes next, where each open row goes on in every way that is likely. `allowed`
        (B, V): the scores that `chosen` is of. The state follows."""
        groups = grouped(rows)
        if not groups:
            return list(rows), chosen
        tokens, probabilities, coordinates = chosen

        def as_chosen(n: int) -> Way:
            return Way(n, tokens[n], probabilities[n], coordinates[n], 0.0, False)

        ways = [as_chosen(n) for n, row in enumerate(rows) if not row.open]
        placed = [n for group in groups for n in group if coordinates[n] is not None]
        found = self._found(rows, placed, allowed)
        for group in groups:
            likely = sorted((way for n in group for way in found.get(n, ())), key=lambda way: -way.likelihood)
            if likely:
                least = likely[0].likelihood + math.log(LEAST)
                ways += [way for way in likely[: self.most] if way.likelihood >= least]
            else:  # words in place of coordinates
                ways.append(as_chosen(max(group, key=lambda n: rows[n].likelihood)))
        ways.sort(key=lambda way: way.row)
        parents = [way.row for way in ways]
        if parents != list(range(len(rows))):
            state.select(parents)
        grown: list[Row] = []
        for number, way in enumerate(ways):
            row = rows[way.row] if parents.index(way.row) == number else rows[way.row].copy()
            row.open, row.likelihood = way.open, way.likelihood
            grown.append(row)
        return grown, ([w.token for w in ways], [w.probability for w in ways], [w.coordinate for w in ways])

    def settled(self, rows: Sequence[Row]) -> list[int]:
        """Numbers of the rows that go on: of the ways to write a box that is whole, or has no room left, one."""
        left = [number for number, row in enumerate(rows) if not row.open]
        for group in grouped(rows):
            whole = [n for n in group if len(rows[n].ids) == COORDINATES]
            if whole:
                boxes = [ordered([value or 0.0 for value in rows[n].coordinates]) for n in whole]
                kept = [whole[agreed(boxes, [rows[n].likelihood for n in whole])]]
            elif any(len(rows[n].ids) >= rows[n].room for n in group):
                kept = [max(group, key=lambda n: rows[n].likelihood)]
            else:
                left += group
                continue
            rows[kept[0]].open = False
            left += kept
        return sorted(left)

    def _found(self, rows: Sequence[Row], placed: Sequence[int], allowed: Tensor) -> dict[int, list[Way]]:
        """The ways of each of the rows `placed`, whose next tokens are coordinates."""
        if not placed:
            return {}
        spread = allowed[list(placed), self.first : self.first + self.bins].softmax(1)
        means, masses = modes(spread, self.most)
        found: dict[int, list[Way]] = {}
        for n, row_means, row_masses in zip(placed, means.tolist(), masses.tolist(), strict=True):
            found[n] = [
                Way(
                    n,
                    self.first + min(max(round(mean), 0), self.bins - 1),
                    min(mass, 1.0),
                    mean / (self.bins - 1),
                    rows[n].likelihood + math.log(mass),
                    True,
                )
                for mean, mass in zip(row_means, row_masses, strict=True)
                if mass > 0
            ]
        return found


def grouped(rows: Sequence[Row]) -> list[list[int]]:
    """Numbers of the open rows, those of one ask together."""
    groups: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if row.open:
            groups.setdefault(row.place, []).append(number)
    return list(groups.values())
