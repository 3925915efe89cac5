"""Masks of what an expression means: cIoU, gIoU and precision, on RefCOCO's masks and on drawn scenes.

    python -m eval.segmentation --model M --data DIR --images DIR

`--data` holds the original refs(unc).p with instances.json, for only these have masks; without it only drawn scenes
are asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval import refcoco
from eval.program import Part, run


@dataclass(frozen=True)
class SegmentationSettings(refcoco.RefCocoSettings):
    """Settings of this program."""

    scenes: int = 1000
    """Questions about drawn scenes; 0 for none."""


def parts(settings: SegmentationSettings) -> list[Part]:
    """What is measured: RefCOCO's splits where there is data, and drawn scenes."""
    found = [] if settings.data is None else refcoco.parts(settings, "segmentation", scoring="segmentation")
    if settings.scenes:
        found.append(Part("scenes:segment", "drawn scenes", options={"n": settings.scenes}, drawn=True))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    title = "Masks of what a phrase means"
    return run(__doc__, parts, argv, title=title, settings=SegmentationSettings, program="eval.segmentation")


if __name__ == "__main__":
    sys.exit(main())
