"""Owns pack(): lessons written into tar shards, each whole or not at all, with the indexes that find them again."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.own_rows import lesson_row
from grounding.data.lessons.reading import BadLesson, Ready, try_lesson
from grounding.data.lessons.shard_places import INDEX, Shard, write_shard_index
from grounding.data.lessons.sources import Source
from grounding.data.lessons.tar_members import members_of, write_index
from grounding.data.pictures import FilePicture, HeldPicture, Picture
from grounding.data.whole_files import whole_bytes
from grounding.errors import InputError, OutputError

_ENDINGS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` left behind."""

    shards: tuple[Shard, ...]
    lessons: int
    bad: tuple[BadLesson, ...]
    """Lessons that could not be packed, as their pictures can't be opened or their boxes lie outside."""

    @property
    def bytes(self) -> int:
        """Of all shards."""
        return sum(shard.size or 0 for shard in self.shards)


def lessons_of(source: Source, count: int | None = None) -> Iterator[Ready | BadLesson]:
    """The first `count` lessons of a source (default: each of its lessons once), open, or why one can't be.

    The source should not shuffle, so that neighbours stay neighbours. Raises InputError where it has no end.
    """
    count = source.size if count is None else count
    if count is None:
        raise InputError(f"{source.name} has no end: say how many lessons are wanted")
    return (try_lesson(source, ordinal) for ordinal in range(count))


def pack(
    lessons: Iterable[Ready | BadLesson],
    folder: str | Path,
    name: str = "shard",
    *,
    per_shard: int = 1000,
    overwrite: bool = False,
) -> Packed:
    """Writes the lessons into `folder`/`name`-000000.tar and so on, with an index beside each and one of all.

    A lesson is its pictures, in the bytes of their file where it is a JPEG or PNG of the right size, and a row of JSON
    that holds all of it. The same lessons make the same bytes. `overwrite` replaces a set of the same name, all of it.
    Raises InputError where shards are there already, and OutputError where nothing can be written.
    """
    if per_shard < 1:
        raise InputError(f"per_shard is {per_shard}; a shard holds 1 lesson or more")
    folder = Path(folder).expanduser()
    if not overwrite and (folder / INDEX).exists():
        raise InputError(f"{folder / INDEX} is there already: give another place, or overwrite it with --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).unlink(missing_ok=True)  # of older shards
    except OSError as error:
        raise OutputError(f"{folder} can't be made ({error.strerror or error}): give another place") from error
    bad: list[BadLesson] = []
    good = _sorted_out(lessons, bad)
    shards: list[Shard] = []
    total = 0
    for first in good:
        path = folder / f"{name}-{len(shards):06d}.tar"
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already: give another place, or overwrite it with --overwrite")
        path.with_suffix(".idx").unlink(missing_ok=True)  # that of an older shard
        count = _write_shard(path, chain([first], islice(good, per_shard - 1)), total)
        write_index(path, members_of(path))
        shards.append(Shard(str(path), count, path.stat().st_size))
        total += count
    if not shards:
        told = f"; the first: {bad[0].message}" if bad else ""
        raise InputError(f"there is no lesson to pack{told}")
    if overwrite:
        _remove_older(folder, name, len(shards))
    write_shard_index(folder, shards, name)
    return Packed(tuple(shards), total, tuple(bad))


def _remove_older(folder: Path, name: str, count: int) -> None:
    """Removes what an older, longer set left behind `count` shards: a folder is read with all shards that lie in it."""
    for path in folder.iterdir():
        found = re.fullmatch(rf"{re.escape(name)}-(\d{{6,}})\.(tar|idx)", path.name)
        if found and int(found[1]) >= count:
            path.unlink()


def _sorted_out(lessons: Iterable[Ready | BadLesson], bad: list[BadLesson]) -> Iterator[Ready]:
    """The good ones; the others are put on the list."""
    for entry in lessons:
        if isinstance(entry, Ready):
            yield entry
        else:
            bad.append(entry)


def _write_shard(path: Path, lessons: Iterable[Ready], number: int) -> int:
    """Writes one shard, whose keys count from `number`; how many lessons it holds."""
    count = 0
    with whole_bytes(path) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for ready in lessons:
            _add_lesson(tar, ready, f"{number + count:09d}")
            count += 1
    return count


def _add_lesson(tar: tarfile.TarFile, ready: Ready, key: str) -> None:
    lesson: Lesson = ready.lesson
    names = []
    for place, (picture, image) in enumerate(zip(lesson.pictures, ready.images, strict=True)):
        data, ending = _encoded(picture, image)
        names.append(f"{key}.{ending}" if len(lesson.pictures) == 1 else f"{key}.{place}.{ending}")
        _add(tar, names[-1], data)
    row = json.dumps(lesson_row(lesson, names), ensure_ascii=False, allow_nan=False)
    _add(tar, f"{key}.json", row.encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _encoded(picture: Picture, image: Any) -> tuple[bytes, str]:
    """The bytes that the picture came in, where a reader opens them the same; else PNG of what was opened."""
    data: Any = None
    if isinstance(picture, FilePicture) and picture.stretched_from is None:
        data = picture.path.read_bytes()
    elif isinstance(picture, HeldPicture):
        data = picture.source
    elif hasattr(picture, "data"):
        data = picture.data()
    if isinstance(data, bytes):
        for start, ending in _ENDINGS.items():
            if data.startswith(start):
                return data, ending
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue(), "png"
