"""Owns names and boxes that stand in tags of their own, as Rex-Omni and LocateAnything write them: reading and writing.

<ref>label</ref><box><x1><y1><x2><y2></box><box><x><y></box>      tags of coordinates: a box, a point
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, BLANK_OR_COMMA, Decoded, Stream, TagLexer
from grounding.codecs.bins import BinRule
from grounding.codecs.collect import Collector, Frame
from grounding.errors import InputError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

STOPS = frozenset(("<|im_end|>", "<|im_start|>", "<|endoftext|>", "<eos>", "<bos>", "<pad>", "<s>", "</s>"))
"""What tokenizers leave in an answer and nobody meant."""

NOTHING = "None"
"""Stands in a box of what is not there; in small letters too."""

_ODD_COORDINATE = re.compile(r"<([+-]?\d{1,20}(?:\.\d{1,20})?)>")  # \d: digits of any script, full-width ones too
_CUT_COORDINATE = re.compile(r"<[+-]?\d+(?:\.\d*)?")
_COMMA = re.compile("[,，]")
_IDLE = BLANK_OR_COMMA + ".;；"
"""What may stand between boxes and says nothing."""


# ---- writing


def shape_tags(task: str, region: Region, frame: Frame, rule: BinRule) -> list[str]:
    """Coordinates of a region in tags: a point's, each outline's, or the box's, as the task has it."""
    if task == "segment":
        if region.mask is None:
            raise InputError("a region to segment needs a mask; this one has none")
        return [_corner_tags(polygon.tolist(), frame, rule) for polygon in region.mask.polygons]
    if task == "point":
        x, y = region.point or region.center
        x, y, _, _ = frame.fractions((x, y, x, y))
        return [f"<{rule.write(x)}><{rule.write(y)}>"]
    return ["".join([f"<{rule.write(edge)}>" for edge in frame.fractions(region.box)])]


def _corner_tags(corners: Sequence[tuple[float, float]], frame: Frame, rule: BinRule) -> str:
    """Corners that fall together are written once, as long as three are left."""
    bins = []
    for x, y in corners:
        left, top, _, _ = frame.fractions((x, y, x, y))
        bins.append((rule.write(left), rule.write(top)))
    distinct = [corner for corner, before in zip(bins, bins[-1:] + bins[:-1], strict=True) if corner != before]
    return "".join([f"<{x}><{y}>" for x, y in (distinct if len(distinct) >= 3 else bins)])


def check_label(label: str | None, markup: re.Pattern[str]) -> str:
    """A label that reading gives back unchanged. Raises InputError."""
    if not label or not (tidy := label.strip(BLANK)):
        raise InputError("this answer names what it shows: give the region a label, or the name asked for as text")
    if found := markup.search(tidy):
        raise InputError(f"the label {tidy!r:.60} holds {found[0]!r}, which is markup in an answer: leave it out")
    return tidy


# ---- reading

_OUTSIDE, _NAME, _BOX = range(3)


