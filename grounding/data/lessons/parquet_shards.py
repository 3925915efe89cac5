"""Owns parquet files as shards: how many rows one has, told from its end, and its rows written out as a tar.

A row of a parquet file is read with its whole group of rows, a hundred pictures and more; in a tar each is found alone.
So a file is turned into a tar when it is first needed, once for all processes of a machine.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from grounding.data.addresses import is_address, open_address, reason_of
from grounding.data.plain import plain
from grounding.errors import FetchError, InputError, MissingExtraError

ENDING = ".parquet"
_ROWS_AT_ONCE = 32
_STARTS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"RIFF": "webp"}


def count_rows(place: str) -> int:
    """Rows of a parquet file on this machine or at an address, of which only the end is read.

    Raises InputError and FetchError, and MissingExtraError without pyarrow.
    """
    with _opened(place) as stream:
        return int(_parquet(stream, place).metadata.num_rows)


def write_rows(source: Path, target: Any, name: str) -> int:
    """Writes each row of a parquet file into a tar: its pictures, and the rest of it as JSON; how many there were.

    `target`: an open file; `name`: what errors call the source. Raises InputError for a damaged file.
    """
    count = 0
    with source.open("rb") as stream, tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        file = _parquet(stream, name)
        try:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    _add_row(tar, row, f"{count:09d}")
                    count += 1
        except (OSError, ValueError) as error:  # pyarrow's own errors are these
            raise InputError(f"{name} is damaged at row {count + 1:,}: {reason_of(error)}") from None
    return count


def _add_row(tar: tarfile.TarFile, row: Mapping[str, Any], key: str) -> None:
    pictures: list[bytes] = []
    rest: dict[str, Any] = {}
    for name, value in row.items():
        held = [_bytes(entry) for entry in (value if isinstance(value, list) else [value])]
        if name in ("image", "images") and held and all(data is not None for data in held):
            pictures += [data for data in held if data is not None]
        elif value is not None:
            rest[name] = value
    for number, data in enumerate(pictures):
        ending = next((ending for start, ending in _STARTS.items() if data.startswith(start)), "jpg")
        _add(tar, f"{key}.{ending}" if len(pictures) == 1 else f"{key}.{number}.{ending}", data)
    _add(tar, f"{key}.json", json.dumps(plain(rest), ensure_ascii=False, allow_nan=False).encode())


def _bytes(value: Any) -> bytes | None:
    data = value.get("bytes") if isinstance(value, Mapping) else value
    return bytes(data) if isinstance(data, bytes | bytearray) and data else None


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


@contextmanager
def _opened(place: str) -> Iterator[Any]:
    """The open file at a path or an address."""
    try:
        if is_address(place):
            files, path = open_address(place)
            stream = files.open(path, "rb")
        else:
            stream = Path(place).open("rb")  # noqa: SIM115  # closed below
    except FileNotFoundError:
        raise InputError(f"there is no file {place}") from None
    except Exception as error:  # each store has errors of its own
        raise FetchError(f"{place} can't be opened: {reason_of(error)}") from error
    with stream:
        yield stream


def _parquet(stream: Any, name: str) -> Any:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("parquet files need pyarrow: pip install 'grounding-vlm[eval]'") from error
    try:
        return parquet.ParquetFile(stream)
    except (OSError, ValueError) as error:
        raise InputError(f"{name} can't be read as parquet: {reason_of(error)}; fetch it again") from None
