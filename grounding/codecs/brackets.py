"""Owns reading numbers in brackets among words and markup, for families that write boxes as `[[1, 2, 3, 4]]`.

A `Surface` says how a family writes: its tags, its brackets, where the words stand that name a box. `BracketStream`
reads any of them, piece by piece:

    <|ref|>the dog<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|>    words in tags, then numbers
    <ref>the dog</ref><box>(12,34),(56,78)</box>                   pairs of numbers
    a dog [[086,540,400,760;012,034,056,078]] on a lawn            words in front, numbers right among them

Numbers count where brackets or a tag open on them: "[see below]", "(2)" and "[1]" are words. Two numbers are a point
for families that write points. What a model thought aloud, `<think>...</think>`, is no part of its answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, BLANK_OR_COMMA, Decoded
from grounding.codecs.collect import Collector
from grounding.codecs.names import NamedStream
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

_LONGEST_TAG = 40
_LONGEST_NUMBER = 24
_COMMON_TAGS = {
    **dict.fromkeys(("</s>", "<s>", "<eos>", "<bos>", "<pad>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"), "skip"),
    **dict.fromkeys(("<answer>", "</answer>"), "skip"),
    "<think>": "think",
    "</think>": "/think",
}
_BRACKETS = {"[": "[［【", "(": "(（", "<": ""}
_PLAIN = r"(\d{1,6}(?:\.\d{1,6})?)"
_FOUR = re.compile(rf"([\[(]{{1,2}}){_PLAIN}, ?{_PLAIN}, ?{_PLAIN}, ?{_PLAIN}(?=[\]);])", re.ASCII)
_PAIRS = re.compile(rf"\({_PLAIN},{_PLAIN}\),\({_PLAIN},{_PLAIN}\)", re.ASCII)
# Boxes spelled as they should be are read in one go by the two above, and all others lexeme by lexeme:
_WORDS, _OPENER, _TAG = 1, 2, 3
_NUMBER, _BLANKS, _SEMICOLON, _OPEN, _CLOSE, _TAG_INSIDE, _TAG_START, _OTHER = range(1, 9)


class Surface:
    """How a family writes. `tags`: each one's role, of those below. `brackets`: which hold numbers outside of tags.

        ref, /ref    around the words that name what follows       box, /box      around boxes
        quad, /quad  around four corners                           point, /point  around points
        skip         says nothing, such as the end of the answer

    `pairs`: a box is two pairs, `(x1,y1),(x2,y2)`. `points`: two numbers are a point. `fronted`: tasks in which the
    words in front of a box name it. `odd_tags`: characters that begin tags which are not written as `<...>`, a pattern
    of those tags, and one of their beginnings.

    Two patterns of what is well spelled, and read in one go: `unit`, a name in tags with one box, and `whole`, one box
    in brackets. `@` in them stands for a whole number.
    """

    def __init__(
        self,
        tags: Mapping[str, str],
        *,
        brackets: str = "[",
        pairs: bool = False,
        points: bool = False,
        fronted: tuple[str, ...] = (),
        odd_tags: tuple[str, str, str] | None = None,
        unit: str = "(?!)",
        whole: str = "(?!)",
    ) -> None:
        self.unit, self.whole = (re.compile(part.replace("@", r"(\d{1,6})"), re.ASCII) for part in (unit, whole))
        self.tags = _COMMON_TAGS | dict(tags)
        self.pairs, self.points, self.fronted = pairs, points, fronted
        self.named = "ref" in tags.values()
        self.opens = "".join(_BRACKETS[bracket] for bracket in brackets)
        tag, start, first = rf"<[^<>\s]{{1,{_LONGEST_TAG - 2}}}>", rf"<[^<>\s]{{0,{_LONGEST_TAG - 2}}}", ""
        if odd_tags:
            first, odd, odd_start = odd_tags
            tag, start = f"{tag}|{odd}", f"{start}|{odd_start}|[{first}]"
        opens = re.escape(self.opens)
        openers = [r"<(?=\d)"] * ("<" in brackets) + [f"[{opens}]"] * bool(opens)
        self.outside = re.compile(rf"([^<{first}{opens}]+)|({'|'.join(openers) or '(?!)'})|({tag})|({start})")
        self.within = re.compile(rf"([^<{first}]+)|((?!))|({tag})|({start})")
        self.group = re.compile(
            rf"([-+]?[\d.．]{{1,{_LONGEST_NUMBER}}}|[-+])|([\s,，、]+)|([;；])|([\[［【(（])|([\]］】)）])|({tag})|({start})|(.)",
            re.DOTALL,
        )


class BracketStream(NamedStream):
    """Reads one answer. A box is given as soon as its bracket closes."""

    _position = 0
    _held = ""  # the start of a tag, or a number that may go on
    _thought: int | None = None  # where an open thought began
    # the group of numbers that is being read
    _inside = False
    _start = 0
    _depth = 0  # brackets open
    _angle = False  # opened by "<"
    _run_start = 0
    _bracket: int | None = None  # where the bracket opened that the next number begins in
    _committed = False  # these are numbers for sure, not words in brackets
    _items = 0
    _waiting: tuple[int, int] | None = None  # a separator that another box should follow
    _corners_place = (0, 0)

    def __init__(self, surface: Surface, collector: Collector, canvas: Canvas, task: str) -> None:
        super().__init__(collector, canvas, task)
        self._surface = surface
        self._plain = self._text is None  # whether well-spelled boxes may be read in one go
        self._fronted, self._named = task in surface.fronted, surface.named
        self._points, self._pairs = surface.points, surface.pairs
        self._run: list[float | None] = []  # numbers of the open bracket; None: one that can't be read
        self._raw: list[str] = []  # the group as written, in case that it is words
        self._corners: list[float | None] = []  # pairs that do not make a box yet
        self._corners_raw: list[str] = []

    # -- in pieces -----------------------------------------------------------------------------------------------------

    def feed(self, piece: str) -> tuple[Region, ...]:
        regions = self._out.regions
        known = len(regions)
        text = self._held + piece if self._held else piece
        self._held = ""
        at, end = 0, len(text)
        unit = self._surface.unit.match
        while at < end:
            if self._inside:
                at = self._read_group(text, at, end)
            elif self._plain and self._ref is None and self._thought is None and (found := unit(text, at)):
                at = self._read_units(text, found)
            else:
                at = self._read_outside(text, at, end)
        self._position += end - len(self._held)
        self.yielded = len(regions)
        return tuple(regions[known:])

    def close(self) -> Decoded:
        if self._held:
            self._close_held()
        end = self._position
        if self._thought is not None:
            self._out.report("truncated", "the text ends inside a thought", self._thought, end)
        if self._ref is not None:
            self._out.report("truncated", "the text ends inside a name", self._ref, end)
            if self._text is not None:
                self._text.add("".join(self._ref_parts))
        if self._inside:
            self._leave("truncated", end)
        if self._corners:
            self._end_corners("truncated")
        if self._label_place:
            self._end_label("truncated")
        return self._finish(end)

    def _close_held(self) -> None:
        held, self._held = self._held, ""
        start = self._position
        self._position = end = start + len(held)
        if self._inside and (held[0] in "+-.．" or held[0].isdigit()):
            self._take_number(held, start)
        elif self._ref is None and self._thought is None and any(tag.startswith(held) for tag in self._surface.tags):
            if self._inside:
                self._leave("malformed" if self._run else "truncated", start)
            else:
                self._out.report("truncated", f"the text ends inside {held!r}", start, end)
        else:
            self._leave("malformed", start)
            self._take_words(held, start)

    # -- outside of numbers --------------------------------------------------------------------------------------------

    def _read_outside(self, text: str, at: int, end: int) -> int:
        """Reads one lexeme; the place of the next."""
        plain = self._ref is None and self._thought is None
        found = (self._surface.outside if plain else self._surface.within).match(text, at)
        if found is None:  # no character escapes the patterns
            return end
        stop, kind, start = found.end(), found.lastindex, self._position + at
        if kind == _WORDS:
            self._take_words(found[0], start)
        elif kind == _TAG:
            self._take_tag(found[0], start, self._position + stop)
        elif kind == _OPENER:
            if self._plain and (whole := self._surface.whole.match(text, at)):
                self._end_corners("malformed")
                first, last = whole.start(1) - 1, whole.end(4) + 1
                self._place_plain(whole.groups(), self._position + first, self._position + last)
                return whole.end()
            self._enter(None, start)
            if found[0] != "<":
                return at
            self._angle, self._depth, self._bracket = True, 1, start
            self._raw.append("<")
        elif stop == end:
            self._held = text[at:]
            return end
        else:
            self._take_words(found[0], start)
        return stop

    def _read_units(self, text: str, found: re.Match[str] | None) -> int:
        """Reads names and boxes in tags, all well spelled, one after another; the place of what follows."""
        if self._corners:
            self._end_corners("malformed")
        if self._label_place:
            self._end_label("malformed")
        self._front.clear()
        self._fronted = False
        base, match, read, add = self._position, self._surface.unit.match, self.read_box, self._out.add
        at = start = 0
        label: str | None = None
        while found:
            words, a, b, c, d = found.groups()
            start, at = found.span()
            end = base + found.end(5) + 1
            label = words.strip(BLANK) or None
            if box := read([float(a), float(b), float(c), float(d)], base + found.start(2) - 1, end):
                add(box, base + start, end, label=label)
            found = match(text, at)
        self._label, self._label_place, self._label_used = label, (base + start, base + at), True
        return at

    def _take_words(self, words: str, start: int) -> None:
        if self._thought is not None:
            return
        if self._ref is not None:
            self._ref_parts.append(words)
            return
        blank = not words.strip(BLANK_OR_COMMA)
        if self._corners:
            if blank:
                self._corners_raw.append(words)
                return
            self._end_corners("malformed")
        self._name_with(words, start, blank)

    def _take_tag(self, tag: str, start: int, end: int) -> None:
        role = self._surface.tags.get(tag)
        if self._thought is not None:
            if role == "/think":
                self._thought = None
            return
        if self._ref is not None and role != "/ref":
            if role is None:
                self._ref_parts.append(tag)
            if role in (None, "skip"):
                return
            self._out.report("malformed", "a name that does not end", self._ref, start)
            self._end_ref(start)
        if self._corners:
            self._end_corners("malformed", tagged=role == "/box")
        if role is None:
            self._out.report("unknown_token", f"{tag!r} has no meaning here", start, end)
        elif role == "ref":
            self._end_label("malformed")
            self._ref, self._fronted = start, False
            self._front.clear()
        elif role == "/ref":
            if self._ref is None:
                self._out.report("malformed", "a name that ends and never began", start, end)
            else:
                self._end_ref(end)
        elif role == "think":
            self._thought = start
        elif role == "/think":
            self._out.report("malformed", "a thought that ends and never began", start, end)
        elif role in ("box", "quad", "point"):
            self._enter(role, start)

    # -- a group of numbers --------------------------------------------------------------------------------------------

    def _enter(self, role: str | None, start: int) -> None:
        self._inside, self._role, self._start = True, role, start
        self._depth = self._items = 0
        self._angle, self._committed = False, role is not None
        self._bracket = self._waiting = None
        self._raw = []

    def _read_group(self, text: str, at: int, end: int) -> int:
        """Reads numbers up to the end of their group or of the text; the place of what follows."""
        match, base, pairs = self._surface.group.match, self._position, self._surface.pairs
        while at < end:
            found = match(text, at)
            if found is None:  # no character escapes the pattern
                return end
            kind, stop = found.lastindex, found.end()
            if kind == _NUMBER:
                if stop == end:
                    self._held = text[at:]
                    return end
                self._take_number(found[0], base + at)
            elif kind == _BLANKS:
                if found[0].strip():  # not only blanks
                    self._committed = self._committed or bool(self._run)
                    self._waiting = (base + at, base + stop) if self._items and not self._run else None
                self._raw.append(found[0])
            elif kind == _OPEN:
                if self._run:
                    self._end_item("malformed", base + at)
                if not self._depth and pairs and not self._corners and self._role in (None, "box"):
                    two = _PAIRS.match(text, at)
                    if two:
                        stop = two.end()
                        self._items, self._committed, self._waiting = self._items + 1, True, None
                        self._place([float(number) for number in two.groups()], base + at, base + stop)
                        if self._role is None:
                            self._inside = False
                            return stop
                        at = stop
                        continue
                four = _FOUR.match(text, at)
                if four:
                    stop = four.end()
                    opened, *numbers = four.groups()
                    self._depth += len(opened)
                    self._run, self._run_start = [float(number) for number in numbers], base + at + len(opened) - 1
                    self._committed, self._waiting = True, None
                else:
                    self._depth, self._bracket = self._depth + 1, base + at
                    self._raw.append(found[0])
            elif kind == _CLOSE or (self._angle and found[0] == ">"):
                self._raw.append(found[0])
                if self._run and (self._committed or self._depth > 1):
                    self._end_item("malformed", base + stop)
                self._depth = max(self._depth - 1, 0)
                self._bracket = None
                if not self._depth and self._role is None:
                    self._leave("malformed", base + stop)
                    return stop
            elif kind == _SEMICOLON:
                self._raw.append(found[0])
                if self._run:
                    self._end_item("malformed", base + at)
                    self._waiting = (base + at, base + stop)
            elif kind == _TAG_INSIDE:
                around, role = self._role, self._surface.tags.get(found[0])
                self._leave("malformed", base + at)
                if around is None or role != f"/{around}":
                    self._take_tag(found[0], base + at, base + stop)
                return stop
            elif kind == _TAG_START and stop == end:
                self._held = text[at:]
                return end
            else:
                self._leave("malformed", base + at)
                return at
            at = stop
        return at

    def _take_number(self, written: str, start: int) -> None:
        if not self._run:
            self._run_start = start if self._bracket is None else self._bracket
            self._waiting = None
        try:
            self._run.append(float(written.replace("．", ".")))
        except ValueError:
            self._run.append(None)
        self._committed = self._committed or len(self._run) > 1
        self._raw.append(written)

    def _leave(self, kind: str, end: int) -> None:
        """The group is over. It was words all along if nothing in it has to be numbers."""
        if not self._inside:
            return
        self._inside = False
        run, role, raw = bool(self._run), self._role, self._raw
        self._raw = []
        if self._committed or (kind == "truncated" and self._text is None):
            if run:
                self._end_item(kind, end)
            elif self._waiting and kind == "truncated" and not self._corners:
                self._out.report(kind, "the text ends where another box was to come", *self._waiting)
            elif not self._items and not self._corners:
                self._report_place(kind, "no numbers where a box was to be", self._start, end)
        else:
            self._run = []
            written = "".join(raw)
            if self._text is None and not run and len(raw) > 1 and not self._depth:
                self._out.report("malformed", "brackets without numbers", self._start, self._start + len(written))
            else:
                self._take_words(written, self._start)
        if role is not None:
            self._role = None
            self._end_corners(kind, tagged=True)

    def _end_item(self, kind: str, end: int) -> None:
        """A bracket's numbers are over: a box, a point, one corner of a box, or nothing that can be read."""
        run, self._run = self._run, []
        raw, self._raw = self._raw, []
        start = self._run_start
        self._bracket = None
        self._committed = True
        self._items += 1
        if kind == "truncated":
            if self._corners:
                start, run, self._corners = self._corners_place[0], self._corners + run, []
            self._report_place(kind, f"the text ends after {len(run)} numbers of a box", start, end)
            return
        if len(run) == 2 and self._surface.pairs and self._role != "point":
            if not self._corners:
                self._corners_raw = raw
                self._corners_place = (start, end)
            self._corners += run
            self._corners_place = (self._corners_place[0], end)
            if len(self._corners) == (8 if self._role == "quad" else 4):
                corners, self._corners = self._corners, []
                self._place(corners, *self._corners_place)
            return
        if self._corners and len(run) < 4:  # the corner that was to follow
            corners, self._corners = self._corners, []
            found = f"{len(corners) + len(run)} of a box's 4 coordinates"
            self._report_place("malformed", found, self._corners_place[0], end)
            return
        self._end_corners("malformed", tagged=self._role is not None)
        self._place(run, start, end)

    def _end_corners(self, kind: str, *, tagged: bool = False) -> None:
        """No other pair follows those that wait: a lone one may be a point, or just two numbers among words."""
        if not self._corners:
            return
        corners, self._corners = self._corners, []
        raw = "".join(self._corners_raw)
        cut = kind == "truncated" and self._task != "point" and (tagged or raw.rstrip(BLANK)[-1:] in (",", "，"))
        if len(corners) == 2 and self._points and not cut and (tagged or self._text is None):
            self._place(corners, *self._corners_place)
        elif len(corners) == 2 and not tagged and self._text is not None:
            self._take_words(raw, self._corners_place[0])
        else:
            self._report_place(kind, f"{len(corners)} of a box's 4 coordinates", *self._corners_place)
