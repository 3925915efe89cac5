"""Owns reading words with boxes among them, as location tokens: captions, answers and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grounding.codecs.base import BLANK, Decoded
from grounding.codecs.bins import BinRule
from grounding.codecs.location import Box, LocationStream
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas


class WordStream(LocationStream):
    """Words with boxes among them: caption, answer and describe. Spans count characters of the words alone.

    What a box shows: in a caption the phrase marked in front of it; in an answer the words since the box before; in
    describe the words behind it.
    """

    separates = False

    def __init__(self, canvas: Canvas, rule: BinRule, task: str) -> None:
        super().__init__(canvas, rule, task)
        self._parts: list[str] = []  # the words so far
        self._length = 0
        self._since = (0, 0)  # where what comes next began: in the words, and in their parts
        self._opened: int | None = None  # where an open phrase began in the raw text
        self._phrase: tuple[tuple[int, int], str] | None = None  # what boxes now show: span and words
        self._phrase_place: tuple[int, int] | None = None  # a caption's phrase in the raw text, until a box follows
        self._named: Box | None = None  # describe: a box whose words follow
        self._seen: set[tuple[Any, ...]] = set()

    # -- words

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        if self._task == "caption":
            self._end_phrase("malformed")
        self._append(words)

    def _on_blank(self, blank: str, start: int, *, before_run: bool) -> None:
        if not (before_run and self._phrase):
            self._append(blank)

    def _append(self, words: str) -> None:
        self._parts.append(words if self._length else words.lstrip(BLANK))
        self._length += len(self._parts[-1])

    def _words_since(self) -> tuple[tuple[int, int], str] | None:
        """Span and words of what was written since `_since`, without blanks around it; None where nothing was."""
        words = "".join(self._parts[self._since[1] :])
        core = words.strip(BLANK)
        start = self._since[0] + len(words) - len(words.lstrip(BLANK))
        return ((start, start + len(core)), core) if core else None

    # -- a caption's phrases

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        if self._task != "caption" or tag not in ("<p>", "</p>"):
            super()._on_tag(tag, start, end)
            return
        self._flush_words()
        if self._run:
            self._end_run("malformed", self._run_end)
        if tag == "<p>":
            self._end_phrase("malformed")
            if self._opened is not None:
                self._report("malformed", "a phrase that begins inside another", self._opened, end)
            self._opened, self._since = start, (self._length, len(self._parts))
        elif self._opened is None:
            self._report("malformed", "a phrase that ends and never began", start, end)
        else:
            self._close_phrase(end)

    def _close_phrase(self, end: int) -> None:
        """The open phrase is whole; its boxes follow."""
        start, self._opened = self._opened or 0, None
        self._phrase, self._phrase_place = self._words_since(), (start, end)

    def _end_phrase(self, kind: str) -> None:
        """No more boxes of the phrase can come."""
        if self._phrase_place:
            self._report(kind, "a phrase without a box", *self._phrase_place)
        self._phrase = self._phrase_place = None

    # -- boxes

    def _on_coordinate(self) -> None:
        if self._opened is not None:
            self._report("malformed", "a phrase that does not end before its box", self._opened, self._run_start)
            self._close_phrase(self._run_start)
        if len(self._run) < 4 or not (read := self._take_box()):
            return
        box, bins = read
        if self._task == "describe":
            self._end_named()
            self._named, self._since = box, (self._length, len(self._parts))
            return
        if self._task == "answer":
            self._phrase = self._words_since() or self._phrase
            self._since = (self._length, len(self._parts))
        elif self._phrase is None:
            self._report("malformed", "a box without words in front of it", self._run_start, self._run_end)
        self._phrase_place = None
        span, words = self._phrase or (None, None)
        if (*bins, span) in self._seen:
            self._report("duplicate", "a box that was written before; kept once", self._run_start, self._run_end)
            return
        self._seen.add((*bins, span))
        self._regions.append(Region(box, label=words if self._task == "caption" else None, span=span))

    def _end_named(self) -> None:
        """The words behind describe's box are whole."""
        if self._named:
            span, words = self._words_since() or (None, None)
            self._regions.append(Region(self._named, label=words, span=span))
        self._named = None

    def _finish(self) -> Decoded:
        end = self._lexer.position
        self._end_named()
        if self._opened is not None:
            self._report("truncated", "the text ends inside a phrase", self._opened, end)
        self._end_phrase("truncated")
        text = "".join(self._parts).rstrip(BLANK)
        if not text and not self._problems:
            self._report("truncated", "the answer has no words", 0, end)
        return Decoded(tuple(self._regions), self._in_order(), text=text)
