"""Owns what a person sees of a run on standard error: a bar in a terminal, a plain line now and then in a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

SECONDS_BETWEEN_LINES = 10.0
"""In a pipe, so that a log of a long run stays readable."""
STDERR = 2
WIDE = 100
"""Columns of a terminal in which the bar has room beside all words."""
SECONDS_OF_SPEED = 30.0
"""The speed that is shown is that of the last so many seconds."""


class Progress:
    """Shows nothing: what a program that calls `predict` sees."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, sentence: str) -> None:
        """Something that is worth a line of its own."""

    def wait(self, what: str) -> None:
        """Until `begin`, this is what takes its time."""

    def begin(self, total: int | None, done: int = 0) -> None:
        """There are `total` questions, None where nobody knows, and `done` of them have their line already."""

    def step(self, questions: int, pictures: int, failed: int) -> None:
        """So many more questions have their line, so many of them failed, about so many pictures."""

    def close(self) -> None:
        """Ends what is shown."""


class ShownProgress(Progress):
    """Counts, and shows the counts on a stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total: int | None = None
        self._done = self._failed = 0
        self._recent: deque[tuple[float, int, int]] = deque()

    def begin(self, total: int | None, done: int = 0) -> None:
        self._total, self._done = total, done
        self._recent = deque([(time.monotonic(), 0, 0)])

    def step(self, questions: int, pictures: int, failed: int) -> None:
        self._done += questions
        self._failed += failed
        now = time.monotonic()
        self._recent.append((now, questions, pictures))
        while len(self._recent) > 2 and now - self._recent[0][0] > SECONDS_OF_SPEED:
            self._recent.popleft()

    def rates(self) -> tuple[float, float]:
        """Questions and pictures a second, lately; 0 before there is anything to measure."""
        seconds = (self._recent[-1][0] - self._recent[0][0]) if len(self._recent) > 1 else 0.0
        if seconds <= 0:
            return 0.0, 0.0
        after = list(self._recent)[1:]  # what the first entry tells was done before the time it carries
        return sum(entry[1] for entry in after) / seconds, sum(entry[2] for entry in after) / seconds

    def seconds_left(self) -> float | None:
        """How long the rest takes at this speed; None before that can be said."""
        speed = self.rates()[0]
        return None if self._total is None or not speed else (self._total - self._done) / speed


class LineProgress(ShownProgress):
    """A line every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._shown = time.monotonic()

    def say(self, sentence: str) -> None:
        print(sentence, file=self._stream, flush=True)

    def step(self, questions: int, pictures: int, failed: int) -> None:
        super().step(questions, pictures, failed)
        if time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            self.say(self._line())

    def _line(self) -> str:
        of = f" of {self._total:,}" if self._total is not None else ""
        speed, pictures = self.rates()
        left = self.seconds_left()
        parts = [f"{self._done:,}{of} questions", f"{rate(speed)} questions/s", f"{rate(pictures)} pictures/s"]
        parts += [f"{clock(left)} left"] if left is not None else []
        parts += [f"{self._failed:,} failed"] if self._failed else []
        return ", ".join(parts)


class BarProgress(ShownProgress):
    """A bar that moves, with what stands beside it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        super().__init__(stream)
        self._bar: Bar = Progress(
            TextColumn("  {task.fields[counts]}", table_column=Column(no_wrap=True)),
            BarColumn(
                bar_width=None, style="bright_black", complete_style="cyan", finished_style="green", pulse_style="cyan"
            ),
            TextColumn("[bold]{task.fields[share]}"),
            TextColumn("[dim]{task.fields[speed]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
            TextColumn("[red]{task.fields[failed]}", table_column=Column(no_wrap=True)),
            console=Console(file=self._stream, highlight=False),
            expand=True,
        )
        self._task: Any = None
        self._waiting = self._bar.console.status("")

    def wait(self, what: str) -> None:
        self._waiting.update(f"[dim]{what}")
        self._waiting.start()

    def say(self, sentence: str) -> None:
        self._bar.console.print(f"  {sentence}", markup=False, soft_wrap=True)

    def begin(self, total: int | None, done: int = 0) -> None:
        super().begin(total, done)
        self._waiting.stop()
        self._task = self._bar.add_task("", total=total, completed=done, **self._fields())
        self._bar.start()

    def step(self, questions: int, pictures: int, failed: int) -> None:
        super().step(questions, pictures, failed)
        self._bar.update(self._task, completed=self._done, **self._fields())

    def close(self) -> None:
        self._waiting.stop()
        self._bar.stop()

    def _fields(self) -> dict[str, Any]:
        speed, pictures = self.rates()
        left = self.seconds_left()
        wide = self._bar.console.width >= WIDE
        return {
            "counts": f"{self._done:,}"
            + (f" of {self._total:,}" if self._total is not None else "")
            + (" questions" if wide else ""),
            "share": f"{self._done / self._total:.0%}" if self._total else "",
            "speed": f"{rate(speed)}{' questions' if wide else ''}/s · {rate(pictures)} pictures/s" if speed else "",
            "left": f"{clock(left)} left" if left else "",
            "failed": f"{self._failed:,} failed" if self._failed else "",
        }


@contextmanager
def only_ours(stream: TextIO | None = None) -> Iterator[TextIO]:
    """A stream to where standard error leads; meanwhile all else that is written there, also beneath Python, is lost.

    For libraries that write to standard error past Python, where nothing else can hold them back.
    """
    stream = stream or sys.stderr
    try:
        ours = stream.fileno()
    except (AttributeError, OSError):  # somebody catches what is written, a test for one
        ours = -1
    if ours != STDERR:
        yield stream
        return
    stream.flush()
    saved, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    try:
        with os.fdopen(os.dup(saved), "w", buffering=1) as quiet:
            yield quiet
    finally:
        os.dup2(saved, STDERR)
        os.close(saved)
        os.close(nowhere)


def shown(stream: TextIO | None = None) -> Progress:
    """A bar where standard error is a terminal, else lines."""
    stream = stream or sys.stderr
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)


def rate(speed: float) -> str:
    """`3.2`, `32`, `3,200`."""
    return f"{speed:.1f}" if speed < 10 else f"{speed:,.0f}"


def clock(seconds: float) -> str:
    """`48 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
