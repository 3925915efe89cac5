"""Owns the texts of MiniGPT-v2: prompts, answers, and the reading of them.

    {<25><40><33><60>}                                   a box, the answer to [refer]
    <p>sofas</p> {<57><49><70><72>}<delim>{<26><48><43><71>}      a phrase and its boxes: [detection], [grounding]

Order x1 y1 x2 y2, hundredths of the original picture's sides: cut, not rounded, and 100 for the far edge alone. Braces
and numbers are plain text to its tokenizer, so anything may be misspelled. No form for "nothing there".

Source: MiniGPT-4, minigpt4/datasets/datasets: coco_dataset.py, flickr.py, coco_vqa_datasets.py (prompts, writing), and
eval_scripts/eval_ref.py, demo_v2.py (reading: bin / 100, `rounding="official"`; the default reads the middle of what
was cut).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Decoded, Stream, TagLexer, clean_names, clean_words
from grounding.codecs.bins import MINIGPT_V2, BinRule
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.location import check_words
from grounding.codecs.marked import PhraseStream, phrase_spans
from grounding.codecs.numbered import spellings
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

_MARKUP = re.compile(
    r"</?(?:p|s|img|imagehere|delim|unk)>|<\d+>|\[/?(?:inst|refer|detection|grounding|identify|vqa|caption)\]",
    re.IGNORECASE,
)


class MiniGPTv2Codec(Codec):
    """MiniGPT-v2's texts. `rounding`: "middle" of what its data cuts, or "official", `bin / 100`."""

    name = "minigpt-v2"
    rules = MINIGPT_V2
    tasks = ("locate", "detect", "describe", "caption", "answer")

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
        """The instruction alone; what stands around it belongs to the chat template. Detect was trained on one caption
        or phrase, so several names make one list in words."""
        self.check_task(task)
        if task == "caption":
            return "[grounding] please describe this image in details"
        if task == "answer":
            return f"[vqa] {clean_words(phrase, 'question', _MARKUP)}"
        if task == "locate":
            return f"[refer] give me the location of {clean_words(phrase, 'phrase', _MARKUP)}"
        if task == "detect":
            return f"[detection] {', '.join(clean_names(names, _MARKUP, ',，'))}"
        if box is None or canvas is None:
            raise PromptError("minigpt-v2 describes boxes: give box=(x1, y1, x2, y2) and canvas=Canvas.identity(w, h)")
        return f"[identify] what object is in this location {_braces(self.rule, box, Frame(canvas))}"

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer MiniGPT-v2 should write. Locate: boxes alone. Detect: each label with its boxes. Other tasks: the
        text with boxes behind each phrase that a region's span (or its label, found in the text) names."""
        self.check_task(task)
        frame = Frame(canvas)
        if task == "locate":
            return "<delim>".join([_braces(self.rule, region.box, frame) for region in regions])
        if task == "detect" and not all(region.label for region in regions):
            raise InputError("a region to detect needs a label; one has none")
        words, shown = phrase_spans(regions, text, locate=task == "detect")
        check_words(words)
        pieces, done = [], 0
        for start, end, group in shown:
            boxes = "<delim>".join([_braces(self.rule, region.box, frame) for region in group])
            pieces += [words[done:start], f"<p>{words[start:end]}</p> {boxes}"]
            done = end
        answer = "".join([*pieces, words[done:]])
        if task != "detect" and not answer.strip(BLANK):
            raise InputError(f"{task} answers in words: give text")
        return answer

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return BraceStream(canvas, self.rule, task)


def _braces(rule: BinRule, box: Sequence[float], frame: Frame) -> str:
    return f"{{{''.join([f'<{rule.write(value)}>' for value in frame.fractions(box)])}}}"


class _BraceLexer(TagLexer):
    """Gives out braces one by one, too."""

    _PATTERN = re.compile(rf"<[^<>\s{{}}｛｝]{{0,{TagLexer.LONGEST_TAG - 2}}}>?|[{{}}｛｝]|[^<{{}}｛｝]+")


class BraceStream(PhraseStream):
    """Phrases with boxes in braces behind them. A box is whole at its closing brace, or at the fourth number if none
    was opened."""

    opening, closing = "<p>", "</p>"
    bins = spellings("<{}>", 101)
    odd = re.compile(r"<(-?\d+)>")
    beginning = "\0"
    stops = frozenset(("<s>", "</s>", "<pad>"))
    tags = (*(f"<{digit}" for digit in range(10)), "<p>", "</p>", "<delim>", "</s>")

    def __init__(self, canvas: Canvas, rule: BinRule, task: str) -> None:
        super().__init__(Collector(canvas, rule.read, rule.top), task)
        self._lexer = _BraceLexer()
        self._brace: list[str] = []  # an opening brace and blanks, until it is known what they begin
        self._brace_start = 0
        self._braced = False  # whether the run began with a brace

    def _take(self, lexeme: str, start: int) -> None:
        first = lexeme[0]
        if first in "{｛":
            self._release_brace()
            self._brace, self._brace_start = [lexeme], start
        elif first in "}｝":
            self._release_brace()
            self._flush_words()
            if self._run:
                self._run_end = start + 1
                self._close_box("malformed")
            else:
                super()._add_words(lexeme, start)
        else:
            super()._take(lexeme, start)

    def _release_brace(self) -> None:
        """The brace held back is words."""
        if self._brace:
            held, self._brace = "".join(self._brace), []
            super()._add_words(held, self._brace_start)

    def _add_words(self, words: str, start: int) -> None:
        if self._brace:
            if not words.strip(BLANK):
                self._brace.append(words)
                return
            self._release_brace()
        super()._add_words(words, start)

    def _add_coordinate(self, bin_: int | None, start: int, end: int) -> None:
        if self._brace:
            self._brace, start = [], self._brace_start
            self._flush_words(before_run=True)
            if self._run:
                self._end_run("malformed", self._run_end)
            self._braced = True
        elif not self._run:
            self._braced = False
        super()._add_coordinate(bin_, start, end)

    def _read_tag(self, tag: str, start: int, end: int) -> None:
        if tag == "<unk>":
            return  # its own evaluation drops them, wherever they stand
        if self._brace and not self.odd.fullmatch(tag):
            self._release_brace()
        super()._read_tag(tag, start, end)

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        if tag == "<delim>":
            self._settle()
        else:
            super()._on_tag(tag, start, end)

    def _on_coordinate(self) -> None:
        if len(self._run) == 1:
            self._close_at_box(self._run_start)
        elif len(self._run) == 4 and not self._braced:
            self._close_box("malformed")

    def _close_box(self, kind: str) -> None:
        start, end = self._item_start(), self._run_end
        if len(self._run) == 4:
            self._show_phrase(self._take_box(), start, end)
        else:
            self._report(kind, f"{len(self._run)} of a box's 4 coordinates", start, end)
            self._run, self._place = [], None

    def _end_run(self, kind: str, end: int) -> None:
        if len(self._run) == 4 and kind == "truncated":
            self._report(kind, "a box without its closing brace", self._item_start(), end)
        self._close_box(kind)

    def _on_cut(self, cut: str, start: int, end: int) -> None:
        if self._brace:
            self._brace, start = [], self._brace_start
        super()._on_cut(cut, start, end)

    def _finish(self) -> Decoded:
        if self._brace:
            self._on_cut("{", self._brace_start, self._lexer.position)
        return super()._finish()
