"""Owns Dataset: samples in a fixed order, with what was wrong and how many there should be; and its streamed sister."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from grounding.data.sample import Sample
from grounding.errors import InputError

SCORINGS = (
    "rec",  # one phrase, one box
    "generalized",  # one phrase, none, one or several boxes
    "detection",  # every instance of every name
    "phrases",  # phrases of a caption, each with one or several boxes
    "segmentation",  # one phrase, one mask
    "pointing",  # one phrase, one point
    "counting",  # one phrase, a number
    "absent",  # phrases with nothing to find
)
"""What a data set's answers can be measured as; `grounding.metrics` has one file each."""

PROBLEM_KINDS = (
    "unreadable line",  # no JSON, or JSON of another shape than the format's
    "no box",  # an expression without a box, where the format promises one
    "no mask",  # none where masks are to be scored, or one that can't be read; without it the box is kept
    "not a number",  # NaN, infinity, or text where a coordinate should be
    "empty box",  # no width or no height
    "box outside",  # wholly outside its picture
    "overhanging box",  # partly outside by more than a pixel; kept as it is
    "duplicate id",
    "no size",  # the picture's width and height are nowhere
    "unknown id",  # a reference to a picture, annotation or category that is not there
)


@dataclass(frozen=True, slots=True)
class DataProblem:
    """Something in a data set's file that cannot be as it stands."""

    kind: str
    """One of PROBLEM_KINDS."""
    message: str
    """One sentence for a person, naming the value seen."""
    file: str
    """The file's name."""
    line: int | None = None
    """Its line, counted from 1, where the file has lines; else None."""
    entry: int | str | None = None
    """Which entry of the file, counted from 1, or its id, where lines say nothing."""
    kept: bool = False
    """Whether the sample is there all the same."""

    def __post_init__(self) -> None:
        if self.kind not in PROBLEM_KINDS:
            raise InputError(f"no kind of problem {self.kind!r}; known: {', '.join(PROBLEM_KINDS)}")

    @property
    def where(self) -> str:
        """`refs.jsonl, line 12` or `refs.json, entry 12`."""
        if self.line is not None:
            return f"{self.file}, line {self.line}"
        return self.file if self.entry is None else f"{self.file}, entry {self.entry}"


@dataclass(frozen=True, slots=True)
class Origin:
    """What `open_dataset` was asked for, so that the very same data set can be opened again."""

    name: str
    """As it was given; of a file its name alone, as its folder is the root."""
    root: str | None = None
    images: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """The reader's own."""


