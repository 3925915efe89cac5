"""Owns the texts of Shikra.

    A dog [0.123,0.456,0.789,0.901] beside two cats [0.012,0.034,0.056,0.078;0.100,0.200,0.300,0.400].

Order x1 y1 x2 y2, shares of a square with three decimals (PlainBoxFormatter in
mllm/dataset/process_function/box_process_function.py). The picture stands in the middle of that square, whose side is
the picture's longer one (expand2square in mllm/dataset/utils/transform.py). Points are pairs, `[0.500,0.250]`.
Prompts: task templates in mllm/demo/webdemo.py; locate is the one that others took over from Shikra. What it answers:
"Answer: [...] ." (mllm/dataset/single_image_dataset/rec.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from grounding.codecs.bins import SHIKRA
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import ChatCodec, Numbers
from grounding.codecs.collect import Collector

if TYPE_CHECKING:
    from grounding.images import Canvas


def square(width: int, height: int) -> Canvas:
    """The picture in the middle of a square of its longer side, as Shikra and LLaVA-1.5 pad it."""
    from grounding.images import Canvas

    return Canvas.pad(width, height, max(width, height))


class DecimalCodec(ChatCodec):
    """A family that writes shares of a padded square as decimals."""

    decimals: int

    def canvas(
        self,
        width: int,
        height: int,
        *,
        input_size: tuple[int, int] | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> Canvas:
        """The square; shares of it do not depend on the size that the model sees it in."""
        return square(width, height)

    def collector(self, canvas: Canvas) -> Collector:
        return Collector(canvas, float, 1.0, step=1 / self.rule.top)

    def write_number(self, bin_: int) -> str:
        """A bin as a decimal."""
        return f"{bin_ / self.rule.top:.{self.decimals}f}"


class ShikraCodec(DecimalCodec):
    """Shikra's texts; see the head of this file."""

    name = "shikra"
    rules = SHIKRA
    decimals = 3
    prompts: ClassVar = {
        "locate": "Where is {words} in the image? answer in [x0,y0,x1,y1] format.",
        "detect": "Where is {names} in the image? answer in [x0,y0,x1,y1] format.",
        "describe": "For the given image, can you provide a unique description of the area {box}?",
        "caption": "Provide a comprehensive description of the image and specify the positions of any mentioned "
        "objects in square brackets.",
        "answer": "With the help of the image, can you clarify my question '{words}'? Also, explain the reasoning "
        "behind your answer, and don't forget to label the bounding boxes of the involved objects using square "
        "brackets.",
    }
    tasks = tuple(prompts)
    surface = Surface({}, points=True, fronted=("detect",))

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return f"[{';'.join([','.join(map(self.write_number, numbers)) for numbers in boxes])}]"
