"""Owns the texts of Gemini 2 and 3: prompts, answers in JSON, and the reading of them.

    ```json
    [
      {"box_2d": [281, 23, 978, 254], "label": "man standing far left in orange"}
    ]
    ```

Fenced or bare. Order y1 x1 y2 x2, and y x in {"point": [y, x], "label": ...}: 0 to 1000 along the picture's own sides
(Gemini API guide, image understanding; points: the guide to Gemini Robotics-ER). Answers to other prompts hold a `mask`
as well, a PNG in base64 or corners; it is left out, and the box is read. Nothing there: an empty list.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from grounding.codecs.bins import GEMINI
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.fast import read_objects
from grounding.codecs.json_boxes import JSONFamily
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

_FORM = "The box_2d should be [ymin, xmin, ymax, xmax] normalized to 0-1000."


class GeminiCodec(JSONFamily):
    """Gemini's texts."""

    name = "gemini"
    rules = GEMINI
    tasks = ("locate", "detect", "point", "caption", "answer")
    box_key, point_key = "box_2d", "point"
    head, joint, tail = "```json\n[\n  ", ",\n  ", "\n]\n```"
    prompts = MappingProxyType(
        {
            "locate": f"Locate {{words}} in the image. {_FORM}",
            "detect": f"Detect all of the following in the image: {{words}}. {_FORM}",
            "point": "Point to {words} in the image. The answer should follow the json format: "
            '[{"point": <point>, "label": <label1>}, ...]. The points are in [y, x] format normalized to 0-1000.',
            "caption": "Caption this image.",
            "answer": "{words}",
        }
    )

    def __init__(self, rounding: str | None = None) -> None:
        super().__init__(rounding)
        self.at_once = read_objects(self.box_key, self.rule.read, self.rule.top, y_first=True)

    def collector(self, canvas: Canvas) -> Collector:
        return Collector(canvas, self.rule.read, self.rule.top, y_first=True)

    def box_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        write = self.rule.write
        x1, y1, x2, y2 = frame.fractions(region.box)
        return f"{write(y1)}, {write(x1)}, {write(y2)}, {write(x2)}"

    def point_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        write = self.rule.write
        x, y, _, _ = frame.fractions((region.point or region.center) * 2)
        return f"{write(y)}, {write(x)}"
