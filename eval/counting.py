"""Counting: how many there are of a name, in COCO's pictures, in drawn scenes and in clutter.

    python -m eval.counting --model M --data COCO --images COCO/val2017

`--data` holds annotations/instances_val2017.json; without it only drawn scenes are asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval.program import Part, Settings, run


@dataclass(frozen=True)
class CountingSettings(Settings):
    """Settings of this program."""

    split: str = "val2017"
    """COCO's split, or the file of any detection set."""
    scenes: int = 1000
    """Questions about drawn scenes; 0 for none."""


def parts(settings: CountingSettings) -> list[Part]:
    """What is measured: COCO's names where there is data, drawn scenes, and the probe of clutter."""
    found = []
    if settings.data is not None:
        told = {"seed": settings.seed}
        found.append(Part(f"coco-counting:{settings.split}", f"COCO {settings.split}", options=told))
    if settings.scenes:
        told = {"n": settings.scenes}
        found.append(Part("scenes:count", "drawn scenes", options=told, drawn=True))
        found.append(Part("probes:clutter", "clutter", options=told, drawn=True))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    return run(__doc__, parts, argv, title="Counting", settings=CountingSettings, program="eval.counting")


if __name__ == "__main__":
    sys.exit(main())
