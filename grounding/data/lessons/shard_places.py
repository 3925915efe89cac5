"""Owns where shards lie: patterns of their names, an index of how many samples each has, and copies of far ones.

A shard is a tar, or a parquet file, of which a tar is made.

The index is that of wids, webdataset's reader by number: {"wids_version": 1, "shardlist": [{"url": "a-000.tar",
"nsamples": 1000, "filesize": 53248000}, ...]}; urls count from the folder that the index lies in.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import escape, glob
from itertools import product
from pathlib import Path
from typing import Any

from grounding.data.addresses import is_address, open_address, reason_of
from grounding.data.lessons.parquet_shards import ENDING as PARQUET, count_rows, write_rows
from grounding.data.lessons.tar_members import members_of
from grounding.data.whole_files import whole_file
from grounding.errors import FetchError, InputError, OutputError

INDEX = "shards.json"
"""The index's name, beside the shards."""
MOST_SHARDS = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar file."""

    place: str
    """Its path or address."""
    count: int | None = None
    """Samples in it; None where nobody has counted."""
    size: int | None = None
    """Its bytes, where the index says."""

    @property
    def name(self) -> str:
        """The last part of its place."""
        return self.place.replace("\\", "/").rsplit("/", 1)[-1]


def find_shards(pattern: str, root: str | None = None) -> list[Shard]:
    """The shards that a pattern means, in order: "cc-{000..127}.tar", "cc-*.tar", a folder, or an index's file.

    `root`: the folder or address that it counts from. Counts come from the index beside them, where there is one.
    Raises InputError where there are none, or one that is named is not there.
    """
    place = (
        pattern if root is None or is_address(pattern) or os.path.isabs(pattern) else f"{root.rstrip('/')}/{pattern}"
    )
    place = place if is_address(place) else os.path.expanduser(place)
    if place.endswith(".json"):
        listed = _listed(place)
        if not listed:
            raise InputError(f"{place} is no index of shards, or lists none")
        return [_as_it_is(shard) for shard in listed]
    names = [name for spelt in _spelt(place) for name in _found(spelt)]
    if not names:
        raise InputError(f"there are no shards {pattern!r}{f' in {root}' if root else ''}: give another pattern")
    known = {
        shard.place: shard for folder in {_folder(name) for name in names} for shard in _listed(f"{folder}/{INDEX}")
    }
    return [_as_it_is(known.get(name, Shard(name))) for name in names]


def counted(
    shards: Sequence[Shard], cache: Path, told: Callable[[int, int], None] = lambda done, total: None
) -> list[Shard]:
    """The shards, each with its count: of its index, of an earlier visit, or counted now. Raises InputError.

    `told` hears how many of those that nobody had counted are done.
    """
    missing = [shard for shard in shards if shard.count is None]
    if not missing:
        return list(shards)
    memory = cache / f"counts-{hashlib.sha256(_lasting(missing[0].place).encode()).hexdigest()[:16]}.json"
    remembered = _remembered(memory)
    fresh = False
    counts: dict[str, Shard] = {}
    for done, shard in enumerate(missing):
        told(done, len(missing))
        size, state = _state_of(shard)
        place = _lasting(shard.place)
        known = remembered.get(place)
        count = known.get("count") if isinstance(known, dict) and known.get("state") == state else None
        if not isinstance(count, int):
            shard = Shard(shard.place, None, size)
            if shard.name.endswith(PARQUET):
                count = count_rows(shard.place)
            else:
                count = len(members_of(Copies(cache).path(shard)).samples)
            fresh = True
            remembered[place] = {"state": state, "count": count}
        counts[shard.place] = Shard(shard.place, count, size)
    if fresh:
        with suppress(OSError, OutputError):  # counted again next time
            cache.mkdir(parents=True, exist_ok=True)
            part = memory.with_name(f"{memory.name}.{os.getpid()}")
            part.write_text(json.dumps(remembered), encoding="utf-8")
            part.replace(memory)
    return [counts.get(shard.place, shard) for shard in shards]


def write_shard_index(folder: Path, shards: Sequence[Shard], name: str) -> Path:
    """Writes wids' index of shards that lie in `folder`; its path."""
    path = folder / INDEX
    entries = [{"url": shard.name, "nsamples": shard.count, "filesize": shard.size} for shard in shards]
    with whole_file(path) as stream:
        json.dump({"wids_version": 1, "name": name, "shardlist": entries}, stream, indent=1)
        stream.write("\n")
    return path


def cache_folder() -> Path:
    """Where copies and counts are kept: GROUNDING_CACHE, else grounding/ in the user's cache."""
    usual = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "grounding")
    return Path(os.path.expanduser(os.environ.get("GROUNDING_CACHE") or usual)) / "shards"


