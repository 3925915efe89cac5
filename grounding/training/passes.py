"""Owns what one pass through the model learns from: which positions are a process's own, and what is readable."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL.Image import Image
from torch.utils.data import DataLoader, Dataset

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.reading import BadLesson, NothingReadableError, Ready, ready
from grounding.errors import ConfigError, GroundingError

NOTES = "pass_notes"
"""The key of a batch under which its PassNotes lie, beside the tensors."""


@dataclass
class PassNotes:
    """What a pass was made of."""

    positions: list[int]
    ids: list[str] = field(default_factory=list)
    """Ids of the lessons in it, those left out aside."""
    bad: list[BadLesson] = field(default_factory=list)
    """Lessons that others took the place of, and those that the collator can't use."""


class Collator(Protocol):
    """What makes tensors of lessons, such as LessonCollator."""

    def prepare(self, lesson: Lesson, images: Sequence[Image] | None = None) -> list[Any]:
        """Rows of one lesson, none where there is nothing to learn; raises GroundingError for a bad one.

        `images`: its pictures, where they are open already.
        """

    def tensors(self, rows: Sequence[Any]) -> dict[str, Any]:
        """What forward takes, with `labels`, of any number of rows, of none too."""


class MixtureDataset(Dataset[tuple[int, Ready | Sequence[BadLesson]]]):
    """Lessons by position, with their pictures; of a source that gives nothing, what it was asked for."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, position: int) -> tuple[int, Ready | Sequence[BadLesson]]:
        try:
            return position, ready(self.mixture, position)
        except NothingReadableError as error:
            return position, error.passed_over


class PassCollator:
    """Lessons -> the tensors of a pass and its notes. A lesson that can't be used is named and left out."""

    def __init__(self, collator: Collator) -> None:
        self.collator = collator

    def __call__(self, drawn: Sequence[tuple[int, Ready | Sequence[BadLesson]]]) -> dict[str, Any]:
        notes = PassNotes([position for position, _ in drawn])
        rows: list[Any] = []
        for position, found in drawn:
            if not isinstance(found, Ready):
                notes.bad += found
                continue
            notes.bad += found.passed_over
            lesson = found.lesson
            try:
                rows += self.collator.prepare(lesson, found.images)
            except GroundingError as error:
                reason = f"can't be worded: {type(error).__name__}"
                notes.bad.append(BadLesson(lesson.source, position, lesson.id, reason, str(error)))
            else:
                notes.ids.append(lesson.id)
        return {**self.collator.tensors(rows), NOTES: notes}


class Positions:
    """Passes of positions for one process: of each step's lessons, those that are its own.

    Step s has positions s * batch_size and up; among `processes` and passes they are shared out in turn, so that the
    lessons of a step are the same however many processes there are.
    """

    def __init__(self, first: int, last: int, batch_size: int, micro: int, process: int, processes: int) -> None:
        """Steps `first` to `last` - 1."""
        self.first, self.last, self.batch_size, self.micro = first, last, batch_size, micro
        self.process, self.processes = process, processes

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            for start in range(0, self.batch_size, self.micro * self.processes):
                at = step * self.batch_size + start + self.process * self.micro
                yield list(range(at, at + self.micro))

    def __len__(self) -> int:
        return (self.last - self.first) * self.batch_size // (self.micro * self.processes)


def share_of(batch_size: int, micro_batch: int, processes: int) -> tuple[int, int]:
    """Lessons of a pass, and passes of a step, on each of the processes. Raises ConfigError where a rest is left."""
    each, rest = divmod(batch_size, processes)
    if rest:
        raise ConfigError(
            f"batch_size is {batch_size} and there are {processes} processes: give it a multiple of {processes}, such "
            f"as {-(-batch_size // processes) * processes}"
        )
    micro = micro_batch or each
    if each % micro:
        raise ConfigError(
            f"micro_batch is {micro}, and each of {processes} processes has {each} of batch_size {batch_size}: give it "
            f"a divisor of {each}"
        )
    return micro, each // micro


def pass_loader(
    mixture: Mixture, positions: Positions, collator: Collator, workers: int, pin_memory: bool
) -> DataLoader[Any]:
    """Passes in the order of their positions, made ahead by `workers` processes."""
    return DataLoader(
        MixtureDataset(mixture),
        batch_sampler=positions,
        collate_fn=PassCollator(collator),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=pin_memory,
        worker_init_fn=leave_signals if workers else None,
    )


def leave_signals(_: int) -> None:
    """Lets a worker live through Ctrl-C and through one SIGTERM, which reach all processes of a group: the run's own
    still needs its passes until the step is over. A second one ends it, and so does half a minute."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _wait_for_the_second)


def _wait_for_the_second(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(30)
