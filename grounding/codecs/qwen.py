"""Owns the texts of Qwen-VL 1 and Qwen2-VL: names and pairs of numbers in tags.

    Qwen-VL     <ref> Woman</ref><box>(451,379),(731,806)</box> and<ref> her dog</ref><box>(219,424),(576,896)</box>
    Qwen2-VL    <|object_ref_start|>dog<|object_ref_end|><|box_start|>(221,423),(569,886)<|box_end|>

Order x1 y1 x2 y2, along the original's sides; several boxes of one name follow each other. Qwen-VL counts to 999: its
evaluation divides by 999 (eval_mm/evaluate_grounding.py), while the drawing in its tokenizer divides by 1000
(`rounding="thousand"`). Qwen2-VL counts from 0 to 1000 (its report). Text in the picture stands in quadrilaterals,
`<quad>(x,y),(x,y),(x,y),(x,y)</quad>` (Qwen-VL paper, on its training data); a point of Qwen2-VL is one pair.

Qwen-VL's prompts are those of its pretraining (paper, and README) and of that evaluation, whose answers begin inside
the box tag that the prompt opens. For Qwen2-VL no prompts were published; it is asked in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from grounding.codecs.bins import QWEN2_VL, QWEN_VL
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import ChatCodec, Numbers
from grounding.codecs.collect import Frame
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas


class _QwenCodec(ChatCodec):
    tags: tuple[str, str, str, str, str, str]
    """The tags around names, boxes and quadrilaterals."""

    def write_name(self, name: str) -> str:
        return f"{self.tags[0]}{name}{self.tags[1]}"

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        written = []
        for numbers in boxes:
            opening, closing = self.tags[4:] if len(numbers) == 8 else self.tags[2:4]
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            written.append(f"{opening}{','.join([f'({x},{y})' for x, y in pairs])}{closing}")
        return "".join(written)

    def write_region(self, region: Region, task: str, canvas: Canvas) -> Numbers:
        if task != "ocr":
            return super().write_region(region, task, canvas)
        x1, y1, x2, y2 = region.box
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        if region.mask is not None and len(outlines := region.mask.polygons) == 1 and len(outlines[0]) == 4:
            corners = [(float(x), float(y)) for x, y in outlines[0]]
        frame, write = Frame(canvas), self.rule.write
        return tuple(write(fraction) for x, y in corners for fraction in frame.fractions((x, y, x, y))[:2])


class QwenVLCodec(_QwenCodec):
    """Qwen-VL 1. `rounding`: "official" reads `bin / 999` as its evaluation does, "thousand" as its drawing does."""

    name = "qwen-vl"
    rules = QWEN_VL
    tags = ("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>")
    between = ""
    prompts: ClassVar = {
        "locate": "{words}<box>",
        "detect": "Output the bounding box of {names} in the image.",
        "describe": "<ref>This</ref>{box} is",
        "caption": "Generate the caption in English with grounding:",
        "answer": "{words} Answer:",
        "ocr": "OCR with grounding:",
    }
    tasks = tuple(prompts)
    surface = Surface(
        {"<ref>": "ref", "</ref>": "/ref", "<box>": "box", "</box>": "/box", "<quad>": "quad", "</quad>": "/quad"},
        brackets="[(",
        pairs=True,
        fronted=("detect",),
        unit=r"<ref>([^<]*)</ref><box>\(@,@\),\(@,@\)</box>",
    )

    def ask_for(self, name: str) -> str:
        return self.write_name(name)


class Qwen2VLCodec(_QwenCodec):
    """Qwen2-VL."""

    name = "qwen2-vl"
    rules = QWEN2_VL
    tags = (
        "<|object_ref_start|>",
        "<|object_ref_end|>",
        "<|box_start|>",
        "<|box_end|>",
        "<|quad_start|>",
        "<|quad_end|>",
    )
    prompts: ClassVar = {
        "locate": "Output the bounding box of {words} in the image.",
        "detect": "Output the bounding box of every {names} in the image.",
        "point": "Output the point of {words} in the image.",
        "caption": "Describe this image.",
        "answer": "{words}",
        "ocr": "Read all the text in the image with its position.",
    }
    tasks = tuple(prompts)
    surface = Surface(
        dict(zip(tags, ("ref", "/ref", "box", "/box", "quad", "/quad"), strict=True)),
        brackets="[(",
        pairs=True,
        points=True,
        fronted=("detect",),
        unit=r"<\|object_ref_start\|>([^<]*)<\|object_ref_end\|><\|box_start\|>\(@,@\),\(@,@\)<\|box_end\|>",
    )
