"""Owns the work of several processes on one run, as torchrun starts them: who asks what, and who is alive.

They talk through files beside the predictions and need nothing else. The first process opens the file and writes down,
in a run file, how far it was; from that all of them know what is left, and of n processes each asks every n-th chunk of
it into a part of its own. The first takes the parts in. A process that lives touches its file every second; what one
leaves undone that does so no more, the first asks itself.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from grounding.backends.base import Grounder
from grounding.data.predictions import Header
from grounding.errors import ConfigError, OutputError
from grounding.metrics.judging import FAILED
from grounding.predict.journal import Journal, check_same, part_file, run_file
from grounding.predict.lines import Found, Lines, add, scan
from grounding.predict.places import Place
from grounding.predict.plan import Chunk
from grounding.predict.summary import Summary
from grounding.predict.working import Run

BEAT_SECONDS = 1.0
"""Between two signs of life."""
STALE_SECONDS = 30.0
"""A process that gave no sign of life for so long is taken for dead."""
JOIN_SECONDS = 600.0
"""How long the others wait for the first process, and it for them: loading a large model may take minutes."""
LOOK_SECONDS = 0.5
"""Between two looks at what the others do."""


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a run, and which of them this is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def here(cls) -> Team:
        """As the environment says: RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE."""
        try:
            size = int(os.environ.get("WORLD_SIZE", 1))
            if size == 1:
                return cls()
            rank = int(os.environ.get("RANK", 0))
            local_rank = int(os.environ.get("LOCAL_RANK", rank))
            local_size = int(os.environ.get("LOCAL_WORLD_SIZE", size))
        except ValueError as error:
            raise ConfigError(f"RANK, WORLD_SIZE and LOCAL_RANK in the environment are numbers; {error}") from None
        if not 0 <= rank < size:
            raise ConfigError(f"RANK is {rank} and WORLD_SIZE {size} in the environment: RANK counts from 0, below it")
        return cls(rank, size, local_rank, local_size)

    def device(self) -> str | None:
        """Its own GPU where there are several processes and GPUs, else None."""
        if self.size == 1 or os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":
            return None
        import torch

        return f"cuda:{self.local_rank % torch.cuda.device_count()}" if torch.cuda.is_available() else None


# ---- signs of life


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """Meanwhile the file's time is now, again and again."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            try:
                os.utime(path)
            except OSError:  # it was removed: nobody looks at it any more
                return

    thread = threading.Thread(target=beat, name="alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Watch:
    """Looks at a file's time by this machine's clock alone: clocks of several machines differ."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._time()
        self._since = time.monotonic()

    @property
    def touched(self) -> bool:
        """Whether the file has been touched since it was first looked at."""
        return self._time() not in (self._seen, None)

    def quiet_seconds(self) -> float:
        """For how long the file has not been touched, as far as was watched."""
        now = self._time()
        if now != self._seen:
            self._seen, self._since = now, time.monotonic()
        return time.monotonic() - self._since

    def _time(self) -> int | None:
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None


class Part:
    """What another process has written so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.watch = Watch(path)
        self.lines: Lines = {}
        self.due: dict[int, int] = {}
        """Chunk -> how many questions of it are this process's to ask."""
        self._read = 0

    def news(self) -> list[Found]:
        """The lines that were added since the last look; only whole ones."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._read)
                data = stream.read()
        except FileNotFoundError:
            return []
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        found = [line for line in scan(io.BytesIO(data)) if line is not None]
        for line in found:
            add(self.lines, line)
        return found

    def lacks(self, chunk: int) -> bool:
        """Whether lines of a chunk are missing that are due."""
        return len(self.lines.get(chunk, ())) < self.due[chunk]

    @property
    def done(self) -> bool:
        """Whether everything that is due is there."""
        return not any(map(self.lacks, self.due))

    @property
    def dead(self) -> bool:
        """Whether its process has given no sign of life for too long; before its first sign it is given more time."""
        return self.watch.quiet_seconds() > (STALE_SECONDS if self.path.exists() else JOIN_SECONDS)


# ---- the first process


def lead(run: Run, team: Team, journal: Journal, model: Grounder) -> None:
    """Asks the first process's share, takes in what the others ask, and asks itself what one of them leaves undone."""
    name = uuid.uuid4().hex[:8]
    parts = {rank: Part(part_file(journal.path, f"{name}-{rank}")) for rank in range(1, team.size)}
    before: Lines = {chunk: dict(lines) for chunk, lines in journal.lines.items()}
    asker = run.asker(model, journal.lines)
    told = {"run": name, "size": team.size, "bytes": journal.size, "header": journal.header.to_json()}
    run.begin(journal)
    with _published(run_file(journal.path), told), run.giving_up(journal):
        with run.writing(journal, f"{name}-0") as write:

            def write_and_look(data: bytes) -> None:
                write(data)
                for part in parts.values():
                    _show(run, part.news())

            run.work(_own(run, before, parts), asker, write_and_look)
            for rank in _undone(run, parts):
                run.progress.say(
                    f"process {rank} of {team.size} gives no sign of life: what it has not asked is asked here"
                )
                mine = (chunk for chunk in run.left(before) if chunk.number in parts[rank].due)
                run.work((chunk for chunk in mine if parts[rank].lacks(chunk.number)), asker, write_and_look)
            for part in parts.values():
                if part.path.exists():
                    journal.take_in(part.path)
        for part in parts.values():
            part.path.unlink(missing_ok=True)


def _own(run: Run, before: Lines, parts: Mapping[int, Part]) -> Iterator[Chunk]:
    """The first process's chunks of what is left; notes on the way what the others have to do."""
    for place, chunk in enumerate(run.left(before)):
        rank = place % (len(parts) + 1)
        if rank == 0:
            yield chunk
        else:
            parts[rank].due[chunk.number] = len(chunk.samples)


def _undone(run: Run, parts: Mapping[int, Part]) -> Iterator[int]:
    """Waits for the other processes; gives the rank of each that died before it was done."""
    waiting = dict(parts)
    while waiting:
        for rank, part in list(waiting.items()):
            _show(run, part.news())
            if part.done:
                del waiting[rank]
            elif part.dead:
                yield rank
                del waiting[rank]
        time.sleep(LOOK_SECONDS if waiting else 0)


def _show(run: Run, found: list[Found]) -> None:
    if found:
        failed = sum(each.line.state == FAILED for each in found)
        run.progress.step(len(found), len({each.picture for each in found}), failed)


@contextmanager
def _published(path: Path, told: Mapping[str, Any]) -> Iterator[None]:
    """Meanwhile the run file stands there, and is touched."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(json.dumps(told), encoding="utf-8")
    aside.replace(path)
    try:
        with beating(path):
            yield
    finally:
        path.unlink(missing_ok=True)


# ---- the others


def follow(run: Run, team: Team, header: Header, model: Grounder) -> Summary:
    """Asks the share of a process that is not the first, into a part of its own.

    Nothing is asked where the file turns out to be whole. Raises OutputError where the first process does not show up.
    """
    path = run.place.path
    run.place = Place(path)  # the first process alone sends the file on
    told = _joined(run, header)
    if told is None:
        return Summary(str(path), header, 0, 0, 0, 0, asked=0, seconds=0.0, rank=team.rank)
    if told["size"] != team.size:
        raise OutputError(f"another run of {told['size']} processes is writing {path}: wait until it is done")
    check_same(Header.from_json(told["header"], f"{path}.run"), header, path)
    lines = _lines_of(path, told["bytes"])
    with Journal(part_file(path, f"{told['run']}-{team.rank}"), header) as part, beating(part.path):
        run.begin(part)
        with run.giving_up(part):
            run.work(islice(run.left(lines), team.rank, None, team.size), run.asker(model, lines), part.append)
        return run.summary(part, team.rank)


def _joined(run: Run, header: Header) -> dict[str, Any] | None:
    """What the first process tells, once it is known to live; None where there is nothing to ask."""
    path = run_file(run.place.path)
    watch, start = Watch(path), time.monotonic()
    looked = start
    while time.monotonic() - start < JOIN_SECONDS:
        time.sleep(LOOK_SECONDS)
        if watch.touched:
            with suppress(FileNotFoundError, ValueError):
                told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return told
        if not run.options.restart and time.monotonic() - looked > 2 * BEAT_SECONDS:
            looked = time.monotonic()
            if next(run.left(_lines_of(run.place.path)), None) is None:
                return None
    raise OutputError(
        f"the first process has not opened {run.place.path} within {JOIN_SECONDS:.0f} s: start all of them with "
        "torchrun or accelerate, on one file that all of them see"
    )


def _lines_of(path: Path, size: int | None = None) -> Lines:
    """The lines in the first `size` bytes of a file; in all of it where no size is given."""
    lines: Lines = {}
    with suppress(FileNotFoundError), path.open("rb") as stream:
        for found in scan(stream):
            if found is not None and (size is None or found.line.start < size):
                add(lines, found)
    return lines
