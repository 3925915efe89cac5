"""Owns what all families do with four numbers that were read: range, order, pixels, repetition.

A family finds numbers in text; what becomes of them is decided here, once, so that all families answer alike:

    outside the range by at most a tenth   moved to the edge, `out_of_range`
    farther out (99999), or not a number   no box, `out_of_range` or `malformed`
    x2 < x1 or y2 < y1                     put in order, `inverted`
    box and label as written before        kept once, `duplicate`
    beyond the picture, in its padding     cut at the picture's edge, `out_of_range` if by more than a bin
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from grounding.codecs.base import Decoded
from grounding.result import Problem, Region

if TYPE_CHECKING:
    from grounding.images import Canvas

Box = tuple[float, float, float, float]

SLACK = 0.1
"""How far outside its range, as a share of it, a coordinate still is one that the model meant: weights made for 0 to
1000 write 1003 now and then, and nobody means 99999."""


class Frame:
    """Fractions of what a model saw <-> pixels of the original, for single numbers: Canvas without its arrays."""

    __slots__ = ("height", "left", "scale_x", "scale_y", "top", "width")

    def __init__(self, canvas: Canvas) -> None:
        self.width, self.height = canvas.width, canvas.height
        self.scale_x, self.left = canvas.model_width / canvas.scale_x, canvas.left / canvas.scale_x
        self.scale_y, self.top = canvas.model_height / canvas.scale_y, canvas.top / canvas.scale_y

    def x(self, fraction: float) -> float:
        """Pixel of the original at this fraction of the model's width."""
        return fraction * self.scale_x - self.left

    def y(self, fraction: float) -> float:
        """Pixel of the original at this fraction of the model's height."""
        return fraction * self.scale_y - self.top

    def fractions(self, box: Sequence[float]) -> Box:
        """x1 y1 x2 y2 as fractions of what the model saw, from pixels of the original."""
        x1, y1, x2, y2 = box
        wide, high = self.scale_x, self.scale_y
        return (x1 + self.left) / wide, (y1 + self.top) / high, (x2 + self.left) / wide, (y2 + self.top) / high


