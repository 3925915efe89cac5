"""Data sets made out of a detection set: how many there are of a name, and names of which there is nothing."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

from grounding.data.dataset import Dataset
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Region


def open_counting(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    stretched: bool = False,
    most: int = 20,
    per_picture: int = 3,
    seed: int = 0,
) -> Dataset:
    """`coco-counting:val2017`, or `coco-counting:FILE` of any detection set; see `counting_of`."""
    detection = _detection(split, root, images, stretched)
    return counting_of(detection, f"{kind}:{split}", most=most, per_picture=per_picture, seed=seed)


def open_absent(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    stretched: bool = False,
    per_picture: int = 3,
    seed: int = 0,
) -> Dataset:
    """`coco-absent:val2017`, or `coco-absent:FILE` of any detection set; see `absent_of`."""
    detection = _detection(split, root, images, stretched)
    return absent_of(detection, f"{kind}:{split}", per_picture=per_picture, seed=seed)


def _detection(split: str, root: Path | None, images: Path | None, stretched: bool) -> Dataset:
    from grounding.data.opening import open_dataset

    options: dict[str, Any] = {"stretched": True} if stretched else {}
    name = split if os.path.isfile(os.path.expanduser(split)) else f"coco:{split}"
    return open_dataset(name, root=root, images=images, **options)


def counting_of(
    detection: Dataset, name: str | None = None, *, most: int = 20, per_picture: int = 3, seed: int = 0
) -> Dataset:
    """Questions how many there are of a name: scoring "counting", the truth a region for each thing.

    Names that also stand for a crowd in a picture are not asked there, as nobody counted the crowd; nor are names with
    more than `most` things, which annotators count badly. At most `per_picture` names of a picture, drawn by `seed`.
    """
    _check(detection)
    samples = []
    for sample in detection:
        crowded = {region.label for region in sample.crowd}
        by_name: dict[str, list[Region]] = {}
        for region in sample.truth.regions:
            by_name.setdefault(region.label or "", []).append(region)
        labels = sorted(label for label, regions in by_name.items() if label not in crowded and len(regions) <= most)
        rng = Random(f"{seed} {sample.id}")
        for label in sorted(rng.sample(labels, min(per_picture, len(labels)))):
            samples.append(_about(sample, label, tuple(by_name[label]), "count", _band(len(by_name[label]))))
    return _derived(
        detection, name, samples, "counting", f"up to {per_picture} names a picture, drawn with seed {seed}"
    )


def absent_of(detection: Dataset, name: str | None = None, *, per_picture: int = 3, seed: int = 0) -> Dataset:
    """Names of which a picture shows nothing: scoring "absent", no region is true.

    Drawn by `seed` among the data set's names, each as often as it is there in other pictures, so that a model cannot
    tell absent names by their rarity (POPE's "popular" sampling, Li et al., EMNLP 2023). A name that stands for a crowd
    in a picture is there.
    """
    _check(detection)
    frequency: dict[str, int] = {}
    for sample in detection:
        for label in {region.label or "" for region in (*sample.truth.regions, *sample.crowd)}:
            frequency[label] = frequency.get(label, 0) + 1
    samples = []
    for sample in detection:
        here = {region.label for region in (*sample.truth.regions, *sample.crowd)}
        labels = [label for label in sorted(frequency) if label not in here]
        rng = Random(f"{seed} {sample.id}")
        for _ in range(min(per_picture, len(labels))):
            (label,) = rng.choices(labels, [frequency[label] for label in labels])
            labels.remove(label)
            samples.append(_about(sample, label, (), "locate", None))
    return _derived(detection, name, samples, "absent", f"{per_picture} names a picture, drawn with seed {seed}")


def _check(detection: Dataset) -> None:
    if detection.scoring != "detection":
        raise InputError(
            f"{detection.name} is scored as {detection.scoring}: counts and absent names are made of a detection set, "
            "such as coco:val2017"
        )


def _about(sample: Sample, label: str, regions: tuple[Region, ...], task: str, kind: str | None) -> Sample:
    truth = sample.truth.replace(phrase=label, regions=regions, task=task)
    return Sample(sample.image, label, truth, f"{sample.id}/{label}", task=task, kind=kind, meta=sample.meta)


def _derived(detection: Dataset, name: str | None, samples: list[Sample], scoring: str, how: str) -> Dataset:
    return Dataset(
        name or f"{detection.name} ({scoring})",
        samples,
        scoring=scoring,
        source=detection.source,
        problems=detection.problems,
        notes=(*detection.notes, f"made of {detection.name}: {how}"),
    )


def _band(count: int) -> str:
    return str(count) if count < 5 else "5-9" if count < 10 else "10 and more"
