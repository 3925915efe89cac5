"""Owns the texts of our own model: its prompts, its answers, and the reading of them.

    <loc0256><loc0000><loc0768><loc1023> cat

Location tokens run from <loc0000> to <loc1023>, in the order y1 x1 y2 x2: `round(v * 1023)` of the original picture's
side, read as `bin / 1023`. Boxes are joined by " ; "; where there is nothing, the answer is `none`. Task by task:

    locate {phrase}      box[ ; box ...] or none          describe {box}     words
    detect {a} ; {b}     box a[ ; box b ...] or none      describe {y x}     box words
    count {phrase}       3 : box ; box ; box, or 0        caption            words, <p>phrase</p>box[box ...] among them
    segment {phrase}     y x y x y x ...[ ; ...] or none  answer {question}  words, and boxes after the words they show

A box thinner than a bin, whose edges fall on the same one, is written so: the nearest bins are the truth of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grounding.codecs.base import BLANK, BLANK_OR_COMMA, Codec, Decoded, Stream, TagStream, clean_names, clean_words
from grounding.codecs.bins import LOCATIONS, BinRule
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.codecs.grammar import Grammar
    from grounding.images import Canvas

SEPARATOR = " ; "
NOTHING = "none"
TOKENS: tuple[str, ...] = tuple(f"<loc{bin_:04d}>" for bin_ in range(1024))
"""The location tokens, by bin."""

_BINS = {token: bin_ for bin_, token in enumerate(TOKENS)}
_ODD_LOCATION = re.compile(r"<loc(\d+)>", re.IGNORECASE)  # \d: digits of any script, full-width ones too
_STOPS = frozenset(("<eos>", "<bos>", "<pad>", "<s>", "</s>"))
_COUNT = re.compile(r"(\d{1,6})(?: ?[:：])?")

Box = tuple[float, float, float, float]


class LocationCodec(Codec):
    """Our model's texts; see the head of this file."""

    name = "location"
    rules = LOCATIONS
    tasks = ("locate", "detect", "describe", "caption", "count", "segment", "answer")

    # -- asking --------------------------------------------------------------------------------------------------------

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
        self.check_task(task)
        if task == "caption":
            return task
        if task == "detect":
            return f"detect {SEPARATOR.join(clean_names(names))}"
        if task == "describe":
            return f"describe {place_tokens(self.rule, box, point, canvas)}"
        return f"{task} {clean_words(phrase, 'question' if task == 'answer' else 'phrase')}"

    # -- writing -------------------------------------------------------------------------------------------------------

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer our model should write; regions in the order given.

        `text`: the words of describe, caption and answer. In caption a region's span (or its label's first place in the
        text) becomes the marked phrase; in answer its box follows the span's end, or the text where there is none.
        """
        rule = self.rule
        if task in ("locate", "count"):
            boxes = SEPARATOR.join([box_tokens(rule, region.box, canvas) for region in regions])
            if task == "count":
                return f"{len(regions)} : {boxes}" if boxes else "0"
            return boxes or NOTHING
        if task == "detect":
            items = [f"{box_tokens(rule, region.box, canvas)} {check_label(region.label)}" for region in regions]
            return SEPARATOR.join(items) or NOTHING
        if task == "segment":
            return SEPARATOR.join([run for region in regions for run in _polygon_runs(rule, region, canvas)]) or NOTHING
        self.check_task(task)
        check_words(text)
        if task == "describe":
            words = check_words(text.strip(BLANK) or (regions[0].label or "" if regions else ""))
            if not words:
                raise InputError("describe answers in words: give text, or a region with a label")
            return " ".join([*(box_tokens(rule, region.box, canvas) for region in regions[:1]), words])
        return _interleave(rule, regions, text, canvas, marked=task == "caption")

    # -- reading -------------------------------------------------------------------------------------------------------

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        if task == "segment":
            return PolygonStream(canvas, self.rule, task)
        if task in ("caption", "answer", "describe"):
            from grounding.codecs.words import WordStream

            return WordStream(canvas, self.rule, task)
        return BoxStream(canvas, self.rule, task)

    def grammar(
        self,
        task: str,
        *,
        names: Sequence[str] = (),
        count: int | None = None,
        most: int | None = None,
        point: bool = False,
    ) -> Grammar:
        """What an answer may look like. `count`: exactly so many boxes; `most`: no more than that.

        `point`: the describe answer to a point, which begins with a box; without it, the answer to a box.
        """
        from grounding.codecs import grammar as grammars

        self.check_task(task)
        return grammars.location_grammar(
            task, names=clean_names(names) if task == "detect" else (), count=count, most=most, point=point
        )


# ---- writing


def box_tokens(rule: BinRule, box: Sequence[float], canvas: Canvas) -> str:
    """The four tokens of a box in pixels of the original."""
    x1, y1, x2, y2 = box
    wide, high, write = canvas.width, canvas.height, rule.write
    return f"{TOKENS[write(y1 / high)]}{TOKENS[write(x1 / wide)]}{TOKENS[write(y2 / high)]}{TOKENS[write(x2 / wide)]}"


def place_tokens(
    rule: BinRule, box: Sequence[float] | None, point: Sequence[float] | None, canvas: Canvas | None
) -> str:
    """The tokens of the one place that is asked about: four for a box, two (y x) for a point. Raises PromptError."""
    if (box is None) == (point is None):
        raise PromptError("describe asks about one place: give box=(x1, y1, x2, y2) or point=(x, y)")
    if canvas is None:
        raise PromptError(
            "a box or a point in a prompt needs the picture's size: give canvas=Canvas.identity(width, height)"
        )
    if box is not None:
        return box_tokens(rule, box, canvas)
    x, y = point or (0.0, 0.0)
    return f"{TOKENS[rule.write(y / canvas.height)]}{TOKENS[rule.write(x / canvas.width)]}"


def check_label(label: str | None) -> str:
    """A label that reading gives back unchanged. Raises InputError."""
    if not label or not (tidy := label.strip(BLANK_OR_COMMA)):
        raise InputError("a region to detect needs a label; this one has none")
    if ";" in tidy or "；" in tidy or "\n" in tidy or "\r" in tidy:
        raise InputError(f"the label {tidy!r:.60} holds a semicolon or a line end, which separates boxes: leave it out")
    return check_words(tidy)


def check_words(words: str) -> str:
    """Words that can't be mistaken for markup. Raises InputError."""
    if "<" in words:
        raise InputError(f"the words {words!r:.60} hold a '<', which begins markup in an answer: write it in words")
    return words


