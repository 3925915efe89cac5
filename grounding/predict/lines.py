"""Owns what is known of a line in a file of predictions without keeping the line: where it stands and what it says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from grounding.metrics.judging import ANSWERED, EMPTY, FAILED, UNREADABLE
from grounding.predict.plan import Chunk


class Line(NamedTuple):
    """A line with a prediction."""

    source: int
    """Which of several files it stands in."""
    start: int
    """Its first byte."""
    length: int
    """In bytes, with its line end."""
    state: str
    """One of `grounding.metrics.judging`: whether there is an answer, and of which kind."""


class Found(NamedTuple):
    """What a scan saw."""

    chunk: int
    id: str
    picture: str
    line: Line


Lines = dict[int, dict[str, Line]]
"""Chunk -> id -> line, in the order of the file."""


def scan(stream: BinaryIO, source: int = 0) -> Iterator[Found | None]:
    """Every line from where the stream stands; None for one that is torn or is no prediction of a chunk."""
    start = stream.tell()
    for raw in stream:
        yield _read(raw, source, start)
        start += len(raw)


def _read(raw: bytes, source: int, start: int) -> Found | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        row = json.loads(raw)
        chunk, id, picture, answer = row["chunk"], row["id"], row["picture"], row["answer"]
        state = state_of(answer)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(chunk, int) or not isinstance(id, str):
        return None
    return Found(chunk, id, picture, Line(source, start, len(raw), state))


def state_of(answer: Mapping[str, object] | None) -> str:
    """What `grounding.metrics.judging.state_of` says, of an answer as it stands in its line."""
    if answer is None:
        return FAILED
    if answer["regions"]:
        return ANSWERED
    return UNREADABLE if answer.get("problems") else EMPTY


def add(lines: Lines, found: Found) -> None:
    """Adds a line to those of its chunk; of two about one question the first stays, unless that is a failure."""
    chunk = lines.setdefault(found.chunk, {})
    if found.id not in chunk or chunk[found.id].state == FAILED:
        chunk[found.id] = found.line


def rest(lines: Lines, chunk: Chunk, *, again: bool = False) -> Chunk | None:
    """What of the chunk is still to be asked: all of it where a line is missing, with `again` what failed, or None."""
    there = lines.get(chunk.number, {})
    if not there.keys() >= set(chunk.ids):
        return chunk
    failed = {id for id, line in there.items() if line.state == FAILED} if again else set()
    return chunk.only(failed) if failed else None


def answered_in(lines: Lines) -> bool:
    """Whether any of the questions has an answer."""
    return any(line.state != FAILED for chunk in lines.values() for line in chunk.values())


def tally(lines: Lines) -> Counter[str]:
    """How many lines are in which state."""
    return Counter(line.state for chunk in lines.values() for line in chunk.values())
