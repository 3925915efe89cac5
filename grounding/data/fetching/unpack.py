"""Owns unpack(): a zip or tar archive into a folder, looked through whole before the first byte is written."""

from __future__ import annotations

import gzip
import os
import stat
import struct
import tarfile
import unicodedata
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
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others reserve memory by the gigabyte if a zip says so; no data set uses them."""
_HEADER_BYTES = 1 << 16
"""tarfile reads names and PAX headers into memory whole, however long."""
_NAME_BYTES, _MOST_FOLDERS = 240, 32
_STRANGE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Kinds of characters, as Unicode names them, that lists and terminals take for something else."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may hold; COCO's largest has 118,287 files and 19 GB."""

    files: int = 300_000
    """Folders count, too."""
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
    """As the archive has it."""
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]] | None
    """None for a folder."""


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
    or encrypted, has a name that no disk should hold or one that falls on another's file, or goes over `limits`:
    FetchError names it. Raises FetchError for a damaged archive and OutputError where a file can't be written or
    another one is in its place. `progress` is told bytes.
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
            if entry.open is None:
                continue
            name = _name_of(entry, archive)
            if _is_litter(name):
                litter += 1
                continue
            with entry.open() as source:
                kept += _place(source, entry.size, folder / name)
            done += entry.size
            progress(done, total)
    return Unpacked(names, kept, litter)


def _looked_through(archive: Path, read: Callable[[Path], Iterator[_Entry]], limits: UnpackLimits) -> dict[str, int]:
    """Name to bytes of every file, after every entry was found harmless."""
    names: dict[str, int] = {}
    places: dict[str, str] = {}
    most = min(limits.bytes, int(archive.stat().st_size * limits.ratio) + 1_000_000)
    total = 0
    for count, entry in enumerate(read(archive), 1):
        if count > limits.files:
            raise FetchError(f"{archive.name} holds more than {limits.files:,} files; it is not unpacked")
        name = _name_of(entry, archive)
        total += entry.size
        if total > most:
            raise FetchError(
                f"{archive.name} would unpack to more than {most:,} bytes at {name!r}, which no honest archive "
                "of its size does; it is not unpacked"
            )
        if entry.open is None or _is_litter(name):
            continue
        other = places.setdefault(_falls_on(name), name)
        if name in names:
            raise FetchError(f"{archive.name} holds {name!r} twice; it is not unpacked")
        if other != name:
            both = f"{other!r} and {name!r}, which are one file on some disks"
            raise FetchError(f"{archive.name} holds {both}; it is not unpacked")
        names[name] = entry.size
    for name in names:
        for folder in list(PurePosixPath(name).parents)[:-1]:
            if _falls_on(str(folder)) in places:
                raise FetchError(f"{archive.name} holds {str(folder)!r} as a file and as a folder; it is not unpacked")
    return names


def _name_of(entry: _Entry, archive: Path) -> str:
    """The path below the folder, parted by /; "." for the folder itself. Raises FetchError where it is none."""
    path = PurePosixPath(entry.name.replace("\\", "/"))
    seen = f"{archive.name} holds {entry.name[:80]!r}"
    if not path.parts and entry.open is None:
        return "."
    outside = path.is_absolute() or any(part.endswith(":") or part == ".." for part in path.parts)
    if outside or not path.parts or "\0" in entry.name or ":" in path.parts[0]:
        raise FetchError(f"{seen}, which leads out of its folder; it is not unpacked")
    if len(path.parts) > _MOST_FOLDERS:
        raise FetchError(f"{seen}, which lies deeper than {_MOST_FOLDERS} folders; it is not unpacked")
    if any(map(_is_strange, path.parts)):
        raise FetchError(f"{seen}, a name that is no file's; it is not unpacked")
    return str(path)


def _is_strange(part: str) -> bool:
    """Whether no disk or list should hold it: too long, or with line ends, changes of direction or broken letters."""
    kinds = {unicodedata.category(character) for character in part}
    return len(part.encode("utf-8", "replace")) > _NAME_BYTES or any(kind in _STRANGE for kind in kinds)


