"""Owns reading typical answers at once: those in which every character is where the family writes it.

A reader here answers None as soon as anything is out of the ordinary (a number out of range, swapped edges, the same
box twice, words, another spelling, padding), and the family's stream reads the whole text instead. What a reader does
answer is what the stream answers to the tasks of AT_ONCE, without a problem (tests/test_fast_reading.py). Numbers are
looked up by their spelling, so that a spelling that the family does not write is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, BLANK_OR_COMMA, Decoded
from grounding.result import Region, _trusted_region

if TYPE_CHECKING:
    from grounding.images import Canvas

_LARGEST = 4095  # pixels of an input that are looked up; larger ones are read by the stream
_BLANKS = " \t\r\n"


@cache
def _fractions(read: Callable[[float], float] | None, top: int, form: str = "{}") -> dict[str, float]:
    """The numbers from 0 to `top` as they are spelled -> what `read` makes of them, or the numbers as floats."""
    return {form.format(number): float(read(number) if read else number) for number in range(top + 1)}


def _sides(canvas: Canvas) -> tuple[float, float] | None:
    """Pixels of the original along the model's sides; None where these are not the picture's own, as with padding."""
    if canvas.left or canvas.top:
        return None
    wide, high = canvas.model_width / canvas.scale_x, canvas.model_height / canvas.scale_y
    # A little less is rounding; much less, and numbers out of range would still lie within the picture.
    return (wide, high) if wide > canvas.width * 0.999999 and high > canvas.height * 0.999999 else None


def read_objects(
    key: str, read: Callable[[float], float] | None, top: int = _LARGEST, *, y_first: bool = False
) -> Callable[[str, Canvas], Decoded | None]:
    """A reader of a list, fenced or not, of objects {"`key`": [four whole numbers], "label": "words"}.

    Without `read`, the numbers are pixels of what the model saw.
    """
    item = re.compile(
        rf'(\{{"{key}": \[([0-9]++), ([0-9]++), ([0-9]++), ([0-9]++)\], "label": "([^"\\{{}}\x00-\x1f]++)"\}})'
    ).findall
    head = re.compile(r"[ \t\r\n]{0,16}(?:```(?:json)?[ \t\r\n]{0,16})?\[[ \t\r\n]{0,16}\{").match
    tail = re.compile(r"\}[ \t\r\n]{0,16}\](?:[ \t\r\n]{0,16}```)?[ \t\r\n]{0,16}").fullmatch

    def reader(text: str, canvas: Canvas) -> Decoded | None:
        sides, begun, last = _sides(canvas), head(text), text.rfind("}")
        if sides is None or begun is None or not tail(text, last):
            return None
        rows, at = item(text), begun.end() - 1
        objects = [row[0] for row in rows]
        first = text.find("}") + 1
        between = text[first : text.find("{", first)] if first <= last else ","
        # The same stands between all of them, nothing else does, and none is there twice.
        if (
            between.strip(_BLANKS) != ","
            or between.join(objects) != text[at : last + 1]
            or len(set(objects)) != len(objects)
        ):
            return None
        wide, high = sides
        width, height, gap = canvas.width, canvas.height, len(between)
        if not read:
            wide_over, high_over = float(canvas.model_width), float(canvas.model_height)
        numbers = _fractions(read, top)
        regions: list[Region] = []
        try:
            for written, a, b, c, d, label in rows:
                if y_first:
                    x1, y1, x2, y2 = numbers[b] * wide, numbers[a] * high, numbers[d] * wide, numbers[c] * high
                elif read:
                    x1, y1, x2, y2 = numbers[a] * wide, numbers[b] * high, numbers[c] * wide, numbers[d] * high
                else:
                    x1, y1 = numbers[a] / wide_over * wide, numbers[b] / high_over * high
                    x2, y2 = numbers[c] / wide_over * wide, numbers[d] / high_over * high
                if not (x1 <= x2 <= width and y1 <= y2 <= height) or label[0] == " " or label[-1] == " ":
                    return None
                end = at + len(written)
                regions.append(_trusted_region((x1, y1, x2, y2), label, (at, end)))
                at = end + gap
        except KeyError:
            return None
        return Decoded(tuple(regions))

    return reader


def read_locations(read: Callable[[float], float], top: int) -> Callable[[str, Canvas], Decoded | None]:
    """A reader of `<loc0046><loc0538><loc0795><loc1022> cat ; ...`: boxes y1 x1 y2 x2 along the picture's own sides."""
    item = re.compile(r"<loc([0-9]{4})><loc([0-9]{4})><loc([0-9]{4})><loc([0-9]{4})> ([^<;；\r\n]+)").fullmatch

    def reader(text: str, canvas: Canvas) -> Decoded | None:
        width, height = canvas.width, canvas.height
        numbers = _fractions(read, top, "{:04d}")
        regions: list[Region] = []
        pieces = text.split(" ; ")
        if len(pieces) > 1 and len(set(pieces)) != len(pieces):
            return None
        at = 0
        try:
            for piece in pieces:
                if (found := item(piece)) is None:
                    return None
                a, b, c, d, label = found.groups()
                x1, y1, x2, y2 = numbers[b] * width, numbers[a] * height, numbers[d] * width, numbers[c] * height
                if x1 > x2 or y1 > y2 or label.strip(BLANK_OR_COMMA) != label:
                    return None
                end = at + len(piece)
                regions.append(_trusted_region((x1, y1, x2, y2), label, (at, end)))
                at = end + 3
        except KeyError:
            return None
        return Decoded(tuple(regions))

    return reader


