"""Pointing: whether the answered point, or the middle of the answered box, lies in what the expression means.

    python -m eval.pointing --model M --data DIR --images DIR

The questions of RefCOCO's splits, where there is data (answers of `eval.refcoco` are measured again, not asked again),
and of drawn scenes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval import refcoco
from eval.program import Part, run

SKILLS = ("attribute", "place", "relation")


@dataclass(frozen=True)
class PointingSettings(refcoco.RefCocoSettings):
    """Settings of this program."""

    scenes: int = 1000
    """Questions of each kind about drawn scenes; 0 for none."""


def parts(settings: PointingSettings) -> list[Part]:
    """What is measured: RefCOCO's splits where there is data, and drawn scenes."""
    found = [] if settings.data is None else refcoco.parts(settings, "pointing")
    if settings.scenes:
        for skill in SKILLS:
            told = {"n": settings.scenes}
            found.append(Part(f"scenes:{skill}", f"scenes, {skill}", "iou", "pointing", told, drawn=True))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    return run(__doc__, parts, argv, title="Pointing", settings=PointingSettings, program="eval.pointing")


if __name__ == "__main__":
    sys.exit(main())
