"""Owns the plan of a run: which questions are asked together, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.sample import Sample
from grounding.errors import InputError


@dataclass(frozen=True, slots=True)
class Chunk:
    """Questions that are asked together: the unit of work, and of going on after a stop."""

    number: int
    """Counted from 0."""
    samples: tuple[Sample, ...]
    """Those of one picture stand together."""

    @property
    def ids(self) -> list[str]:
        return [sample.id for sample in self.samples]

    @property
    def pictures(self) -> int:
        """How many different pictures it asks about."""
        return len({sample.picture.key for sample in self.samples})

    def only(self, ids: Collection[str]) -> Chunk:
        """The same chunk with some of its questions."""
        return Chunk(self.number, tuple(sample for sample in self.samples if sample.id in ids))


class Plan:
    """The chunks of a data set, the same whenever they are iterated over.

    Questions are grouped by picture, in the order in which pictures appear first, and cut between pictures into chunks
    of about `batch` questions. A picture about which more is asked is a chunk of its own. Where a data set is too long
    to be listed, only questions that follow each other are grouped.
    """

    def __init__(self, dataset: Dataset | StreamedDataset, batch: int) -> None:
        """Raises InputError where ids don't tell the samples apart."""
        self.dataset, self.batch = dataset, batch
        self._groups = _by_picture(dataset) if isinstance(dataset, Dataset) else None

    @property
    def questions(self) -> int | None:
        """How many there are; None where nobody has counted them."""
        return len(self.dataset) if isinstance(self.dataset, Dataset) else None

    def __iter__(self) -> Iterator[Chunk]:
        chunk: list[Sample] = []
        number = 0
        for group in self._pictures():
            if chunk and len(chunk) + len(group) > self.batch:
                yield Chunk(number, tuple(chunk))
                chunk, number = [], number + 1
            chunk += group
        if chunk:
            yield Chunk(number, tuple(chunk))

    def _pictures(self) -> Iterator[list[Sample]]:
        if isinstance(self.dataset, Dataset):
            for places in self._groups or ():
                yield [self.dataset[place] for place in places]
        else:
            for _, samples in groupby(self.dataset, key=lambda sample: sample.picture.key):
                yield list(samples)


def _by_picture(dataset: Dataset) -> list[list[int]]:
    """Places of the samples of each picture."""
    groups: dict[str, list[int]] = {}
    seen: dict[str, int] = {}
    for place, sample in enumerate(dataset):
        if not sample.id or sample.id in seen:
            what = f"the id of number {seen[sample.id] + 1} too" if sample.id else "no id"
            raise InputError(
                f"sample number {place + 1} of {dataset.name} has {what}: answers are joined by their ids, so give "
                "each sample its own"
            )
        seen[sample.id] = place
        groups.setdefault(sample.picture.key, []).append(place)
    return list(groups.values())
