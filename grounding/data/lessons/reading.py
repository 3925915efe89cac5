"""Owns ready(): the lesson of a position with its pictures open, bad ones passed over; and BadLessons, who counts them.

A lesson that can't be used is replaced by the next readable one of its source, the same wherever and however often it
is asked for, so that runs agree and can go on. That next one comes up again at its own position.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.data.lessons.lesson import Lesson, Turn
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.sources import Source
from grounding.data.sample import Sample
from grounding.errors import (
    BoxError,
    ConfigError,
    FetchError,
    ImageError,
    ImageTooLargeError,
    InputError,
    OutputError,
)
from grounding.result import Region

TRIES = 100
"""Lessons in a row that may be bad before a source is given up."""
FIRST = 1000
"""Lessons on which a share is judged at the least: one bad among the first ten says little."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BadLesson:
    """A lesson that was passed over."""

    source: str
    ordinal: int
    id: str
    """The lesson's, or its ordinal where it was never made."""
    reason: str
    """A few words that reasons are counted by."""
    message: str
    """One sentence for a person."""
    file: str = ""
    """The picture it failed at."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A lesson whose pictures are open and whose boxes lie in them."""

    lesson: Lesson
    images: tuple[Image.Image, ...]
    """One for each of `lesson.pictures`."""
    passed_over: tuple[BadLesson, ...] = ()
    """What stood in its place before."""


def ready(mixture: Mixture, position: int) -> Ready:
    """The lesson of a position, or the next readable one of the same source, open.

    Raises NothingReadableError where TRIES in a row are bad, and ConfigError at once.
    """
    number, ordinal = mixture.place(position)
    return ready_of(mixture.sources[number], ordinal)


def ready_of(source: Source, ordinal: int) -> Ready:
    """The same for an ordinal of one source."""
    passed: list[BadLesson] = []
    for place in range(ordinal, ordinal + TRIES):
        found = try_lesson(source, place)
        if isinstance(found, Ready):
            return replace(found, passed_over=tuple(passed)) if passed else found
        passed.append(found)
    raise NothingReadableError(
        f"{TRIES} lessons of {source.name} in a row can't be used, from number {ordinal:,} on; the first: "
        f"{passed[0].message}",
        passed,
    )


class NothingReadableError(InputError):
    """A source gave nothing but bad lessons for too long; `passed_over` holds them."""

    def __init__(self, message: str, passed_over: Sequence[BadLesson]) -> None:
        super().__init__(message)
        self.passed_over = tuple(passed_over)


def try_lesson(source: Source, ordinal: int) -> Ready | BadLesson:
    """The lesson of an ordinal with its pictures open, or why it can't be used. Raises ConfigError."""
    lesson: Lesson | None = None
    try:
        lesson = source.lesson(ordinal)
        return Ready(lesson, open_pictures(lesson))
    except ConfigError:
        raise
    except (InputError, FetchError, OSError) as error:
        return _bad(source.name, ordinal, lesson, error)


def open_pictures(lesson: Lesson) -> tuple[Image.Image, ...]:
    """The lesson's pictures, each in the size that its questions count in.

    Raises ImageError for one that is missing, damaged or of another size, BoxError for a box outside it.
    """
    images = []
    for picture in lesson.pictures:
        try:
            images.append(picture.open())
        except (ImageError, OSError) as error:
            raise _Unopened(picture.key, error) from error
    for turn in lesson.turns:
        _check(turn, images)
    return tuple(images)


class _Unopened(ImageError):
    """Says which picture it was; the reason is that of the error within."""

    def __init__(self, key: str, error: Exception) -> None:
        super().__init__(str(error))
        self.key, self.error = key, error


def _check(turn: Turn, images: Sequence[Image.Image]) -> None:
    regions: tuple[Region, ...]
    if isinstance(turn, Sample):
        if not images or images[0].size != turn.size:
            seen = f"{images[0].width} x {images[0].height}" if images else "no"
            raise ImageError(f"the picture has {seen} pixels, but boxes are in {turn.size[0]} x {turn.size[1]}")
        size, regions = turn.size, turn.truth.regions
        if turn.box is not None:
            regions = (*regions, Region(turn.box))
    else:
        regions = (*turn.prompt_regions, *turn.answer_regions)
        if not regions:
            return
        if not 0 <= turn.picture < len(images):
            raise InputError(f"it has boxes in picture {turn.picture}, and there are {len(images)}, from 0")
        size = images[turn.picture].size
    for region in regions:
        x1, y1, x2, y2 = region.box
        if x1 > size[0] or y1 > size[1] or x2 < 0 or y2 < 0 or (region.point is None and _beside(region.box, size)):
            raise BoxError(f"the box {tuple(round(edge, 2) for edge in region.box)} lies outside {size[0]} x {size[1]}")


