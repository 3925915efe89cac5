"""Owns unpack(): a zip or tar archive into a folder, looked through whole before the first byte is written."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from grounding.data.fetching.download import CHUNK_BYTES, FULL, check_room
from grounding.errors import FetchError, InputError, OutputError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_LITTER = ("__MACOSX/", "._")
"""What Finder puts into archives beside the files; left out."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may hold; COCO's largest has 118,287 files and 19 GB."""

    files: int = 1_000_000
    bytes: int = 200_000_000_000
    ratio: float = 200.0
    """Bytes unpacked to bytes packed; deflate gives json about 10, and a bomb a thousand."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What an archive held."""

    files: dict[str, int]
    """Name below the folder to bytes."""
    kept: int
    """How many of them were there already, equal."""
    litter: int
    """How many entries of Finder's were left out."""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(self.files.values())


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def is_archive(name: str) -> bool:
    """Whether `unpack` knows the ending."""
    return name.lower().endswith(ARCHIVES)


def unpack(
    archive: str | Path,
    folder: str | Path,
    *,
    limits: UnpackLimits | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Unpacked:
    """The archive's files below `folder`. A file that is there already and equal is kept; one that differs is not
    overwritten.

    Nothing is written where any entry has an absolute path or one that leads out of the folder, is a link, a device
    or encrypted, stands twice, or goes over `limits`: FetchError names it. Raises FetchError for a damaged archive
    and OutputError where a file can't be written or another one is in its place. `progress` is told bytes.
    """
    archive, folder = Path(archive), Path(folder)
    read = _zip_entries if archive.name.lower().endswith(".zip") else _tar_entries
    limits = limits or UnpackLimits()
    with _readable(archive):
        names = _looked_through(archive, read, limits)
        total = sum(names.values())
        check_room(_existing(folder), _missing_bytes(names, folder), f"unpacking {archive.name}")
        kept = litter = done = 0
        for entry in read(archive):
            if entry.name.startswith(_LITTER) or "/._" in entry.name:
                litter += 1
                continue
            kept += _place(entry, folder / entry.name)
            done += entry.size
            progress(done, total)
    return Unpacked(names, kept, litter)


def _looked_through(archive: Path, read: Callable[[Path], Iterator[_Entry]], limits: UnpackLimits) -> dict[str, int]:
    """Name to bytes of every file, after every entry was found harmless."""
    names: dict[str, int] = {}
    most = min(limits.bytes, int(archive.stat().st_size * limits.ratio) + 1_000_000)
    total = 0
    for count, entry in enumerate(read(archive), 1):
        _check_name(entry.name, archive)
        if entry.name in names:
            raise FetchError(f"{archive.name} holds {entry.name!r} twice; it is not unpacked")
        total += entry.size
        if count > limits.files:
            raise FetchError(f"{archive.name} holds more than {limits.files:,} files; it is not unpacked")
        if total > most:
            raise FetchError(
                f"{archive.name} would unpack to more than {most:,} bytes at {entry.name!r}, which no honest archive "
                "of its size does; it is not unpacked"
            )
        if not entry.name.startswith(_LITTER) and "/._" not in entry.name:
            names[entry.name] = entry.size
    return names


def _check_name(name: str, archive: Path) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    strange = not path.parts or "\0" in name or any(part.endswith(":") or part == ".." for part in path.parts)
    if strange or path.is_absolute() or (path.parts and ":" in path.parts[0]):
        raise FetchError(f"{archive.name} holds {name!r}, which leads out of its folder; it is not unpacked")


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as source:
        packed = 0
        for info in source.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise FetchError(f"{archive.name} holds {info.filename!r}, a link or a device; it is not unpacked")
            if info.flag_bits & 1:
                raise FetchError(f"{archive.name} holds {info.filename!r} encrypted; it is not unpacked")
            packed += info.compress_size
            if packed > archive.stat().st_size:  # entries that share their bytes: a bomb within any ratio
                raise FetchError(f"{archive.name} holds entries that overlap; it is not unpacked")
            if info.is_dir():
                _check_name(info.filename, archive)
                continue
            yield _Entry(info.filename, info.file_size, lambda info=info: source.open(info))  # type: ignore[misc]


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, "r|*") as source:
        for info in source:
            if info.isdir():
                _check_name(info.name, archive)
                continue
            if not info.isreg() or info.issparse():
                raise FetchError(f"{archive.name} holds {info.name!r}, a link or a device; it is not unpacked")
            stream = source.extractfile(info)
            assert stream is not None  # it is a regular file
            name = info.name.removeprefix("./")
            yield _Entry(name, info.size, lambda stream=stream: stream)  # type: ignore[misc]


def _place(entry: _Entry, path: Path) -> bool:
    """Writes one file, whole or not at all; True where an equal one was there."""
    with entry.open() as source:
        if path.is_file():
            if path.stat().st_size == entry.size and _same(source, path):
                return True
            raise OutputError(f"{path} is there already and is another file: move it away, or give another --out")
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                written = 0
                while piece := source.read(CHUNK_BYTES):
                    written += len(piece)
                    out.write(piece)
            if written != entry.size:
                raise FetchError(f"{entry.name!r} ends after {written:,} of {entry.size:,} bytes: fetch it again")
            part.replace(path)
        except OSError as error:
            if error.errno in FULL:
                raise OutputError(f"the disk of {path.parent} is full: free some space and run this again") from None
            raise OutputError(f"{path} can't be written ({error.strerror or error})") from None
        finally:
            part.unlink(missing_ok=True)
    return False


def _same(source: IO[bytes], path: Path) -> bool:
    with path.open("rb") as there:
        while piece := source.read(CHUNK_BYTES):
            if there.read(len(piece)) != piece:
                return False
    return True


def _missing_bytes(names: dict[str, int], folder: Path) -> int:
    return sum(size for name, size in names.items() if not (folder / name).is_file())


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"there is no archive {archive}") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise FetchError(f"{archive} is damaged ({error}): remove it and fetch it again") from None
