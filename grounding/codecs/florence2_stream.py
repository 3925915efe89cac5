"""Owns reading Florence-2's answers: labels with boxes or quads behind them, outlines, and words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, BLANK_OR_COMMA, Decoded
from grounding.codecs.bins import BinRule
from grounding.codecs.collect import SLACK, Box, Collector, Frame
from grounding.codecs.numbered import NumberStream, WordsStream, spellings
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

NOTHING = "no object detected"
_EDGE = 1000
_IDLE = frozenset(("<and>", "<ground>", "<obj>", "<od>", "</od>", "<box>", "</box>", "<bbox>", "</bbox>"))
"""Tags that the family's own reader leaves out without a word."""

_NUMBER = "<loc_(0|[1-9][0-9]{0,2})>"
_PLAIN = re.compile(rf"(?:</?s>|<pad>)*([^<]*){_NUMBER * 4}")
"""A box as it should be spelled, with the label before it."""


class _Locs(NumberStream):
    bins = spellings("<loc_{}>", _EDGE)
    odd = re.compile(r"<loc_?(\d+)>", re.IGNORECASE)
    beginning = "<loc"
    stops = frozenset(("<s>", "</s>", "<pad>"))
    tags = ("<loc_", "<s>", "</s>", "<pad>", "<poly>", "</poly>", "<sep>")

    def __init__(self, canvas: Canvas, rule: BinRule, *, whole: bool) -> None:
        # The collector's range ends at the edge, so that 1000 is read, but it is no bin: it is reported below.
        super().__init__(Collector(canvas, rule.read, _EDGE))
        self._frame, self._read, self._whole = Frame(canvas), rule.read, whole

    def _odd_number(self, number: int, tag: str, start: int, end: int) -> int:
        if number == _EDGE:
            self._report("out_of_range", f"{tag!r} is no token of the family's; read as the far edge", start, end)
        return number

    def _take_box(self) -> Box | None:
        return self._cut_box(super()._take_box())

    def _cut_box(self, box: Box | None) -> Box | None:
        """The box, in whole pixels if it is read so."""
        if box and self._whole:
            x1, y1, x2, y2 = box
            return float(int(x1)), float(int(y1)), float(int(x2)), float(int(y2))
        return box


class LocWordsStream(_Locs, WordsStream):
    """Captions and descriptions: words, and seldom a box behind them."""

    def __init__(self, canvas: Canvas, rule: BinRule, *, whole: bool, labelled: bool) -> None:
        super().__init__(canvas, rule, whole=whole)
        self.labelled = labelled


