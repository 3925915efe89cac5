"""Owns what a training shows on the terminal: a bar with losses, speed and time left; lines now and then in a pipe."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, TypeVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

T = TypeVar("T")
EVERY = 30.0
"""Seconds between lines where there is no terminal."""
WINDOW = 40
"""Steps over which speed is taken."""
WIDEST = 100
"""Columns of a terminal that the bar takes at most."""
LOSSES = {"loss": "loss", "text": "words", "expectation": "distance", "where": "place"}
"""Keys of the log to what a reader calls them: all of it; cross-entropy of words and boxes; how far coordinates are
off, as a share of the picture; how badly phrases know their tokens of the picture. The last three are means over
all tokens of answers."""


class Progress:
    """The state of one stage. `stage` such as "ground (2 of 3)"; `lessons`: of a step; `unit`: what they are called."""

    def __init__(
        self, stage: str, steps: int, lessons: int, stream: TextIO | None = None, unit: str = "lessons"
    ) -> None:
        self.stage, self.steps, self.lessons, self.unit = stage, steps, lessons, unit
        self.stream = stream or sys.stderr
        self.console = Console(file=self.stream, highlight=False)
        self.ends: deque[tuple[float, int]] = deque(maxlen=WINDOW + 1)
        self.step, self.losses, self.doing = 0, "", ""
        self.live: Live | None = None
        self.told: float | None = None

    def begin(self, step: int) -> None:
        """The stage begins, or goes on, behind step `step`."""
        self.step = step
        self.ends.clear()
        self.ends.append((time.monotonic(), step))
        if self.console.is_terminal:
            self.live = Live(self, console=self.console, refresh_per_second=4, transient=True)
            self.live.start()
        elif step:
            self._write(f"{self.stage}: goes on behind step {step} of {self.steps}")

    def advance(self, step: int) -> None:
        """A step is done."""
        self.step, self.doing = step, ""
        self.ends.append((time.monotonic(), step))
        known = self.losses or self.unit != "lessons"  # a stage of training says nothing before its first losses
        if self.live is None and known and (self.told is None or time.monotonic() - self.told >= EVERY):
            self.told = time.monotonic()
            self._write(self.line())

    def lose(self, values: dict[str, float]) -> None:
        """The losses of a log entry."""
        parts = [f"{name} {values[key]:.4g}" for key, name in LOSSES.items() if key in values]
        self.losses = " · ".join(parts) or self.losses

    def during(self, doing: str) -> None:
        """What is being done that is no step, such as an evaluation: time spent so is no time of steps."""
        self.doing = doing
        if not doing:
            self.ends.clear()
            self.ends.append((time.monotonic(), self.step))

    def say(self, words: str) -> None:
        """A line that stays."""
        if self.live is not None:
            self.console.print(Text(words))
        else:
            self._write(words)

    def end(self) -> None:
        """The stage is over, or stopped; the last state stays as a line."""
        if self.live is not None:
            self.live.stop()
            self.live = None
            self.console.print(self)
        elif self.told is not None or self.losses:
            self._write(self.line())
        self.told, self.losses = None, ""

    # ---- how it looks

    @property
    def speed(self) -> float | None:
        """Lessons a second over the last steps; None before the first."""
        (then, first), (now, last) = self.ends[0], self.ends[-1]
        return (last - first) * self.lessons / (now - then) if last > first and now > then else None

    @property
    def left(self) -> str:
        """Time left, or nothing before it is known."""
        if not self.speed or self.step >= self.steps:
            return ""
        return f"{clock((self.steps - self.step) * self.lessons / self.speed)} left"

    def line(self) -> str:
        """The state in a line of text."""
        speed = f"{self.speed:.1f} {self.unit}/s" if self.speed else ""
        return "  ".join(filter(None, [f"{self.stage} {self.step}/{self.steps}", self.losses, speed, self.left]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Two lines: the bar with speed and time left, and the losses below it."""
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        for _ in range(3):
            table.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=self.steps, completed=self.step, complete_style="cyan", finished_style="green")
        speed = f"{self.speed:.1f} {self.unit}/s" if self.speed else ""
        cells: list[Any] = [
            Text(self.stage, style="bold"),
            bar,
            Text(f"{self.step:,}/{self.steps:,}"),
            Text(speed, style="dim"),
            Text(self.doing or self.left, style="yellow" if self.doing else ""),
        ]
        table.add_row(*cells)
        yield Constrain(table, WIDEST)
        if self.losses:
            yield Text(f"  {self.losses}", style="cyan", no_wrap=True, overflow="ellipsis")

    def _write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()


def counted(items: Iterable[T], total: int, doing: str, unit: str, each: int = 1) -> Iterator[T]:
    """The items, shown as they are taken: a bar on a terminal, lines in a pipe. An item has `each` units."""
    progress = Progress(doing, total, each, unit=unit)
    progress.begin(0)
    try:
        for number, item in enumerate(items, 1):
            yield item
            progress.advance(number)
    finally:
        progress.end()


def clock(seconds: float) -> str:
    """Such as 0:41, 12:05 or 3:07:00."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
