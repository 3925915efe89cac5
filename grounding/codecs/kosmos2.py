"""Owns the texts of Kosmos-2: prompts, answers, and the reading of them.

    <grounding> An image of<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object> by a fire.

A box is two patches of a 32 x 32 grid over the picture (squashed to a square, so it counts along the original's sides):
the upper-left and the lower-right one, each `row * 32 + column`, 0000 to 1023. Boxes of one phrase are joined by
</delimiter_of_multi_objects/> within one <object>. Locate asks with the phrase and is answered by its <object>; where
there is none, nothing was found. Answers may repeat the prompt, and decoding by id may put <image>...</image> in front.

Source: transformers, models/kosmos2/processing_kosmos2.py, after unilm, kosmos-2/demo/decode_string.py. Prompts: the
model card of kosmos-2-patch14-224, and unilm, kosmos-2/evaluation/refcoco/cook_data.py. That reader gives both axes
their outer edges as soon as the two patches share a column or a row (`rounding="official"`); ours looks at each axis.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Decoded, Stream, TagLexer, clean_words
from grounding.codecs.bins import KOSMOS_2, KOSMOS_2_PATCHES, kosmos_read, kosmos_write
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.location import check_words
from grounding.codecs.marked import PhraseStream, phrase_spans
from grounding.codecs.numbered import spellings
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

DELIMITER = "</delimiter_of_multi_objects/>"
_LAST = KOSMOS_2_PATCHES**2 - 1
_MARKUP = re.compile(
    r"</?(?:phrase|object|grounding|image|doc|chunk|line|s|pad|unk)>|<patch_index_|</delimiter_of_", re.IGNORECASE
)


class Kosmos2Codec(Codec):
    """Kosmos-2's texts. `rounding`: "middle" looks at each axis for itself, "official" reads as transformers does."""

    name = "kosmos-2"
    rules = KOSMOS_2
    tasks = ("locate", "caption", "describe", "answer")

    def __init__(self, rounding: str | None = None) -> None:
        super().__init__(rounding)
        self._together = self.rule is KOSMOS_2["official"]

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
            return "<grounding> An image of"
        if task == "answer":
            return f"<grounding> Question: {clean_words(phrase, 'question', _MARKUP)} Answer:"
        if task == "locate":
            return f"<grounding><phrase> {clean_words(phrase, 'phrase', _MARKUP)}</phrase>"
        if box is None or canvas is None:
            raise PromptError("kosmos-2 describes boxes: give box=(x1, y1, x2, y2) and canvas=Canvas.identity(w, h)")
        return f"<grounding><phrase> It</phrase>{_object([box], canvas)} is"

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer Kosmos-2 should write. Locate: each label with its boxes. Other tasks: the text with a box behind
        each phrase that a region's span (or its label, found in the text) names."""
        self.check_task(task)
        words, shown = phrase_spans(regions, text, locate=task == "locate")
        check_words(words)
        pieces, done = [], 0
        for start, end, group in shown:
            # The blank in front of a phrase stands within its tags, as it is the blank in front of a token.
            blank = " " if start == done == 0 or (start > done and words[start - 1] == " ") or task == "locate" else ""
            pieces.append(words[done : start - 1] if blank and start > done else words[done:start])
            pieces.append(f"<phrase>{blank}{words[start:end]}</phrase>" if end > start else "")
            pieces.append(_object([region.box for region in group], canvas))
            done = end
        answer = "".join([*pieces, words[done:]])
        if task != "locate" and not answer.strip(BLANK):
            raise InputError(f"{task} answers in words: give text")
        return answer

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return PatchStream(canvas, task, together=self._together)


def _object(boxes: Sequence[Sequence[float]], canvas: Canvas) -> str:
    frame = Frame(canvas)
    pairs = [kosmos_write(*frame.fractions(box)) for box in boxes]
    return f"<object>{DELIMITER.join([f'<patch_index_{a:04d}><patch_index_{b:04d}>' for a, b in pairs])}</object>"


class _LongTagLexer(TagLexer):
    LONGEST_TAG = 40
    _PATTERN = re.compile(rf"<[^<>\s;；]{{0,{LONGEST_TAG - 2}}}>?|[^<]+")


