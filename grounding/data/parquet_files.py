"""Reads parquet files that hold rows without pictures; pyarrow is imported when the first one is read."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from grounding.errors import InputError, MissingExtraError

T = TypeVar("T")


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns, without reading any row. Raises InputError, and MissingExtraError without pyarrow."""
    return _read(path, lambda parquet: list(parquet.read_schema(path).names))


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """Every row, all held at once. Raises InputError, and MissingExtraError without pyarrow."""
    return _read(path, lambda parquet: parquet.read_table(path).to_pylist())


def _read(path: Path, read: Callable[[Any], T]) -> T:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("parquet files need pyarrow: pip install 'grounding-vlm[eval]'") from error
    try:
        return read(parquet)
    except (OSError, ValueError, arrow.ArrowException) as error:  # ValueError: a name that is no UTF-8
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path} can't be read as parquet: {reason}") from None
