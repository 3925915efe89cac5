"""Owns what may stand in `Sample.meta` and in a phrase: plain JSON values and text that any file can hold again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The value as plain JSON values: NaN and infinities become None, anything else that JSON lacks its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {writable(str(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, Iterable):
        return [plain(entry) for entry in value]
    return writable(str(value))


def rest(row: Mapping[str, Any], used: Iterable[str]) -> dict[str, Any]:
    """Whatever else a row says, for `Sample.meta`."""
    skipped = set(used)
    return {key: plain(value) for key, value in row.items() if key not in skipped}


def writable(text: str) -> str:
    """The same text; a half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
