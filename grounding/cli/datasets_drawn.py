"""Owns sheet_of(): a contact sheet of some samples, each picture with what is true of it under its question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from PIL import Image

from grounding.data.dataset import Dataset
from grounding.data.sample import Sample
from grounding.errors import ImageError, InputError
from grounding.result import Grounding


def sheet_of(dataset: Dataset, n: int = 12, seed: int = 0, **options: Any) -> tuple[Image.Image, int, list[str]]:
    """The sheet, how many samples are on it, and why pictures could not be opened, a sentence each.

    Samples are drawn by `seed`, of as many pictures as there are; they stand in the data set's order. Groups are drawn
    as dashes. `options` go to `grounding.draw.sheet`. Raises InputError where no picture can be opened.
    """
    shown: list[tuple[int, Sample, Image.Image]] = []
    reasons: list[str] = []
    for index in _order(dataset, seed):
        if len(shown) == n:
            break
        sample = dataset[index]
        if sample.picture.missing():
            continue
        try:
            shown.append((index, sample, sample.open()))
        except ImageError as error:
            reasons.append(str(error))
    if not shown:
        why = f": {reasons[0]}" if reasons else ": none is there; give --images, the folder they lie in"
        raise InputError(f"no picture of {dataset.name} can be opened{why}")
    from grounding.draw import sheet

    shown.sort(key=lambda entry: entry[0])
    items = [(picture, drawable(sample), title(sample)) for _, sample, picture in shown]
    groups = [sample.truth.replace(regions=sample.crowd) if sample.crowd else None for _, sample, _ in shown]
    return sheet(items, truths=groups, **options), len(shown), reasons


def _order(dataset: Dataset, seed: int) -> Sequence[int]:
    """Indices in the order to try them: one of every picture, then the others."""
    order = list(range(len(dataset)))
    Random(seed).shuffle(order)
    if len(order) > 20_000:  # looking at every sample's picture would take longer than the sheet
        return order
    seen: set[str] = set()
    first: list[int] = []
    later: list[int] = []
    for index in order:
        key = dataset[index].picture.key
        (later if key in seen else first).append(index)
        seen.add(key)
    return first + later


def title(sample: Sample) -> str:
    """What was asked, in words; for a detection what is there."""
    if sample.task == "detect":
        counts = Counter(region.label or "?" for region in sample.truth.regions)
        return (
            ", ".join(f"{name} × {count}" if count > 1 else name for name, count in counts.items()) or "nothing there"
        )
    if sample.phrase:
        return f"{sample.phrase} ({sample.truth.count})" if sample.task == "count" else sample.phrase
    return sample.truth.text or sample.task


def drawable(sample: Sample) -> Grounding:
    """The truth without labels that the title says already."""
    truth = sample.truth.replace(phrase=sample.phrase, task=sample.task)
    if sample.task in ("detect", "caption"):
        return truth
    regions = tuple(replace(region, label="") for region in truth.regions)
    return truth.replace(regions=regions)
