"""RefCOCO, RefCOCO+ and RefCOCOg: accuracy of one box for each expression, beside published systems.

    python -m eval.refcoco --model M --data DIR --images DIR --splits val,testA,testB

`--data` is a folder with any layout of the annotations that `open_dataset` finds, or one file whose lines name their
splits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from eval.program import Part, Settings, chosen_splits, run
from eval.published import REFCOCO
from grounding.metrics.protocols import get_protocol

SPLITS = {
    "refcoco": ("val", "testA", "testB"),
    "refcoco+": ("val", "testA", "testB"),
    "refcocog": ("val", "test"),
}
HEADINGS = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocog": "RefCOCOg"}


@dataclass(frozen=True)
class RefCocoSettings(Settings):
    """Settings of this program."""

    sets: str = "refcoco,refcoco+,refcocog"
    """Which of the three."""
    splits: str = "val,testA,testB,test"
    """Which splits of them; one that a data set does not have is passed over."""
    protocol: str = "iou"
    """How boxes are judged: iou, iou-strict, refer-plus-one, mdetr-giou or oracle-best."""


def parts(settings: RefCocoSettings, measured_as: str | None = None, **options: object) -> list[Part]:
    """What is measured: each split of each set; `options` go to the reader. Raises InputError."""
    data = settings.need_data("refcoco")
    get_protocol(settings.protocol)
    splits = chosen_splits(settings.splits, ("val", "testA", "testB", "test"))
    found = []
    for name in chosen_splits(settings.sets, tuple(SPLITS)):
        for split in [split for split in splits if split in SPLITS[name]]:
            part = Part(f"{name}:{split}", f"{HEADINGS[name]} {split}", settings.protocol, measured_as, options)
            if data.is_file():
                told = {"split": f"{name}_{split}", **options}
                part = replace(part, dataset=str(data), options=told, published=part.dataset)
            found.append(part)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    title = "Referring expressions, Acc@0.5 and the rest"
    return run(__doc__, parts, argv, title=title, published=REFCOCO, settings=RefCocoSettings, program="eval.refcoco")


if __name__ == "__main__":
    sys.exit(main())
