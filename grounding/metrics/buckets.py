"""Owns the groups that figures are shown for: size of the true thing, its share of the picture, length and kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grounding.metrics.base import Case, Column, Figure
from grounding.metrics.intervals import ratio_figures
from grounding.metrics.wording import KINDS, kind_by_words

SMALL_PX, LARGE_PX = 32**2, 96**2
"""COCO's limits of area, in square pixels of the original picture: small below the first, large from the second on."""
SIZES = ("small", "medium", "large")
SHARES = ("under 1 %", "1 to 10 %", "over 10 %")
"""Of the picture's area: what COCO's pixels do not say of pictures much larger or smaller than COCO's."""
LENGTHS = ("1-2 words", "3-5 words", "6-9 words", "10+ words")
BY_WORDS = "kind by words"

Labels = Sequence[str | None]


def mean_area(case: Case) -> float | None:
    """Mean area of the true things in square pixels, of their masks where they have some; None where there are none."""
    areas = [region.mask.area if region.mask is not None else region.area for region in case.truth.regions]
    return float(np.mean(areas)) if areas else None


def size_of(area: float) -> str:
    """One of SIZES, of square pixels."""
    return SIZES[(area >= SMALL_PX) + (area >= LARGE_PX)]


def share_of(area: float, case: Case) -> str:
    """One of SHARES, of square pixels in the case's picture."""
    share = area / (case.truth.width * case.truth.height)
    return SHARES[(share >= 0.01) + (share > 0.1)]


def length_of(case: Case) -> str | None:
    """One of LENGTHS, counting what blanks part; None for no words."""
    count = len(case.truth.phrase.split())
    return LENGTHS[(count > 2) + (count > 5) + (count > 9)] if count else None


def labels_of(cases: Sequence[Case]) -> dict[str, tuple[Sequence[str], Labels]]:
    """Way of grouping to its groups in the order to show them, and each case's group (None: in none)."""
    areas = [(case, mean_area(case)) for case in cases]
    ways: dict[str, tuple[Sequence[str], Labels]] = {
        "size": (SIZES, [None if area is None else size_of(area) for _, area in areas]),
        "share": (SHARES, [None if area is None else share_of(area, case) for case, area in areas]),
    }
    if any(not case.names for case in cases):  # "detect" asks for names, not with a phrase
        ways["length"] = (LENGTHS, [length_of(case) for case in cases])
    kinds = [case.kind for case in cases]
    if any(kind is not None for kind in kinds):
        ways["kind"] = (tuple(dict.fromkeys(kind for kind in kinds if kind is not None)), kinds)
    elif any(not case.names for case in cases):
        ways[BY_WORDS] = (KINDS, [kind_by_words(case.truth.phrase) if case.truth.phrase else None for case in cases])
    return ways


def grouped_figures(columns: Mapping[str, Column], cases: Sequence[Case]) -> dict[str, dict[str, dict[str, Figure]]]:
    """Way of grouping -> group -> figure, for every group that any case is in and every way that makes some."""
    parts: dict[tuple[str, str, str], Column] = {}
    for way, (names, labels) in labels_of(cases).items():
        there = np.array([label or "" for label in labels])
        for group in names:
            chosen = there == group
            if chosen.any():
                parts |= {(way, group, name): column.within(chosen) for name, column in columns.items()}
    named = {"\n".join(key): column for key, column in parts.items()}
    figures = ratio_figures(named, [case.picture for case in cases])
    table: dict[str, dict[str, dict[str, Figure]]] = {}
    for way, group, name in parts:
        table.setdefault(way, {}).setdefault(group, {})[name] = figures["\n".join((way, group, name))]
    return table
