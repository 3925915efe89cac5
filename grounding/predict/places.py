"""Owns where predictions go: a file of this machine, or any address that fsspec knows, which gets copies of one."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from grounding.data.addresses import is_address, open_address, reason_of
from grounding.errors import OutputError

SECONDS_BETWEEN_COPIES = 60.0
"""A run that is killed together with its machine loses no more than what came since the last copy."""
SHARE_OF_TIME = 20
"""Copying takes at most one part in so many of the time, however large the file has become."""


class Place:
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """Where the file is written."""
        if path.is_dir():
            raise OutputError(f"--out {path} is a directory: name a file in it")
        if not path.parent.is_dir():
            raise OutputError(f"--out {path} can't be written: there is no directory {path.parent}")

    def __str__(self) -> str:
        return str(self.path)

    def fetch(self) -> None:
        """Fills `path`, an open file, with what an earlier run left."""

    def save(self, *, now: bool = False) -> None:
        """Sends `path` to where it belongs if it is time to, or `now`. Raises OutputError."""

    def close(self) -> None:
        """Removes what nobody needs any more."""


class RemotePlace(Place):
    """An address. The file is written on this machine and copied there now and then, and at the end."""

    def __init__(self, address: str) -> None:
        """Raises MissingExtraError where the package for such addresses is not installed, InputError for others."""
        self.address = address
        self._fs, self._there = open_address(address)
        self._seen: str | None = None
        self._copied, self._took = time.monotonic(), 0.0
        super().__init__(_own_folder() / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.jsonl")

    def __str__(self) -> str:
        return self.address

    def fetch(self) -> None:
        try:
            self._seen = self._mark()
            if self._seen is None:
                os.truncate(self.path, 0)
            else:
                self._fs.get_file(self._there, str(self.path))
        except Exception as error:  # every store has errors of its own
            raise OutputError(f"{self.address} can't be read ({reason_of(error)}): look at its rights") from error

    def save(self, *, now: bool = False) -> None:
        pause = max(SECONDS_BETWEEN_COPIES, SHARE_OF_TIME * self._took)
        start = time.monotonic()
        if not now and start - self._copied < pause:
            return
        try:
            if self._mark() != self._seen:
                raise OutputError(
                    f"another run has written {self.address} meanwhile: give another --out; what this run has asked "
                    f"stands in {self.path}"
                )
            self._fs.put_file(str(self.path), self._there)
            self._seen = self._mark()
        except OutputError:
            raise
        except Exception as error:
            raise OutputError(
                f"{self.address} can't be written ({reason_of(error)}); what this run has asked stands in {self.path}"
            ) from error
        self._copied = time.monotonic()
        self._took = self._copied - start

    def close(self) -> None:
        self.path.unlink(missing_ok=True)

    def _mark(self) -> str | None:
        """What changes with what stands at the address; None if nothing does."""
        self._fs.invalidate_cache()
        try:
            mark: str = self._fs.ukey(self._there)
        except FileNotFoundError:
            return None
        return mark


def place_of(out: str | os.PathLike[str]) -> Place:
    """Where `out` leads, checked before any work is done. Raises OutputError, InputError, MissingExtraError."""
    text = os.fspath(out)
    if text.startswith("file://"):
        return Place(Path(urlsplit(text).path))
    return RemotePlace(text) if is_address(text) else Place(Path(text).expanduser())


def _own_folder() -> Path:
    """A folder that only this user can read, the same for all processes of a run on this machine."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"grounding-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        raise OutputError(f"{folder} is no folder of yours: remove it, or set TMPDIR to another place")
    return folder