class PatchStream(PhraseStream):
    """Phrases with objects behind them."""

    opening, closing = "<phrase>", "</phrase>"
    empty_is_nothing = True
    bins = spellings("<patch_index_{:04d}>", _LAST + 1)
    odd = re.compile(r"<patch_index_(\d+)>", re.IGNORECASE)
    beginning = "<patch_index"
    stops = frozenset(("<grounding>", "<s>", "</s>", "<pad>", "<unk>", "<doc>", "</doc>", "</chunk>", "</line>"))
    tags = ("<patch_index_", "<phrase>", "</phrase>", "<object>", "</object>", DELIMITER, "<image>", "</image>", *stops)

    def __init__(self, canvas: Canvas, task: str, *, together: bool) -> None:
        super().__init__(Collector(canvas, float, 1.0, step=1 / KOSMOS_2_PATCHES), task)
        self._lexer = _LongTagLexer()
        self._together = together
        self._object: int | None = None  # where an open object began
        self._boxes = 0  # of the open object
        self._echo: int | None = None  # where <image> began: what stands for the picture, no words of the model's

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        if self._echo is None:
            super()._on_words(words, start, before_run=before_run)

    def _on_blank(self, blank: str, start: int, *, before_run: bool) -> None:
        if self._echo is None:
            super()._on_blank(blank, start, before_run=before_run)

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        if tag == "<object>":
            self._settle()
            self._close_at_box(start)
            if self._object is not None:
                self._report("malformed", "an object that begins inside another", self._object, end)
            self._object, self._boxes = start, 0
        elif tag == "</object>":
            self._settle()
            if self._object is None:
                self._report("malformed", "an object that ends and never began", start, end)
            elif not self._boxes:
                self._report("malformed", "an object without a box", self._item_start(), end)
                self._place = None
            self._object = None
        elif tag == DELIMITER:
            self._settle()
            if self._object is None:
                self._report("malformed", "a separator of boxes outside an object", start, end)
        elif tag in ("<image>", "</image>"):
            self._settle()
            self._echo = start if tag == "<image>" else None
        else:
            super()._on_tag(tag, start, end)

    def _item_start(self) -> int:
        if self._place:
            return self._place[0]
        return self._run_start if self._object is None or self._boxes else self._object

    def _on_coordinate(self) -> None:
        if len(self._run) == 1:
            self._close_at_box(self._run_start)
            return
        run, self._run = self._run, []
        start, end = self._item_start(), self._run_end
        self._boxes += 1
        self._show_phrase(self._box(run, start, end), start, end)

    def _box(self, run: list[int | None], start: int, end: int) -> tuple[float, float, float, float] | None:
        first, last = run
        if first is None or last is None:
            self._report("malformed", "a box with a patch that can't be read", start, end)
            return None
        if max(first, last) > _LAST:
            self._report("out_of_range", f"patch {max(first, last)} is outside the grid of 0 to {_LAST}", start, end)
            return None
        (top, left), (bottom, right) = divmod(first, KOSMOS_2_PATCHES), divmod(last, KOSMOS_2_PATCHES)
        if left > right or top > bottom:
            self._report("inverted", "a box whose patches are swapped; read in order", start, end)
            first = min(top, bottom) * KOSMOS_2_PATCHES + min(left, right)
            last = max(top, bottom) * KOSMOS_2_PATCHES + max(left, right)
        return self._collector.box(kosmos_read(first, last, together=self._together), start, end)

    def _end_run(self, kind: str, end: int) -> None:
        self._report(kind, "1 of a box's 2 patches", self._item_start(), end)
        self._run = []
        self._boxes += 1  # not an object without a box: that one was reported
        self._place = None

    def _finish(self) -> Decoded:
        problems, end = self._problems, self._lexer.position
        if self._object is not None and not (problems and problems[-1].kind == "truncated"):
            self._report("truncated", "the text ends inside an object", self._item_start(), end)
            self._place = None
        if self._echo is not None:
            self._report("truncated", "the text ends inside <image>", self._echo, end)
        return super()._finish()
