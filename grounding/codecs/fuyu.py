r"""Owns the texts of Fuyu: `<box>top, left, bottom, right</box>`, and `<point>x, y</point>`.

    <box>194, 213, 202, 244</box>

Order y1 x1 y2 x2, and x y for points, in halved pixels of the scaled picture: the model writes `round(x / 2 * scale)`
(transformers, models/fuyu/processing_fuyu.py). Read as `2 * n / scale`; `rounding="transformers"` gives
`2 * int(n / scale)`, as its post-processing does. The scale has to be known, so `canvas` needs the input's size: the
picture's own unless it is larger than 1920 x 1080 (image_processing_fuyu.py).

What this codec reads are the model's own numbers. `post_process_box_coordinates` of transformers puts pixels of the
original into the same tags, and prompts hold those too: its processor scales them, so `prompt` writes those. Raw, the
tags are <0x00> and <0x01> around boxes, <0x02> and <0x03> around points, or these characters themselves, and each
number is a token of its own: decoded with nothing between them (`194213202244`) they can't be told apart, which is
reported.
Prompts: the model's discussions 38 and 44, and its demo, at huggingface.co/adept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from grounding.codecs.bins import BinRule
from grounding.codecs.brackets import BracketStream, Surface
from grounding.codecs.chat import ChatCodec, Numbers
from grounding.codecs.collect import Box, Collector, Frame
from grounding.errors import InputError

if TYPE_CHECKING:
    from grounding.codecs.base import Stream
    from grounding.images import Canvas

_OCR = (
    "When presented with a box, perform OCR to extract text contained within it. If provided with text, generate the "
    "corresponding bounding box.\\n"
)
_TAGS = {
    "<box>": "box",
    "</box>": "/box",
    "<point>": "point",
    "</point>": "/point",
    "<0x00>": "box",
    "<0x01>": "/box",
    "<0x02>": "point",
    "<0x03>": "/point",
    "\x00": "box",
    "\x01": "/box",
    "\x02": "point",
    "\x03": "/point",
    **dict.fromkeys(("\x04", "<0x04>", "|ENDOFTEXT|", "|SPEAKER|", "|NEWLINE|"), "skip"),
}


def _no_bins(_: float) -> int:
    raise InputError("fuyu writes pixels of the scaled picture, not bins: use FuyuCodec.bins with a canvas")


_RULES: Mapping[str, BinRule] = {
    "official": BinRule(0, _no_bins, float, "2 * n / scale, the inverse of what transformers writes"),
    "transformers": BinRule(0, _no_bins, float, "transformers, models/fuyu/processing_fuyu.py: 2 * int(n / scale)"),
}


class FuyuStream(BracketStream):
    """Reads numbers as halved pixels of the scaled picture."""

    whole = False
    """Whether pixels of the original are cut to even whole ones, as transformers does."""

    def read_box(self, numbers: list[float], start: int, end: int) -> Box | None:
        wide, high = self._canvas.model_width, self._canvas.model_height
        # A side of 7 pixels has its edge at 3.5, which the model writes as 4.
        doubled = [
            min(2 * number, side) if 2 * number <= side + 1 else 2 * number
            for number, side in zip(numbers, (high, wide, high, wide), strict=True)
        ]
        box = super().read_box(doubled, start, end)
        if box is None or not self.whole:
            return box
        x1, y1, x2, y2 = (2.0 * int(pixel / 2 + 1e-9) for pixel in box)
        return x1, y1, x2, y2

    def read_point(self, numbers: list[float], start: int, end: int) -> tuple[float, float] | None:
        x, y = numbers
        box = self.read_box([y, x, y, x], start, end)
        return None if box is None else box[:2]


class WholeFuyuStream(FuyuStream):
    """The same as transformers reads it."""

    whole = True


class FuyuCodec(ChatCodec):
    """Fuyu's texts. `rounding`: "official" reads exactly, "transformers" cuts to even pixels as that library does."""

    name = "fuyu"
    rules = _RULES
    prompts: ClassVar = {
        "locate": _OCR + " {words}",
        "detect": "Generate the bounding box of each of these: {names}\n",
        "describe": _OCR + "{box}",
        "caption": "Generate a coco-style caption.\n",
        "answer": "{words}\n",
    }
    tasks = tuple(prompts)
    surface = Surface(
        _TAGS,
        brackets="",
        points=True,
        fronted=("detect",),
        odd_tags=("\x00-\x04|", r"[\x00-\x04]|\|(?:ENDOFTEXT|SPEAKER|NEWLINE)\|", r"\|[A-Z]{0,9}"),
    )

    def canvas(
        self,
        width: int,
        height: int,
        *,
        input_size: tuple[int, int] | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> Canvas:
        """The scaled picture. Raises InputError without `input_size`, its width and height in pixels."""
        if input_size is None:
            raise InputError("fuyu writes pixels of the picture it is given: give input_size=(width, height) of that")
        return super().canvas(width, height, input_size=input_size)

    def collector(self, canvas: Canvas) -> Collector:
        return Collector(canvas, step=2.0, y_first=True)

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        reader = WholeFuyuStream if self.rule is _RULES["transformers"] else FuyuStream
        return reader(self.surface, self.collector(canvas), canvas, task)

    def bins(self, box: Sequence[float], canvas: Canvas) -> Numbers:
        x1, y1, x2, y2 = Frame(canvas).fractions(box)
        wide, high = canvas.model_width, canvas.model_height
        return tuple(
            min(round(max(fraction, 0.0) * side / 2), (side + 1) // 2)
            for fraction, side in ((y1, high), (x1, wide), (y2, high), (x2, wide))
        )

    def prompt_box(self, box: Sequence[float], canvas: Canvas) -> str:
        """Pixels of the original: the processor scales them."""
        if not all(map(math.isfinite, box)):
            raise InputError(f"a box is four finite numbers; seen {tuple(box)}")
        x1, y1, x2, y2 = (round(value) for value in box)
        return self.write_boxes([(y1, x1, y2, x2)])

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return "".join([f"<box>{', '.join(map(str, numbers))}</box>" for numbers in boxes])
