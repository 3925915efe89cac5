"""Owns the texts of Qwen2.5-VL and Qwen3-VL: prompts, answers in JSON, and what their numbers count along.

    ```json
    [
        {"bbox_2d": [14, 135, 136, 470], "label": "man standing far left in orange"}
    ]
    ```

Order x1 y1 x2 y2. Qwen2.5-VL writes absolute pixels of the picture it was given, which its processor resized so that
both sides are multiples of 28 (`smart_resize`; training data: qwen-vl-finetune/tools/process_bbox.ipynb), so that
reading needs that size: `canvas(..., input_size=...)` or the processor's pixel limits. Qwen3-VL writes 0 to 1000 along
the picture's own sides (cookbooks, 2d_grounding), and so do its successors. Points: {"point_2d": [x, y], "label": ...}.
Prompts are those of the cookbooks. Nothing there: no trained form; an empty list says so.
"""

from __future__ import annotations

import math
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from grounding.codecs.bins import QWEN3_VL, QWEN25_VL, pick_rule
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.fast import read_objects
from grounding.codecs.json_boxes import JSONFamily
from grounding.errors import InputError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

MIN_PIXELS = 4 * 28 * 28
MAX_PIXELS = 16384 * 28 * 28
"""The limits that the weights of Qwen2.5-VL are published with (preprocessor_config.json)."""
LONGEST = 200
"""How many times as long as the other a side may be; the family's processor refuses more."""


def smart_resize(
    height: int, width: int, factor: int = 28, min_pixels: int = MIN_PIXELS, max_pixels: int = MAX_PIXELS
) -> tuple[int, int]:
    """Height and width that the family's processor gives a picture: multiples of `factor`, about the same shape.

    Between `min_pixels` and `max_pixels` in area (transformers, models/qwen2_vl/image_processing_qwen2_vl.py, whose own
    default for `max_pixels` is 1280 * 28 * 28). Raises InputError for sides that the processor refuses.
    """
    if min(height, width) < 1 or max(height, width) > LONGEST * min(height, width):
        raise InputError(
            f"Qwen2.5-VL takes pictures whose longer side is at most {LONGEST} times the shorter; "
            f"seen {width} x {height}: crop or pad it"
        )
    high, wide = round(height / factor) * factor, round(width / factor) * factor
    if high * wide > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        high = max(factor, math.floor(height / shrink / factor) * factor)
        wide = max(factor, math.floor(width / shrink / factor) * factor)
    elif high * wide < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        high = math.ceil(height * grow / factor) * factor
        wide = math.ceil(width * grow / factor) * factor
    return high, wide


class Qwen25VLCodec(JSONFamily):
    """Qwen2.5-VL's texts: absolute pixels of the resized picture."""

    name = "qwen2.5-vl"
    rules = QWEN25_VL
    tasks = ("locate", "detect", "point", "ocr", "caption", "answer")
    text_key = "text_content"
    prompts = MappingProxyType(
        {
            "locate": 'Locate every object that matches the description "{words}" in the image. '
            "Report bbox coordinates in JSON format.",
            "detect": "Locate every item from the category list in the image and output the coordinates in "
            "JSON format. The category set includes {words}.",
            "point": "Locate {words} in this image. Output the point coordinates in JSON format.",
            "ocr": "Spotting all the text in the image with line-level, and output in JSON format.",
            "caption": "Describe this image.",
            "answer": "{words}",
        }
    )

    def __init__(self, rounding: str | None = None) -> None:
        self._pixels = lru_cache(maxsize=256)(pick_rule(self.name, self.rules, rounding))
        self.at_once = read_objects(self.box_key, None)

    def canvas(
        self,
        width: int,
        height: int,
        *,
        input_size: tuple[int, int] | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> Canvas:
        """The resized picture that the model writes pixels of, for a picture of `width` x `height` px.

        `input_size`: its width and height, where they are known (of Qwen's processor, 14 * image_grid_thw[2] and
        14 * image_grid_thw[1]). Else the pixel limits of the processor; one alone leaves the other as published.
        """
        from grounding.images import Canvas

        if input_size is None:
            if min_pixels is None and max_pixels is None:
                raise InputError(
                    "Qwen2.5-VL writes pixels of the resized picture it was given: give input_size=(width, height) of "
                    f"that picture, or its processor's limits (published: {MIN_PIXELS=}, {MAX_PIXELS=}) as min_pixels= "
                    "and max_pixels="
                )
            high, wide = smart_resize(height, width, 28, min_pixels or MIN_PIXELS, max_pixels or MAX_PIXELS)
            input_size = (wide, high)
        elif min_pixels is not None or max_pixels is not None:
            raise InputError("give input_size or pixel limits, not both: the limits tell the size")
        return Canvas.squash(width, height, *input_size)

    def collector(self, canvas: Canvas) -> Collector:
        return Collector(canvas)

    def box_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        write_x, write_y = self._pixels(canvas.model_width).write, self._pixels(canvas.model_height).write
        x1, y1, x2, y2 = frame.fractions(region.box)
        return f"{write_x(x1)}, {write_y(y1)}, {write_x(x2)}, {write_y(y2)}"

    def point_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        x, y, _, _ = frame.fractions((region.point or region.center) * 2)
        return f"{self._pixels(canvas.model_width).write(x)}, {self._pixels(canvas.model_height).write(y)}"


class Qwen3VLCodec(JSONFamily):
    """Texts of Qwen3-VL and later: 0 to 1000 along the picture's own sides."""

    name = "qwen3-vl"
    rules = QWEN3_VL
    tasks = ("locate", "detect", "point", "ocr", "caption", "answer")
    text_key = "text_content"
    prompts = MappingProxyType(
        {
            **Qwen25VLCodec.prompts,
            "detect": 'Locate every instance that belongs to the following categories: "{words}". '
            "Report bbox coordinates in JSON format.",
            "ocr": "Spotting all the text in the image with line-level, and output in JSON format as "
            "[{'bbox_2d': [x1, y1, x2, y2], 'text_content': 'text'}, ...].",
        }
    )

    def __init__(self, rounding: str | None = None) -> None:
        super().__init__(rounding)
        self.at_once = read_objects(self.box_key, self.rule.read, self.rule.top)
