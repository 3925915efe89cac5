"""Owns what may stand in `Sample.meta` and in a phrase: plain JSON values and text that any file can hold again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

MOST_VALUES = 100_000
DEEPEST = 50


def plain(value: Any) -> Any:
    """The value as plain JSON values: NaN and infinities become None, anything else that JSON lacks its text.

    What holds more than MOST_VALUES values or is nested deeper than DEEPEST becomes a text that says so: containers
    out of a pickle may hold each other, or one another many times over.
    """
    if value is None or isinstance(value, str | int | float) or not _too_much(value):
        return _plain(value)
    return f"a {type(value).__name__} with too much in it to be kept"


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, Iterable):
        return [_plain(entry) for entry in value]
    return writable(str(value))


def _key(key: Any) -> str:
    return writable(str(key)) if isinstance(key, str | int | float) else f"a {type(key).__name__}"


def _too_much(value: Any) -> bool:
    """Whether there are too many values or levels below, told without recursion."""
    count, level = 0, [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for entry in level:
            if isinstance(entry, Mapping):
                below += entry.values()
            elif isinstance(entry, list | tuple | set | frozenset):
                below += entry
            if len(below) > MOST_VALUES:
                return True
        count += len(below)
        if not below or count > MOST_VALUES:
            return count > MOST_VALUES
        level = below
    return True


def rest(row: Mapping[str, Any], used: Iterable[str]) -> dict[str, Any]:
    """Whatever else a row says, for `Sample.meta`."""
    skipped = set(used)
    return {key: plain(value) for key, value in row.items() if key not in skipped}


def writable(text: str) -> str:
    """The same text; a half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
