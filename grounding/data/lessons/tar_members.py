"""Owns TarMembers: which samples a tar file holds and where their bytes lie, told from its headers or from an index.

A sample's members stand beside each other and share their name up to the first dot of its last part, as webdataset
writes them: 000.jpg, 000.json, 001.jpg ... The index beside a shard is NVIDIA DALI's (tools/wds2idx.py, version 1.2):
the number of samples, then a line for each with extension, offset, size and name of its members.

A tar is read where it lies: nothing is unpacked, so names lead nowhere, and links, devices and sparse files are no
samples. Headers are read here rather than by tarfile, which takes ten times as long for the same list.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from grounding.data.dataset import DataProblem
from grounding.data.reading import Findings
from grounding.data.whole_files import whole_file
from grounding.errors import InputError

BLOCK = 512
MOST_BYTES = 200_000_000
"""Of one sample; more are read by nobody."""
_INDEX = "v1.2"
_LONGEST = 1 << 20
"""Bytes of a header that gives a long name."""
_FILES, _LONG_NAME, _PAX, _PAX_GLOBAL, _FOLDER = b"0\0\x007", b"L", b"x", b"g", b"5"
_NO_BYTES = b"123456"
"""Kinds without bytes of their own, whatever size stands in the header: links, devices, folders."""


class Part(NamedTuple):
    """One file of a sample."""

    ending: str
    """Behind the first dot: "jpg", "1.jpg", "json"."""
    offset: int
    """Of its first byte in the tar."""
    size: int


@dataclass(frozen=True, slots=True)
class TarSample:
    """One sample."""

    key: str
    """Its members' name up to the dot."""
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TarMembers:
    """What is in a tar."""

    samples: tuple[TarSample, ...]
    problems: tuple[DataProblem, ...] = ()
    """Where it is damaged or cut off: the samples before that are there."""


def members_of(path: Path) -> TarMembers:
    """The samples of a tar: from the index beside it, where it has one that fits, else from its headers.

    Raises InputError where the file can't be read or is packed.
    """
    try:
        size = path.stat().st_size
        index = path.with_suffix(".idx")
        if index.is_file() and (found := _of_index(index, path, size)):
            return found
        with path.open("rb") as stream:
            if not size:
                raise InputError(f"{path} is empty: 0 bytes; fetch it again")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _of_headers(data, path)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None


def write_index(path: Path, members: TarMembers) -> None:
    """Writes DALI's index beside a tar."""
    with whole_file(path.with_suffix(".idx")) as stream:
        stream.write(f"{_INDEX} {len(members.samples)}\n")
        for sample in members.samples:
            told = [f"{part.ending} {part.offset} {part.size} {sample.key}.{part.ending}" for part in sample.parts]
            stream.write(" ".join(told) + "\n")


def read_sample(descriptor: int, sample: TarSample) -> dict[str, bytes]:
    """Ending -> bytes of a sample's members, in one read. Raises InputError where they are too large or cut off."""
    first = min(part.offset for part in sample.parts)
    last = max(part.offset + part.size for part in sample.parts)
    if last - first > MOST_BYTES:
        raise InputError(f"the sample {sample.key!r} has {last - first:,} bytes, over the limit of {MOST_BYTES:,}")
    data = os.pread(descriptor, last - first, first)
    if len(data) < last - first:
        raise InputError(f"the sample {sample.key!r} is cut off: the archive has changed or is damaged")
    return {part.ending: data[part.offset - first : part.offset - first + part.size] for part in sample.parts}


# ---- headers


def _of_headers(data: mmap.mmap, path: Path) -> TarMembers:
    findings = Findings(path)
    if data[:2] == b"\x1f\x8b" or data[:4] in (b"BZh9", b"\xfd7zX", b"\x28\xb5\x2f\xfd"):
        raise InputError(f"{path.name} is packed, so that no sample in it can be found alone: unpack it to a plain tar")
    samples: list[TarSample] = []
    parts: list[Part] = []
    last: str | None = None
    for name, offset, size in _files(data, findings):
        folder, slash, base = name.rpartition("/")
        stem, dot, ending = base.partition(".")
        if not stem or not dot or folder.startswith("__MACOSX"):
            continue
        key = f"{folder}{slash}{stem}"
        if key != last:
            if last is not None:
                samples.append(TarSample(last, tuple(parts)))
            last, parts = key, []
        parts.append(Part(ending.lower(), offset, size))
    if last is not None:
        samples.append(TarSample(last, tuple(parts)))
    return TarMembers(tuple(samples), tuple(findings.problems))


