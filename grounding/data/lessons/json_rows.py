"""Owns JsonRows: rows of a JSON list or a jsonl file, found by their place and read when they are asked for."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grounding.data.dataset import DataProblem
from grounding.data.reading import Findings
from grounding.errors import InputError

_BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_BOM = b"\xef\xbb\xbf"


class JsonRows(Sequence[dict[str, Any]]):
    """The objects of a file, in order. What stays in memory is where each begins and ends: sixteen bytes a row.

    The file is mapped, so processes share its pages, and one that is larger than memory can be read. A row that is no
    object stands in `problems`; a line of jsonl that turns out to be no JSON raises InputError when it is asked for.
    """

    problems: tuple[DataProblem, ...]
    """Rows that are left out."""

    def __init__(self, path: str | Path) -> None:
        """Raises InputError where the file can't be read, or is a list that ends in the middle."""
        self.path = Path(path)
        findings = Findings(self.path)
        self._bytes = self._mapped()
        start = 3 if self._bytes[:3] == _BOM else 0
        first = self._bytes[start : start + 4096].lstrip()[:1]
        spans = self._of_list(findings) if first == b"[" else self._of_lines(findings, start)
        self._spans = np.asarray(spans, np.int64).reshape(-1, 2)
        self.problems = tuple(findings.problems)

    def _mapped(self) -> mmap.mmap | bytes:
        try:
            with self.path.open("rb") as stream:
                if not self.path.stat().st_size:
                    raise InputError(f"{self.path} is empty: 0 bytes")
                return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise InputError(f"{self.path} can't be read: {error.strerror or error}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_bytes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bytes = self._mapped()

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]  # no slices
        start, end = self._spans[index]
        try:
            row = json.loads(self._bytes[start:end])
        except (ValueError, RecursionError) as error:
            raise InputError(f"row {index + 1} of {self.path.name} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"row {index + 1} of {self.path.name} is no JSON object but {row!r:.40}")
        return row

    def _of_list(self, findings: Findings) -> list[tuple[int, int]]:
        """Where each object of a list stands. The list is read whole once, one object at a time."""
        try:
            text = str(self._bytes, "utf-8")  # without a copy of the bytes
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path} can't be read: it is not UTF-8 text ({error.reason})") from None
        decode, plain = json.JSONDecoder().raw_decode, text.isascii()
        spans: list[tuple[int, int]] = []
        at = _BETWEEN.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]  # it matches nothing, too
        done_characters = done_bytes = 0
        number = 0
        while text[at : at + 1] != "]":
            number += 1
            try:
                row, end = decode(text, at)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{self.path.name} is damaged or cut off at row {number:,} ({error}): fetch it again"
                ) from None
            if plain:
                first, last = at, end
            else:
                first = done_bytes + len(text[done_characters:at].encode())
                last = first + len(text[at:end].encode())
                done_characters, done_bytes = end, last
            if isinstance(row, dict):
                spans.append((first, last))
            else:
                findings.add("unreadable line", f"it is no JSON object but {row!r:.40}", entry=number)
            at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
        return spans

    def _of_lines(self, findings: Findings, start: int) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        number, size = 0, len(self._bytes)
        while start < size:
            number += 1
            end = self._bytes.find(b"\n", start)
            end = size if end < 0 else end
            line = self._bytes[start:end].strip()
            if line.startswith(b"{") and line.endswith(b"}"):
                spans.append((start, end))
            elif line:
                cut = ": the file ends in the middle of it" if end == size and line.startswith(b"{") else ""
                seen = repr(line[:40].decode("utf-8", "replace"))
                findings.add("unreadable line", f"it is no JSON object but {seen}{cut}", line=number)
            start = end + 1
        return spans
