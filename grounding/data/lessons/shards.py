"""Owns ShardSource: lessons out of tar shards, any of them found at once by its number.

Readers that stream shards (webdataset, datasets' IterableDataset) resume by reading up to where they stopped, and what
was in their shuffling buffer is lost or seen twice; wids finds samples by number, but leaves order and resume to
others. Here the order is arithmetic (unit_order.py) and the bytes are found by their place (tar_members.py), so a
lesson costs one read wherever a run begins, and any number of processes share an epoch without a sample twice.
"""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grounding.data.dataset import DataProblem
from grounding.data.folders import ENDINGS, Folder
from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.row_pictures import Finder
from grounding.data.lessons.rows import RowReader
from grounding.data.lessons.shard_places import Copies, Shard, cache_folder, counted, find_shards
from grounding.data.lessons.sources import Source
from grounding.data.lessons.tar_members import TarMembers, members_of, read_sample
from grounding.data.lessons.unit_order import BUFFER, UnitOrder
from grounding.data.plain import writable
from grounding.errors import InputError

_LOG = logging.getLogger(__name__)
_OPEN = 24
"""Shards that a process holds open."""
_PICTURES = tuple(ending.lstrip(".") for ending in ENDINGS)


def open_shards(
    kind: str,
    pattern: str,
    /,
    *,
    root: str | None,
    images: str | None,
    seed: int,
    buffer: int = BUFFER,
    shuffle: bool = True,
    boxes: str = "padded",
    cache: str | None = None,
    cache_gb: float = 50.0,
) -> Source:
    """`shards:PATTERN`: "cc-{000..127}.tar", "cc-*.tar", a folder, or an index, on this machine or at an address.

    `buffer`: lessons that are shuffled together, as whole shards. `boxes`: as for llava:FILE. `cache`: the folder of
    copies of shards that lie at addresses, of `cache_gb` at most. Raises InputError and FetchError.
    """
    if images is not None:
        raise InputError("shards hold their own pictures: leave out images=")
    folder = cache_folder() if cache is None else Path(os.path.expanduser(cache))
    shards = counted(find_shards(pattern, root), folder)
    return ShardSource(f"{kind}:{pattern}", shards, Copies(folder, int(cache_gb * 1e9)), seed, buffer, shuffle, boxes)


class ShardSource(Source):
    """Lessons of shards. A sample is a picture or several with a row of JSON, or with a caption as txt.

    An epoch has each sample once, in an order of its own (UnitOrder). Far shards are copied whole when they are first
    needed, by each machine for itself.
    """

    def __init__(
        self,
        name: str,
        shards: Sequence[Shard],
        copies: Copies,
        seed: int = 0,
        buffer: int = BUFFER,
        shuffle: bool = True,
        boxes: str = "padded",
    ) -> None:
        """`shards`: each with its count."""
        self.name, self.shards, self.copies = name, list(shards), copies
        self._order = UnitOrder([shard.count or 0 for shard in shards], seed, buffer, shuffle)
        self._reader = RowReader(name, boxes)
        self._open: OrderedDict[int, tuple[_File, TarMembers]] = OrderedDict()
        self._problems: dict[int, tuple[DataProblem, ...]] = {}

    @property
    def problems(self) -> tuple[DataProblem, ...]:  # type: ignore[override]  # told as they are found
        """What is wrong with the shards that were opened so far."""
        return tuple(problem for place in sorted(self._problems) for problem in self._problems[place])

    @property
    def size(self) -> int:
        return self._order.total

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def lesson(self, ordinal: int) -> Lesson:
        unit, member = self._order.place(ordinal)
        file, members = self._opened(unit)
        shard = self.shards[unit]
        if member >= len(members.samples):
            raise InputError(f"{shard.name} has {len(members.samples):,} samples, its index says {shard.count:,}")
        sample = members.samples[member]
        try:
            return self._lesson(sample.key, read_sample(file.descriptor, sample))
        except InputError as error:
            raise type(error)(f"{shard.name}, {sample.key}: {error}") from error

    def _lesson(self, key: str, parts: Mapping[str, bytes]) -> Lesson:
        row: dict[str, Any] = {}
        if "json" in parts:
            try:
                row = json.loads(parts["json"])
            except (ValueError, RecursionError) as error:
                raise InputError(f"its row is not JSON: {error}") from None
            if not isinstance(row, dict):
                raise InputError(f"its row is no JSON object but {row!r:.40}")
        if "txt" in parts:
            row["txt"] = parts["txt"].decode("utf-8", "replace")
        pictures = [
            {"bytes": data, "path": f"{key}.{ending}"}
            for ending, data in parts.items()
            if ending.rpartition(".")[2] in _PICTURES
        ]
        named = row.pop("image", None) or row.pop("images", None)
        if named and not pictures:
            raise InputError(f"its row names the picture {str(named)[:60]!r}, and the shard has none beside it")
        id = row.get("id")
        row["images"] = pictures
        return self._reader.lesson(row, writable(str(id)) if isinstance(id, str | int) else key, _HELD)

    def _opened(self, unit: int) -> tuple[_File, TarMembers]:
        if unit in self._open:
            self._open.move_to_end(unit)
            return self._open[unit]
        path = self.copies.path(self.shards[unit])
        members = members_of(path)
        if unit not in self._problems:
            self._problems[unit] = members.problems
            for problem in members.problems:
                _LOG.warning("%s: %s", problem.where, problem.message)
        self._open[unit] = (_File(path), members)
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return self._open[unit]


_HELD = Finder(Folder(None))


class _File:
    """An open file, closed when nobody has it any more; a copy that was removed meanwhile can still be read."""

    def __init__(self, path: Path) -> None:
        try:
            self.descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            self.descriptor = -1
            raise InputError(f"{path} can't be read: {error.strerror or error}") from None

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
