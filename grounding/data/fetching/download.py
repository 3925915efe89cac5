"""Owns download(): one file from the first address that gives it whole; resumed, checked, in place only when right."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, NamedTuple

from grounding.data.fetching.addresses import (
    Broken,
    Refused,
    check_address,
    check_beginning,
    host_of,
    in_a_line,
    open_address,
    open_file,
)
from grounding.errors import FetchError, OutputError

CHUNK_BYTES = 1 << 18
FULL = (errno.ENOSPC, errno.EDQUOT)
Progress = Callable[[int, int | None], None]
"""Told the bytes that are here and the bytes there will be, where that is known."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download puts up with a bad connection."""

    timeout_s: float = 30.0
    """Without a byte for so long, a transfer counts as broken."""
    slowest_bytes_per_s: float = 256.0
    """An address slower than this over a whole timeout is left for the next one."""
    attempts: int = 5
    """How often an address is asked in a row without getting any further than the slowest would in a timeout."""
    wait_s: float = 1.0
    """Before the second attempt; twice as long before each next one, at most a minute."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that came whole."""

    path: Path
    address: str
    bytes: int
    sha256: str


def download(
    addresses: Sequence[str],
    target: str | Path,
    *,
    sha256: str | None = None,
    stated: str = "as published",
    bytes: int | None = None,
    patience: Patience | None = None,
    progress: Progress = lambda done, total: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Downloaded:
    """The file at `target`, from the first of `addresses` (http:, https:, file:) that gives it whole.

    What has come lies in `TARGET.part` until then: a broken transfer goes on where it broke (HTTP Range, held to the
    same file by If-Range), in this call or in a later one. `sha256` and `bytes`: what the file must have; without a
    checksum a part is continued only from the address it came from. `stated`: who says so, for messages. `tell` gets
    a sentence for everything that went wrong on the way.

    Raises FetchError where no address gives it, OutputError where it cannot be written: the part is kept then.
    """
    target = Path(target)
    for address in addresses:
        check_address(address)
    part = _Part(target, sha256, stated, bytes, patience or Patience(), progress, tell)
    failures = []
    with _sole_writer(part.path):
        try:
            for address in addresses:
                try:
                    found = part.fetch(address)
                except Refused as refused:
                    failures.append(f"{host_of(address)}: {refused}")
                    tell(failures[-1])
                    continue
                size = part.size
                part.path.replace(target)
                part.notes.unlink(missing_ok=True)
                return Downloaded(target, address, size, found)
        finally:
            part.clean()
    kept = f"; what came is kept in {part.path}" if part.size else ""
    raise FetchError(f"{target.name} could not be fetched ({'; '.join(failures) or 'no address is known'}){kept}")


class _Span(NamedTuple):
    """Where a transfer begins, and how long the whole file is, in bytes; None where that is not said."""

    start: int | None
    total: int | None


class _Part:
    """A file on its way: its bytes so far, and beside them a note of whose bytes they are."""

    def __init__(
        self,
        target: Path,
        sha256: str | None,
        stated: str,
        bytes: int | None,
        patience: Patience,
        progress: Progress,
        tell: Callable[[str], None],
    ) -> None:
        self.target, self.sha256, self.stated, self.bytes, self.patience = target, sha256, stated, bytes, patience
        self.progress, self.tell = progress, tell
        self.path = target.with_name(target.name + ".part")
        self.notes = target.with_name(target.name + ".part.json")
        self.pieced = False
        """Whether it consists of more than one transfer."""

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def clean(self) -> None:
        """Leaves nothing behind where nothing came."""
        if not self.size:
            self.path.unlink(missing_ok=True)
            self.notes.unlink(missing_ok=True)

    def fetch(self, address: str) -> str:
        """Gets it whole from this address; its SHA-256. Raises Refused."""
        found = self._whole(address)
        if self.sha256 and found != self.sha256 and self.pieced:
            self.tell(f"{host_of(address)}: the pieces do not make the file; it is fetched again in one")
            self._empty()
            found = self._whole(address)
        if self.sha256 and found != self.sha256:
            self._empty()
            seen, wanted = found[:12], self.sha256[:12]
            raise Refused(f"what came has the sha256 {seen}..., not {wanted}... {self.stated}; it is removed")
        return found

    def _whole(self, address: str) -> str:
        further = max(1, int(self.patience.slowest_bytes_per_s * self.patience.timeout_s))
        had, quiet = self.size, 0
        while True:
            try:
                self._transfer(address)
                break
            except Broken as broken:
                quiet = 0 if self.size >= had + further else quiet + 1
                had = had if quiet else self.size
                if quiet >= self.patience.attempts:
                    raise Refused(f"{broken}, {quiet} times in a row") from None
                wait = broken.wait_s if broken.wait_s is not None else self.patience.wait_s * 2**quiet
                self.tell(f"{host_of(address)}: {broken}; trying again")
                time.sleep(min(wait, 60.0))
        if self.bytes is not None and self.size != self.bytes:
            seen = self.size
            self._empty()
            raise Refused(f"what came has {seen:,} bytes, not {self.bytes:,}; it is removed")
        if not self.size:
            raise Refused("it sent nothing")
        return sha256_of(self.path)

    def _empty(self) -> None:
        with self.path.open("wb"):
            pass
        self.notes.unlink(missing_ok=True)
        self.pieced = False

    def _transfer(self, address: str) -> None:
        """One transfer, which completes the part or raises Broken or Refused."""
        if address.startswith("file:"):
            with open_file(address) as source:
                length = source.seek(0, 2)
                source.seek(0)
                self._write(source.read, 0, length)
            return
        headers = self._range(address)
        with open_address(address, headers, self.patience.timeout_s) as response:
            sent = response.headers.get("Content-Length", "")
            begins, total = _Span(0, _whole_number(sent))
            if response.status != 200:
                begins, total = _content_range(response.headers.get("Content-Range", ""))
                if response.status == 416 and total == self.size:
                    return  # all of it is here
                if response.status == 416 or begins != self.size or total != (self._note("total") or total):
                    self._empty()
                    raise Broken("its file is another than the part that is here; starting over")
            if self.bytes is not None and total is not None and total != self.bytes:
                raise Refused(f"its file has {total:,} bytes, not {self.bytes:,}")
            self._take_notes(address, response, total)
            start = begins or 0
            self.pieced = start > 0
            self._write(lambda n: _read(response, n, self.patience.timeout_s), start, total)

    def _range(self, address: str) -> dict[str, str]:
        """Headers that ask for what is missing; none where the part cannot be trusted to be the same file's."""
        if not self.size:
            return {}
        asked = {"Range": f"bytes={self.size}-"}
        validator = self._note("validator")
        if self._note("address") == address and validator:
            return {**asked, "If-Range": str(validator)}
        return asked if self.sha256 else {}

    def _note(self, key: str) -> str | int | None:
        try:
            found: str | int | None = json.loads(self.notes.read_text()).get(key)
        except (OSError, ValueError, AttributeError):
            return None
        return found

    def _take_notes(self, address: str, response: HTTPResponse, total: int | None) -> None:
        tag = response.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
        with _writing(self.notes):
            self.notes.write_text(json.dumps({"address": address, "validator": validator, "total": total}))

    def _write(self, read: Callable[[int], bytes], start: int, total: int | None) -> None:
        expected = total if total is not None else self.bytes
        check_room(self.path.parent, (expected or 0) - start, self.target.name)
        with _writing(self.path), self.path.open("r+b") as out:
            out.truncate(start)
            self._copy(read, out, start, expected)
        if total is not None and self.size < total:
            raise Broken(f"the transfer broke off at {self.size:,} of {total:,} bytes")

    def _copy(self, read: Callable[[int], bytes], out: BinaryIO, start: int, expected: int | None) -> None:
        done = out.seek(start)
        since, then = time.monotonic(), done
        self.progress(done, expected)
        while piece := read(CHUNK_BYTES):
            if not done:
                check_beginning(self.target.name, piece)
            if expected is not None and done + len(piece) > expected:
                self._empty()
                raise Refused(f"it sends more than the {expected:,} bytes there are; what came is removed")
            out.write(piece)
            done += len(piece)
            self.progress(done, expected)
            now = time.monotonic()
            if now - since > self.patience.timeout_s:
                if (done - then) / (now - since) < self.patience.slowest_bytes_per_s:
                    raise Refused(f"it sends less than {self.patience.slowest_bytes_per_s:g} bytes a second")
                since, then = now, done


def sha256_of(path: str | Path) -> str:
    """The file's SHA-256, in hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_room(folder: Path, bytes: int, what: str) -> None:
    """Raises OutputError where `folder`'s disk has less than `bytes` left."""
    free = shutil.disk_usage(folder).free
    if bytes > free:
        raise OutputError(
            f"{what} needs {amount(bytes)} more in {folder}, which has {amount(free)} free: "
            "free some space, or give another --out"
        )


def amount(bytes: int) -> str:
    """Bytes for people: 54.0 MB."""
    size, unit = float(bytes), "bytes"
    for bigger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, bigger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def _read(response: HTTPResponse, n: int, timeout_s: float) -> bytes:
    # read1 gives what has come; read would wait for the whole of `n`.
    try:
        return response.read1(n)
    except TimeoutError:
        raise Broken(f"nothing came for {timeout_s:g} s") from None
    except (OSError, HTTPException) as error:
        raise Broken(f"the connection broke ({in_a_line(error)})") from None


def _content_range(header: str) -> _Span:
    """`bytes 100-199/200` as (100, 200), `bytes */200` as (None, 200)."""
    span, _, total = header.removeprefix("bytes").strip().partition("/")
    return _Span(_whole_number(span.partition("-")[0]), _whole_number(total))


def _whole_number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise OutputError(
                f"the disk of {path.parent} is full: free some space and run this again; what came is kept in {path}"
            ) from None
        raise OutputError(f"{path} can't be written ({error.strerror or error})") from None


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Holds the part for this process, and makes it where there is none. Raises OutputError where another has it."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("ab")
    with lock:
        with suppress(ImportError):  # no such lock on Windows
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise OutputError(f"{path} is being written by another process: wait for it to end") from None
        yield