class Copies:
    """Copies of shards that lie at addresses, whole, on this machine; those used longest ago give way to new ones.

    Processes of a machine share them: one fetches, the others wait.
    """

    def __init__(self, folder: Path, most_bytes: int = 50_000_000_000) -> None:
        self.folder, self.most_bytes = folder, most_bytes

    def path(self, shard: Shard) -> Path:
        """A tar with the shard's samples: itself, or a copy. Raises FetchError, InputError and OutputError."""
        if not is_address(shard.place) and not shard.name.endswith(PARQUET):
            return Path(shard.place)
        from filelock import FileLock

        state = shard.size if is_address(shard.place) else _state_of(shard)[1]
        stem = shard.name.removesuffix(PARQUET).removesuffix(".tar")
        told = f"{_lasting(shard.place)} {state}"
        copy = self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}-{stem}.tar"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{copy}.lock"):
                if copy.is_file():
                    os.utime(copy)
                else:
                    self._make_room(shard.size or 0)
                    self._fetch(shard, copy)
        except OSError as error:
            raise OutputError(f"{self.folder} can't hold copies of shards: {error.strerror or error}") from error
        return copy

    def _fetch(self, shard: Shard, copy: Path) -> None:
        part, raw = copy.with_name(copy.name + ".part"), copy.with_name(copy.name + ".raw")
        try:
            if is_address(shard.place):
                _download(shard, raw)
            if shard.name.endswith(PARQUET):
                with part.open("wb") as target:
                    write_rows(raw if raw.is_file() else Path(shard.place), target, shard.name)
            else:
                raw.replace(part)
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
            raw.unlink(missing_ok=True)

    def _make_room(self, coming: int) -> None:
        """Removes copies, those used longest ago first, until the next one fits. Open ones stay readable meanwhile."""
        held = []
        for copy in self.folder.glob("*.tar"):
            with suppress(OSError):
                status = copy.stat()
                held.append((status.st_mtime, status.st_size, copy))
        total = sum(size for _, size, _ in held) + coming
        for _, size, copy in sorted(held)[:-1]:
            if total <= self.most_bytes:
                return
            copy.unlink(missing_ok=True)
            total -= size


def _download(shard: Shard, target: Path) -> None:
    files, path = open_address(shard.place)
    try:
        with files.open(path, "rb") as source, target.open("wb") as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
    except Exception as error:  # each store has errors of its own
        raise FetchError(f"{shard.place} can't be fetched: {reason_of(error)}") from error
    if shard.size is not None and target.stat().st_size != shard.size:
        raise FetchError(f"{shard.place} has {target.stat().st_size:,} bytes; its index says {shard.size:,}")


def _spelt(pattern: str) -> list[str]:
    """The pattern with each {000..127} and {a,b} spelt out."""
    parts = _BRACES.split(pattern)
    choices: list[list[str]] = []
    total = 1
    for place, part in enumerate(parts):
        if place % 2 == 0:
            choices.append([part])
            continue
        numbers = _RANGE.fullmatch(part)
        if numbers:
            first, last = int(numbers[1]), int(numbers[2])
            if not 0 <= last - first < MOST_SHARDS:
                raise InputError(
                    f"{{{part}}} of a pattern means {last - first + 1:,} names; 1 to {MOST_SHARDS:,} will do"
                )
            wide = len(numbers[1]) if numbers[1].startswith("0") or len(numbers[1]) == len(numbers[2]) else 0
            choices.append([f"{number:0{wide}d}" for number in range(first, last + 1)])
        else:
            choices.append(part.split(","))
        total *= len(choices[-1])
    if total > MOST_SHARDS:
        raise InputError(f"the pattern {pattern!r} means {total:,} names; {MOST_SHARDS:,} at most")
    return ["".join(chosen) for chosen in product(*choices)]


def _found(place: str) -> list[str]:
    """The shards of one name: it alone, those that a * fits, or those in a folder."""
    if is_address(place):
        if not any(sign in place for sign in "*?["):
            return [place]
        files, path = open_address(place)
        try:
            return [files.unstrip_protocol(found) for found in sorted(files.glob(path))]
        except Exception as error:
            raise FetchError(f"{place} can't be listed: {reason_of(error)}") from error
    if os.path.isdir(place):
        return [
            name for ending in (".tar", PARQUET) for name in sorted(glob(os.path.join(escape(place), f"*{ending}")))
        ]
    if os.path.isfile(place):
        return [place]
    found = sorted(glob(place))
    if not found and not any(sign in place for sign in "*?["):
        raise InputError(f"there is no shard {place}: give a pattern of files that are there")
    return found


def _folder(place: str) -> str:
    return place.rsplit("/", 1)[0] if "/" in place else "."


def _listed(index: str) -> list[Shard]:
    """The shards of an index; none where there is none. Raises InputError for one that is damaged."""
    try:
        if is_address(index):
            files, path = open_address(index)
            data = files.cat_file(path)
        else:
            data = Path(index).read_bytes()
    except (OSError, KeyError):
        return []
    try:
        entries = json.loads(data)["shardlist"]
        folder = _folder(index)
        shards = [_entry(entry, folder) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{index} is no index of shards ({type(error).__name__}: {error}): remove it or mend it"
        ) from None
    return shards


def _entry(entry: dict[str, Any], folder: str) -> Shard:
    url, count, size = str(entry["url"]), entry["nsamples"], entry.get("filesize")
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"nsamples is {count!r}")
    if is_address(folder) and os.path.isabs(url):
        raise ValueError(f"an index at an address names {url!r:.60} on this machine")
    place = url if is_address(url) or os.path.isabs(url) else f"{folder}/{url}" if folder != "." else url
    return Shard(place, count, size if isinstance(size, int) else None)


def _as_it_is(shard: Shard) -> Shard:
    """The shard, without a count where the file on this machine has another size than its index says."""
    with suppress(OSError):  # one that is not there is told by whoever opens it
        if shard.size is not None and not is_address(shard.place) and os.path.getsize(shard.place) != shard.size:
            return Shard(shard.place)
    return shard


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        found = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _lasting(place: str) -> str:
    """An address, or a path that means the same file whatever folder one is in."""
    return place if is_address(place) else os.path.abspath(place)


def _state_of(shard: Shard) -> tuple[int, str]:
    """A shard's bytes, and what changes when it is written anew: tars of other samples often have the same size."""
    try:
        if is_address(shard.place):
            files, path = open_address(shard.place)
            size = int(files.size(path) or 0)
            return size, str(size)
        status = os.stat(shard.place)
    except OSError as error:
        raise InputError(f"{shard.place} can't be read: {error.strerror or error}") from None
    return status.st_size, f"{status.st_size} {status.st_mtime_ns}"
