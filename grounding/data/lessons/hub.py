"""Owns hub:ORG/NAME:SPLIT: a data set's files on the hub as shards, or its rows as a stream where they are neither
parquet nor tar."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from grounding.data.folders import Folder
from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.row_pictures import Finder
from grounding.data.lessons.rows import RowReader
from grounding.data.lessons.shard_places import Copies, Shard, cache_folder, counted
from grounding.data.lessons.shards import ShardSource
from grounding.data.lessons.sources import Source
from grounding.data.lessons.unit_order import BUFFER
from grounding.data.plain import writable
from grounding.errors import FetchError, InputError, MissingExtraError

_SHARDS = (".parquet", ".tar")
_STREAM_BUFFER = 1000


def open_hub_lessons(
    kind: str,
    name: str,
    /,
    *,
    root: str | None,
    images: str | None,
    seed: int,
    config: str | None = None,
    revision: str | None = None,
    buffer: int | None = None,
    shuffle: bool = True,
    boxes: str = "padded",
    cache: str | None = None,
    cache_gb: float = 50.0,
) -> Source:
    """`hub:ORG/NAME:SPLIT`. Files of parquet or tar are fetched as they are needed and found by number, as shards are;
    any other kind is streamed. No code of the data set runs.

    `config`: one of its configurations; `revision`: a branch, tag or commit. `images`: the folder of pictures that
    streamed rows name. `buffer`, `boxes`, `cache` and `cache_gb` as for shards. Raises InputError where there is no
    such data set or split, FetchError where the hub can't be reached, MissingExtraError without the package datasets.
    """
    repository, _, split = name.partition(":")
    if repository.count("/") != 1 or not split or root is not None:
        raise InputError(f"{kind}:{name} is no data set on the hub: write {kind}:ORG/NAME:SPLIT, without root=")
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise MissingExtraError("rows of the hub need datasets: pip install 'grounding-vlm[eval]'") from error
    try:
        builder = datasets.load_dataset_builder(repository, config, revision=revision)
    except (FileNotFoundError, ValueError) as error:  # their DatasetNotFoundError is a missing file
        raise InputError(f"{kind}:{name} can't be opened: {_first_line(error)}") from None
    except OSError as error:
        raise FetchError(f"{kind}:{name} can't be reached ({_first_line(error)}): see to the network") from None
    files = [str(file) for file in (builder.config.data_files or {}).get(split, [])]
    if not files:
        known = ", ".join(map(str, builder.config.data_files or {}))
        raise InputError(f"{repository} has no split {split!r}; known: {known or 'none'}")
    if all(file.endswith(_SHARDS) for file in files) and images is None:
        folder = cache_folder() if cache is None else Path(os.path.expanduser(cache))
        shards = counted([Shard(file) for file in files], folder)
        copies = Copies(folder, int(cache_gb * 1e9))
        return ShardSource(f"{kind}:{name}", shards, copies, seed, buffer or BUFFER, shuffle, boxes)
    rows = builder.as_streaming_dataset(split=split)
    told = (builder.info.splits or {}).get(split)
    return StreamSource(
        f"{kind}:{name}",
        rows,
        Finder(Folder(images)),
        seed,
        buffer or _STREAM_BUFFER,
        shuffle,
        boxes,
        count=told.num_examples if told is not None else None,
    )


class StreamSource(Source):
    """Rows that come one after another, from a source that can only be gone through.

    `buffer` rows after one another are shuffled together; seed and place decide their order, so that a run resumes with
    the exact next lesson, after as many rows as lie before it were passed over. Each process goes through all of them.
    """

    def __init__(
        self,
        name: str,
        rows: Any,
        find: Finder,
        seed: int = 0,
        buffer: int = _STREAM_BUFFER,
        shuffle: bool = True,
        boxes: str = "padded",
        count: int | None = None,
    ) -> None:
        """`rows`: datasets' IterableDataset. `count`: of its rows; None where nobody says: they are counted once, when
        the first epoch is over."""
        self.name, self.rows, self.find, self.seed = name, _undecoded(rows), find, seed
        self.buffer, self.shuffle = buffer, shuffle
        self._reader, self._count = RowReader(name, boxes), count
        self._coming: Iterator[Mapping[str, Any]] | None = None
        self._next = 0
        self._block: tuple[int, list[Mapping[str, Any]]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_coming": None, "_block": None, "_next": 0}

    @property
    def size(self) -> int | None:
        return self._count

    def lesson(self, ordinal: int) -> Lesson:
        place = ordinal if self._count is None else ordinal % self._count
        epoch = 0 if self._count is None else ordinal // self._count
        block, at = divmod(place, self.buffer)
        rows = self._of_block(block)
        if at >= len(rows):
            if self._count is not None:
                raise InputError(f"{self.name} has {self._next:,} rows, not {self._count:,}")
            if not self._next:
                raise InputError(f"{self.name} has no rows")
            self._count = self._next
            return self.lesson(ordinal)
        if self.shuffle:
            at = int(np.random.default_rng([self.seed, epoch, block]).permutation(len(rows))[at])
        row, number = rows[at], block * self.buffer + at
        id = row.get("id")
        try:
            return self._reader.lesson(
                row, writable(str(id)) if isinstance(id, str | int) else f"row-{number}", self.find
            )
        except InputError as error:
            raise type(error)(f"row {number + 1} of {self.name}: {error}") from error

    def _of_block(self, block: int) -> list[Mapping[str, Any]]:
        if self._block is None or self._block[0] != block:
            first = block * self.buffer
            try:
                if self._coming is None or self._next > first:
                    self._coming, self._next = iter(self.rows), 0
                self._next += sum(1 for _ in islice(self._coming, first - self._next))
                self._block = (block, list(islice(self._coming, self.buffer)))
            except (OSError, ValueError) as error:
                self._coming = None
                raise FetchError(f"{self.name} broke off ({_first_line(error)}): start again to go on") from None
            self._next += len(self._block[1])  # short of the next block's first where the rows are over
        return self._block[1]


def _undecoded(rows: Any) -> Any:
    """The rows with their pictures as bytes, which are decoded when they are used."""
    datasets = import_module("datasets")
    for name, kind in (getattr(rows, "features", None) or {}).items():
        if isinstance(kind, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
        elif isinstance(getattr(kind, "feature", None), datasets.Image):
            rows = rows.cast_column(name, type(kind)(datasets.Image(decode=False)))
    return rows


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".:")
