"""Owns rows that hold everything of a lesson: a line of our own jsonl, or all turns about a lesson's pictures.

    {"image": "a.jpg", "phrase": "red cup", "box": [12, 30, 96, 140]}
    {"id": "7", "images": ["a.jpg"], "turns": [{"phrase": "red cup", "box": [12, 30, 96, 140]},
        {"prompt": "What is it?", "answer": "A cup.", "answer_regions": [{"box": [12, 30, 96, 140], "span": [2, 5]}]}]}

The second is what shards hold. A turn is a line of our jsonl (docs/datasets.md) without its picture, or words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from grounding.data.folders import Folder
from grounding.data.lessons.lesson import Lesson, Turn, Words
from grounding.data.lessons.row_pictures import FindPicture, picture_size, pictures_of
from grounding.data.pictures import Picture
from grounding.data.plain import writable
from grounding.data.reading import Findings
from grounding.data.sample import Sample
from grounding.data.sample_lines import LineReader, sample_to_json
from grounding.errors import InputError
from grounding.result import Region

IN_WORDS = "answer"
"""A task that only lessons have: our jsonl keeps questions that are measured."""


def own_lesson(row: Mapping[str, Any], id: str, find: FindPicture, source: str = "") -> Lesson:
    """The lesson of such a row. Raises InputError that names what is wrong in it."""
    pictures = pictures_of(row, find, id)
    lines = row.get("turns", [row])
    if not isinstance(lines, list) or not lines or not all(isinstance(line, Mapping) for line in lines):
        raise InputError(f'"turns" is a list of objects; seen {lines!r:.60}')
    reader = _Reader(pictures)
    turns = tuple(reader.turn(line, number) for number, line in enumerate(lines, 1))
    return Lesson(id, pictures, turns, bool(row.get("sequential", False)), source)


def lesson_row(lesson: Lesson, names: Sequence[str]) -> dict[str, Any]:
    """The row of a lesson whose pictures are called `names`; of it `own_lesson` makes an equal one."""
    row: dict[str, Any] = {"id": lesson.id, "images": list(names)}
    if lesson.sequential:
        row["sequential"] = True
    row["turns"] = [_turn_row(turn) for turn in lesson.turns]
    return row


def _turn_row(turn: Turn) -> dict[str, Any]:
    if isinstance(turn, Sample):
        line = sample_to_json(turn)
        del line["image"]
        line.pop("stretched", None)
        return line
    line = {"prompt": turn.prompt, "answer": turn.answer}
    for name in ("prompt_regions", "answer_regions"):
        if regions := getattr(turn, name):
            line[name] = [{k: v for k, v in region.to_json().items() if v is not None} for region in regions]
    return line if not turn.picture else {**line, "picture": turn.picture}


class _Held:
    """Stands for a folder that holds one picture, whatever it is called."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    def find(self, name: str, size: tuple[int, int] | None = None) -> Picture:
        return self.picture


class _Reader:
    """Makes the turns of one row."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = pictures
        self.findings = Findings("row")
        self.lines = LineReader(self.findings, cast(Folder, _Held(pictures[0]))) if len(pictures) == 1 else None

    def turn(self, line: Mapping[str, Any], number: int) -> Turn:
        return self._words(line) if "prompt" in line and "answer" in line else self._sample(line, number)

    def _sample(self, line: Mapping[str, Any], number: int) -> Sample:
        if self.lines is None:
            raise InputError(f"turn {number} asks about one picture; the row has {len(self.pictures)}")
        picture = self.pictures[0]
        entry = {key: value for key, value in line.items() if key not in ("image", "images", "stretched")}
        entry["image"] = picture.key or "picture"
        if "width" not in entry and "height" not in entry:
            entry["width"], entry["height"] = picture_size(picture)
        in_words = entry.get("task") == IN_WORDS
        if in_words:
            entry["task"] = "caption"
        sample = self.lines.sample(entry, number)
        if sample is None:
            raise InputError(f"turn {number}: {self.findings.problems[-1].message}")
        if in_words:
            sample = dataclasses.replace(sample, task=IN_WORDS, truth=sample.truth.replace(task=IN_WORDS))
        return sample

    def _words(self, line: Mapping[str, Any]) -> Words:
        prompt, answer, picture = line["prompt"], line["answer"], line.get("picture", 0)
        if not isinstance(prompt, str) or not isinstance(answer, str) or not isinstance(picture, int):
            raise InputError(f"a turn in words has a prompt, an answer and a picture's number; seen {line!r:.60}")
        asked, answered = (self._regions(line.get(name, ())) for name in ("prompt_regions", "answer_regions"))
        if (asked or answered) and not 0 <= picture < len(self.pictures):
            raise InputError(f"a turn has boxes in picture {picture}, and there are {len(self.pictures)}, from 0")
        return Words(writable(prompt), writable(answer), asked, answered, picture)

    def _regions(self, entries: Any) -> tuple[Region, ...]:
        try:
            return tuple(map(Region.from_json, entries))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"its boxes can't be read: {error}") from None
