"""Owns what may stand in `Sample.meta` and in a phrase: plain JSON values and text that any file can hold again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

DEEPEST = 50
"""Containers in one another that are kept."""


def plain(value: Any, deepest: int = DEEPEST) -> Any:
    """The value as plain JSON values: NaN and infinities become None, anything else that JSON lacks its text.

    A container that more than `deepest` others hold becomes a text that says so.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping | Iterable) and deepest < 0:
        return f"a {type(value).__name__} too deep in others to be kept"
    if isinstance(value, Mapping):
        return {_key(key): plain(entry, deepest - 1) for key, entry in value.items()}
    if isinstance(value, Iterable):
        return [plain(entry, deepest - 1) for entry in value]
    return writable(str(value))


def _key(key: Any) -> str:
    return writable(str(key)) if isinstance(key, str | int | float) else f"a {type(key).__name__}"


def rest(row: Mapping[str, Any], used: Iterable[str]) -> dict[str, Any]:
    """Whatever else a row says, for `Sample.meta`."""
    skipped = set(used)
    return {key: plain(value) for key, value in row.items() if key not in skipped}


def writable(text: str) -> str:
    """The same text; a half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