class Dataset:
    """Samples in a fixed order. `len`, indexing and iterating give samples; everything else says what they are.

    `samples` may be a Sequence that makes its samples when they are asked for. A data set too long to be listed is a
    `StreamedDataset`.
    """

    def __init__(
        self,
        name: str,
        samples: Sequence[Sample],
        *,
        scoring: str = "rec",
        source: str = "",
        expected: int | None = None,
        problems: Iterable[DataProblem] = (),
        notes: Iterable[str] = (),
        meta: dict[str, Any] | None = None,
    ) -> None:
        """`name`: such as "refcoco:testA". `scoring`: one of SCORINGS. `source`: format and file names, for people.

        `expected`: how many samples the published split has; None where nobody says. `notes`: what a report has to
        say beside any figure, such as an overlap of splits. `meta`: such as categories; plain JSON values.
        """
        if scoring not in SCORINGS:
            raise InputError(f"nothing is scored as {scoring!r}; known: {', '.join(SCORINGS)}")
        self.name = name
        self.samples = samples
        self.scoring = scoring
        self.source = source
        self.expected = expected
        self.problems = tuple(problems)
        self.meta = meta or {}
        self.origin: Origin | None = None
        """Set by `open_dataset`; None for one that was made in another way."""
        self._notes = tuple(notes)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self):,} samples, {len(self.problems)} problems>"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that belong beside any figure; a count that is not the published one is the first of them."""
        if self.expected is None or self.expected == len(self):
            return self._notes
        return (
            f"{self.name} has {self.expected:,} expressions as published; {len(self):,} were found here",
            *self._notes,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over every sample's id, question, truth and picture key, in order."""
        digest = hashlib.sha256()
        for sample in self:
            digest.update(json.dumps(_identity(sample), sort_keys=True, ensure_ascii=False).encode())
        return digest.hexdigest()[:16]

    def missing_pictures(self) -> list[str]:
        """Keys of pictures whose file is not there, each once, in order."""
        pictures = {sample.picture.key: sample.picture for sample in self}
        return [key for key, picture in pictures.items() if picture.missing()]

    def take(self, n: int) -> Dataset:
        """The first `n` samples, under a name that says so; never for figures that are compared with published ones."""
        if n >= len(self):
            return self
        first = Dataset(
            f"{self.name}[:{n}]",
            [self[index] for index in range(n)],
            scoring=self.scoring,
            source=self.source,
            problems=self.problems,
            notes=(*self.notes, f"only the first {n:,} of {len(self):,} expressions were asked"),
            meta=self.meta,
        )
        first.origin = self.origin
        return first


class StreamedDataset:
    """Samples that come one after another out of a source too long to be listed: iterate over it.

    Nobody knows its length before its end, so it has none: `take(n)` makes a Dataset of its first samples.
    """

    def __init__(
        self,
        name: str,
        samples: Callable[[list[DataProblem]], Iterator[Sample]],
        *,
        scoring: str = "rec",
        source: str = "",
        expected: int | None = None,
        notes: Iterable[str] = (),
        meta: dict[str, Any] | None = None,
        identity: Any = None,
    ) -> None:
        """`samples` begins anew at every call, and adds to the list it is given whatever is wrong on the way.

        `identity`: plain JSON values that change where the samples do, such as the source's revision and its columns.
        The others are Dataset's.
        """
        if scoring not in SCORINGS:
            raise InputError(f"nothing is scored as {scoring!r}; known: {', '.join(SCORINGS)}")
        self.name = name
        self.scoring = scoring
        self.source = source
        self.expected = expected
        self.notes = tuple(notes)
        self.meta = meta or {}
        self.origin: Origin | None = None
        """Set by `open_dataset`; None for one that was made in another way."""
        self._samples = samples
        self._problems: list[DataProblem] = []
        self._identity = identity
        self._skipped = 0

    def __iter__(self) -> Iterator[Sample]:
        self._problems = []
        return islice(self._samples(self._problems), self._skipped, None)

    def __len__(self) -> int:
        raise TypeError(f"{self.name} is streamed, so nobody knows its length: iterate over it, or take(n) of it")

    def __bool__(self) -> bool:
        return True  # else Python would ask for its length

    def __repr__(self) -> str:
        return f"<{self.name}: streamed>"

    @property
    def problems(self) -> tuple[DataProblem, ...]:
        """What was wrong as far as the last iteration came."""
        return tuple(self._problems)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over the name, the source's revision and its columns; no sample is read."""
        told = json.dumps([self.name, self._identity, self._skipped], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def missing_pictures(self) -> list[str]:
        """Empty: the pictures come inside the rows; one that does not is found when its row is reached."""
        return []

    def skip(self, n: int) -> StreamedDataset:
        """The same without its first `n` samples, which are still fetched to be passed over."""
        rest = copy(self)
        rest._problems, rest._skipped = [], self._skipped + n
        return rest

    def take(self, n: int) -> Dataset:
        """The first `n` samples, read now, under a name that says so; all of them, as they are, if there are fewer."""
        samples = list(islice(self, n))
        whole = len(samples) < n and not self._skipped
        first = Dataset(
            self.name if whole else f"{self.name}[{self._skipped or ''}:{self._skipped + n}]",
            samples,
            scoring=self.scoring,
            source=self.source,
            expected=self.expected if whole else None,
            problems=self.problems,
            notes=self.notes if whole else (*self.notes, f"only {len(samples):,} expressions of it were asked"),
            meta=self.meta,
        )
        first.origin = self.origin
        return first


def _identity(sample: Sample) -> list[Any]:
    regions = [region.to_json() for region in (*sample.truth.regions, *sample.crowd)]
    asked = [sample.task, sample.phrase, sample.names, sample.point, sample.box]
    return [sample.id, sample.picture.key, *sample.size, *asked, regions]
