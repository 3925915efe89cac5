"""Owns the colours regions are drawn in, and which of ink and paper is read on them."""

from __future__ import annotations

from typing import TypeAlias

from grounding.result import Grounding

Color: TypeAlias = tuple[int, int, int]

PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#882255")
"""Okabe and Ito's colours ("Color Universal Design", 2008), the strongest first; for their black, Paul Tol's wine."""

INK: Color = (17, 17, 17)
PAPER: Color = (255, 255, 255)


def colors_of(grounding: Grounding) -> list[str]:
    """The colour of each region as "#RRGGBB".

    One a label where there are several labels; in a caption one for the words it belongs to; else one a region.
    """
    kinds: list[object] = list(grounding.labels)
    if len(set(kinds)) < 2:
        kinds = [index if region.span is None else region.span for index, region in enumerate(grounding.regions)]
        if grounding.task != "caption":
            kinds = list(range(grounding.count))
    order = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return [PALETTE[order[kind] % len(PALETTE)] for kind in kinds]


def rgb(color: str) -> Color:
    """Red, green and blue, 0-255, of "#RRGGBB"."""
    return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))


def contrast(a: Color, b: Color) -> float:
    """WCAG 2's contrast of two colours: 1 for equal ones, 21 for black and white, from 4.5 on good for text."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def against(color: Color) -> Color:
    """Ink or paper, whichever stands out more from `color`."""
    return max((INK, PAPER), key=lambda other: contrast(color, other))


def mixed(a: Color, b: Color, share: float) -> Color:
    """`a` with that share of `b` in it."""
    red, green, blue = (round((1 - share) * x + share * y) for x, y in zip(a, b, strict=True))
    return (red, green, blue)
