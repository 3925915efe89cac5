"""Owns the texts of LLaVA-1.5.

    [0.61, 0.36, 0.92, 0.83]

Order x1 y1 x2 y2, shares of a square with two decimals; the picture stands in the middle of that square, whose side is
the picture's longer one. Prompts: the response formats of the LLaVA-1.5 paper, made into sentences as users of it do. A
hundred steps a side are few: an edge is off by up to half a percent of the longer side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from grounding.codecs.bins import LLAVA
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import Numbers
from grounding.codecs.shikra import DecimalCodec


class LlavaCodec(DecimalCodec):
    """LLaVA-1.5's texts; see the head of this file."""

    name = "llava-1.5"
    rules = LLAVA
    decimals = 2
    prompts: ClassVar = {
        "locate": "Please provide the bounding box coordinate of the region this sentence describes: {words}",
        "detect": "Please provide the bounding box coordinates of every one of these: {names}",
        "describe": "Please provide a short description for this region: {box}",
        "caption": "Provide a one-sentence caption for the provided image.",
        "answer": "{words}",
    }
    tasks = tuple(prompts)
    surface = Surface({}, fronted=("detect",))

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return ", ".join([f"[{', '.join(map(self.write_number, numbers))}]" for numbers in boxes])
