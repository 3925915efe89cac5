"""Owns the texts of DeepSeek-VL2.

    <|ref|>The giraffe at the back.<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|><｜end▁of▁sentence｜>

Order x1 y1 x2 y2, from 0 to 999 along the original's sides, read as `bin / 999` (parse_ref_bbox in
deepseek_vl2/serve/app_modules/utils.py, to which the README points). Several boxes of one name share a pair of
brackets. Prompts: README for locate; the hosted demo's examples for detect and for grounded conversation, which
`<|grounding|>` asks for; the caption's words are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from grounding.codecs.bins import DEEPSEEK_VL2
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import ChatCodec, Numbers
from grounding.codecs.fast import read_references

STOP = "<｜end▁of▁sentence｜>"

TAGS = {
    "<|ref|>": "ref",
    "<|/ref|>": "/ref",
    "<|det|>": "box",
    "<|/det|>": "/box",
    "<|grounding|>": "skip",
    "<｜begin▁of▁sentence｜>": "skip",
    STOP: "skip",
    "<|end▁of▁sentence|>": "skip",  # as supervision's documentation spells it
    "<｜▁pad▁｜>": "skip",
    "<|Assistant|>": "skip",
}


class DeepSeekVL2Codec(ChatCodec):
    """DeepSeek-VL2's texts; see the head of this file."""

    name = "deepseek-vl2"
    rules = DEEPSEEK_VL2
    between = ""
    prompts: ClassVar = {
        "locate": "{words}.",
        "detect": "Find all the {names}",
        "caption": "<|grounding|>Can you describe the content of the image?",
        "answer": "<|grounding|>{words}",
    }
    tasks = tuple(prompts)
    surface = Surface(
        TAGS, fronted=("detect",), unit=r"<\|ref\|>([^<]*)<\|/ref\|><\|det\|>\[\[@, @, @, @\]\]<\|/det\|>"
    )

    def __init__(self, rounding: str | None = None) -> None:
        super().__init__(rounding)
        self.at_once = read_references(self.rule.read, self.rule.top, STOP)

    def ask_for(self, name: str) -> str:
        return self.write_name(name)

    def write_name(self, name: str) -> str:
        return f"<|ref|>{name}<|/ref|>"

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return f"<|det|>[{', '.join([str(list(numbers)) for numbers in boxes])}]<|/det|>"
