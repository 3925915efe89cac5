"""Owns how figures read: the names they go by, and numbers as words."""

from __future__ import annotations

import html
import re
from typing import Any

from grounding.metrics.base import Figure
from grounding.metrics.names import LESS_IS_BETTER, NO_SHARES

NOTHING = "–"


def is_share(name: str) -> bool:
    """Whether a figure of that name runs from 0 to 1 and is read in percent."""
    return name not in NO_SHARES


def less_is_better(name: str) -> bool:
    """Whether a lower figure of that name is the better one."""
    return name in LESS_IS_BETTER


_COCO = re.compile(r"(A[PR])(50|75|1|10|100)?([sml])?")
_SIZES = {"s": " small", "m": " medium", "l": " large"}


def is_coco(name: str) -> bool:
    """Whether it is one of COCO's twelve numbers."""
    return _COCO.fullmatch(name) is not None


def title_of(name: str) -> str:
    """How a figure's name reads at the head of a row: `acc@0.5` is `Acc@0.5`, `APs` is `AP small`."""
    if (parts := _COCO.fullmatch(name)) is not None:
        return parts[1] + (parts[2] or "") + _SIZES.get(parts[3] or "", "")
    if re.match(r"m[A-Z]|[a-z]IoU|[A-Z]", name):
        return name
    return name[:1].upper() + name[1:]


def number(value: float | None, share: bool = True, signed: bool = False) -> str:
    """`72.4 %`, or `0.42` of what is no share; with a sign where asked; a dash where nothing was measured."""
    if value is None:
        return NOTHING
    text = f"{100 * value:+.1f}" if share else f"{value:+.2f}"
    text = text if signed else text.removeprefix("+")
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}") + (" %" if share else "")


def interval(figure: Figure | None, share: bool = True, signed: bool = False) -> str:
    """`70.1 to 74.6`; "" where there is none."""
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return ""
    low, high = (number(end, share, signed).removesuffix(" %") for end in (figure.low, figure.high))
    return f"{low} to {high}"


def points(figure: Figure, share: bool = True) -> str:
    """A difference: `+2.3 points`, or `+0.12` of what is no share."""
    text = number(figure.value, share, signed=True)
    return text.removesuffix(" %") + " points" if share and figure.value is not None else text


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 picture`, `1,204 pictures`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def esc(value: Any) -> str:
    """Text that a browser shows as it is, in an element or in a quoted attribute."""
    return html.escape(str(value), quote=True)
