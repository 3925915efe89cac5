"""Owns finding Molmo's tags of points, `<points x1="24.8" y1="70.3" ... alt="cups">`, in text that arrives in pieces.

They are longer than what TagLexer takes, hold blanks, and come with quotation marks that don't match.
"""

from __future__ import annotations

import re
from abc import abstractmethod

from grounding.codecs.base import Stream

_OPEN = re.compile(r"<(points?|tracks?)(?=[\s/>])", re.IGNORECASE)
_CLOSE = re.compile(r"</(?:points?|tracks?)>", re.IGNORECASE)
_OTHER = re.compile(r"<[/|]?[A-Za-z][^<>\s]{0,40}>")
_UNDECIDED = re.compile(r"<[^<>\s]{0,42}\Z")
# An open tag without a flaw; what it does not take, the slower way of PointLexer does.
_CLEAN = re.compile(
    r"<(?:points?|tracks?)((?:\s++[\w-]++\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'))++\s*+/?+)>", re.IGNORECASE
)
_BETWEEN, _NOT_BLANK = re.compile("[=<>]"), re.compile(r"\S")
_IN_QUOTES = {quote: re.compile(f"[{quote}<]") for quote in "\"'"}
_AFTER_QUOTE = re.compile(r"[\s/>]")
_BROKEN = re.compile("[A-Za-z/|]")


class PointLexer(Stream):
    """Cuts an answer that arrives in pieces into words and tags of points, whatever the pieces are.

    A tag ends at a `>` outside of quotation marks; one whose marks don't match ends where another tag begins.
    """

    def __init__(self) -> None:
        self._held = ""
        self._position = 0  # of the first held character
        self._in_tag = False
        self._body: list[str] = []  # what the open tag holds so far
        self._body_start = 0
        self._quote = ""  # the mark that a value began with, "=" before a value, "" between values

    @abstractmethod
    def _on_words(self, words: str, start: int) -> None:
        """Words; a stretch of them may come in several parts."""

    @abstractmethod
    def _on_open(self, body: str, start: int, end: int, *, broken: bool) -> None:
        """An open tag, with what it holds behind its name. `broken`: it ends for want of a `>`."""

    @abstractmethod
    def _on_close(self, start: int, end: int) -> None:
        """A closing tag."""

    @abstractmethod
    def _on_other(self, tag: str, start: int, end: int) -> None:
        """Markup that is none of the family's."""

    def _read(self, piece: str) -> None:
        text, self._held = self._held + piece, ""
        at, end = 0, len(text)
        while at < end:
            if self._in_tag:
                at = self._read_body(text, at)
                if self._in_tag:
                    break
                continue
            sign = text.find("<", at)
            if sign != at:
                stop = end if sign < 0 else sign
                self._on_words(text[at:stop], self._position + at)
                at = stop
                continue
            if clean := _CLEAN.match(text, at):
                self._on_open(clean[1], self._position + at, self._position + clean.end(), broken=False)
                at = clean.end()
            elif opened := _OPEN.match(text, at):
                self._in_tag, self._body_start, self._quote = True, self._position + at, ""
                at = opened.end()
            elif _UNDECIDED.match(text, at):
                break
            elif closed := _CLOSE.match(text, at):
                self._on_close(self._position + at, self._position + closed.end())
                at = closed.end()
            elif other := _OTHER.match(text, at):
                self._on_other(other[0], self._position + at, self._position + other.end())
                at = other.end()
            else:
                self._on_words("<", self._position + at)
                at += 1
        self._held = text[at:]
        self._position += at

    def _read_body(self, text: str, at: int) -> int:
        """Goes on with an open tag; how far it came. What a closing mark means is told by the character behind it."""
        body, end = self._body, len(text)
        while at < end:
            if self._quote == "=":
                found = _NOT_BLANK.search(text, at)
                stop = found.start() if found else end
                body.append(text[at:stop])
                at = stop
                if at < end:
                    self._quote = text[at] if text[at] in _IN_QUOTES else ""
                    if self._quote:
                        body.append(text[at])
                        at += 1
                continue
            found = (_IN_QUOTES[self._quote] if self._quote else _BETWEEN).search(text, at)
            stop = found.start() if found else end
            body.append(text[at:stop])
            at = stop
            if found is None:
                break
            sign = found[0]
            if sign == ">" or (sign == "<" and not self._quote):
                return self._end_body(at, broken=sign == "<")
            if sign == "=":
                self._quote = "="
            elif at + 1 == end:
                break
            elif sign == "<" and _BROKEN.match(text, at + 1):
                return self._end_body(at, broken=True)
            elif sign != "<" and _AFTER_QUOTE.match(text, at + 1):
                self._quote = ""
            body.append(sign)
            at += 1
        return at

    def _end_body(self, at: int, *, broken: bool) -> int:
        body = "".join(self._body)
        self._body.clear()
        self._in_tag = False
        if not broken:
            at += 1
        self._on_open(body, self._body_start, self._position + at, broken=broken)
        return at
