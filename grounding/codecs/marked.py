"""Owns reading words in which phrases are marked by tags, with the boxes of each phrase behind it.

An image of<phrase> a snowman</phrase><object>...</object>       <p>sofas</p> {<57><49><70><72>}<delim>{...}
"""

from __future__ import annotations

from collections.abc import Sequence

from grounding.codecs.base import BLANK, Decoded
from grounding.codecs.collect import Box, Collector
from grounding.codecs.numbered import WordsStream
from grounding.errors import InputError
from grounding.result import Region


class PhraseStream(WordsStream):
    """Phrases and their boxes, for every task of a family that writes so.

    In locate and detect spans count characters of the answer, from the phrase or the box; in tasks that answer in
    words, characters of the words. A box without a phrase has no label.
    """

    opening: str
    closing: str
    empty_is_nothing = False
    """Whether an empty answer to locate or detect means that nothing is there."""

    def __init__(self, collector: Collector, task: str) -> None:
        super().__init__(collector, labelled=True)
        self._in_words = task not in ("locate", "detect")
        self._opened: int | None = None  # where an open phrase began in the answer
        self._phrase: tuple[tuple[int, int], str] | None = None  # what boxes now show: span of the text, and words
        self._place: tuple[int, int] | None = None  # that phrase in the answer, until a box follows
        self._said: tuple[int, int] | None = None  # words outside of phrases: the first's start and the last's end
        self._found = False

    # -- words and phrases

    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        if self._opened is None:
            self._end_phrase("malformed")
            first = self._said[0] if self._said else start + len(words) - len(words.lstrip(BLANK))
            self._said = (first, start + len(words.rstrip(BLANK)))
        self._append(words)

    def _on_blank(self, blank: str, start: int, *, before_run: bool) -> None:
        if not (before_run and self._phrase):
            self._append(blank)

    def _on_tag(self, tag: str, start: int, end: int) -> None:
        if tag == self.opening:
            self._settle()
            self._end_phrase("malformed")
            if self._opened is not None:
                self._report("malformed", "a phrase that begins inside another", self._opened, end)
            self._opened, self._since = start, (self._length, len(self._parts))
        elif tag == self.closing:
            self._settle()
            if self._opened is None:
                self._report("malformed", "a phrase that ends and never began", start, end)
            else:
                self._close_phrase(end)
        else:
            self._leave_tag(tag, start, end)

    def _settle(self) -> None:
        """Words and coordinates before a tag are over."""
        self._flush_words()
        if self._run:
            self._end_run("malformed", self._run_end)

    def _close_phrase(self, end: int) -> None:
        """The open phrase is whole; its boxes follow."""
        start, self._opened = self._opened or 0, None
        self._phrase, self._place = self._words_since(), (start, end)

    def _close_at_box(self, start: int) -> None:
        """Coordinates begin at `start`: a phrase that is open ends there."""
        if self._opened is not None:
            self._report("malformed", "a phrase that does not end before its box", self._opened, start)
            self._close_phrase(start)

    def _end_phrase(self, kind: str) -> None:
        """No more boxes of the phrase can come."""
        if self._place:
            self._report(kind, "a phrase without a box", *self._place)
        self._phrase = self._place = None

    # -- boxes

    def _item_start(self) -> int:
        return self._run_start if self._place is None else self._place[0]

    def _show_phrase(self, box: Box | None, start: int, end: int) -> None:
        """A box of the phrase, from `start` (which may be the phrase's own) to `end`; None: one that can't be read."""
        self._place = None
        if box is None:
            return
        self._found = True
        span, words = self._phrase or (None, None)
        if self._in_words:
            self._show(box, start, end, words, span)
        else:
            self._collector.add(box, start, end, label=words)

    def _finish(self) -> Decoded:
        end = self._lexer.position
        if self._opened is not None:
            self._report("truncated", "the text ends inside a phrase", self._opened, end)
        self._end_phrase("truncated")
        if self._in_words:
            return super()._finish()
        if not self._found:
            if self._said:
                self._report("prose", "words where a box was asked for", *self._said)
            elif not self._problems and not self.empty_is_nothing:
                self._report("truncated", "an empty answer", 0, end)
        return self._collector.decoded()


def phrase_spans(
    regions: Sequence[Region], text: str, *, locate: bool
) -> tuple[str, list[tuple[int, int, list[Region]]]]:
    """The text, and (start, end, regions) of each phrase in it that regions show, in order, apart from each other.

    In locate and detect the text is put together from the regions' labels. Raises InputError.
    """
    if locate:
        return _labels(regions)
    shown: dict[tuple[int, int], list[Region]] = {}
    for region in regions:
        span = region.span
        if span is None and region.label and (place := text.find(region.label)) >= 0:
            span = (place, place + len(region.label))
        if span is None or not 0 <= span[0] < span[1] <= len(text) or not text[slice(*span)].strip(BLANK + ",，"):
            raise InputError(f"a region must say by its span which of the {len(text)} characters it shows; seen {span}")
        shown.setdefault(span, []).append(region)
    done = 0
    for start, end in sorted(shown):
        if start < done:
            raise InputError(f"two phrases of a text overlap at character {start}: mark one of them")
        done = end
    return text, [(*span, shown[span]) for span in sorted(shown)]


def _labels(regions: Sequence[Region]) -> tuple[str, list[tuple[int, int, list[Region]]]]:
    words = ""
    spans: list[tuple[int, int, list[Region]]] = []
    for region in regions:
        label = (region.label or "").strip(BLANK)
        if region.label and not label.strip(",，"):
            raise InputError(f"the label {region.label!r:.60} has no words: name what the box shows")
        if spans and words[slice(*spans[-1][:2])] == label:
            spans[-1][2].append(region)
            continue
        if spans and not label:
            raise InputError(
                "a region without a label follows one that has one, and would be read as its box: label it"
            )
        spans.append((len(words), len(words) + len(label), [region]))
        words += label
    return words, spans