class ItemStream(_Locs):
    """Labels, each with the boxes behind it, or the quads (`corners` 4), or with `outlines` the outlines.

    A label holds until the next one; things without any have none. Between <poly> and </poly> stand outlines in any
    case. A quad or an outline is a region with a mask and the box around it.
    """

    def __init__(self, canvas: Canvas, rule: BinRule, *, whole: bool, corners: int = 2, outlines: bool = False) -> None:
        super().__init__(canvas, rule, whole=whole)
        self._numbers, self._outlines = 2 * corners, outlines
        self._begun = False
        self._located = False  # whether there was any coordinate
        self._label: str | None = None
        self._label_place = (0, 0)
        self._waiting = False  # whether nothing has followed the label yet
        self._strays: list[tuple[str, int, int]] = []  # labels that nothing followed: kind of problem, start, end
        self._spoken: list[str] = []  # all words, for text in the picture without places
        self._nothing: tuple[int, int] | None = None
        self._poly: int | None = None  # where an open <poly> began
        self._parts: list[list[tuple[float, float]]] = []  # outlines of one thing
        self._thing = (0, 0)  # where that thing stands
        self._seen: set[object] = set()

    def feed(self, piece: str) -> tuple[Region, ...]:
        known = len(self._regions)
        if not self._begun:
            self._begun = True
            if self._numbers == 4 and not self._outlines:
                piece = piece[self._read_plain(piece) :]
        super().feed(piece)
        return tuple(self._regions[known:])

    def _read_plain(self, text: str) -> int:
        """Reads the boxes that the text begins with, as long as they are spelled as they should be, sooner than tag by
        tag; where the first other thing begins."""
        place = 0
        while match := _PLAIN.match(text, place):
            words, *numbers = match.groups()
            place, start = match.end(), match.start(2) - len("<loc_")
            if words.strip(BLANK_OR_COMMA):
                self._on_words(words, match.start(1), before_run=True)
            if self._waiting:
                start, self._waiting = self._label_place[0], False
            self._located = True
            if box := self._cut_box(self._collector.box([int(number) for number in numbers], start, place)):
                self._collector.add(box, start, place, label=self._label)
        self._lexer.position = place
        return place

    # -- labels

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        self._end_thing()
        core = words.strip(BLANK)
        start += words.index(core)
        self._spoken.append(words)
        if not before_run and core.rstrip(".").lower() == NOTHING:
            self._nothing = (start, start + len(core))
            return
        self._drop_label("malformed")
        self._label, self._label_place, self._waiting = core, (start, start + len(core)), True

    def _drop_label(self, kind: str) -> None:
        if self._waiting:
            self._strays.append((kind, *self._label_place))
            self._waiting = False

    def _item_start(self) -> int:
        return self._label_place[0] if self._waiting else self._run_start

    # -- coordinates

    def _on_coordinate(self) -> None:
        self._located = True
        if len(self._run) == self._numbers and not self._outlines and self._poly is None:
            start, end = self._item_start(), self._run_end
            if self._numbers == 4:
                box = self._take_box()
                self._waiting = False
                if box:
                    self._collector.add(box, start, end, label=self._label)
            else:
                run, self._run, self._waiting = self._run, [], False
                if corners := self._corners(run, start, end):
                    self._add_shape([corners], start, end)

    def _end_run(self, kind: str, end: int) -> None:
        run, self._run = self._run, []
        start, self._waiting = self._item_start(), False
        if not self._outlines and self._poly is None:
            what = "a box's 4" if self._numbers == 4 else "the 8"
            self._report(kind, f"{len(run)} of {what} coordinates", start, end)
            return
        if not self._parts:
            self._thing = (self._thing[0] if self._poly is not None else start, end)
        if len(run) < 6:
            self._report(kind, f"{len(run)} coordinates, where an outline has 6 or more", start, end)
            return
        if len(run) % 2:
            self._report(kind, "an outline whose last corner has no y; read without it", start, end)
        if corners := self._corners(run[: len(run) // 2 * 2], start, end):
            self._parts.append(corners)
            self._thing = (self._thing[0], end)

    def _corners(self, run: list[int | None], start: int, end: int) -> list[tuple[float, float]] | None:
        """Pixels of the original of x y x y ...; None, and reported, where they can't be read."""
        numbers = [number for number in run if number is not None]
        if len(numbers) < len(run):
            self._report("malformed", "a corner that can't be read", start, end)
            return None
        if (highest := max(numbers)) > _EDGE:
            if highest > (1 + SLACK) * _EDGE:
                self._report("out_of_range", f"{highest} is far outside the range 0 to {_EDGE - 1}", start, end)
                return None
            self._report("out_of_range", f"a corner beyond the picture ({highest}); moved to its edge", start, end)
            numbers = [min(number, _EDGE) for number in numbers]
        read, frame = self._read, self._frame
        xs = [min(max(frame.x(read(number)), 0.0), frame.width) for number in numbers[::2]]
        ys = [min(max(frame.y(read(number)), 0.0), frame.height) for number in numbers[1::2]]
        if self._whole:
            xs, ys = [float(int(x)) for x in xs], [float(int(y)) for y in ys]
        return list(zip(xs, ys, strict=True))

    # -- shapes

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        if tag not in _IDLE and tag not in ("<poly>", "</poly>", "<sep>"):
            self._leave_tag(tag, start, end)
            return
        self._flush_words(before_run=tag == "<poly>")
        if self._run:
            self._end_run("malformed", self._run_end)
        if tag == "<poly>":
            self._end_thing()
            self._poly, self._thing = start, (self._label_place[0] if self._waiting else start, end)
        elif tag == "</poly>":
            if self._poly is None:
                self._report("malformed", "an outline that ends and never began", start, end)
            elif not self._parts and not (self._problems and self._problems[-1].span == self._thing):
                self._report("malformed", "a thing without an outline", self._thing[0], end)
            self._waiting = self._waiting and self._poly is None
            self._thing, self._poly = (self._thing[0], end), None
            self._end_thing()

    def _end_thing(self) -> None:
        """The outlines of one thing are over."""
        if self._parts:
            parts, self._parts = self._parts, []
            self._add_shape(parts, *self._thing)

    def _add_shape(self, parts: list[list[tuple[float, float]]], start: int, end: int) -> None:
        from grounding.masks import Mask

        key = (tuple(map(tuple, parts)), self._label)
        if key in self._seen:
            self._report("duplicate", "an outline that was written before; kept once", start, end)
            return
        self._seen.add(key)
        xs, ys = [x for part in parts for x, _ in part], [y for part in parts for _, y in part]
        mask = Mask.from_polygons(parts, self._frame.width, self._frame.height)
        box = (min(xs), min(ys), max(xs), max(ys))
        self._regions.append(Region(box, label=self._label, span=(start, end), mask=mask))

    # -- the end

    def _on_cut(self, cut: str, start: int, end: int) -> None:
        if self._waiting and not self._run:
            start, self._waiting = self._label_place[0], False
        super()._on_cut(cut, start, end)

    def _on_stop(self) -> None:
        if self._poly is None:
            self._end_thing()

    def _finish(self) -> Decoded:
        if self._poly is not None and not (self._problems and self._problems[-1].kind == "truncated"):
            self._report("truncated", "the text ends inside <poly>", self._thing[0], self._lexer.position)
            self._waiting = False
        self._end_thing()
        self._drop_label("truncated")
        if self._located:
            for kind, start, end in self._strays:
                self._report(kind, "a label without a box", start, end)
            if self._nothing:
                self._report("malformed", f"{NOTHING!r} beside boxes", *self._nothing)
        elif self._strays and self._numbers == 8:
            return self._collector.decoded(text="".join(self._spoken).strip(BLANK))
        elif self._strays:
            self._report("prose", "words where boxes were asked for", self._strays[0][1], self._strays[-1][2])
        return self._collector.decoded()