class ReferenceStream(Stream):
    """Names between two tags, each followed by boxes between two others: Rex-Omni and LocateAnything.

    `marks`: the four tags, in this order. A name holds for all boxes up to the next name. A box is complete at its
    end tag; with `polygons` a comma parts shapes within one, and four coordinates may go on to be an outline's.
    """

    def __init__(
        self,
        canvas: Canvas,
        rule: BinRule,
        task: str,
        marks: Sequence[str],
        stops: frozenset[str],
        *,
        polygons: bool = False,
    ) -> None:
        self._canvas, self._rule, self._task, self._polygons = canvas, rule, task, polygons
        self._collector = Collector(canvas, rule.read, rule.top)
        self._regions, self._report = self._collector.regions, self._collector.report
        self._lexer = TagLexer()
        self._coordinates = _coordinates(rule.top)
        self._marks: Mapping[str, Callable[[int, int], None]] = dict(
            zip(marks, (self._open_name, self._close_name, self._open_box, self._close_box), strict=True)
        )
        self._stops, self._tags = stops, (*marks, *stops)
        self._state = _OUTSIDE
        self._words: list[str] = []
        self._words_start = 0
        self._run: list[float | None] = []  # coordinates of the shape that is being read; None: one that can't be
        self._run_start = self._run_end = 0
        self._label: str | None = None
        self._name_start: int | None = None  # where the name began that no box has followed yet
        self._box_start = 0
        self._shapes = 0  # in the open box
        self._nothing = False  # the open box says None
        self._absent = False  # some box said None
        self._prose: tuple[int, int] | None = None
        self._bare_nothing: tuple[int, int] | None = None
        self._outlines: set[tuple[object, ...]] = set()

    def feed(self, piece: str) -> tuple[Region, ...]:
        known = len(self._regions)
        coordinates, run = self._coordinates, self._run
        for lexeme, start in self._lexer.feed(piece):
            if lexeme in coordinates and self._state != _NAME:
                if self._words:
                    self._flush_words()
                if not run:
                    self._run_start = start
                run.append(coordinates[lexeme])
                self._run_end = start + len(lexeme)
            elif lexeme[0] == "<":
                self._read_tag(lexeme, start, start + len(lexeme))
            else:
                self._read_words(lexeme, start)
        self.yielded = len(self._regions)
        return tuple(self._regions[known:])

    def close(self) -> Decoded:
        held = self._lexer.close()
        end = self._lexer.position
        cut_coordinate = False
        if held:
            cut, start = held
            cut_coordinate = self._state != _NAME and _CUT_COORDINATE.fullmatch(cut) is not None
            if not cut_coordinate and cut != "<" and not any(tag.startswith(cut) for tag in self._tags):
                self._add_words(cut, start)
            elif self._state == _OUTSIDE:
                self._report("truncated", f"the text ends inside {cut!r}", start, end)
        if self._state == _NAME:
            self._report("truncated", "the text ends inside a name", self._name_start or 0, end)
        else:
            self._flush_words()
            self._cut_box(cut_coordinate, end)
            if self._name_start is not None:
                self._report("truncated", "a name without a box", self._name_start, end)
        if self._prose:
            self._report("prose", "words where only boxes were asked for", *self._prose)
        if self._bare_nothing and self._regions:
            self._report("malformed", f"{NOTHING!r} beside boxes", *self._bare_nothing)
        if not (self._regions or self._absent or self._bare_nothing or self._collector.problems):
            self._report("truncated", f"an empty answer, where {NOTHING!r} means nothing there", 0, end)
        return self._collector.decoded()

    def _cut_box(self, cut_coordinate: bool, end: int) -> None:
        """The text ended inside a box, or behind coordinates outside of one."""
        if not self._run and self._state != _BOX:
            return
        start, count = self._box_start if self._state == _BOX else self._run_start, len(self._run)
        usual = {"point": (2, 4), "segment": ()}.get(self._task, (4,))
        whole = not cut_coordinate and (count in usual or (self._polygons and count >= 6 and count % 2 == 0))
        if whole:
            self._end_shape(self._run_end)
        if self._state == _BOX or not whole:
            self._report("truncated", "the text ends inside a box", start, end)
            self._name_start = None
        if self._nothing:
            self._absent = True

    # -- words

    def _read_words(self, words: str, start: int) -> None:
        if self._polygons and self._run and self._state != _NAME and (comma := _COMMA.search(words)):
            at = comma.start()
            self._add_words(words[:at], start)
            self._flush_words()
            if self._run:
                self._end_shape(self._run_end)
            words, start = words[at:], start + at
        self._add_words(words, start)

    def _add_words(self, words: str, start: int) -> None:
        if not self._words:
            self._words_start = start
        self._words.append(words)

    def _flush_words(self) -> None:
        """The words outside of names are a whole stretch: something else follows."""
        if not self._words:
            return
        words = "".join(self._words)
        self._words.clear()
        core = words.strip(_IDLE)
        if not core:
            return
        start = self._words_start + words.index(core)
        end = start + len(core)
        if self._state == _OUTSIDE:
            if self._run:
                self._end_shape(self._run_end)
            if core.lower() == NOTHING.lower() and not self._bare_nothing:
                self._bare_nothing = (start, end)
            else:
                self._prose = (self._prose[0] if self._prose else start, end)
        elif core.lower() == NOTHING.lower() and not (self._run or self._shapes):
            self._nothing = True
        else:
            self._report("malformed", "words inside a box", start, end)
            if self._run:
                self._run.append(None)
            else:
                self._shapes, self._name_start = self._shapes + 1, None

    # -- tags

    def _read_tag(self, tag: str, start: int, end: int) -> None:
        """A `<` with what follows it, but for the usual coordinates."""
        if mark := self._marks.get(tag):
            mark(start, end)
        elif tag in self._stops:
            return
        elif self._state == _NAME or tag[-1] != ">" or tag.lower() in ("<think>", "</think>"):
            self._add_words(tag, start)
        else:
            self._flush_words()
            match = _ODD_COORDINATE.fullmatch(tag)
            if match is None:
                self._report("unknown_token", f"{tag!r} has no meaning here", start, end)
                if not self._run:
                    return
            elif not self._run:
                self._run_start = start
            self._run.append(None if match is None else float(match[1]))
            self._run_end = end

    def _open_name(self, start: int, end: int) -> None:
        self._end_open(start)
        if self._name_start is not None:
            self._report("malformed", "a name without a box", self._name_start, start)
        self._state, self._name_start = _NAME, start

    def _close_name(self, start: int, end: int) -> None:
        if self._state != _NAME:
            self._flush_words()
            self._report("malformed", "a name that ends and never began", start, end)
            return
        self._label = "".join(self._words).strip(BLANK) or None
        self._words.clear()
        self._state = _OUTSIDE

    def _open_box(self, start: int, end: int) -> None:
        self._end_open(start)
        self._state, self._box_start, self._shapes, self._nothing = _BOX, start, 0, False

    def _close_box(self, start: int, end: int) -> None:
        if self._state == _NAME:
            self._end_open(start)
        self._flush_words()
        if self._run:
            self._end_shape(end)
        elif self._state == _OUTSIDE:
            self._report("malformed", "a box that ends and never began", start, end)
        elif not (self._shapes or self._nothing):
            self._report("malformed", "a box without coordinates", self._box_start, end)
            self._name_start = None
        if self._state == _BOX and self._nothing:
            if self._shapes:
                self._report("malformed", f"{NOTHING!r} beside boxes", self._box_start, end)
            self._absent, self._name_start = True, None
        self._state = _OUTSIDE

    def _end_open(self, start: int) -> None:
        """A tag at `start` that can't stand inside a name or a box: what is open ends here."""
        if self._state == _NAME:
            self._report("malformed", "a name that does not end", self._name_start or 0, start)
            name_start = self._name_start
            self._close_name(start, start)
            self._name_start = name_start
            return
        self._flush_words()
        if self._run:
            self._end_shape(self._run_end)
        if self._state == _BOX:
            self._report("malformed", "a box that does not end", self._box_start, start)
            self._absent = self._absent or self._nothing
            self._name_start, self._state = None, _OUTSIDE

    # -- shapes

    def _end_shape(self, end: int) -> None:
        """The run of coordinates is whole: a point, a box or an outline. `end`: behind it and the tag that ended it."""
        run, start = list(self._run), self._run_start
        self._run.clear()
        if self._state == _OUTSIDE:
            self._report("malformed", "coordinates outside of a box; read all the same", start, end)
        elif not self._shapes:
            start = self._box_start
        self._shapes += 1
        if self._name_start is not None:
            start, self._name_start = self._name_start, None
        numbers = [number for number in run if number is not None]
        if len(numbers) < len(run):
            self._report("malformed", "a box with a coordinate that can't be read", start, end)
            return
        if self._label is None and self._task in ("detect", "ocr"):
            self._report("malformed", "a box without a label", start, end)
        if len(run) == 4:
            self._collector.add_box(numbers, start, end, label=self._label)
        elif len(run) == 2:
            if point := self._collector.point(numbers, start, end):
                self._collector.add_point(point, start, end, label=self._label)
        elif self._polygons and len(run) >= 6 and len(run) % 2 == 0:
            self._add_outline(numbers, start, end)
        else:
            self._report("malformed", f"{len(run)} coordinates, where a box has 4 and a point 2", start, end)

    def _add_outline(self, numbers: list[float], start: int, end: int) -> None:
        from grounding.masks import Mask

        xs, ys = numbers[::2], numbers[1::2]
        box = self._collector.box((min(xs), min(ys), max(xs), max(ys)), start, end)
        if box is None:
            return
        key = (*numbers, self._label)
        if key in self._outlines:
            self._report("duplicate", "an outline that was written before; kept once", start, end)
            return
        self._outlines.add(key)
        frame, read, top = Frame(self._canvas), self._rule.read, self._rule.top
        corners = [
            (frame.x(read(min(max(x, 0), top))), frame.y(read(min(max(y, 0), top))))
            for x, y in zip(xs, ys, strict=True)
        ]
        mask = Mask.from_polygons([corners], self._canvas.width, self._canvas.height)
        self._regions.append(Region(box, label=self._label, span=(start, end), mask=mask))


_COORDINATES: dict[int, dict[str, int]] = {}


def _coordinates(top: int) -> dict[str, int]:
    """Coordinates as they should be spelled."""
    if top not in _COORDINATES:
        _COORDINATES[top] = {f"<{bin_}>": bin_ for bin_ in range(top + 1)}
    return _COORDINATES[top]