def _polygon_runs(rule: BinRule, region: Region, canvas: Canvas) -> list[str]:
    """A run of y x tokens for each polygon of the region's mask; corners that fall together are written once."""
    if region.mask is None:
        raise InputError("a region to segment needs a mask; this one has none")
    runs = []
    for polygon in region.mask.polygons:
        corners = [(rule.write(y / canvas.height), rule.write(x / canvas.width)) for x, y in polygon.tolist()]
        distinct = [
            corner for corner, before in zip(corners, corners[-1:] + corners[:-1], strict=True) if corner != before
        ]
        corners = distinct if len(distinct) >= 3 else corners
        runs.append("".join([TOKENS[y] + TOKENS[x] for y, x in corners]))
    return runs


def _interleave(rule: BinRule, regions: Sequence[Region], text: str, canvas: Canvas, *, marked: bool) -> str:
    """The text with each region's box behind the words that its span covers."""
    boxes: dict[tuple[int, int], str] = {}
    for region in regions:
        span = region.span
        if span is None and region.label and (place := text.find(region.label)) >= 0:
            span = (place, place + len(region.label))
        if span is None and not marked:
            span = (0, len(text))
        if span is None or not 0 <= span[0] <= span[1] <= len(text) or (marked and not text[slice(*span)].strip(BLANK)):
            raise InputError(f"a region must say by its span which of the {len(text)} characters it shows; seen {span}")
        place_key = span if marked else (span[1], span[1])
        boxes[place_key] = boxes.get(place_key, "") + box_tokens(rule, region.box, canvas)
    pieces, done = [], 0
    for (start, end), tokens in sorted(boxes.items()):
        if start < done:
            raise InputError(f"two phrases of a caption overlap at character {start}: mark one of them")
        pieces += [text[done:start], f"<p>{text[start:end]}</p>" if marked else "", tokens]
        done = end
    return "".join([*pieces, text[done:]])


