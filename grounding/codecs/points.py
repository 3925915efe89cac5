"""Owns the texts of Molmo and Molmo 2: prompts, answers with points in tags, and the reading of them.

    Molmo     <point x="52.3" y="61.0" alt="the cat">the cat</point>
              Counting the <points x1="24.8" y1="70.3" x2="32.0" y2="62.8" alt="cups">cups</points> shows a total of 2.
    Molmo 2   <points coords="1 1 308 305 2 752 377">curb ramp</points>
    both      There are none.

x before y, along the original picture's sides. Molmo counts percent with one decimal (olmo/data/data_formatter.py).
Molmo 2 counts thousandths in three digits, each pair behind its point's number, all behind the picture's number or a
video's time, with `;` or a tab between pictures; `tracks` are written like `points` (olmo/preprocessing/
point_formatter.py; both read in public forks; prompts: data_formatter.py). Both codecs read both surfaces. They name
points, no boxes: a region that is written becomes its point or its middle, one that is read has no extent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Decoded, Stream, clean_names, clean_words
from grounding.codecs.bins import MOLMO, MOLMO_2, BinRule
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.location import check_words
from grounding.codecs.point_tags import PointLexer
from grounding.codecs.references import STOPS
from grounding.errors import InputError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

NOTHING = "There are none."

_MARKUP = re.compile(r"</?(?:points?|tracks?)(?![\w-])|<\|\w+\|>|</?(?:s|eos|bos|pad)>|<im_\w+>", re.IGNORECASE)


class MolmoCodec(Codec):
    """Molmo's texts, in percent; see the head of this file."""

    name = "molmo"
    rules = MOLMO
    tasks = ("locate", "detect", "point", "count", "caption", "answer")

    def prompt(
        self,
        task: str,
        phrase: str = "",
        *,
        names: Sequence[str] = (),
        box: Sequence[float] | None = None,
        point: Sequence[float] | None = None,
        canvas: Canvas | None = None,
    ) -> str:
        """One of the many phrasings it was trained with. Several names at once were not trained, and mostly work."""
        self.check_task(task)
        if task == "caption":
            return "Describe this image."
        if task == "answer":
            return clean_words(phrase, "question", _MARKUP)
        if task == "detect":
            asked = ", ".join(clean_names(names, _MARKUP, ",，"))
        else:
            asked = clean_words(phrase, "phrase", _MARKUP)
        if task == "count":
            return f"How many {asked} are there?"
        return f"Point to {asked}\nPlease say 'There are none.' if it is not in the image."

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer the model should write; regions in the order given, neighbours with the same label in one tag.

        `text`: in caption and answer the words, where a region's span says which of them it shows; else what was asked
        for, as the name of regions without a label. Trained answers go from left to right.
        """
        self.check_task(task)
        frame = Frame(canvas)
        if task in ("caption", "answer"):
            return self._interleave(regions, check_words(text.strip(BLANK)), frame)
        if not regions:
            return NOTHING
        tags = [
            self._tag([self._bins(region, frame) for region in group], label)
            for label, group in groupby(regions, key=lambda region: _check_label(region.label or text))
        ]
        if task == "count":
            return f"Counting the {' '.join(tags)} shows a total of {len(regions)}."
        return " ".join(tags)

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return PointStream(canvas, self.rule, task)

    def _bins(self, region: Region, frame: Frame) -> tuple[int, int]:
        x, y = region.point or region.center
        left, top, _, _ = frame.fractions((x, y, x, y))
        return self.rule.write(left), self.rule.write(top)

    def _tag(self, points: Sequence[tuple[int, int]], label: str) -> str:
        """The points in tenths of a percent. `alt` can't hold quotation marks; the words between the tags can."""
        alt = "" if '"' in label else f' alt="{label}"'
        if len(points) == 1:
            x, y = points[0]
            return f'<point x="{x / 10:.1f}" y="{y / 10:.1f}"{alt}>{label}</point>'
        pairs = " ".join(
            [f'x{number}="{x / 10:.1f}" y{number}="{y / 10:.1f}"' for number, (x, y) in enumerate(points, 1)]
        )
        return f"<points {pairs}{alt}>{label}</points>"

    def _interleave(self, regions: Sequence[Region], text: str, frame: Frame) -> str:
        """The text with each region's tag around the words that its span covers."""
        points: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for region in regions:
            span = region.span
            if span is None and region.label and (place := text.find(region.label)) >= 0:
                span = (place, place + len(region.label))
            if span is None or not 0 <= span[0] < span[1] <= len(text) or not text[slice(*span)].strip(BLANK):
                raise InputError(
                    f"a region must say by its span which of the {len(text)} characters it shows; seen {span}"
                )
            points.setdefault(span, []).append(self._bins(region, frame))
        pieces, done = [], 0
        for (start, end), shown in sorted(points.items()):
            if start < done:
                raise InputError(f"two regions show words that overlap at character {start}: show one of them")
            pieces += [text[done:start], self._tag(shown, text[start:end])]
            done = end
        return "".join([*pieces, text[done:]])


