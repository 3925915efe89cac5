"""Owns every rounding rule: how a family turns a fraction of the picture into a whole number, and back.

A rule is two formulas with the place they were read from. Families look alike and differ by one unit (1000, 1024, 1023,
999, half a bin more or less); that unit costs nothing at an IoU of 0.5 and a great deal at 0.9, so none of them is
written down anywhere else. Numbers are plain floats: training data is encoded thousands of times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from grounding.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BinRule:
    """One reader's rounding: `write` gives a bin from 0 to `top`, `read` the fraction of the picture it stands for."""

    top: int
    """The highest bin there is; the lowest is 0."""
    write: Callable[[float], int]
    """Fraction of the picture (0 to 1; others are moved to the nearer edge) to bin."""
    read: Callable[[float], float]
    """Bin, or a point between two bins, to fraction of the picture."""
    source: str
    """Where the formulas were read."""


def rounding_writer(top: int) -> Callable[[float], int]:
    """`round(v * top)`, clipped to 0 and `top`: the nearest bin where bins are points `1 / top` apart."""

    def write(fraction: float) -> int:
        if fraction <= 0.0:
            return 0
        return round(fraction * top) if fraction < 1.0 else top

    return write


def dividing_reader(divisor: int) -> Callable[[float], float]:
    """`bin / divisor`."""

    def read(bin_: float) -> float:
        return bin_ / divisor

    return read


LOCATION = BinRule(1023, rounding_writer(1023), dividing_reader(1023), "ours: both edges of the picture have a bin")

PALIGEMMA: Mapping[str, BinRule] = {
    "official": BinRule(
        1023, rounding_writer(1023), dividing_reader(1023), "big_vision, pp/proj/paligemma/segmentation.py"
    ),
    "supervision": BinRule(
        # Only the reading differs: the weights write what they were trained to write. It cannot reach the right edge.
        1023, rounding_writer(1023), dividing_reader(1024), "supervision, detection/vlm.py, from_paligemma"
    ),
}  # fmt: skip


def pick_rule(family: str, rules: Mapping[str, BinRule], rounding: str | None) -> BinRule:
    """The rule named `rounding`, or the first one, which is the most accurate, for None. Raises ConfigError."""
    if rounding is None:
        return next(iter(rules.values()))
    if rounding not in rules:
        raise ConfigError(f"{family} has no rounding {rounding!r}; known: {', '.join(rules)}")
    return rules[rounding]
