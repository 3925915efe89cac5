"""Owns summary_of(): what is in a data set, counted in one pass: samples, pictures, boxes, phrases, problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from grounding.data.dataset import DataProblem, Dataset, StreamedDataset
from grounding.data.sample import Sample

SIZES = (("small", 32.0**2), ("medium", 96.0**2), ("large", float("inf")))
"""COCO's sizes: a box's area in square pixels, below which it is of that size."""


@dataclass
class Summary:
    """A data set, counted."""

    name: str
    source: str
    scoring: str
    expected: int | None
    """How many samples the published split has; None where nobody says."""
    streamed: bool
    samples: int = 0
    pictures: int = 0
    missing: list[str] = field(default_factory=list)
    """Keys of pictures that are not there."""
    tasks: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    names: int = 0
    """How many different names are to be detected."""
    empty: int = 0
    """Samples of which nothing is true."""
    regions: int = 0
    masks: int = 0
    crowds: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    words: Counter[int] = field(default_factory=Counter)
    """How many phrases have how many words."""
    problems: tuple[DataProblem, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = ""


def by_kind(problems: Iterable[DataProblem]) -> list[tuple[str, int, int, DataProblem]]:
    """Each kind of problem: how often, how many of these are kept all the same, and the first of them."""
    found: dict[str, list[DataProblem]] = {}
    for problem in problems:
        found.setdefault(problem.kind, []).append(problem)
    rows = [(kind, len(those), sum(one.kept for one in those), those[0]) for kind, those in found.items()]
    return sorted(rows, key=lambda row: -row[1])


def summary_of(
    dataset: Dataset | StreamedDataset,
    through: Callable[[Iterable[Sample]], Iterable[Sample]] = iter,
) -> Summary:
    """The summary. `through` gets the samples and passes them on, for a progress bar.

    A stream is read to its end, so give `take(n)` of it where that is too long.
    """
    streamed = isinstance(dataset, StreamedDataset)
    summary = Summary(dataset.name, dataset.source, dataset.scoring, dataset.expected, streamed)
    pictures: dict[str, bool] = {}
    names: set[str] = set()
    for sample in through(dataset):
        summary.samples += 1
        key = sample.picture.key
        if key not in pictures:
            pictures[key] = sample.picture.missing()
        names.update(sample.names)
        _count(summary, sample)
    summary.pictures, summary.names = len(pictures), len(names)
    summary.missing = [key for key, missing in pictures.items() if missing]
    summary.problems, summary.notes = dataset.problems, dataset.notes
    summary.fingerprint = dataset.fingerprint
    return summary


def _count(summary: Summary, sample: Sample) -> None:
    summary.tasks[sample.task] += 1
    if sample.kind is not None:
        summary.kinds[sample.kind] += 1
    if sample.phrase:
        summary.words[len(sample.phrase.split())] += 1
    summary.empty += not sample.truth.found
    summary.crowds += len(sample.crowd)
    for region in sample.truth.regions:
        summary.regions += 1
        summary.masks += region.mask is not None
        summary.sizes[next(name for name, most in SIZES if region.area < most)] += 1


def words_told(words: Counter[int]) -> dict[str, Any]:
    """Least, mean and most words of a phrase; {} where there is no phrase."""
    if not words:
        return {}
    count = words.total()
    return {"least": min(words), "mean": sum(n * times for n, times in words.items()) / count, "most": max(words)}
