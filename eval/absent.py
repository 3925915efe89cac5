"""Absent objects: how often a model boxes something when there is nothing to find.

    python -m eval.absent --model M --data COCO --images COCO/val2017

`--data` holds annotations/instances_val2017.json, or is one file of labelled boxes: names of other pictures are asked
for; without it only drawn scenes are asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval.program import Part, Settings, run


@dataclass(frozen=True)
class AbsentSettings(Settings):
    """Settings of this program."""

    split: str = "val2017"
    """COCO's split, or the file of any detection set."""
    scenes: int = 1000
    """Questions about drawn scenes; 0 for none."""


def parts(settings: AbsentSettings) -> list[Part]:
    """What is measured: names that COCO's pictures do not show where there is data, and drawn scenes."""
    found = []
    if settings.data is not None:
        told = {"seed": settings.seed}
        named = (
            (str(settings.data), settings.data.name)
            if settings.data.is_file()
            else (settings.split, f"COCO {settings.split}")
        )
        found.append(Part(f"coco-absent:{named[0]}", named[1], options=told))
    if settings.scenes:
        found.append(Part("scenes:absent", "drawn scenes", options={"n": settings.scenes}, drawn=True))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    return run(__doc__, parts, argv, title="Absent objects", settings=AbsentSettings, program="eval.absent")


if __name__ == "__main__":
    sys.exit(main())
