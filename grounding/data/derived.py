"""Data sets made out of a detection set: how many there are of a name, and names of which there is nothing."""

from __future__ import annotations

from random import Random

from grounding.data.dataset import Dataset
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Region


def counting_of(detection: Dataset, *, most: int = 20, per_picture: int = 3, seed: int = 0) -> Dataset:
    """Questions how many there are of a name, for names in each picture: scoring "counting", truth a region for each thing.

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
        names = sorted(name for name, regions in by_name.items() if name not in crowded and len(regions) <= most)
        rng = Random(f"{seed} {sample.id}")
        for name in sorted(rng.sample(names, min(per_picture, len(names)))):
            samples.append(_about(sample, name, tuple(by_name[name]), "count", _band(len(by_name[name]))))
    return _derived(detection, samples, "counting", f"up to {per_picture} names a picture, drawn with seed {seed}")


def absent_of(detection: Dataset, *, per_picture: int = 3, seed: int = 0) -> Dataset:
    """Names of which a picture shows nothing: scoring "absent", no region is true.

    Drawn by `seed` among the data set's names, each as often as it is there in other pictures, so that a model cannot
    tell absent names by their rarity (POPE's "popular" sampling, Li et al., EMNLP 2023). A name that stands for a crowd
    in a picture is there.
    """
    _check(detection)
    frequency: dict[str, int] = {}
    for sample in detection:
        for name in {region.label for region in (*sample.truth.regions, *sample.crowd)}:
            frequency[name or ""] = frequency.get(name or "", 0) + 1
    samples = []
    for sample in detection:
        here = {region.label for region in (*sample.truth.regions, *sample.crowd)}
        names = [name for name in sorted(frequency) if name not in here]
        rng = Random(f"{seed} {sample.id}")
        for _ in range(min(per_picture, len(names))):
            (name,) = rng.choices(names, [frequency[name] for name in names])
            names.remove(name)
            samples.append(_about(sample, name, (), "locate", None))
    return _derived(detection, samples, "absent", f"{per_picture} names a picture, drawn with seed {seed}")


def _check(detection: Dataset) -> None:
    if detection.scoring != "detection":
        raise InputError(
            f"{detection.name} is scored as {detection.scoring}: counts and absent names are made of a detection set, "
            "such as coco:val2017"
        )


def _about(sample: Sample, name: str, regions: tuple[Region, ...], task: str, kind: str | None) -> Sample:
    truth = sample.truth.replace(phrase=name, regions=regions, task=task)
    return Sample(sample.image, name, truth, f"{sample.id}/{name}", task=task, kind=kind, meta=sample.meta)


def _derived(detection: Dataset, samples: list[Sample], scoring: str, how: str) -> Dataset:
    name = f"{detection.name} ({scoring})"
    notes = (*detection.notes, f"made of {detection.name}: {how}")
    return Dataset(
        name, samples, scoring=scoring, source=detection.source, problems=detection.problems, notes=notes, meta={}
    )


def _band(count: int) -> str:
    return str(count) if count < 5 else "5-9" if count < 10 else "10 and more"