class Molmo2Codec(MolmoCodec):
    """Molmo 2's texts, in thousandths; see the head of this file."""

    name = "molmo2"
    rules = MOLMO_2

    def _tag(self, points: Sequence[tuple[int, int]], label: str) -> str:
        triples = " ".join([f"{number} {x:03d} {y:03d}" for number, (x, y) in enumerate(points, 1)])
        return f'<points coords="1 {triples}">{label}</points>'


def _check_label(label: str) -> str:
    """A label that reading gives back unchanged. Raises InputError."""
    tidy = label.strip(BLANK)
    if not tidy:
        raise InputError("this answer names what it shows: give the region a label, or the name asked for as text")
    return check_words(tidy)


# ---- reading tags

_STOPS = frozenset((*STOPS, "<|end|>", "<think>", "</think>"))
_NUMBER = r"[+-]?\d{1,20}(?:\.\d{1,20})?"
_AXIS = re.compile(rf"(?<![\w-])([xy])(\d*)\s*=\s*[\"'“”‘’]?\s*({_NUMBER})(?![\w.])", re.IGNORECASE)
_AXIS_NAME = re.compile(r"(?<![\w-])[xy]\d*\s*=", re.IGNORECASE)
_COORDS = re.compile(r"(?<![\w-])coords\s*=\s*[\"'“”‘’]?([^\"'“”‘’=]*)", re.IGNORECASE)
_ALT = re.compile(r"(?<![\w-])alt\s*=\s*(?:\"(.*?)\"|'(.*?)')(?=\s+[\w-]+\s*=|\s*/?\s*\Z)", re.IGNORECASE | re.DOTALL)
_OPEN_ALT = re.compile(r"(?<![\w-])alt\s*=\s*[\"']?([^\"'>]*)", re.IGNORECASE)
_UNFINISHED = re.compile(r"[^\s\"'“”‘’]*\Z")
_GROUPS = re.compile("[^\t;,:；，：]+")
_LONG = re.compile(r"\d{3,4}")
_COUNT = re.compile(r"(?:total of|there (?:are|is)|^)\s*(\d{1,6})(?!\d)", re.IGNORECASE)