# ---- reading


class LocationStream(TagStream):
    """What every answer in location tokens shares: reading one token, and making a box out of four."""

    tags: tuple[str, ...] = ("<loc", "<p>", "</p>", "<eos>")
    bins = _BINS

    def __init__(self, canvas: Canvas, rule: BinRule, task: str) -> None:
        super().__init__()
        self._canvas, self._rule, self._task = canvas, rule, task

    def _read_tag(self, tag: str, start: int, end: int) -> None:
        if tag[:4].lower() == "<loc":
            self._add_coordinate(self._read_odd_location(tag, start, end), start, end)
        elif tag in _STOPS:
            self._flush_words()
            if self._run:
                self._end_run("malformed", self._run_end)
            self._on_stop()
        elif tag[-1] == ">":
            self._on_tag(tag, start, end)
        else:
            self._add_words(tag, start)

    def _read_odd_location(self, tag: str, start: int, end: int) -> int | None:
        """The bin of a location that is not spelled as one of ours, or None; reported unless only its zeros differ."""
        match = _ODD_LOCATION.fullmatch(tag)
        if match is None:
            self._report("unknown_token", f"{tag!r} is no location token", start, end)
            return None
        number, top = int(match[1]), self._rule.top
        if number <= top:
            return number
        self._report("out_of_range", f"{tag!r} is outside the bins 0 to {top}", start, end)
        return top if number == top + 1 else None  # 1024 is what counting to a thousand and twenty-four slips into

    def _on_stop(self) -> None:
        """The model ended its answer, or began one."""

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        """Markup other than locations."""
        self._flush_words()
        self._report("unknown_token", f"{tag!r} has no meaning here", start, end)

    def _end_run(self, kind: str, end: int) -> None:
        seen = len(self._run)
        self._report(kind, f"{seen} of a box's 4 coordinates", self._run_start, end)
        self._run = []

    def _take_box(self) -> tuple[Box, tuple[int, ...]] | None:
        """The box of the run's four coordinates, in pixels and in bins; None, and reported, where it can't be read."""
        run, self._run = self._run, []
        y1, x1, y2, x2 = run
        if y1 is None or x1 is None or y2 is None or x2 is None:
            self._report("malformed", "a box with a coordinate that can't be read", self._run_start, self._run_end)
            return None
        if y1 > y2 or x1 > x2:
            self._report("inverted", "a box whose edges are swapped; read in order", self._run_start, self._run_end)
            y1, y2, x1, x2 = min(y1, y2), max(y1, y2), min(x1, x2), max(x1, x2)
        read, width, height = self._rule.read, self._canvas.width, self._canvas.height
        return (read(x1) * width, read(y1) * height, read(x2) * width, read(y2) * height), (y1, x1, y2, x2)


