"""Owns the words around boxes: which of them name a box, and what an answer says without its markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grounding.codecs.base import BLANK, BLANK_OR_COMMA, Decoded, Stream
from grounding.codecs.collect import Box, Collector
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

IN_WORDS = ("caption", "answer", "describe")
"""Tasks that are answered in words: spans count characters of the words without their markup."""

SEPARATORS = BLANK + ",，、;；.。•*-"
"""What may stand between a box and the next one's words without belonging to them."""

COLONS = BLANK + ":："
"""What may stand between words and the box that they name."""

_END_OF_CLAUSE = re.compile(r"[.,;:!?](?=\s)|[，。；：！？、\n\r]")
_ENDINGS = BLANK + ".,;:!?，。；：！？、"


class CleanText:
    """The words of an answer as they come. Blanks in front of a box go with the box."""

    __slots__ = ("_clause", "_gap", "_glued", "_last", "_length", "_parts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._gap = ""  # blanks at the end, which belong to the text only if words follow
        self._glued = False  # blanks were dropped with a box
        self._clause = 0  # how many parts there were at the last box
        self._last: tuple[tuple[int, int] | None, str | None] = (None, None)

    def add(self, words: str) -> None:
        """More words."""
        if self._glued and words:
            self._glued = False
            if words[0].isalnum():
                words = " " + words
        words = self._gap + words
        if not self._length:
            words = words.lstrip(BLANK)
        core = words.rstrip(BLANK)
        self._gap = words[len(core) :]
        if core:
            self._parts.append(core)
            self._length += len(core)

    def add_name(self, words: str) -> tuple[int, int] | None:
        """Words that name what follows; where they stand, without blanks around them. None if there are none."""
        core = words.strip(BLANK)
        self.add(words)
        return (self._length - len(core), self._length) if core else None

    def end_clause(self) -> None:
        """A box stands here; the words so far do not belong to the next one."""
        if self._gap:
            self._gap, self._glued = "", self._length > 0
        self._clause = len(self._parts)

    def take_clause(self) -> tuple[tuple[int, int] | None, str | None]:
        """Place and words of the clause in front of the box that stands here; those of the last box if none is new."""
        words = "".join(self._parts[self._clause :])
        self.end_clause()
        core = words.rstrip(_ENDINGS)
        start = max((found.end() for found in _END_OF_CLAUSE.finditer(core)), default=0)
        clause = core[start:].lstrip(_ENDINGS)
        if clause.strip():
            end = self._length - len(words) + len(core)
            self._last = ((end - len(clause), end), clause)
        return self._last

    def whole(self) -> str:
        """All of it."""
        return "".join(self._parts)


class NamedStream(Stream):
    """What reading places among words shares: names in tags, words in front of boxes, and the regions made of both.

    In tasks of IN_WORDS, spans count the clean words; in others, a region's span runs from its name to its bracket.
    """

    _fronted = _named = _points = _pairs = False
    _prose: tuple[int, int] | None = None
    _role: str | None = None  # of the tag around the numbers that are being read: box, quad or point
    _ref: int | None = None  # where an open name began
    _label: str | None = None
    _label_place: tuple[int, int] | None = None  # of a name in tags
    _label_used = False
    _span: tuple[int, int] | None = None  # of that name, in the clean words
    _front_start = 0

    def __init__(self, collector: Collector, canvas: Canvas, task: str) -> None:
        self._out, self._canvas, self._task = collector, canvas, task
        self._text = CleanText() if task in IN_WORDS else None
        self._ref_parts: list[str] = []
        self._front: list[str] = []  # words since the last box
        self._seen: set[tuple[Any, ...]] = set()

    def _name_with(self, words: str, start: int, blank: bool) -> None:
        """Words outside of names, markup and numbers; `blank`: nothing but blanks and commas."""
        if not blank:
            if self._label_used:
                self._end_label("malformed")
            last = start + len(words.rstrip(BLANK_OR_COMMA))
            first = start + len(words) - len(words.lstrip(BLANK_OR_COMMA))
            self._prose = (self._prose[0] if self._prose else first, last)
        if self._text is not None:
            self._text.add(words)
        elif self._fronted:
            if not self._front:
                self._front_start = start
            self._front.append(words)

    def _finish(self, end: int) -> Decoded:
        out = self._out
        if self._text is not None:
            words = self._text.whole()
            if not (words or out.regions or out.problems):
                out.report("truncated", "the answer has no words", 0, end)
            return out.decoded(text=words)
        if not out.regions and self._prose:
            out.report("prose", "words where a place was asked for", *self._prose)
        elif not (out.regions or out.problems):
            out.report("truncated", "an empty answer", 0, end)
        return out.decoded()

    # -- names ---------------------------------------------------------------------------------------------------------

    def _end_ref(self, end: int) -> None:
        """The open name is whole; what it names follows."""
        words = "".join(self._ref_parts)
        self._ref_parts.clear()
        self._label, self._label_used = words.strip(BLANK) or None, False
        self._label_place, self._ref = (self._ref or 0, end), None
        if self._text is not None:
            self._span = self._text.add_name(words)

    def _end_label(self, kind: str) -> None:
        """No more places of the name that was read last can come."""
        if self._label_place and not self._label_used:
            self._out.report(kind, "a name without a place", *self._label_place)
        self._label = self._span = self._label_place = None
        self._label_used = False

    def _front_label(self, start: int) -> int:
        """Takes the last line of the words in front of a box as its name; where that, or else the box, starts."""
        words = "".join(self._front)
        self._front.clear()
        label = front_label(words)
        if label is None:
            return start
        # In families whose names stand in tags, words stuck to a box are the rest of a text that lost its tags.
        stuck = not self._named or words[-1] not in COLONS
        self._label = label if stuck else None
        return self._front_start + len(words.rstrip(COLONS)) - len(label) if stuck else start

    def _report_place(self, kind: str, message: str, start: int, end: int) -> None:
        """A Problem about what was to be a place; the name in front of it has found its place, if an unreadable one."""
        self._out.report(kind, message, start, end)
        self._label_used = self._label_place is not None

    def _place_plain(self, numbers: Sequence[str], start: int, end: int) -> None:
        """What `_place` does, for the four whole numbers of a box spelled as it should be, in a task of boxes alone."""
        first = start
        if self._label_place:
            if not self._label_used:
                first, self._label_used = self._label_place[0], True
        elif self._front:
            first = self._front_label(start)
        if box := self.read_box(list(map(float, numbers)), start, end):
            self._out.add(box, first, end, label=self._label)

    # -- places --------------------------------------------------------------------------------------------------------

    def read_box(self, numbers: list[float], start: int, end: int) -> Box | None:
        """Pixels of the four numbers written from `start` to `end`; None, and reported, where they are no box."""
        return self._out.box(numbers, start, end)

    def read_point(self, numbers: list[float], start: int, end: int) -> tuple[float, float] | None:
        """The pixel of two numbers; None, and reported, where they are no point."""
        return self._out.point(numbers, start, end)

    def _place(self, run: list[float | None], start: int, end: int) -> None:
        """Makes a region of numbers, with the words that name it."""
        numbers = [number for number in run if number is not None]
        if len(numbers) < len(run):
            self._out.report("malformed", "a number that can't be read", start, end)
            return
        first, span = start, self._span
        if self._label_place:
            if not self._label_used:
                first = self._label_place[0]
            self._label_used = True
            if self._text is not None:
                self._text.end_clause()
        elif self._text is not None:
            span, words = self._text.take_clause()
            self._label = words if self._task == "caption" else None
        elif self._front:
            first = self._front_label(start)
        if len(numbers) == 4:
            box = self.read_box(numbers, start, end)
            if box and self._text is None:
                self._out.add(box, first, end, label=self._label)
            elif box:
                self._add(box, span, first, end)
        elif len(numbers) == 2 and self._points:
            point = self.read_point(numbers, start, end)
            if point:
                self._add((*point, *point), span, first, end, point=point)
        elif len(numbers) == 8 and self._pairs:
            self._place_quad(numbers, span, start, first, end)
        else:
            self._out.report("malformed", f"{len(numbers)} of a box's 4 coordinates", start, end)

    def _place_quad(self, numbers: list[float], span: tuple[int, int] | None, start: int, first: int, end: int) -> None:
        from grounding.masks import Mask

        corners = [self.read_point(numbers[at : at + 2], start, end) for at in range(0, 8, 2)]
        outline = [corner for corner in corners if corner]
        if len(outline) < 4:
            return
        xs, ys = zip(*outline, strict=True)
        mask = Mask.from_polygons([outline], self._canvas.width, self._canvas.height)
        self._add((min(xs), min(ys), max(xs), max(ys)), span, first, end, mask=mask, key=tuple(outline))

    def _add(
        self,
        box: Box,
        span: tuple[int, int] | None,
        start: int,
        end: int,
        *,
        key: tuple[Any, ...] = (),
        **more: Any,
    ) -> None:
        """What Collector.add does, for points, outlines and places among words."""
        if self._text is None:
            span = (start, end)
        known = (key or box, self._label, span if self._text is not None else None)
        if known in self._seen:
            self._out.report("duplicate", "a place that was written before; kept once", start, end)
            return
        self._seen.add(known)
        self._out.regions.append(Region(box, label=self._label, span=span, **more))


def front_label(words: str) -> str | None:
    """The name that words in front of a box give it: their last line without the separators around it."""
    core = words.rstrip(COLONS)
    line = core[max(core.rfind("\n"), core.rfind("\r")) + 1 :].lstrip(SEPARATORS)
    return line if line.strip() else None
