"""Owns the file of predictions while it is written: locked, repaired, appended to by whole chunks, put in order."""

from __future__ import annotations

import errno
import glob
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows: two runs on one file are not told apart there
    fcntl = None  # type: ignore[assignment]

from grounding.data.predictions import FORMAT, Header
from grounding.errors import InputError, OutputError
from grounding.metrics.judging import FAILED
from grounding.predict.lines import Line, Lines, add, scan, tally

BEGINS = json.dumps({"format": FORMAT})[:-1].encode()
"""How the first line of every such file begins."""
LONGEST_VALUE = 80
"""Characters of a header's value that a message shows."""


class Journal:
    """A file of predictions that is being written. What was appended is on the disk, whatever happens afterwards.

    `lines`: chunk -> id -> where its line stands. While it is open no other run can open it.
    """

    def __init__(
        self, path: Path, header: Header, *, restart: bool = False, fetch: Callable[[], None] | None = None
    ) -> None:
        """Makes the file, or takes up what is in it; `restart` throws that away. `fetch` fills it once it is locked.

        What a killed run left half-written is dropped. Raises OutputError where nothing can be written there or another
        run is at it, InputError where the file is of another run, with both headers' values, or no such file at all.
        """
        self.path, self.header = path, header
        self.lines: Lines = {}
        self._parts: list[Path] = []
        self._file = _locked(path)
        try:
            if fetch is not None:
                fetch()
            self._end = self._begin(header, restart)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def counts(self) -> Counter[str]:
        """How many questions are in which state."""
        return tally(self.lines)

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._end

    def close(self) -> None:
        """Lets another run open the file."""
        self._file.close()

    def append(self, data: bytes) -> None:
        """Writes lines of a chunk at once, and waits until they are on the disk. Raises OutputError.

        They replace lines about the same questions.
        """
        start = self._end
        self._write(data)
        for found in scan(io.BytesIO(data)):
            if found is None:
                raise AssertionError("a line was written that can't be read again")
            line = found.line._replace(start=start + found.line.start)
            self.lines.setdefault(found.chunk, {})[found.id] = line

    def parts(self) -> list[Path]:
        """Files beside this one in which processes of a stopped run left their lines.

        Raises OutputError where one of them is still being written.
        """
        found = sorted(self.path.parent.glob(f"{glob.escape(part_file(self.path, '').name)}*"))
        for part in found:
            _locked(part).close()
        return found

    def take_in(self, part: Path) -> None:
        """Adds the lines that a process of this run, or of one like it, wrote to a file of its own.

        They stand in that file until `tidy`. Raises InputError for a file of another run.
        """
        with part.open("rb") as stream:
            first = stream.readline()
            if not first.endswith(b"\n"):
                return  # its process was stopped before it wrote anything
            check_same(_header_in(first, part), self.header, part)
            self._parts.append(part)
            for found in scan(stream, source=len(self._parts)):
                if found is not None:
                    add(self.lines, found)

    def first_error(self) -> str | None:
        """The sentence of the first question that failed; None if none did."""
        failed = [line for chunk in self.lines.values() for line in chunk.values() if line.state == FAILED]
        if not failed:
            return None
        with self.path.open("rb") as stream:
            stream.seek(min(failed).start)
            error: str = json.loads(stream.readline())["error"]
        return error

    def tidy(self, header: Header | None = None) -> None:
        """Puts every line in its place, chunk by chunk, each question once, in one step. OutputError.

        `header`: what to say in the first line from now on. A file that is in order is left as it is.
        """
        order = [line for chunk in sorted(self.lines) for line in self.lines[chunk].values()]
        with ExitStack() as opened:
            sources = [opened.enter_context(path.open("rb")) for path in (self.path, *self._parts)]
            first = sources[0].readline()
            self.header = header or self.header
            if not self._in_order(order, len(first)) or (header and first != _first_line(header)):
                self._rewrite(sources, order)
        self._parts.clear()

    # -- inside

    def _begin(self, header: Header, restart: bool) -> int:
        """Reads what is there, or writes the header; returns where the file ends."""
        with self.path.open("rb") as stream:
            first = stream.readline()
            torn = not first.endswith(b"\n") and (first.startswith(BEGINS) or BEGINS.startswith(first))
            if first and not torn:
                found = _header_in(first, self.path)
                if not restart:
                    check_same(found, header, self.path)
                    return self._repair(stream, len(first))
        self._end = 0
        self._file.truncate(0)
        self._write(_first_line(header))
        _sync_names(self.path.parent)
        return self._end

    def _repair(self, stream: BinaryIO, end: int) -> int:
        """Takes up all lines that can be read, and cuts off what follows the last of them; returns its end."""
        for found in scan(stream):
            if found is not None:
                add(self.lines, found)
                end = found.line.start + found.line.length
        self._file.truncate(end)
        return end

    def _in_order(self, order: Sequence[Line], place: int) -> bool:
        """Whether the lines follow each other from `place` on, to the end of the file."""
        for line in order:
            if line.source != 0 or line.start != place:
                return False
            place += line.length
        return place == self._end

    def _rewrite(self, sources: Sequence[BinaryIO], order: Sequence[Line]) -> None:
        """Replaces the file by one with these lines, in one step; the lock moves to the new one."""
        aside = self.path.with_name(f".{self.path.name}.part")
        places = {}
        try:
            with aside.open("wb") as file:
                file.write(_first_line(self.header))
                for line in order:
                    places[line] = line._replace(source=0, start=file.tell())
                    sources[line.source].seek(line.start)
                    file.write(sources[line.source].read(line.length))
                end = file.tell()
                file.flush()
                os.fsync(file.fileno())
            fresh = _open(aside)
            _lock(fresh, self.path)
            aside.replace(self.path)
            _sync_names(self.path.parent)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise _unwritable(self.path, error) from error
        self._file.close()
        self._file, self._end = fresh, end
        self.lines = {
            chunk: {id: places[line] for id, line in self.lines[chunk].items()} for chunk in sorted(self.lines)
        }

    def _write(self, data: bytes) -> None:
        """Appends all of the data or nothing."""
        try:
            self._file.seek(self._end)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
            self._end += len(data)
        except OSError as error:
            with suppress(OSError):  # else the next run cuts off what is torn
                self._file.truncate(self._end)
            raise _unwritable(self.path, error) from error


