"""Owns rows in ms-swift's format, with its `objects`: boxes in place of marks among the words.

    {"messages": [{"role": "user", "content": "<image>Find the <ref-object>"},
                  {"role": "assistant", "content": "<bbox><bbox>"}], "images": ["a.jpg"],
     "objects": {"ref": ["sheep"], "bbox": [[90.9, 160.8, 135, 212.8], [360.9, 480.8, 495, 532.8]]}}

`bbox_type`: "real", pixels (default), or "norm1", shares of the picture's sides; `image_id`: which picture each box is
in (default: the first); two numbers are a point. Marks are used up in order, over all messages. Source:
docs/source_en/Customization/Custom-dataset.md of modelscope/ms-swift.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grounding.data.lessons.conversations import check_marks, messages_of, pairs_of
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.row_pictures import FindPicture, picture_size, pictures_of
from grounding.data.pictures import Picture
from grounding.data.plain import writable
from grounding.errors import BoxError, InputError
from grounding.result import Region

_MARK = re.compile(r"<ref-object>|<bbox>")
BOX_TYPES = ("real", "norm1")


def swift_lesson(row: Mapping[str, Any], id: str, find: FindPicture, source: str = "") -> Lesson:
    """The lesson of one row, its turns in sequence. Raises InputError for a row that is of another shape."""
    if "messages" in row:
        messages = messages_of(row["messages"])
        if {role for role, _ in messages} == {"assistant"}:  # words to be read on, without a question
            messages = [("user", ""), *messages]
        pairs = pairs_of(list(_joined(messages)))
    else:
        pairs = _of_queries(row)
    pictures = pictures_of(row, find, id)
    objects = _Objects(row.get("objects"), pictures)
    check_marks([prompt for prompt, _ in pairs], [answer for _, answer in pairs], len(pictures))
    words = tuple(_words(prompt, answer, objects) for prompt, answer in pairs)
    objects.check_used()
    return Lesson(id, pictures, words, sequential=len(words) > 1, source=source)


def _joined(messages: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Answers that follow one another are one."""
    held: tuple[str, str] | None = None
    for role, words in messages:
        if held and held[0] == role == "assistant":
            held = (role, held[1] + words)
            continue
        if held:
            yield held
        held = (role, words)
    if held:
        yield held


def _of_queries(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [*_list(row, "history"), [row.get("query"), row.get("response")]]
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(words, str) for words in pair):
            raise InputError(
                f'"history", "query" and "response" are questions with answers in words; seen {pair!r:.60}'
            )
    return [(writable(query), writable(response)) for query, response in pairs]


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    """What stands under `key`; nothing where there is none. Raises InputError for what is no list."""
    value = row.get(key) or []
    if not isinstance(value, list | tuple):
        raise InputError(f'"{key}" is a list; seen {value!r:.60}')
    return list(value)


class _Objects:
    """The names and boxes of a row, handed out in order."""

    def __init__(self, objects: Any, pictures: Sequence[Picture]) -> None:
        objects = objects or {}
        if not isinstance(objects, Mapping):
            raise InputError(f'"objects" is an object with "ref" and "bbox"; seen {objects!r:.60}')
        self.pictures = pictures
        self.refs = [writable(str(ref)) for ref in _list(objects, "ref")]
        self.boxes = _list(objects, "bbox")
        self.owners = _list(objects, "image_id") or [0] * len(self.boxes)
        self.type = objects.get("bbox_type") or "real"
        self._sizes: dict[int, tuple[int, int]] = {}
        self._ref = self._box = 0
        if self.type not in BOX_TYPES:
            raise InputError(f"bbox_type is {self.type!r:.20}; known: {', '.join(BOX_TYPES)}")
        if len(self.owners) != len(self.boxes):
            raise InputError(f"image_id has {len(self.owners)} numbers for {len(self.boxes)} boxes")

    def ref(self) -> str:
        self._ref += 1
        if self._ref > len(self.refs):
            raise InputError(f"<ref-object> stands in it more often than there are names: {len(self.refs)}")
        return self.refs[self._ref - 1]

    def region(self, span: tuple[int, int], label: str | None) -> tuple[Region, int]:
        """The next box in pixels, and the number of its picture."""
        self._box += 1
        if self._box > len(self.boxes):
            raise InputError(f"<bbox> stands in it more often than there are boxes: {len(self.boxes)}")
        box, owner = self.boxes[self._box - 1], self.owners[self._box - 1]
        if not isinstance(owner, int) or not 0 <= owner < len(self.pictures):
            raise InputError(f"a box lies in picture {owner!r:.20}, and there are {len(self.pictures)}, from 0")
        if not isinstance(box, list | tuple) or len(box) not in (2, 4):
            raise BoxError(f"a bbox has four numbers, or two for a point; seen {box!r:.60}")
        try:
            numbers = [float(number) for number in box]
        except (TypeError, ValueError):
            raise BoxError(f"a bbox has four numbers, or two for a point; seen {box!r:.60}") from None
        if self.type == "norm1":
            width, height = self._size(owner)
            numbers = [number * (height if place % 2 else width) for place, number in enumerate(numbers)]
        if len(numbers) == 2:
            return Region((*numbers, *numbers), label, span=span, point=tuple(numbers)), owner  # type: ignore[arg-type]
        return Region(tuple(numbers), label, span=span), owner  # type: ignore[arg-type]

    def _size(self, owner: int) -> tuple[int, int]:
        if owner not in self._sizes:
            self._sizes[owner] = picture_size(self.pictures[owner])
        return self._sizes[owner]

    def check_used(self) -> None:
        """Raises InputError where boxes are left over: they would be lost without a word."""
        if self._box < len(self.boxes):
            raise InputError(f"<bbox> stands in it {self._box} times, and there are {len(self.boxes)} boxes")


def _words(prompt: str, answer: str, objects: _Objects) -> Words:
    owners: set[int] = set()
    prompt, asked = _filled(prompt, objects, owners)
    answer, answered = _filled(answer, objects, owners)
    if len(owners) > 1:
        raise InputError(f"boxes of several pictures in one turn: {sorted(owners)}; one turn is about one picture")
    return Words(prompt, answer, asked, answered, picture=min(owners, default=0))


def _filled(text: str, objects: _Objects, owners: set[int]) -> tuple[str, tuple[Region, ...]]:
    """The text with names in place of their marks and without the boxes' marks, and the boxes."""
    pieces: list[str] = []
    regions: list[Region] = []
    done = length = 0
    name: tuple[int, int] | None = None
    for mark in _MARK.finditer(text):
        between = text[done : mark.start()]
        done = mark.end()
        if mark[0] == "<ref-object>":
            ref = objects.ref()
            pieces += [between, ref]
            name = (length + len(between), length + len(between) + len(ref))
            length = name[1]
            continue
        if between.strip() or name is None:
            between = between.rstrip(" ")
            pieces.append(between)
            length += len(between)
            span = (length, length)
        else:
            span = name
        label = "".join(pieces)[slice(*span)] or None
        region, owner = objects.region(span, label)
        name = span
        owners.add(owner)
        regions.append(region)
    return "".join([*pieces, text[done:]]), tuple(regions)
