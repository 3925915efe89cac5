"""gRefCOCO: expressions that mean none, one or several things; no-target and target accuracy, and Pr@(F1=1).

    python -m eval.grefcoco --model M --data DIR --images DIR --splits val,testA,testB

`--data` holds grefs(unc).json and instances.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval.program import Part, Settings, chosen_splits, run


@dataclass(frozen=True)
class GRefCocoSettings(Settings):
    """Settings of this program."""

    splits: str = "val,testA,testB"
    """Which splits."""
    protocol: str = "iou"
    """How boxes are judged; gRefCOCO's own code judges by mdetr-giou."""


def parts(settings: GRefCocoSettings) -> list[Part]:
    """What is measured: each split. Raises InputError."""
    settings.need_data("grefcoco")
    splits = chosen_splits(settings.splits, ("val", "testA", "testB"))
    return [Part(f"grefcoco:{split}", f"gRefCOCO {split}", settings.protocol) for split in splits]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    title = "None, one or several: gRefCOCO"
    return run(__doc__, parts, argv, title=title, settings=GRefCocoSettings, program="eval.grefcoco")


if __name__ == "__main__":
    sys.exit(main())
