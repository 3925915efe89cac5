"""Owns open_probe(): what language-vision models are known to fail at, drawn with known answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import overload

from PIL import Image

from grounding.data.dataset import SCORINGS, Dataset
from grounding.data.pictures import Picture
from grounding.data.probing import clutter, ordinals, small_text, spatial
from grounding.data.probing.stage import SIZE, Asked, Plan
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Grounding, Region

FIRST_SEED = 200_000_000
"""Probes draw from here up, a million seeds for each; no training draws there."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to be tried."""

    plan: Callable[[int], Plan]
    asked: int
    """Questions a picture."""
    task: str
    scoring: str
    what: str


PROBES: dict[str, Probe] = {
    "clutter": Probe(clutter.plan, clutter.ASKED, "count", "counting", "2 to 40 things counted among others"),
    "small-text": Probe(small_text.plan, small_text.ASKED, "locate", "rec", "a word found, 6 to 40 px high"),
    "spatial": Probe(spatial.plan, spatial.ASKED, "locate", "rec", "one of two look-alikes, told by where it stands"),
    "ordinals": Probe(ordinals.plan, ordinals.ASKED, "locate", "rec", "an item told by its place in rows"),
}


@dataclass(frozen=True, slots=True)
class ProbePicture(Picture):
    """A probe's picture, drawn from its seed when it is opened."""

    probe: str
    """A name of PROBES."""
    seed: int

    @property
    def key(self) -> str:  # type: ignore[override]  # a name made of the seed
        return f"{self.probe}-{self.seed}"

    def open(self) -> Image.Image:
        return Image.fromarray(_planned(self.probe, self.seed).paint())


def open_probe(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    n: int = 400,
    seed: int | None = None,
    scoring: str | None = None,
) -> Dataset:
    """`n` questions of one probe, a name of PROBES; each sample's kind says how hard it is, its meta exactly how.

    `meta["pair"]` of "spatial" joins two questions about one picture that differ in the relation alone: who ignores it
    has one of them right, so a pair counts where both are. `seed`: the first picture's, the next has the next. `root`
    and `images` mean nothing here. Raises InputError for a name there is not.
    """
    if split not in PROBES:
        raise InputError(f"there is no probe {split!r}; known: {', '.join(PROBES)}")
    if scoring is not None and scoring not in SCORINGS:
        raise InputError(f"nothing is scored as {scoring!r}; known: {', '.join(SCORINGS)}")
    if n < 1:
        raise InputError(f"n is {n}; ask at least 1 question")
    if seed is not None and seed < 0:
        raise InputError(f"seed is {seed}; pictures have seeds from 0 up")
    probe = PROBES[split]
    first = FIRST_SEED + 1_000_000 * list(PROBES).index(split) if seed is None else seed
    return Dataset(
        f"{kind}:{split}",
        ProbeSamples(split, n, first),
        scoring=scoring or probe.scoring,
        source=f"drawn: {probe.what}; seeds from {first:,}",
        meta={"seed": first, "n": n},
    )


class ProbeSamples(Sequence[Sample]):
    """Samples made when they are asked for; every picture has the same number of questions."""

    def __init__(self, probe: str, n: int, first_seed: int) -> None:
        self.probe, self.n, self.first_seed = probe, n, first_seed

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.n))]
        place = index + self.n if index < 0 else index
        if not 0 <= place < self.n:
            raise IndexError(f"sample {index} of {self.n}")
        picture, number = divmod(place, PROBES[self.probe].asked)
        seed = self.first_seed + picture
        return _sample(self.probe, seed, number, _planned(self.probe, seed).asked[number])

    def __iter__(self) -> Iterator[Sample]:
        return (self[place] for place in range(self.n))


def _sample(probe: str, seed: int, number: int, asked: Asked) -> Sample:
    task = PROBES[probe].task
    text = str(len(asked.boxes)) if task == "count" else ""
    return Sample(
        ProbePicture(probe, seed),
        asked.phrase,
        Grounding(asked.phrase, tuple(map(Region, asked.boxes)), text, *SIZE, task=task),
        id=f"{probe}-{seed}-{number}",
        task=task,
        kind=asked.kind,
        meta={"seed": seed, **asked.meta},
    )


@lru_cache(maxsize=32)
def _planned(probe: str, seed: int) -> Plan:
    """A picture's plan; its questions and its painting follow one another."""
    return PROBES[probe].plan(seed)
