"""Owns the texts of PaliGemma 1 and 2: prompts, answers, and the reading of them.

    detect cat ; dog   ->  <loc0046><loc0538><loc0795><loc1022> cat ; <loc0110><loc0000><loc1022><loc0512> dog
    segment cat        ->  <loc0046><loc0538><loc0795><loc1022><seg012> ... 16 of them ... <seg101> cat
    caption en         ->  words                caption <loc*4>  ->  words for that box
    answer en {question}  ->  words

Order y1 x1 y2 x2; the picture is squashed to a square, so bins count along the original's sides (big_vision,
pp/proj/paligemma/segmentation.py; prompts: the PaliGemma report, section on pretraining tasks). Nothing there: an empty
answer. Fine-tunes that write <loc1024>, a token the vocabulary does not have, are read as 1023 and reported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Stream, clean_names, clean_words
from grounding.codecs.bins import PALIGEMMA, BinRule
from grounding.codecs.fast import read_locations
from grounding.codecs.location import (
    SEPARATOR,
    BoxStream,
    box_tokens,
    check_label,
    check_words,
    place_tokens,
)
from grounding.codecs.words import WordStream
from grounding.errors import InputError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.codecs.grammar import Grammar
    from grounding.images import Canvas

MASK_CODES = 16
"""How many <seg> tokens describe one mask: indices of a 4 x 4 grid into a codebook of 128."""

_SEG = re.compile(r"<seg(\d{1,5})>", re.IGNORECASE)


class PaliGemmaCodec(Codec):
    """PaliGemma's texts. `rounding`: "official" reads `bin / 1023`, "supervision" `bin / 1024` as that library does."""

    name = "paligemma"
    rules = PALIGEMMA
    tasks = ("locate", "detect", "segment", "describe", "caption", "answer")

    def __init__(self, rounding: str | None = None) -> None:
        super().__init__(rounding)
        self.at_once = read_locations(self.rule.read, self.rule.top)

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
            return "caption en"
        if task == "answer":
            return f"answer en {clean_words(phrase, 'question')}"
        if task == "describe":
            if box is None:
                raise InputError("paligemma describes boxes, not points: give box=(x1, y1, x2, y2)")
            return f"caption {place_tokens(self.rule, box, point, canvas)}"
        asked = clean_names(names) if task == "detect" else clean_names([phrase])
        return f"{'segment' if task == 'segment' else 'detect'} {SEPARATOR.join(asked)}"

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer PaliGemma should write; every region needs a label. Masks need its own encoder: segment raises."""
        self.check_task(task)
        if task == "segment":
            raise InputError("paligemma writes masks as codes of its own network, which is not here: use detect")
        if task in ("locate", "detect"):
            return SEPARATOR.join(
                [f"{box_tokens(self.rule, region.box, canvas)} {check_label(region.label)}" for region in regions]
            )
        return check_words(text.strip(BLANK))

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        if task in ("locate", "detect", "segment"):
            return LabelStream(canvas, self.rule, task)
        return WordStream(canvas, self.rule, "answer")

    def grammar(
        self, task: str, *, names: Sequence[str] = (), count: int | None = None, most: int | None = None
    ) -> Grammar:
        """Locate and detect: boxes labelled with one of `names`, which are needed, or nothing at all."""
        from grounding.codecs import grammar as grammars

        if task not in ("locate", "detect"):
            return super().grammar(task, names=names, count=count)
        return grammars.box_grammar(task, names=clean_names(names), nothing="", count=count, most=most)


def mask_codes(text: str, region: Region) -> tuple[int, ...]:
    """The codes (0-127) of the region's mask, for PaliGemma's mask decoder; empty where the answer gave no mask.

    `text` is the raw answer that the region was read from. The decoder makes 64 x 64 pixels that fill the region's box.
    """
    start, end = region.span or (0, 0)
    codes = tuple(int(code) for code in _SEG.findall(text[start:end]))
    return codes if len(codes) == MASK_CODES and max(codes) < 128 else ()


class LabelStream(BoxStream):
    """Boxes with a label each, and for segment 16 codes between the two. An empty answer: nothing is there."""

    nothing_is_empty = True
    tags = ("<loc", "<seg", "<eos>")

    def __init__(self, canvas: Canvas, rule: BinRule, task: str) -> None:
        super().__init__(canvas, rule, task)
        self._labelled = True
        self._codes = 0

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        match = _SEG.fullmatch(tag)
        if match is None:
            super()._on_tag(tag, start, end)
            return
        self._flush_words()
        if self._run:
            self._end_run("malformed", self._run_end)
        if self._open is None:
            self._report("malformed", f"{tag!r} without a box in front of it", start, end)
            return
        if int(match[1]) > 127:
            self._report("out_of_range", f"{tag!r} is outside the codes 0 to 127", start, end)
        self._codes += 1
        self._open_end = end

    def _emit(self, label: str | None, kind: str = "malformed") -> None:
        if self._open and self._codes not in (0, MASK_CODES):
            self._report(kind, f"{self._codes} of a mask's {MASK_CODES} codes", self._open[2], self._open_end)
        self._codes = 0
        super()._emit(label, kind)
