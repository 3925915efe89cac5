"""Owns lesson_of_row(): the lesson of a row of any known kind, and the rows of a file as a sequence of lessons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grounding.data.folders import Folder
from grounding.data.hub_rows import KNOWN, Columns, Row
from grounding.data.lessons.conversations import BOXES, check_marks, conversation_lesson
from grounding.data.lessons.json_rows import JsonRows
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.own_rows import own_lesson
from grounding.data.lessons.row_pictures import FindPicture, picture_size, pictures_of
from grounding.data.lessons.swift import swift_lesson
from grounding.data.pictures import Picture
from grounding.data.plain import writable
from grounding.data.reading import Findings
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Grounding

OWN_KEYS = {"turns", "phrase", "names", "box", "boxes", "regions"}
"""Columns of which a row of our own has one."""
CAPTIONS = ("caption", "text", "txt")
"""Columns that hold a picture's caption."""


@dataclass(frozen=True, slots=True)
class RowReader:
    """Makes lessons of rows; small, and can be pickled as far as its finder can."""

    source: str = ""
    """Name of the source, for logs."""
    boxes: str = "padded"
    """How boxes among LLaVA's words are taken: a name of `conversations.BOXES`."""

    def __post_init__(self) -> None:
        if self.boxes not in BOXES:
            raise InputError(f"boxes are taken as {', '.join(BOXES)}; seen {self.boxes!r}")

    def lesson(self, row: Mapping[str, Any], id: str, find: FindPicture) -> Lesson:
        """The lesson of a row: a conversation of LLaVA's or of ms-swift's, lines of our own jsonl, a caption.

        Raises InputError for a row of no known kind, or one that is damaged.
        """
        if row.get("conversations") or row.get("conversation"):
            return conversation_lesson(row, id, find, self.source, self.boxes)
        if "messages" in row or ("query" in row and "response" in row):
            return swift_lesson(row, id, find, self.source)
        if OWN_KEYS & set(row):
            return own_lesson(row, id, find, self.source)
        if known := next(
            (
                columns
                for columns in KNOWN
                if columns.needs <= {*row, "image"} and (row.get("image") or row.get("images"))
            ),
            None,
        ):
            return _referring_lesson(row, id, pictures_of(row, find, id), known, self.source)
        if turns := _questions(row):
            pictures = pictures_of(row, find, id)
            check_marks([turn.prompt for turn in turns], [turn.answer for turn in turns], len(pictures))
            return Lesson(id, pictures, turns, source=self.source)
        caption = next((row[name] for name in CAPTIONS if isinstance(row.get(name), str) and row[name].strip()), None)
        if caption is None:
            raise InputError(f"a row of no known kind, with {', '.join(map(str, row))[:80] or 'nothing'}")
        return caption_lesson(caption, pictures_of(row, find, id), id, self.source)


def _questions(row: Mapping[str, Any]) -> tuple[Words, ...]:
    """Questions with answers, each by itself: {"texts": [{"user": ..., "assistant": ...}]}, or question and answer."""
    entries = row.get("texts") or [{"user": row.get("question"), "assistant": row.get("answer")}]
    if not isinstance(entries, list | tuple):
        return ()
    turns = []
    for entry in entries:
        question, answer = (entry.get("user"), entry.get("assistant")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(question, str) or not isinstance(answer, str) or not answer.strip():
            return ()
        turns.append(Words(writable(question), writable(answer)))
    return tuple(turns)


def _referring_lesson(
    row: Mapping[str, Any], id: str, pictures: Sequence[Picture], columns: Columns, source: str
) -> Lesson:
    """The lesson of a row with columns of the hub's sets of referring expressions. Raises InputError."""
    findings = Findings("row")
    values = {**row, "image": row.get("image") or row["images"][0]}
    made = columns.samples(Row(0, values, lambda image, key: pictures[0]), findings, Folder(None), "rec")
    turns = tuple(replace(sample, image=pictures[0], id=f"{id}/{sample.id}") for sample in made)
    if not turns:
        raise InputError(findings.problems[0].message if findings.problems else "the row asks nothing")
    return Lesson(id, tuple(pictures[:1]), turns, source=source)


def caption_lesson(caption: str, pictures: Sequence[Any], id: str, source: str = "") -> Lesson:
    """One picture with words about it. Raises InputError where there is not one picture."""
    if len(pictures) != 1:
        raise InputError(f"a caption is about one picture; the row has {len(pictures)}")
    words = writable(caption.strip())
    truth = Grounding("", (), words, *picture_size(pictures[0]), task="caption")
    return Lesson(id, tuple(pictures), (Sample(pictures[0], "", truth, id, task="caption"),), source=source)


class FileLessons(Sequence[Lesson]):
    """The rows of a JSON or jsonl file as lessons, made when they are asked for."""

    def __init__(
        self, rows: JsonRows, make: Callable[[Mapping[str, Any], str, FindPicture], Lesson], find: FindPicture
    ):
        self.rows, self._make, self._find = rows, make, find

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Lesson:  # type: ignore[override]  # no slices
        row = self.rows[index]
        id = row.get("id")
        try:
            return self._make(row, writable(str(id)) if isinstance(id, str | int) else str(index + 1), self._find)
        except InputError as error:
            raise type(error)(f"row {index + 1} of {self.rows.path.name}: {error}") from error
