"""Owns what families that talk about boxes in sentences share when they are asked and when they write.

A family says how its boxes, names and prompts look; the rest is here: which words may be asked for, which labels can be
read back, and where boxes go among the words of a caption.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from grounding.codecs.base import BLANK, Codec, Stream, clean_names, clean_words
from grounding.codecs.bins import BinRule
from grounding.codecs.brackets import BracketStream, Surface
from grounding.codecs.collect import Collector, Frame
from grounding.codecs.names import IN_WORDS, front_label
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

Numbers = tuple[int, ...]

_MARKUP = re.compile(r"<[|/]{0,2}\w+\|?>")
_NUMBERS_IN_BRACKETS = re.compile(r"[\[［【(（<]\s*[-+]?[\d.．]")


class ChatCodec(Codec):
    """A family whose boxes are numbers in brackets. `rules`: its roundings; `prompts`: task -> sentence to fill in.

    In prompts, {words} is the phrase or the question, {names} the names, {box} a box as the family writes it.
    """

    rules: Mapping[str, BinRule]
    prompts: ClassVar[Mapping[str, str]]
    surface: Surface
    between = "\n"
    """What stands between names in a list of boxes."""
    names_between = ", "
    """What stands between names in a prompt."""

    # -- what a family says --------------------------------------------------------------------------------------------

    @abstractmethod
    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        """Boxes with one name in the family's brackets and tags; a point has two numbers and a quadrilateral eight."""

    def write_name(self, name: str) -> str:
        """A name, as it stands in front of its boxes."""
        return f"{name} "

    def ask_for(self, name: str) -> str:
        """A name, as it stands in a prompt."""
        return name

    def prompt_box(self, box: Sequence[float], canvas: Canvas) -> str:
        """A box in a prompt."""
        return self.write_boxes([self.bins(box, canvas)])

    def collector(self, canvas: Canvas) -> Collector:
        """What turns the family's numbers into pixels."""
        return Collector(canvas, self.rule.read, self.rule.top)

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
        pattern = self.prompts[task]
        if "{box}" in pattern:
            if box is None or point is not None:
                raise PromptError(f"{self.name} describes boxes, not points: give box=(x1, y1, x2, y2)")
            if canvas is None:
                raise PromptError("a box in a prompt needs the picture's size: give canvas=Canvas.identity(...)")
            return pattern.replace("{box}", self.prompt_box(box, canvas))
        if "{names}" in pattern:
            tidy = clean_names(names, _MARKUP, separators="")
            return pattern.replace("{names}", self.names_between.join(map(self.ask_for, tidy)))
        if "{words}" in pattern:
            words = clean_words(phrase, "question" if task == "answer" else "phrase", _MARKUP)
            return pattern.replace("{words}", words if task == "answer" else self.ask_for(words))
        return pattern

    # -- writing -------------------------------------------------------------------------------------------------------

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer that the family should write; regions in the order given.

        Tasks that are answered in words: `text` is what is said, and a region's box stands at the words of its span, at
        its label's first place in the text, or at the text's end. Others: each box after its region's label, or after
        `text` where the regions have none; no regions make an empty answer, as there is no trained one for them.
        """
        self.check_task(task)
        if task in IN_WORDS:
            return self._write_words(regions, text, canvas)
        labels = [region.label for region in regions]
        if None in labels and any(labels):
            raise InputError("some regions have a label and some have none: give all of them one, or none")
        written = []
        for label, group in groupby(regions, key=lambda region: region.label or text or None):
            boxes = self.write_boxes([self.write_region(region, task, canvas) for region in group])
            written.append(self._check_name(label, task) + boxes)
        return self.between.join(written)

    def write_region(self, region: Region, task: str, canvas: Canvas) -> Numbers:
        """The numbers of one region; x and y alone in the task point."""
        if task == "point":
            x, y = region.point or region.center
            return self.bins((x, y, x, y), canvas)[:2]
        return self.bins(region.box, canvas)

    def bins(self, box: Sequence[float], canvas: Canvas) -> Numbers:
        """The numbers of a box in pixels of the original, in the family's order."""
        write = self.rule.write
        return tuple(write(fraction) for fraction in Frame(canvas).fractions(box))

    def _check_name(self, label: str | None, task: str) -> str:
        """The label as the family writes it in this task. Raises InputError where it would not be read back."""
        if label is None:
            if task == "detect":
                raise InputError("a region to detect needs a label; this one has none")
            return ""
        tidy = label.strip(BLANK)
        if self.surface.named:
            if not tidy or "<" in tidy:
                raise InputError(f"the label {label!r:.60} is empty or holds a '<', which begins markup: reword it")
        elif task not in self.surface.fronted:
            return ""
        elif front_label(f" {tidy} ") != tidy or check_words(tidy, self.surface) != tidy:
            raise InputError(
                f"the label {label!r:.60} holds a line end, or begins or ends with a mark that separates: reword it"
            )
        return self.write_name(tidy)

    def _write_words(self, regions: Sequence[Region], text: str, canvas: Canvas) -> str:
        text = check_words(text.strip(BLANK), self.surface)
        shown: dict[tuple[int, int], list[Numbers]] = {}
        for region in regions:
            shown.setdefault(self._place_in(text, region), []).append(self.bins(region.box, canvas))
        pieces, done = [], 0
        for (start, end), boxes in sorted(shown.items()):
            if start < done:
                raise InputError(f"two phrases of the text overlap at character {start}: show one of them")
            written = self.write_boxes(boxes)
            if self.surface.named:
                name = self.write_name(text[start:end]) if start < end else ""
                pieces += [text[done:start], name, written]
            else:
                # The blank in front of a box goes with it when it is read.
                blank = "" if text[end : end + 1].isalnum() else " "
                pieces += [text[done:end], blank, written]
            done = end
        return "".join([*pieces, text[done:]]).strip(BLANK)

    def _place_in(self, text: str, region: Region) -> tuple[int, int]:
        span = region.span
        if span is None and region.label and (place := text.find(region.label)) >= 0:
            span = (place, place + len(region.label))
        start, end = span or (len(text), len(text))
        if not 0 <= start <= end <= len(text):
            raise InputError(f"a region's span lies within the {len(text)} characters of the text; seen {span}")
        core = text[start:end].strip(BLANK)
        start += len(text[start:end]) - len(text[start:end].lstrip(BLANK))
        end = start + len(core)
        if not self.surface.named:
            start = end = len(text[:end].rstrip(BLANK))
        return start, end

    # -- reading -------------------------------------------------------------------------------------------------------

    reader: Callable[..., BracketStream] = BracketStream

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return type(self).reader(self.surface, self.collector(canvas), canvas, task)


def check_words(words: str, surface: Surface) -> str:
    """Words that can't be mistaken for markup or boxes. Raises InputError."""
    if "<" in words:
        raise InputError(f"the words {words!r:.60} hold a '<', which begins markup in an answer: write it in words")
    found = _NUMBERS_IN_BRACKETS.search(words)
    if found and found[0][0] in surface.opens:
        raise InputError(f"the words {words!r:.60} hold {found[0]!r}, which begins a box in an answer: reword them")
    return words