def part_file(path: Path, name: str) -> Path:
    """Where one of several who work on the file `path` writes."""
    return path.with_name(f"{path.name}.part-{name}")


def run_file(path: Path) -> Path:
    """Where the first of several processes tells the others how far the file `path` is."""
    return path.with_name(f"{path.name}.run")


def _locked(path: Path) -> Any:
    """The file, open and locked."""
    while True:
        try:
            file = _open(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        _lock(file, path)
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        file.close()  # it was replaced or removed between opening and locking


def _open(path: Path) -> Any:
    """The file, made where there is none, for writing at once and whole: without a buffer."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)


def _sync_names(folder: Path) -> None:
    """Waits until the disk knows which files the folder has, where a system can be asked that of a folder."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _lock(file: Any, path: Path) -> None:
    """Locks for as long as the file is open; the system lets go when the process ends, however it ends."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK):
            return  # a file system without locks
        file.close()
        raise OutputError(
            f"another run is writing {path}: wait until it is done, stop it, or give another --out"
        ) from None


def _first_line(header: Header) -> bytes:
    return (json.dumps(header.to_json(), ensure_ascii=False, allow_nan=False) + "\n").encode()


def _header_in(first: bytes, path: Path) -> Header:
    """The header in a file's first line. Raises InputError that leaves no doubt that the file stays as it is."""
    try:
        return Header.from_json(json.loads(first), f"{path}, line 1")
    except (ValueError, InputError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{path} is no file of predictions"
        raise InputError(f"{reason}; nothing was written: give another --out") from None


def check_same(found: Header, header: Header, path: Path) -> None:
    """Raises InputError that names every field in which the two differ, with both values."""
    differing = found.differences(header)
    if not differing:
        return
    old, new = (json.loads(json.dumps(each.to_json())) for each in (found, header))
    told = []
    for name in differing:
        was, now = old[name], new[name]
        if isinstance(was, dict) and isinstance(now, dict):
            keys = [key for key in (*was, *(now.keys() - was.keys())) if was.get(key) != now.get(key)]
            told += [f"{name}.{key} was {_short(was.get(key))} and is {_short(now.get(key))}" for key in keys]
        else:
            told.append(f"{name} was {_short(was)} and is {_short(now)}")
    raise InputError(
        f"{path} is of another run: {'; '.join(told)}. Answers of two runs do not belong into one file: "
        "give another --out, or --restart to ask everything anew"
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _unwritable(path: Path, error: OSError) -> OutputError:
    remedy = (
        "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "look at its directory and its rights"
    )
    return OutputError(
        f"{path} can't be written ({error.strerror or error}): {remedy}, and run the same again; what stands in the "
        "file is kept"
    )
