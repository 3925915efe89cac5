"""What of COCO is asked of a model by `python -m eval.coco --model M --data DIR` and by `eval.all`."""

from __future__ import annotations

from dataclasses import dataclass

from eval.program import Part, Settings, chosen_splits


@dataclass(frozen=True)
class CocoSettings(Settings):
    """Settings of asking COCO's pictures."""

    split: str = "val2017"
    """COCO's split, such as val2017 or val2014."""
    scenes: int = 0
    """Questions about drawn scenes besides."""


def parts(settings: CocoSettings) -> list[Part]:
    """What is measured: every instance of every name, in COCO or in one file of labelled boxes. Raises ConfigError."""
    data = settings.need_data("coco")
    if data.is_file():
        return [Part(str(data), data.name)]
    known = ("val2017", "val2014", "minival2014", "valminusminival2014", "train2017", "train2014")
    found = [Part(f"coco:{split}", f"COCO {split}") for split in chosen_splits(settings.split, known)]
    if settings.scenes:
        found.append(Part("scenes:detect", "drawn scenes", options={"n": settings.scenes}, drawn=True))
    return found