def _files(data: mmap.mmap, findings: Findings) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of each plain file, up to the end or to where the archive is damaged."""
    at, end = 0, len(data)
    long_name: str | None = None
    long_size: int | None = None
    while at + BLOCK <= end:
        header = data[at : at + BLOCK]
        if not header.strip(b"\0"):
            return
        size = _number(header[124:136])
        if size is None or not _adds_up(header):
            findings.add("unreadable line", f"it is damaged at byte {at:,}; what follows is lost", entry=f"byte {at}")
            return
        kind = header[156:157]
        size = 0 if kind in _NO_BYTES else long_size if long_size is not None and kind in _FILES else size
        offset, at = at + BLOCK, at + BLOCK + size + (-size % BLOCK)
        if offset + size > end:
            findings.add("unreadable line", "it ends in the middle of a file; fetch it again", entry=f"byte {offset}")
            return
        if kind in (_LONG_NAME, _PAX):
            if size > _LONGEST:
                findings.add("unreadable line", f"a name of {size:,} bytes; what follows is lost", entry=f"byte {at}")
                return
            if kind == _LONG_NAME:
                long_name = data[offset : offset + size].rstrip(b"\0").decode("utf-8", "replace")
            else:
                records = _pax(data[offset : offset + size])
                long_name = records.get("path", long_name)
                long_size = int(records["size"]) if records.get("size", "").isdecimal() else None
            continue
        if kind in _FILES:
            yield long_name or _name(header), offset, size
        elif kind not in (_FOLDER, _PAX_GLOBAL):
            findings.add(
                "unreadable line", f"{_name(header)[:80]!r} is a link or a device: it is passed over", kept=True
            )
        if kind != _PAX_GLOBAL:
            long_name = long_size = None
    if at > end or at < end:
        findings.add("unreadable line", "it ends in the middle; fetch it again", entry=f"byte {at}")
    else:
        findings.add("unreadable line", "it has no end mark: it may be cut off", entry=f"byte {at}", kept=True)


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _number(field: bytes) -> int | None:
    """An octal number, or one in base 256 as GNU writes it; None where it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError:
        return None


def _adds_up(header: bytes) -> bool:
    """Whether the header's own sum is right: its bytes', with blanks in the sum's place."""
    return _number(header[148:156]) == sum(header) - sum(header[148:156]) + 8 * 32


def _pax(data: bytes) -> dict[str, str]:
    """Records `LENGTH NAME=VALUE` of an extended header."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at)
        length = data[at:blank]
        if blank < 0 or not length.isdigit() or int(length) < 5:
            break
        name, _, value = data[blank + 1 : at + int(length)].rstrip(b"\n").partition(b"=")
        records[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += int(length)
    return records


# ---- DALI's index


def _of_index(index: Path, tar: Path, size: int) -> TarMembers | None:
    """What an index says; None where it is no such index or that of another tar, such as one that lay there before."""
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
        version, count = lines[0].split()
        if version != _INDEX or int(count) != len(lines) - 1:
            return None
        samples = tuple(_of_line(line.split(" "), size) for line in lines[1:])
        last = max((part for sample in samples for part in sample.parts), key=lambda part: part.offset)
        return TarMembers(samples) if _is_last(last, tar) else None
    except (OSError, ValueError, IndexError):  # such as names with blanks in them: the headers tell it all the same
        return None


def _is_last(part: Part, tar: Path) -> bool:
    """Whether a header stands in front of it that tells its size, and the tar's end behind it."""
    with tar.open("rb") as stream:
        stream.seek(part.offset - BLOCK)
        header = stream.read(BLOCK)
        stream.seek(part.size + -part.size % BLOCK, os.SEEK_CUR)
        return _adds_up(header) and _number(header[124:136]) == part.size and not stream.read(BLOCK).strip(b"\0")


def _of_line(fields: list[str], size: int) -> TarSample:
    parts = []
    for at in range(0, len(fields), 4):
        ending, offset, length, name = fields[at : at + 4]
        if not name.endswith(ending) or not 0 < int(offset) <= int(offset) + int(length) <= size:
            raise ValueError(name)
        parts.append(Part(ending.lower(), int(offset), int(length)))
    return TarSample(name[: -len(ending) - 1], tuple(parts))
