"""Owns jsonl files with a picture a line and its labelled boxes, in fractions of its sides: a small detection set.

{"image": "000000000009.jpg", "width": 480, "height": 360, "split": "train2017",
 "boxes": [{"label": "bowl", "box_unit_xyxy": [0.0017, 0.391, 0.9573, 0.9865]}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grounding.data.dataset import Dataset
from grounding.data.folders import Folder
from grounding.data.plain import rest, writable
from grounding.data.reading import Findings, load_jsonl
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Grounding, Region

_BOX, _FORM = "box_unit_xyxy", "xyxy-unit"


def speaks(row: Any) -> bool:
    """Whether a row is a picture with labelled boxes."""
    if not isinstance(row, dict) or not {"image", "width", "height", "boxes"} <= set(row) or "phrase" in row:
        return False  # with a phrase it is a line of our own jsonl
    boxes = row["boxes"]
    return isinstance(boxes, list) and all(isinstance(box, dict) and "label" in box for box in boxes)


def read_labelled_boxes(path: Path, *, name: str, folder: Folder, split: str | None = None) -> Dataset:
    """One sample a picture, scored as "detection"; asked for is every label of the file, in alphabetical order.

    A box that can't be one is noted and left out; its picture stays. `split`: only rows whose "split" says so; the
    labels are still those of the whole file. Raises InputError where the file can't be read or has no such split.
    """
    findings = Findings(path)
    rows = list(load_jsonl(path, findings))
    labels = (box["label"] for _, row in rows if speaks(row) for box in row["boxes"])
    names = tuple(sorted({writable(label) for label in labels if isinstance(label, str)}))
    samples = []
    for line, row in rows:
        if split is not None and row.get("split") != split:
            continue
        sample = _sample(row, line, names, findings, folder)
        if sample is not None:
            samples.append(sample)
    if split is not None and not samples:
        there = sorted({writable(str(row["split"])) for _, row in rows if "split" in row})
        raise InputError(f"{path.name} has no split {split!r}; it has {', '.join(there) or 'no column of splits'}")
    return Dataset(
        name,
        samples,
        scoring="detection",
        source=f"jsonl of labelled boxes: {path.name}",
        problems=findings.problems,
        meta={"categories": list(names)},
    )


def _sample(
    row: dict[str, Any], line: int, names: tuple[str, ...], findings: Findings, folder: Folder
) -> Sample | None:
    if not speaks(row) or not isinstance(row["image"], str):
        findings.add("unreadable line", "it is no picture with its size and labelled boxes", line=line)
        return None
    image = writable(row["image"])
    if not findings.size(row["width"], row["height"], line=line) or not findings.new(image, line=line):
        return None
    size = (int(row["width"]), int(row["height"]))
    regions = []
    for entry in row["boxes"]:
        label = entry["label"]
        if not isinstance(label, str):
            findings.add("unreadable line", f"a box's label is no name but {label!r:.40}", line=line)
            continue
        box = findings.box(entry.get(_BOX), _FORM, size, line=line)
        if box is not None:
            regions.append(Region(box, writable(label)))
    truth = Grounding("", tuple(regions), "", *size, task="detect")
    meta = rest(row, ("image", "width", "height", "boxes"))
    return Sample(folder.find(image, size), "", truth, image, task="detect", names=names, meta=meta)
