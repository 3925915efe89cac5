"""Owns boxes that stand as text among words, as LLaVA-1.5's conversations have them: out of the words, into pixels.

    Please describe this region: [0.12, 0.34, 0.56, 0.78]

Numbers are shares of a square with two decimals, in whose middle the picture stands (llava/mm_utils.py,
expand2square; the reading of the coordinates: issue 606 of haotian-liu/LLaVA), or of the picture's own sides.
"""

from __future__ import annotations

import re

from grounding.codecs.collect import Frame
from grounding.codecs.shikra import square
from grounding.errors import BoxError
from grounding.images import Canvas
from grounding.result import Region

FRAMES = ("padded", "picture")
"""What the numbers are shares of: the square that the picture is padded to, or the picture itself."""
_SHARE = r"[ ]?(?:0\.\d{1,4}|1\.0{1,4})[ ]?"
_BOX = rf"\[{_SHARE},{_SHARE},{_SHARE},{_SHARE}\]"
_RUN = re.compile(rf"[ \t]*({_BOX}(?:[ ]?[,;]?[ ]?{_BOX})*)")
_ONE = re.compile(_BOX)
_NUMBER = re.compile(r"[\d.]+")
_END_OF_CLAUSE = re.compile(r"[.,;:!?](?=\s|$)|\n")
_JOINING = re.compile(r"\s*(?:(?:and|or|but)\s+)?", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t]*")
_SLACK = 0.015
"""How far outside the picture rounding to two decimals can put an edge, as a share of the square's side."""


def has_boxes(text: str) -> bool:
    """Whether any stands in the text."""
    return "[" in text and _ONE.search(text) is not None


def without_boxes(text: str, size: tuple[int, int], frame: str = "padded") -> tuple[str, tuple[Region, ...]]:
    """The words alone, and the boxes in pixels of a picture of this size (width, height), each with its span.

    A span covers the clause in front of its box, none of it where a colon or a full stop does. The blank before a box
    goes with it. Raises BoxError for one that is inverted or lies outside the picture.
    """
    if not has_boxes(text):
        return text, ()
    canvas = square(*size) if frame == "padded" else Canvas.identity(*size)
    pieces: list[str] = []
    regions: list[Region] = []
    done = length = clause = 0
    for run in _RUN.finditer(text):
        pieces.append(text[done : run.start()])
        length += run.start() - done
        done = run.end()
        if not length:  # words after a box at the very start begin the text
            done = _BLANKS.match(text, done).end()  # type: ignore[union-attr]  # it matches nothing, too
        words = "".join(pieces)[clause:]
        ends = [found.end() for found in _END_OF_CLAUSE.finditer(words)]
        start = clause + (ends[-1] if ends else 0)
        start = clause + _JOINING.match(words, start - clause).end()  # type: ignore[union-attr]
        span = (min(start, length), length)
        if words.strip():
            clause = length
        elif regions and regions[-1].span is not None:
            span = regions[-1].span
        for box in _ONE.findall(run[1]):
            regions.append(Region(_pixels(box, canvas, size), span=span))
    return "".join([*pieces, text[done:]]), tuple(regions)


def _pixels(box: str, canvas: Canvas, size: tuple[int, int]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(number) for number in _NUMBER.findall(box))
    if x1 > x2 or y1 > y2:
        raise BoxError(f"the box {box} is inverted: x1 <= x2 and y1 <= y2 are needed")
    frame = Frame(canvas)
    left, top, right, bottom = frame.x(x1), frame.y(y1), frame.x(x2), frame.y(y2)
    slack = _SLACK * max(frame.scale_x, frame.scale_y)
    width, height = size
    if left > width + slack or top > height + slack or right < -slack or bottom < -slack:
        raise BoxError(f"the box {box} lies outside its picture of {width} x {height}")
    return min(max(left, 0), width), min(max(top, 0), height), min(max(right, 0), width), min(max(bottom, 0), height)
