"""Owns reading coordinates that are numbered tags of a family's own, `<loc_52>` or `<bin_52>`, and words among them."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping

from grounding.codecs.base import BLANK, Decoded, TagStream
from grounding.codecs.collect import Box, Collector
from grounding.result import Region


def spellings(form: str, count: int) -> dict[str, int]:
    """The tags that `form` gives for the numbers from 0 to `count` - 1, with their numbers."""
    return {form.format(number): number for number in range(count)}


class NumberStream(TagStream):
    """Reads the family's coordinates and end tokens; what becomes of four numbers is the Collector's part."""

    separates = False
    bins: Mapping[str, int] = {}
    odd: re.Pattern[str]
    """A coordinate, however it is spelled: other zeros, capitals, full-width digits. Group 1 is its number."""
    beginning: str
    """What every coordinate begins with, in small letters."""
    stops: frozenset[str] = frozenset(("<s>", "</s>", "<pad>", "<eos>", "<bos>"))
    """Tags that say nothing, wherever they stand."""

    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self._collector = collector
        self._regions, self._problems = collector.regions, collector.problems

    # -- what a family implements, beside what TagStream asks for

    @abstractmethod
    def _on_tag(self, tag: str, start: int, end: int) -> None:
        """A tag that is neither a coordinate nor one of `stops`."""

    def _on_stop(self) -> None:
        """The model ended its answer, or began one."""

    def _item_start(self) -> int:
        """Where what the run belongs to began: its label, or the run itself."""
        return self._run_start

    # -- reading

    def _read_tag(self, tag: str, start: int, end: int) -> None:
        if tag in self.stops:
            self._flush_words()
            if self._run:
                self._end_run("malformed", self._run_end)
            self._on_stop()
        elif match := self.odd.fullmatch(tag):
            self._add_coordinate(self._odd_number(int(match[1]), tag, start, end), start, end)
        elif tag[-1] != ">":
            self._add_words(tag, start)
        elif tag.lower().startswith(self.beginning):
            self._add_coordinate(None, start, end)
        else:
            self._on_tag(tag, start, end)

    def _odd_number(self, number: int, tag: str, start: int, end: int) -> int:
        """The number of a coordinate that is not in `bins`."""
        return number

    def _leave_tag(self, tag: str, start: int, end: int) -> None:
        """Reports markup that has no meaning here; it ends what stood open."""
        self._flush_words()
        if self._run:
            self._end_run("malformed", self._run_end)
        self._report("unknown_token", f"{tag!r} has no meaning here", start, end)

    def _end_run(self, kind: str, end: int) -> None:
        seen = len(self._run)
        self._report(kind, f"{seen} of a box's 4 coordinates", self._item_start(), end)
        self._run = []

    def _take_box(self) -> Box | None:
        """Pixels of the run's four coordinates; None, and reported, where they can't be read. Empties the run."""
        run, self._run = self._run, []
        start, end = self._item_start(), self._run_end
        numbers = [number for number in run if number is not None]
        if len(numbers) < len(run):
            self._report("malformed", "a box with a coordinate that can't be read", start, end)
            return None
        return self._collector.box(numbers, start, end)


class WordsStream(NumberStream):
    """Answers in words. A box among them shows the words since the one before; spans count characters of the words."""

    labelled = False
    """Whether the words that a box shows are its label too."""

    def __init__(self, collector: Collector, *, labelled: bool = False) -> None:
        super().__init__(collector)
        self.labelled = labelled
        self._parts: list[str] = []  # the words so far
        self._length = 0
        self._since = (0, 0)  # where what comes next began: in the words, and in their parts

    def _append(self, words: str) -> None:
        words = words if self._length else words.lstrip(BLANK)
        if words:
            self._parts.append(words)
            self._length += len(words)

    def _words_since(self) -> tuple[tuple[int, int], str] | None:
        """Span and words of what was written since `_since`, without blanks around it; None where nothing was."""
        words = "".join(self._parts[self._since[1] :])
        core = words.strip(BLANK)
        start = self._since[0] + len(words) - len(words.lstrip(BLANK))
        return ((start, start + len(core)), core) if core else None

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        self._append(words)

    def _on_blank(self, blank: str, start: int, *, before_run: bool) -> None:
        self._append(blank)

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        self._leave_tag(tag, start, end)

    def _on_coordinate(self) -> None:
        if len(self._run) == 4 and (box := self._take_box()):
            span, words = self._words_since() or (None, None)
            self._since = (self._length, len(self._parts))
            self._show(box, self._run_start, self._run_end, words if self.labelled else None, span)

    def _show(self, box: Box, start: int, end: int, label: str | None, span: tuple[int, int] | None) -> None:
        """The box stands from `start` to `end` of the answer and shows the words at `span` of the text, if any."""
        if self._collector.add(box, start, end, label=label, span=span) and span is None:
            self._regions[-1] = Region(box, label=label)

    def _text(self) -> str:
        return "".join(self._parts).rstrip(BLANK)

    def _finish(self) -> Decoded:
        text = self._text()
        if not text and not self._problems:
            self._report("truncated", "the answer has no words", 0, self._lexer.position)
        return self._collector.decoded(text=text)