def _falls_on(name: str) -> str:
    """Equal for names that may be one file: on disks that ignore case or accents' spelling, or while it is written."""
    return unicodedata.normalize("NFC", name).casefold().removesuffix(".part")


def _is_litter(name: str) -> bool:
    return name.startswith(_LITTER) or "/._" in name


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as source:
        packed = 0
        for info in source.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise FetchError(f"{archive.name} holds {info.filename!r}, a link or a device; it is not unpacked")
            if info.flag_bits & 1:
                raise FetchError(f"{archive.name} holds {info.filename!r} encrypted; it is not unpacked")
            if info.compress_type not in _PACKINGS:
                packing = f"packed by method {info.compress_type}, not by deflate"
                raise FetchError(f"{archive.name} holds {info.filename!r} {packing}; it is not unpacked")
            packed += info.compress_size
            if packed > archive.stat().st_size:  # entries that share their bytes: a bomb within any ratio
                raise FetchError(f"{archive.name} holds entries that overlap; it is not unpacked")
            if info.is_dir():
                yield _Entry(info.filename, 0, None)
            else:
                yield _Entry(info.filename, info.file_size, lambda info=info: source.open(info))  # type: ignore[misc]


class _Header(tarfile.TarInfo):
    """A header that is refused before tarfile reads into memory what it announces."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        header = super().frombuf(buf, encoding, errors)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise FetchError(f"a tar archive holds {header.name!r}, a link or a device; it is not unpacked")
        if header.type not in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE) and not 0 <= header.size <= _HEADER_BYTES:
            raise FetchError(f"a tar archive announces a header of {header.size:,} bytes; it is not unpacked")
        return header


def _unpacked(archive: Path) -> IO[bytes]:
    return archive.open("rb") if archive.suffix.lower() == ".tar" else gzip.open(archive)  # type: ignore[return-value]


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    # gzip unpacks it, not tarfile, which takes a minute over 300,000 entries that are packed to nothing
    with _unpacked(archive) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as source:
        while (info := source.next()) is not None:
            source.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
            if info.isdir():
                yield _Entry(info.name, 0, None)
                continue
            if not info.isreg() or info.issparse():
                raise FetchError(f"{archive.name} holds {info.name!r}, a link or a device; it is not unpacked")
            if info.size < 0:
                raise tarfile.ReadError(f"{info.name!r} has {info.size} bytes")
            file = source.extractfile(info)
            assert file is not None  # it is a regular file
            yield _Entry(info.name, info.size, lambda file=file: file)  # type: ignore[misc]


def _place(source: IO[bytes], size: int, path: Path) -> bool:
    """Writes one file, whole or not at all; True where an equal one was there."""
    with _written(path):
        if path.is_file():
            if path.stat().st_size == size and _same(source, path):
                return True
            raise OutputError(f"{path} is there already and is another file: move it away, or give another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as out:
                written = 0
                while piece := source.read(CHUNK_BYTES):
                    written += len(piece)
                    out.write(piece)
            if written != size:
                raise FetchError(f"{path.name!r} ends after {written:,} of {size:,} bytes: fetch it again")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return False


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except gzip.BadGzipFile:  # an OSError, though it is the archive's fault
        raise
    except OSError as error:
        if error.errno in FULL:
            raise OutputError(f"the disk of {path.parent} is full: free some space and run this again") from None
        raise OutputError(f"{path} can't be written ({error.strerror or error})") from None


def _same(source: IO[bytes], path: Path) -> bool:
    with path.open("rb") as there:
        while piece := source.read(CHUNK_BYTES):
            if there.read(len(piece)) != piece:
                return False
    return True


def _missing_bytes(names: dict[str, int], folder: Path) -> int:
    return sum(size for name, size in names.items() if not os.path.isfile(folder / name))


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
    TypeError,
    IndexError,
    RecursionError,  # PAX headers that announce one another
)
"""What the two modules raise of archives that make no sense."""


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"there is no archive {archive}") from None
    except _DAMAGE as error:
        raise FetchError(f"{archive} is damaged ({error}): remove it and fetch it again") from None
