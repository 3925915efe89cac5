"""Owns Summary: what a run left behind, counted."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.data.predictions import Header
from grounding.metrics.judging import EMPTY, FAILED, UNREADABLE
from grounding.predict.journal import Journal


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run left behind."""

    path: str
    """Where the predictions lie."""
    header: Header
    samples: int
    """Questions with a line."""
    failed: int
    """Those without an answer."""
    empty: int
    """Answers that say that nothing is there."""
    unreadable: int
    """Answers that nothing could be read from."""
    asked: int
    """Questions that this run asked; the others had their line before."""
    seconds: float
    """How long this run took, without the loading of the model."""
    first_error: str | None = None
    """Why the first of those that failed has no answer."""
    rank: int = 0
    """Which of several processes tells this: the first tells of the whole file, each other of its own part."""

    @property
    def answered(self) -> int:
        """Questions with an answer, whatever it says."""
        return self.samples - self.failed

    @classmethod
    def of(cls, journal: Journal, path: str, *, asked: int, seconds: float, rank: int = 0) -> Summary:
        """What an open file holds."""
        counts = journal.counts
        return cls(
            path=path,
            header=journal.header,
            samples=sum(counts.values()),
            failed=counts[FAILED],
            empty=counts[EMPTY],
            unreadable=counts[UNREADABLE],
            asked=asked,
            seconds=seconds,
            first_error=journal.first_error(),
            rank=rank,
        )