class BoxStream(LocationStream):
    """Lists of boxes: locate, detect and count. A label, where the task has them, runs to the next separator or box."""

    nothing_is_empty = False
    """Whether an empty answer means that nothing is there."""

    def __init__(self, canvas: Canvas, rule: BinRule, task: str) -> None:
        super().__init__(canvas, rule, task)
        self._labelled = task == "detect"
        self._seen: set[tuple[Any, ...]] = set()
        self._boxes = 0  # boxes read, repeated ones too
        self._count: int | None = None
        self._open: tuple[Box, tuple[int, ...], int] | None = None  # a box whose label may follow; where it starts
        self._open_end = 0
        self._prose: tuple[int, int] | None = None
        self._nothing: tuple[int, int] | None = None
        self._trailing: tuple[int, int] | None = None  # a separator that nothing has followed yet

    def _on_coordinate(self) -> None:
        if len(self._run) == 1:
            self._trailing = None
            self._emit(None)
            self._report_prose()
        elif len(self._run) == 4 and (read := self._take_box()):
            self._open, self._open_end = (*read, self._run_start), self._run_end
            if not self._labelled:
                self._emit(None)

    def _emit(self, label: str | None, kind: str = "malformed") -> None:
        """The open box is complete, with this label; `kind` of problem where detect needs one and there is none."""
        if self._open is None:
            return
        (box, bins, start), end = self._open, self._open_end
        self._open = None
        self._boxes += 1
        if (*bins, label) in self._seen:
            self._report("duplicate", "a box that was written before; kept once", start, end)
            return
        self._seen.add((*bins, label))
        if label is None and self._task == "detect":
            self._report(kind, "a box without a label", start, end)
        self._regions.append(Region(box, label=label, span=(start, end)))

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        self._trailing = None
        core = words.strip(BLANK_OR_COMMA)
        start += words.index(core)
        end = start + len(core)
        if self._open:
            self._open_end = end
            self._emit(core)
        elif self._task == "count" and not self._boxes and self._count is None and (match := _COUNT.fullmatch(core)):
            self._count = int(match[1])
        elif core.rstrip(".").lower() == NOTHING and self._nothing is None and self._count is None:
            self._nothing = (start, end)
        else:
            self._prose = (self._prose[0] if self._prose else start, end)

    def _on_separator(self, separator: str, start: int) -> None:
        self._emit(None)
        if separator not in "\r\n":
            self._trailing = (start, start + 1)

    def _on_stop(self) -> None:
        self._emit(None)

    def _on_cut(self, cut: str, start: int, end: int) -> None:
        self._trailing = None
        super()._on_cut(cut, start, end)

    def _report_prose(self) -> None:
        if self._prose:
            self._report("prose", "words where only boxes were asked for", *self._prose)
            self._prose = None

    def _finish(self) -> Decoded:
        end = self._lexer.position
        self._emit(None, "truncated")
        self._report_prose()
        nothing, boxes, count = self._nothing, self._boxes, self._count
        if nothing and (boxes or self._task == "count"):
            self._report("malformed", f"{NOTHING!r} beside boxes", *nothing)
        if self._trailing and boxes:
            self._report("truncated", "the text ends where another box was to come", *self._trailing)
        if self._task == "count":
            if count is None and (boxes or not self._problems):
                self._report("malformed", "no number before the boxes", 0, 0)
            elif count is not None and count != boxes:
                kind = "truncated" if boxes < count else "malformed"
                self._report(kind, f"it says {count} and gives {boxes} boxes", 0, end)
        elif not (boxes or nothing or self._problems or self.nothing_is_empty):
            self._report("truncated", f"an empty answer, where {NOTHING!r} means nothing there", 0, end)
        return Decoded(tuple(self._regions), self._in_order(), count=count)


class PolygonStream(BoxStream):
    """Outlines: segment. Every run of coordinates is a polygon, y x y x ..., complete when something else follows."""

    def _on_coordinate(self) -> None:
        self._trailing = None
        self._report_prose()

    def _end_run(self, kind: str, end: int) -> None:
        run, self._run = self._run, []
        start = self._run_start
        if len(run) < 6:
            self._report(kind, f"{len(run)} coordinates, where an outline has 6 or more", start, end)
            return
        if len(run) % 2:
            self._report(kind, "an outline whose last corner has no x; read without it", start, end)
            run = run[:-1]
        bins = tuple(bin_ for bin_ in run if bin_ is not None)
        if len(bins) < len(run):
            self._report("malformed", "an outline with a coordinate that can't be read", start, end)
            return
        self._boxes += 1
        if bins in self._seen:
            self._report("duplicate", "an outline that was written before; kept once", start, end)
            return
        self._seen.add(bins)
        self._regions.append(self._outline(bins, start, end))

    def _outline(self, bins: tuple[int, ...], start: int, end: int) -> Region:
        from grounding.masks import Mask

        read, width, height = self._rule.read, self._canvas.width, self._canvas.height
        ys, xs = [read(bin_) * height for bin_ in bins[::2]], [read(bin_) * width for bin_ in bins[1::2]]
        mask = Mask.from_polygons([list(zip(xs, ys, strict=True))], width, height)
        return Region((min(xs), min(ys), max(xs), max(ys)), span=(start, end), mask=mask)