class Collector:
    """The regions and problems of one answer, in the order in which they were found.

    `read` turns a number of the text into a fraction of what the model saw, and `top` is the highest number there is;
    without them, numbers are pixels of what the model saw. `step`: from a number to the next one that can be written.
    """

    def __init__(
        self,
        canvas: Canvas,
        read: Callable[[float], float] | None = None,
        top: float = 1.0,
        *,
        step: float = 1.0,
        y_first: bool = False,
    ) -> None:
        self.regions: list[Region] = []
        self.problems: list[Problem] = []
        self._frame = frame = Frame(canvas)
        self._place = (frame.scale_x, frame.left, frame.scale_y, frame.top)
        self._read, self._step, self._y_first = read, step, y_first
        self._tops = (top, top) if read else (float(canvas.model_width), float(canvas.model_height))
        self._seen: set[tuple[Any, ...]] = set()

    def report(self, kind: str, message: str, start: int, end: int) -> None:
        """A Problem about the characters from `start` to `end` of the raw answer."""
        self.problems.append(Problem(kind, message, (start, end)))

    def add_box(
        self,
        numbers: Sequence[float],
        start: int,
        end: int,
        *,
        label: str | None = None,
        span: tuple[int, int] | None = None,
    ) -> Region | None:
        """The region of four numbers as the family orders them, written from `start` to `end` of the raw answer.

        `span`: the region's own, `start` to `end` when None. None, and reported, where there is no box in them or where
        the same box with the same label was written before.
        """
        box = self.box(numbers, start, end)
        return None if box is None else self.add(box, start, end, label=label, span=span)

    def box(self, numbers: Sequence[float], start: int, end: int) -> Box | None:
        """Pixels of the original, in order and inside the picture; None, and reported, where that can't be."""
        if len(numbers) != 4:
            self.report("malformed", f"{len(numbers)} of a box's 4 coordinates", start, end)
            return None
        a, b, c, d = numbers
        x1, y1, x2, y2 = (b, a, d, c) if self._y_first else (a, b, c, d)
        top_x, top_y = self._tops
        if not (0 <= x1 <= top_x and 0 <= x2 <= top_x and 0 <= y1 <= top_y and 0 <= y2 <= top_y):
            moved = self._into_range((x1, y1, x2, y2), start, end)
            if moved is None:
                return None
            x1, y1, x2, y2 = moved
        if x1 > x2 or y1 > y2:
            self.report("inverted", "a box whose edges are swapped; read in order", start, end)
            x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
        wide, left, high, upper = self._place
        if read := self._read:
            x1, y1, x2, y2 = read(x1), read(y1), read(x2), read(y2)
        else:
            x1, y1, x2, y2 = x1 / top_x, y1 / top_y, x2 / top_x, y2 / top_y
        # Frame.x and Frame.y, written out: this is done for every box of every answer
        box = (x1 * wide - left, y1 * high - upper, x2 * wide - left, y2 * high - upper)
        return self._inside(box, start, end)

    def add(
        self, box: Box, start: int, end: int, *, label: str | None = None, span: tuple[int, int] | None = None
    ) -> Region | None:
        """The region of a box that `box` gave; None, and reported, where it repeats one."""
        key = (box, label, span)
        if key in self._seen:
            self.report("duplicate", "a box that was written before; kept once", start, end)
            return None
        self._seen.add(key)
        region = Region(box, label=label, span=span or (start, end))
        self.regions.append(region)
        return region

    def point(self, numbers: Sequence[float], start: int, end: int) -> tuple[float, float] | None:
        """The pixel of the original of two numbers in the family's order; None, and reported, where there is none."""
        if len(numbers) != 2:
            self.report("malformed", f"{len(numbers)} of a point's 2 coordinates", start, end)
            return None
        x, y = (numbers[1], numbers[0]) if self._y_first else numbers
        box = self.box((y, x, y, x) if self._y_first else (x, y, x, y), start, end)
        return None if box is None else box[:2]

    def add_point(self, point: tuple[float, float], start: int, end: int, *, label: str | None = None) -> Region | None:
        """The region of a point: a box without extent that carries it. None, and reported, where it repeats one."""
        x, y = point
        if (x, y, label) in self._seen:
            self.report("duplicate", "a point that was written before; kept once", start, end)
            return None
        self._seen.add((x, y, label))
        region = Region((x, y, x, y), label=label, span=(start, end), point=point)
        self.regions.append(region)
        return region

    def decoded(self, *, text: str | None = None, count: int | None = None) -> Decoded:
        """All of it, the problems in the order of the text."""
        problems = tuple(sorted(self.problems, key=lambda problem: problem.span or (0, 0)))
        return Decoded(tuple(self.regions), problems, text=text, count=count)

    def _into_range(self, box: Box, start: int, end: int) -> Box | None:
        seen = ", ".join(f"{number:g}" for number in box)
        for number, top in zip(box, self._tops * 2, strict=True):
            if not math.isfinite(number) or not -SLACK * top <= number <= (1 + SLACK) * top:
                self.report("out_of_range", f"{number:g} is far outside the range 0 to {top:g}: no box", start, end)
                return None
        self.report("out_of_range", f"a box beyond the picture ({seen}); cut at its edge", start, end)
        x1, y1, x2, y2 = (min(max(number, 0.0), top) for number, top in zip(box, self._tops * 2, strict=True))
        return x1, y1, x2, y2

    def _inside(self, box: Box, start: int, end: int) -> Box:
        x1, y1, x2, y2 = box
        wide, high = self._frame.width, self._frame.height
        if x1 >= 0 and y1 >= 0 and x2 <= wide and y2 <= high:
            return box
        bin_x, bin_y = (
            scale * self._step / top
            for scale, top in zip((self._frame.scale_x, self._frame.scale_y), self._tops, strict=True)
        )
        if x1 < -bin_x or y1 < -bin_y or x2 > wide + bin_x or y2 > high + bin_y:
            self.report("out_of_range", "a box that reaches into the padding; cut at the picture's edge", start, end)
        x1, x2 = min(max(x1, 0.0), wide), min(max(x2, 0.0), wide)
        y1, y2 = min(max(y1, 0.0), high), min(max(y2, 0.0), high)
        return x1, y1, x2, y2