def _beside(box: Sequence[float], size: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    return x1 >= size[0] or y1 >= size[1] or x2 <= 0 or y2 <= 0


def _bad(source: str, ordinal: int, lesson: Lesson | None, error: Exception) -> BadLesson:
    file = ""
    if isinstance(error, _Unopened):
        file, error = error.key, error.error
    if isinstance(error, BoxError):
        reason = "box outside its picture" if "outside" in str(error) else "box that is none"
    elif isinstance(error, ImageTooLargeError):
        reason = "picture too large"
    elif isinstance(error, ImageError):
        missing = lesson is not None and any(p.key == file and p.missing() for p in lesson.pictures)
        gone = missing or "there is no file" in str(error) or "is not here" in str(error)
        reason = (
            "picture missing" if gone else "picture unreadable" if file or lesson is None else "picture of another size"
        )
    elif isinstance(error, FetchError | OSError):
        reason = "out of reach"
    else:
        reason = "row unreadable"
    if lesson is not None and not file and len(lesson.pictures) == 1:
        file = lesson.pictures[0].key
    return BadLesson(source, ordinal, lesson.id if lesson else str(ordinal), reason, str(error), file)


class BadLessons:
    """Counts bad lessons by reason, names each in a file, and stops a run when they are more than its share."""

    def __init__(self, limit: float = 0.01, file: str | Path | None = None) -> None:
        """`limit`: share of lessons, 0 to 1, past which `take` and `opened` raise. `file`: jsonl, a line for each bad
        lesson the first time it is met, added to what is there."""
        if not 0 <= limit <= 1:
            raise ConfigError(f"the share of bad lessons is 0 to 1; seen {limit}")
        self.limit, self.file = limit, None if file is None else Path(file)
        self.seen = self.bad = 0
        self.reasons: Counter[str] = Counter()
        self._named: set[tuple[str, str, str]] = set()

    def opened(self, sources: Iterable[Source]) -> None:
        """Notes what was wrong with the sources' files. Raises InputError where one lost more than the share."""
        for source in sources:
            lost = [problem for problem in source.problems if not problem.kept]
            for problem in lost:
                reason = f"{problem.kind} in {problem.file}"
                self.name(BadLesson(source.name, -1, problem.where, reason, problem.message, problem.file))
            total = (source.size or 0) + len(lost)
            if lost and len(lost) > self.limit * total:
                raise self._over(len(lost), total, f"rows of {source.name}", f"{lost[0].where}: {lost[0].message}")

    def take(self, lessons: Ready | Iterable[Ready]) -> None:
        """Counts what was passed over for these. Raises InputError past the share."""
        for lesson in [lessons] if isinstance(lessons, Ready) else lessons:
            self.note(lesson.passed_over)

    def passing(self, lessons: Iterable[Ready | BadLesson]) -> Iterator[Ready | BadLesson]:
        """Hands all of them on, counted. Raises InputError past the share."""
        for lesson in lessons:
            self.note([] if isinstance(lesson, Ready) else [lesson])
            yield lesson

    def note(self, passed_over: Sequence[BadLesson], lessons: int = 1) -> None:
        """The same where only the bad ones of `lessons` lessons have come from another process."""
        self.seen += lessons
        for bad in passed_over:
            self.bad += 1
            self.name(bad)
        if passed_over and self.bad > self.limit * max(self.seen, FIRST):
            raise self._over(self.bad, self.seen, "lessons", f"{passed_over[-1].id}: {passed_over[-1].message}")

    def line(self) -> str:
        """For a log: how many, and why; "" where there was none."""
        if not self.reasons:
            return ""
        told = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common())
        return f"{self.bad:,} bad of {self.seen:,} lessons ({told})"

    def name(self, bad: BadLesson) -> None:
        """Counts its reason, and names it in log and file the first time; stops nothing."""
        self.reasons[bad.reason] += 1
        key = (bad.source, bad.id, bad.reason)
        if key in self._named:
            return
        self._named.add(key)
        _LOG.warning("a lesson is passed over: %s %s: %s: %s", bad.source, bad.id, bad.reason, bad.message)
        if self.file is not None:
            self._write(asdict(bad))

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps({key: value for key, value in entry.items() if value not in ("", -1)}, ensure_ascii=False)
        assert self.file is not None
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8", errors="replace") as stream:
                stream.write(line + "\n")  # one write: processes may share the file
        except OSError as error:
            raise OutputError(f"{self.file} can't be written: {error.strerror or error}") from error

    def _over(self, bad: int, total: int, what: str, last: str) -> InputError:
        named = f"; all are named in {os.fspath(self.file)}" if self.file else ""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common(5))
        return InputError(
            f"{bad:,} of {total:,} {what} can't be used, over the share of {self.limit:g} ({reasons}){named}. "
            f"{last}. Mend the data, or allow a larger share (bad_share)"
        )