def read_references(read: Callable[[float], float], top: int, stop: str) -> Callable[[str, Canvas], Decoded | None]:
    """A reader of `<|ref|>cat<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|>`, once or more, `stop` behind it or not."""
    item = re.compile(
        r"(<\|ref\|>([^<]+)<\|/ref\|><\|det\|>\[\[([0-9]+), ([0-9]+), ([0-9]+), ([0-9]+)\]\]<\|/det\|>)"
    ).findall
    behind = len("]<|/det|>")

    def reader(text: str, canvas: Canvas) -> Decoded | None:
        sides = _sides(canvas)
        rows = item(text)
        if sides is None or not rows or len({row[0] for row in rows}) != len(rows):
            return None
        wide, high = sides
        width, height = canvas.width, canvas.height
        numbers = _fractions(read, top)
        regions: list[Region] = []
        at = 0
        try:
            for written, label, a, b, c, d in rows:
                x1, y1, x2, y2 = numbers[a] * wide, numbers[b] * high, numbers[c] * wide, numbers[d] * high
                if not (x1 <= x2 <= width and y1 <= y2 <= height) or label.strip(BLANK) != label:
                    return None
                end = at + len(written)
                regions.append(_trusted_region((x1, y1, x2, y2), label, (at, end - behind)))
                at = end
        except KeyError:
            return None
        # The lengths add up to the text's only where nothing stands between.
        if at != len(text) and not (at == len(text) - len(stop) and text.endswith(stop)):
            return None
        return Decoded(tuple(regions))

    return reader


def read_numbered(read: Callable[[float], float], top: int) -> Callable[[str, Canvas], Decoded | None]:
    """A reader of `red car<loc_53><loc_334><loc_933><loc_775>...`: labels, each with the boxes behind it."""
    item = re.compile(r"(([^<]*)<loc_([0-9]+)><loc_([0-9]+)><loc_([0-9]+)><loc_([0-9]+)>)").findall

    def reader(text: str, canvas: Canvas) -> Decoded | None:
        sides = _sides(canvas)
        at = 7 if text.startswith("</s><s>") else 3 if text.startswith("<s>") else 0
        last = len(text) - 4 if text.endswith("</s>") else len(text)
        rows = item(text, at, last)
        if sides is None or not rows:
            return None
        wide, high = sides
        width, height = canvas.width, canvas.height
        numbers = _fractions(read, top)
        regions: list[Region] = []
        label: str | None = None
        seen = set()
        try:
            for written, words, a, b, c, d in rows:
                if words:
                    if words.strip(BLANK) != words or not words.strip(BLANK_OR_COMMA):
                        return None
                    label = words
                x1, y1, x2, y2 = numbers[a] * wide, numbers[b] * high, numbers[c] * wide, numbers[d] * high
                if not (x1 <= x2 <= width and y1 <= y2 <= height):
                    return None
                end = at + len(written)
                seen.add((label, a, b, c, d))
                regions.append(_trusted_region((x1, y1, x2, y2), label, (at, end)))
                at = end
        except KeyError:
            return None
        return Decoded(tuple(regions)) if at == last and len(seen) == len(rows) else None

    return reader
