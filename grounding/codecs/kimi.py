"""Owns the texts of Kimi-VL: prompts, answers in JSON, and the reading of them.

    {"bbox_2d": [0.280, 0.500, 0.520, 0.700]}

Order x1 y1 x2 y2, fractions of the picture's own sides with three decimals, as answers recorded in the family's
repository show (issues 52 and 56). Neither its report nor its model card says how to ask or what "nothing" looks like,
so prompts are in plain words, and an empty list means nothing there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from grounding.codecs.bins import KIMI_VL
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.json_boxes import JSONFamily
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas


class KimiVLCodec(JSONFamily):
    """Kimi-VL's texts."""

    name = "kimi-vl"
    rules = KIMI_VL
    tasks = ("locate", "detect", "point", "caption", "answer")
    head, joint, tail = "[", ", ", "]"
    prompts = MappingProxyType(
        {
            "locate": 'Locate every object that matches the description "{words}" in the image. '
            "Report bbox_2d coordinates in JSON format.",
            "detect": 'Locate every instance that belongs to the following categories: "{words}". '
            "Report bbox_2d coordinates and labels in JSON format.",
            "point": "Point to {words} in the image. Report point_2d coordinates in JSON format.",
            "caption": "Describe this image.",
            "answer": "{words}",
        }
    )

    def collector(self, canvas: Canvas) -> Collector:
        return Collector(canvas, float, 1.0, step=1 / self.rule.top)

    def box_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        return ", ".join([self._decimals(fraction) for fraction in frame.fractions(region.box)])

    def point_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        x, y, _, _ = frame.fractions((region.point or region.center) * 2)
        return f"{self._decimals(x)}, {self._decimals(y)}"

    def _decimals(self, fraction: float) -> str:
        return f"{self.rule.write(fraction) / self.rule.top:.3f}"
