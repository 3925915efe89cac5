"""Owns the texts of InternVL 1.5 to 3.5.

    <ref>the dog</ref><box>[[226, 320, 576, 892], [32, 231, 977, 662]]</box>

Order x1 y1 x2 y2, from 0 to 1000 along the original's sides: `round(v * 1000)` (documentation, chat data format, on
grounding and detection data), read as `bin / 1000` (internvl_chat/eval/refcoco/evaluate_grounding.py). That evaluation
takes numbers whose sum is under 4 for fractions; here, numbers with decimals that are all at most 1.

The prompt of locate is that evaluation's. Detection was trained without names ("Please detect and label all objects in
the following image and mark their positions."); asking for names puts them in the place of "objects".
Caption and answer are plain chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from grounding.codecs.bins import INTERNVL
from grounding.codecs.brackets import BracketStream, Surface
from grounding.codecs.chat import ChatCodec, Numbers
from grounding.codecs.collect import Box

TAGS = {"<ref>": "ref", "</ref>": "/ref", "<box>": "box", "</box>": "/box"}


class InternVLStream(BracketStream):
    """Reads fractions where InternVL wrote those."""

    def read_box(self, numbers: list[float], start: int, end: int) -> Box | None:
        if max(numbers) <= 1 and any(number % 1 for number in numbers):
            numbers = [number * 1000 for number in numbers]
        return super().read_box(numbers, start, end)


class InternVLCodec(ChatCodec):
    """InternVL's texts; see the head of this file."""

    name = "internvl"
    rules = INTERNVL
    prompts: ClassVar = {
        "locate": "Please provide the bounding box coordinate of the region this sentence describes: {words}",
        "detect": "Please detect and label all {names} in the following image and mark their positions.",
        "caption": "Please describe the image shortly.",
        "answer": "{words}",
    }
    tasks = tuple(prompts)
    surface = Surface(TAGS, fronted=("detect",), unit=r"<ref>([^<]*)</ref><box>\[\[@, @, @, @\]\]</box>")
    reader = InternVLStream

    def ask_for(self, name: str) -> str:
        return self.write_name(name)

    def write_name(self, name: str) -> str:
        return f"<ref>{name}</ref>"

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return f"<box>[{', '.join([str(list(numbers)) for numbers in boxes])}]</box>"