class PointStream(PointLexer):
    """Points among words: all tasks. In caption and answer spans count characters of the words alone.

    A point is complete when its name is: at the end of a tag with an `alt`, else at the closing tag.
    """

    def __init__(self, canvas: Canvas, rule: BinRule, task: str) -> None:
        super().__init__()
        self._task = task
        self._in_words = task in ("caption", "answer")
        thousandths = Collector(canvas, rule.read, rule.top)
        percent = Collector(canvas, lambda number: rule.read(number * rule.top / 100), 100.0, step=0.1)
        percent.problems = thousandths.problems
        self._thousandths, self._percent = thousandths, percent
        self._regions, self._report = thousandths.regions, thousandths.report
        self._seen: set[tuple[object, ...]] = set()
        self._element: tuple[int, int] | None = None  # an open element's tag, whose words are being read
        self._points: list[tuple[float, float]] = []  # of the open element, until their name is whole
        self._label: str | None = None
        self._inner: list[str] = []
        self._outer: list[str] = []  # the words around elements, or all of them where the answer is words
        self._length = 0
        self._inner_start = 0  # in the words
        self._outer_span: tuple[int, int] | None = None

    def feed(self, piece: str) -> tuple[Region, ...]:
        known = len(self._regions)
        self._read(piece)
        self.yielded = len(self._regions)
        return tuple(self._regions[known:])

    def close(self) -> Decoded:
        end = self._position + len(self._held)
        if self._in_tag:
            body = "".join(self._body) + self._held
            self._on_open(_UNFINISHED.sub("", body, count=1), self._body_start, end, broken=True, cut=True)
        elif self._held:
            held = self._held.lower()
            names = ("<points", "<tracks", "</points>", "</tracks>", *_STOPS)
            if self._element is None and any(name.startswith(held) for name in names):
                self._report("truncated", f"the text ends inside {self._held!r}", self._position, end)
            elif self._element is None or not "</points>".startswith(held):
                self._on_words(self._held, self._position)
        if self._element is not None:
            self._report("truncated", "the text ends before a closing tag", self._element[0], end)
            self._end_element(end)
        if self._in_words:
            text = "".join(self._outer).rstrip(BLANK)
            if not text and not self._thousandths.problems:
                self._report("truncated", "the answer has no words", 0, end)
            return self._thousandths.decoded(text=text)
        return self._thousandths.decoded(count=self._finish(" ".join("".join(self._outer).split()), end))

    def _finish(self, words: str, end: int) -> int | None:
        """Judges the words around the points; the number they state."""
        found, nothing = len(self._regions), words.lower().rstrip(".") == NOTHING.lower().rstrip(".")
        span = self._outer_span or (0, end)
        if nothing and found:
            self._report("malformed", f"{NOTHING!r} beside points", *span)
        if self._task == "count":
            stated = 0 if nothing else int(match[1]) if (match := _COUNT.search(words)) else None
            if stated is None and (found or not self._thousandths.problems):
                kind = "malformed" if found else "prose" if words else "truncated"
                self._report(kind, "no number beside the points" if found else "an answer without a number", *span)
            elif stated is not None and found and found != stated:
                kind = "truncated" if found < stated else "malformed"
                self._report(kind, f"it says {stated} and gives {found} points", 0, end)
            return stated
        if not (found or nothing or self._thousandths.problems):
            kind, message = ("prose", "words without a point") if words else ("truncated", "an empty answer")
            self._report(kind, f"{message}, where {NOTHING!r} means nothing there", *span)
        return None

    # -- what the lexer finds

    def _on_words(self, words: str, start: int) -> None:
        if self._element is not None:
            self._inner.append(words)
            if not self._in_words:
                return
        if self._in_words:
            words = words if self._length else words.lstrip(BLANK)
            self._length += len(words)
        elif core := words.strip(BLANK):
            start += words.index(core)
            self._outer_span = (self._outer_span[0] if self._outer_span else start, start + len(core))
        self._outer.append(words)

    def _on_open(self, body: str, start: int, end: int, *, broken: bool, cut: bool = False) -> None:
        if self._element is not None:
            self._report("malformed", "an element that does not end", self._element[0], start)
            self._end_element(start)
        if not self._in_words:
            self._outer.append(" ")
        alt = _ALT.search(body)
        label = None
        if alt:
            label = (alt[1] if alt[1] is not None else alt[2]).strip(BLANK) or None
            body = body[: alt.start()] + body[alt.end() :]
        elif broken and (open_alt := _OPEN_ALT.search(body)):
            label = None if cut else open_alt[1].strip(BLANK) or None
            body = body[: open_alt.start()]
        if broken:
            self._report("truncated" if cut else "malformed", "a tag that does not end", start, end)
        percent, coords = _AXIS.findall(body), _COORDS.search(body)
        known = len(self._thousandths.problems)
        self._element, self._label, self._inner_start = (start, end), label, self._length
        self._inner.clear()
        if percent or coords is None:
            self._read_axes(body, percent, start, end, cut=cut)
        if coords:
            self._read_coords(coords[1], start, end, cut=cut)
        if not (self._points or cut or len(self._thousandths.problems) > known):
            self._report("malformed", "a tag without points", start, end)
        if label is not None and not self._in_words:
            self._add_points(end)
        if cut or body.rstrip(BLANK).endswith("/"):
            self._end_element(end)

    def _on_close(self, start: int, end: int) -> None:
        if self._element is None:
            self._report("malformed", "a closing tag of nothing", start, end)
        else:
            self._end_element(end)

    def _on_other(self, tag: str, start: int, end: int) -> None:
        if tag.lower() in _STOPS:
            return
        if self._element is not None:
            self._on_words(tag, start)
        else:
            self._report("unknown_token", f"{tag!r} has no meaning here", start, end)

    # -- points

    def _read_axes(self, body: str, found: list[tuple[str, str, str]], start: int, end: int, *, cut: bool) -> None:
        """Pairs of x and y with the same number, in whatever order."""
        halves: dict[str, dict[str, float]] = {}
        odd = len(_AXIS_NAME.findall(body)) - len(found)
        for axis, number, value in found:
            half, axis = halves.setdefault(number, {}), axis.lower()
            odd += axis in half
            half[axis] = float(value)
            if len(half) == 2:
                del halves[number]
                if point := self._percent.point((half["x"], half["y"]), start, end):
                    self._points.append(point)
        if (halves or odd) and not cut:
            self._report("malformed", "a point with 1 of its 2 coordinates", start, end)

    def _read_coords(self, coords: str, start: int, end: int, *, cut: bool) -> None:
        """Groups of: the picture's number or the time, then number, x, y of each point."""
        for group in _GROUPS.findall(coords):
            words = group.split()
            count = len(words)
            headless = count % 3 == 0 and not cut and all(map(_LONG.fullmatch, words[1:3]))
            at = 0 if headless else 1
            if count == 2 and not cut:
                words, at = ["1", *words], 0
            for place in range(at, len(words) - 2, 3):
                try:
                    x, y = float(words[place + 1]), float(words[place + 2])
                except ValueError:
                    self._report("malformed", "a point with a coordinate that can't be read", start, end)
                    continue
                if point := self._thousandths.point((x, y), start, end):
                    self._points.append(point)
            if (len(words) - at) % 3 and count and not cut:
                self._report("malformed", "a point with 1 of its 2 coordinates", start, end)

    def _end_element(self, end: int) -> None:
        """The element's words are whole, up to `end` of the raw answer; its points get their name and their place."""
        inner, start = "".join(self._inner), self._element[0] if self._element else 0
        core = inner.strip(BLANK)
        self._label = self._label or core or None
        if self._in_words:
            begin = self._inner_start  # the first words of an answer have lost the blanks in front of them
            begin += inner.index(core) if begin else 0
            self._add_points(end, (begin, begin + len(core)) if core else None)
        else:
            self._element = (start, end)
            self._add_points(end)
        self._element = None

    def _add_points(self, end: int, words_span: tuple[int, int] | None = None) -> None:
        start = self._element[0] if self._element else 0
        if self._points and self._label is None and self._task == "detect":
            self._report("malformed", "a point without a label", start, end)
        for x, y in self._points:
            key = (x, y, self._label, words_span)
            if key in self._seen:
                self._report("duplicate", "a point that was written before; kept once", start, end)
                continue
            self._seen.add(key)
            span = words_span if self._in_words else (start, end)
            self._regions.append(Region((x, y, x, y), label=self._label, span=span, point=(x, y)))
        self._points.clear()
