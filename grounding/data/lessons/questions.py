"""Owns what is asked of data sets that ask nothing in words: names of a detection set, Flickr30k's captions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from grounding.data.dataset import Dataset
from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.sources import Order, Source
from grounding.data.sample import Sample
from grounding.errors import ConfigError
from grounding.result import Region

_SEEN = 2000
"""Pictures whose names tell how often each occurs."""


class DetectionSource(Source):
    """Questions about pictures in which every instance of every name is boxed; each epoch asks others.

    The first question is to detect several names, some of which may be absent; the others are for all of one name,
    for a name that is absent, or how many there are of one. Names that also stand for a crowd in a picture, or of which
    it shows more than `most`, are not asked there. Absent names are drawn as often as they occur in other pictures, so
    that rarity tells nothing (POPE's "popular" sampling, Li et al., EMNLP 2023). Boxes stand in reading order.
    """

    def __init__(
        self,
        name: str,
        dataset: Dataset,
        seed: int = 0,
        *,
        phrases: int = 6,
        names: int = 6,
        negatives: float = 0.25,
        counts: float = 0.15,
        most: int = 20,
        shuffle: bool = True,
    ) -> None:
        """`phrases`: questions of a picture, at most; `names`: of the first one. `negatives`: share of names and of
        questions about something absent; `counts`: share of questions how many there are."""
        if phrases < 1 or names < 1 or not 0 <= negatives <= 1 or not 0 <= counts <= 1:
            raise ConfigError(
                f"phrases and names are 1 or more, negatives and counts shares; seen {phrases}, {names}, "
                f"{negatives}, {counts}"
            )
        self.name, self.dataset, self.problems = name, dataset, dataset.problems
        self.seed, self.phrases, self.names, self.most = seed, phrases, names, most
        self.negatives, self.counts = negatives, counts
        self._order = Order(len(dataset), seed, shuffle)
        self._frequency = _frequencies(dataset)

    @property
    def size(self) -> int:
        return len(self.dataset)

    def lesson(self, ordinal: int) -> Lesson:
        sample = self.dataset[self._order.place(ordinal)]
        turns = self._turns(sample, np.random.default_rng([self.seed, 1, ordinal]))
        return Lesson(sample.id, (sample.picture,), tuple(turns), source=self.name)

    def _turns(self, sample: Sample, rng: np.random.Generator) -> list[Sample]:
        things: dict[str, list[Region]] = {}
        for region in sample.truth.regions:
            things.setdefault(region.label or "", []).append(region)
        crowded = {region.label for region in sample.crowd}
        present = [name for name, regions in things.items() if name not in crowded and len(regions) <= self.most]
        absent = [name for name in self._frequency if name not in things and name not in crowded]
        weights = np.array([self._frequency[name] for name in absent], np.float64)
        count = min(len(absent), self.names + self.phrases)
        rng.shuffle(present)
        missing = list(rng.choice(absent, count, replace=False, p=weights / weights.sum())) if count else []
        asked = [name for name in present[: self.names] if rng.random() >= self.negatives] or present[:1]
        lacking = missing[: self.names - len(asked)] if rng.random() < 0.5 or not asked else missing[: len(asked) // 3]
        turns = [_detect(sample, [*asked, *map(str, lacking)], things, rng)]
        pools = {"locate": list(present), "count": list(present), "absent": [str(name) for name in missing]}
        while len(turns) < self.phrases and any(pools.values()):
            roll = rng.random()
            kind = "absent" if roll < self.negatives else "count" if roll < self.negatives + self.counts else "locate"
            if not pools[kind]:
                kind = next(name for name, pool in pools.items() if pool)
            name = pools[kind].pop()
            turns.append(_about(sample, name, things.get(name, []), "count" if kind == "count" else "locate"))
        return turns


def _detect(sample: Sample, names: Sequence[str], things: dict[str, list[Region]], rng: np.random.Generator) -> Sample:
    names = tuple(str(name) for name in rng.permutation(names))
    regions = [Region(region.box, name) for name in names for region in things.get(name, [])]
    truth = sample.truth.replace(phrase="", regions=reading_order(regions), task="detect", text="")
    return Sample(sample.image, "", truth, f"{sample.id}/names", task="detect", names=names, meta=sample.meta)


def _about(sample: Sample, name: str, regions: Sequence[Region], task: str) -> Sample:
    bare = reading_order([Region(region.box) for region in regions])
    text = str(len(bare)) if task == "count" else ""
    truth = sample.truth.replace(phrase=name, regions=bare, task=task, text=text)
    return Sample(sample.image, name, truth, f"{sample.id}/{task}/{name}", task=task, meta=sample.meta)


def reading_order(regions: Sequence[Region]) -> tuple[Region, ...]:
    """From top to bottom by the upper edge, as drawn scenes are answered."""
    return tuple(sorted(regions, key=lambda region: (region.box[1], region.box[0])))


def _frequencies(dataset: Dataset) -> dict[str, int]:
    """In how many pictures each name is, among some spread over the data set; every known name once at least."""
    known = [str(category["name"]) for category in dataset.meta.get("categories", [])]
    frequency = dict.fromkeys(known, 1)
    for place in np.unique(np.linspace(0, len(dataset) - 1, min(_SEEN, len(dataset))).astype(int)):
        for label in {region.label or "" for region in dataset[int(place)].truth.regions}:
            frequency[label] = frequency.get(label, 0) + 1
    return frequency


class CaptionLessons(Sequence[Lesson]):
    """Flickr30k Entities by captions: a picture with each of its sentences, whose phrases have their boxes."""

    def __init__(self, dataset: Dataset, source: str = "") -> None:
        self.dataset, self.source = dataset, source
        self._spans: list[tuple[int, int]] = []
        at = 0
        for _, group in groupby(dataset, key=lambda sample: (sample.picture.key, sample.id.rpartition("/")[0])):
            count = sum(1 for _ in group)
            self._spans.append((at, at + count))
            at += count

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: int) -> Lesson:  # type: ignore[override]  # no slices
        start, end = self._spans[index]
        phrases = [self.dataset[place] for place in range(start, end)]
        first = phrases[0]
        sentence, words = str(first.meta["sentence"]), str(first.meta["sentence"]).split(" ")
        regions = []
        for phrase in phrases:
            begin = len(" ".join([*words[: phrase.meta["first_word"]], ""]))
            regions += [
                Region(r.box, phrase.phrase, span=(begin, begin + len(phrase.phrase))) for r in phrase.truth.regions
            ]
        truth = first.truth.replace(phrase="", text=sentence, regions=tuple(regions), task="caption")
        id = first.id.rpartition("/")[0]
        turn = Sample(first.image, "", truth, id, task="caption", meta={"image_id": first.meta["image_id"]})
        return Lesson(id, (first.picture,), (turn,), source=self.source)
