"""Owns the texts of OFA: prompts, answers, and the reading of them.

    <bin_213> <bin_87> <bin_645> <bin_999>                         the answer to a phrase
    <bin_213> <bin_87> <bin_645> <bin_999> cat <bin_...> ...       objects in the picture, each label behind its box

Order x1 y1 x2 y2, `round(v * 999)`, read as `bin / 999` of 512 pixels. The picture is squashed to a square of 512 for
grounding, so bins count along the original's sides; for an input of another size give `canvas(input_size=...)`, as bins
keep counting 512 pixels. Prompts begin with a blank, and their words are in small letters, as in training.

Source: OFA, data/mm_data/refcoco_dataset.py, data/pretrain_data/unify_dataset.py (prompts), utils/transforms.py (the
size of the input), utils/eval_utils.py (reading). No form for "nothing there".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Decoded, Stream, clean_words
from grounding.codecs.bins import OFA, BinRule
from grounding.codecs.collect import Box, Collector, Frame
from grounding.codecs.location import check_words
from grounding.codecs.numbered import NumberStream, WordsStream, spellings
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

SIDE = 512
"""How many pixels of the input the bins count, whatever its size (max_image_size)."""

_MARKUP = re.compile(r"<bin_|<code_|</?(?:s|pad|unk|mask)>", re.IGNORECASE)


class OFACodec(Codec):
    """OFA's texts; see the head of this file."""

    name = "ofa"
    rules = OFA
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
        """Detect finds objects of all kinds: `names` are not part of the question."""
        self.check_task(task)
        if task == "caption":
            return " what does the image describe?"
        if task == "detect":
            return " what are the objects in the image?"
        if task == "answer":
            return f" {_plain(phrase, 'question')}"
        if task == "locate":
            return f' which region does the text " {_plain(phrase, "phrase")} " describe?'
        if box is None or canvas is None:
            raise PromptError(
                "ofa describes boxes: give box=(x1, y1, x2, y2) and canvas=Canvas.identity(width, height)"
            )
        return f"  what does the region describe? region: {_bins(self.rule, box, Frame(canvas))}"

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer OFA should write. Locate is trained with one box; more are written one after the other."""
        self.check_task(task)
        frame = Frame(canvas)
        if task == "locate":
            return " ".join([_bins(self.rule, region.box, frame) for region in regions])
        if task == "detect":
            return " ".join([f"{_bins(self.rule, region.box, frame)} {_label(region.label)}" for region in regions])
        words = check_words(text.strip(BLANK) or (regions[0].label or "" if regions else ""))
        if not words:
            raise InputError(f"{task} answers in words: give text")
        return words

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        collector = Collector(canvas, self.rule.read, self.rule.top)
        if task in ("locate", "detect"):
            return BinStream(collector, labelled=task == "detect")
        return BinWordsStream(collector, labelled=task == "describe")

    def canvas(
        self,
        width: int,
        height: int,
        *,
        input_size: tuple[int, int] | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> Canvas:
        """Bins count 512 pixels of the input, along the picture's own sides if it is a square of 512 (or not given)."""
        from grounding.images import Canvas

        if input_size is None or tuple(input_size) == (SIDE, SIDE):
            return Canvas.identity(width, height)
        Canvas.squash(width, height, *input_size)
        return Canvas(width, height, SIDE, SIDE, input_size[0] / width, input_size[1] / height)


def _plain(words: str, what: str) -> str:
    """The words as OFA's own code prepares them: small letters, no leading marks, blanks for dashes and slashes."""
    tidy = clean_words(words, what, _MARKUP).lower().lstrip(",.!?*#:;~").replace("-", " ").replace("/", " ")
    return clean_words(tidy, what, _MARKUP)


def _bins(rule: BinRule, box: Sequence[float], frame: Frame) -> str:
    return " ".join([f"<bin_{rule.write(value)}>" for value in frame.fractions(box)])


def _label(label: str | None) -> str:
    tidy = (label or "").strip(BLANK)
    if not tidy.strip(",，"):
        raise InputError("a region to detect needs a label in words; this one has none")
    return check_words(tidy)


class _Bins(NumberStream):
    bins = spellings("<bin_{}>", 1000)
    odd = re.compile(r"<bin_?(\d+)>", re.IGNORECASE)
    beginning = "<bin"
    stops = frozenset(("<s>", "</s>", "<pad>"))
    tags = ("<bin_", "<s>", "</s>", "<pad>")


class BinWordsStream(_Bins, WordsStream):
    """Answers in words."""


class BinStream(_Bins):
    """Boxes, with a label behind each in detect."""

    def __init__(self, collector: Collector, *, labelled: bool) -> None:
        super().__init__(collector)
        self._labelled = labelled
        self._open: tuple[Box, int, int] | None = None  # a box whose label may follow; where it starts and ends
        self._found = False
        self._prose: tuple[int, int] | None = None

    def _on_coordinate(self) -> None:
        if len(self._run) == 1:
            self._emit(None)
        elif len(self._run) == 4 and (box := self._take_box()):
            self._found = True
            self._open = box, self._run_start, self._run_end
            if not self._labelled:
                self._emit(None)

    def _emit(self, label: str | None, kind: str = "malformed") -> None:
        """The open box is complete, with this label; `kind` of problem where detect needs one and there is none."""
        if self._open:
            (box, start, end), self._open = self._open, None
            if label is None and self._labelled:
                self._report(kind, "a box without a label", start, end)
            self._collector.add(box, start, end, label=label)

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        core = words.strip(BLANK)
        start += words.index(core)
        if self._open:
            self._open = (*self._open[:2], start + len(core))
            self._emit(core)
        else:
            self._prose = (self._prose[0] if self._prose else start, start + len(core))

    def _on_stop(self) -> None:
        self._emit(None)

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        self._leave_tag(tag, start, end)
        self._emit(None)

    def _finish(self) -> Decoded:
        self._emit(None, "truncated")
        if self._prose:
            self._report("prose", "words where only boxes were asked for", *self._prose)
        elif not self._found and not self._problems:
            self._report("truncated", "an empty answer", 0, self._lexer.position)
        return self._collector.decoded()
