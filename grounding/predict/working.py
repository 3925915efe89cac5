"""Owns Run: what everybody who works on one run knows, and the way through its chunks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from grounding.backends.base import Grounder
from grounding.data.predictions import Header, Prediction, lines_of
from grounding.errors import BackendError, OutputError
from grounding.metrics.judging import FAILED
from grounding.predict.asking import Asker, GaveUpError
from grounding.predict.header import problems_of
from grounding.predict.journal import Journal, part_file, run_file
from grounding.predict.lines import Lines, answered_in, rest
from grounding.predict.options import PredictOptions
from grounding.predict.pictures_ahead import opened_ahead
from grounding.predict.places import Place
from grounding.predict.plan import Chunk, Plan
from grounding.predict.progress import Progress
from grounding.predict.summary import Summary

Write = Callable[[bytes], None]
"""Takes the lines of a chunk to the disk."""


class Done(NamedTuple):
    """What came of a chunk. Plain values: they travel."""

    questions: int
    pictures: int
    failed: int
    lines: bytes
    """As they will stand in the file."""
    doubtful: bool
    """Whether the last failures may be nobody's but the model's."""

    @classmethod
    def of(cls, chunk: Chunk, rows: Sequence[Prediction], *, doubtful: bool) -> Done:
        """Of a chunk's predictions."""
        failed = sum(row.answer is None for row in rows)
        # half a surrogate pair, which only JSON can hold, is written as JSON escapes it
        lines = "".join(lines_of(rows)).encode("utf-8", "backslashreplace")
        return cls(len(rows), chunk.pictures, failed, lines, doubtful)


@dataclass
class Run:
    """A run as one process sees it."""

    plan: Plan
    options: PredictOptions
    place: Place
    progress: Progress
    asked: int = 0
    """Questions that got their line in this run."""
    start: float = 0.0
    """When the asking began, by `time.perf_counter`."""

    def left(self, lines: Lines) -> Iterator[Chunk]:
        """What is still to be asked, in order, seen from these lines."""
        for chunk in self.plan:
            if (remaining := rest(lines, chunk, again=self.options.retry_failed)) is not None:
                yield remaining

    @contextmanager
    def open(self, header: Header) -> Iterator[Journal]:
        """The file, with everything in it that earlier runs have asked, in order."""
        with Journal(self.place.path, header, restart=self.options.restart, fetch=self.place.fetch) as journal:
            parts = journal.parts()
            if not self.options.restart:
                for part in parts:
                    journal.take_in(part)
            journal.tidy()
            for part in parts:
                part.unlink()
            run_file(journal.path).unlink(missing_ok=True)
            try:
                yield journal
            except BaseException:
                with suppress(OutputError):  # what stopped the run is the thing to tell
                    self.place.save(now=True)
                raise
        self.place.close()

    @contextmanager
    def writing(self, journal: Journal, part: str = "retry") -> Iterator[Write]:
        """What to write new lines with; afterwards the file is in order, and saved where it belongs.

        Where failures are asked again, the new lines stand in a file of their own until then, so that at any moment
        every question has one line in the file.
        """
        if self.options.retry_failed:
            path = part_file(journal.path, part)
            with Journal(path, journal.header) as aside:
                yield aside.append
            journal.take_in(path)
            self._finish(journal)
            path.unlink()
        else:
            yield journal.append
            self._finish(journal)

    def _finish(self, journal: Journal) -> None:
        """Puts the file in order, says in its header how long a stream turned out to be, and sends it on."""
        header = None
        if self.plan.questions is None:
            found = sum(journal.counts.values())
            header = replace(journal.header, samples=found, data_problems=problems_of(self.plan.dataset))
        journal.tidy(header)
        self.place.save(now=True)

    def begin(self, journal: Journal) -> None:
        """Shows how much there is to do, and starts the clock."""
        self.start = time.perf_counter()
        counts = journal.counts
        failed = counts[FAILED] if self.options.retry_failed else 0
        self.progress.begin(self.plan.questions, sum(counts.values()) - failed)

    def asker(self, model: Grounder, lines: Lines) -> Asker:
        """Who asks the model, knowing whether anything in the file was ever answered."""
        return Asker(model, self.options.seed, self.options.give_up_after, answered_in(lines))

    def summary(self, journal: Journal, rank: int = 0) -> Summary:
        """What the file holds now."""
        seconds = time.perf_counter() - self.start
        return Summary.of(journal, str(self.place), asked=self.asked, seconds=seconds, rank=rank)

    @contextmanager
    def giving_up(self, journal: Journal) -> Iterator[None]:
        """Where the run gives up, says what it leaves behind and how to go on."""
        try:
            yield
        except GaveUpError as error:
            total = self.plan.questions
            of = f" of {total:,}" if total is not None else ""
            raise BackendError(
                f"{error}. {self.place} holds {sum(journal.counts.values()):,}{of} questions; mend the cause and run "
                "the same again, or with --give-up-after 0 to write such failures down and go on"
            ) from error

    def work(self, chunks: Iterable[Chunk], asker: Asker, write: Write) -> None:
        """Asks the chunks and writes their lines."""
        self.take(
            (
                Done.of(chunk, asker.ask(chunk, pictures), doubtful=asker.doubtful)
                for chunk, pictures in opened_ahead(chunks, self.options.ahead)
            ),
            write,
        )

    def take(self, results: Iterable[Done], write: Write) -> None:
        """Writes the lines of chunks that are done, and shows that they are.

        Those that failed as a whole are written once something is answered again, or at the end: a run that gives up
        leaves no failures behind that were not the questions' own.
        """
        held: list[Done] = []
        for done in results:
            held.append(done)
            if not (done.doubtful and done.failed == done.questions):
                self._write(held, write)
                held = []
        self._write(held, write)

    def _write(self, held: Iterable[Done], write: Write) -> None:
        for done in held:
            write(done.lines)
            self.asked += done.questions
            self.progress.step(done.questions, done.pictures, done.failed)
            self.place.save()
