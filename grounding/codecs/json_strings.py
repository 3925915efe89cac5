"""Owns what strings, bare words and numbers are in JSON as models write it: where they end, and what they say.

A quote ends its string where what follows can follow a string: a bracket that closes, a comma with a key behind it, a
fence, the end of the text. All others are letters: "man"s hat". Functions that look ahead do so by a bounded number of
characters and answer None where the text so far is too short to tell, unless it is `final`: nothing more will come.
"""

from __future__ import annotations

import re
from typing import Any

WIDE = dict(zip("｛｝［］（）【】，、；：＝＂＇", "{}[]()[],,;:=\"'", strict=True))
"""Full-width brackets and separators, and what they stand for."""
ENDS = {'"': '"', "'": "'", "“": '”“"', "”": '”"', "‘": "’'", "’": "’'", "＂": '＂"', "＇": "＇'"}
"""A quote that begins a string -> those that may end it."""
CHUNKS = {quote: re.compile(rf"[^{ends}\\\n]+") for quote, ends in ENDS.items()}
"""A quote that begins a string -> what surely belongs to the string."""

_FAR = 64
_BLANKS = re.compile(rf"[\s\ufeff\u200b]{{0,{_FAR}}}")
_KEY = re.compile(r"[\w \-]{0,40}")
_NAME = re.compile(r"\w{1,40}")
_NARROW = {0xFF01 + code: 0x21 + code for code in range(94)} | {0x3000: 0x20, 0x2212: 0x2D}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None, "nan": float("nan")}
_COMMENT = re.compile(r"\s#")
_TAIL = 80  # how much of a string is looked at again once its end is known to be missing
_BEFORE_KEY = re.compile(r"\s*(?:[}\]｝］]{0,3}\s*[,，]?\s*([{｛])|[,，])\s*\Z")
_LEFT_OPEN = re.compile(r"[\"'\s]*[}\]][\s`\"'}\]]*\Z")
_CUT_STOP = re.compile(r"(?:<[|/]?[\w|]{0,20}>?\s*)+\Z")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|([\s\S]))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def past_blanks(text: str, i: int) -> int:
    """Where the blanks at text[i] end, or so many on."""
    match = _BLANKS.match(text, i)
    return match.end() if match else i


def ends_string(text: str, i: int, final: bool, *, in_object: bool, in_tuple: bool) -> bool | None:
    """Whether a quote before text[i] ends its string, which is a value."""
    n, start, short = len(text), i, True if final else None
    i = past_blanks(text, i)
    if i - start >= _FAR:
        return True
    if i >= n:
        return short
    c = WIDE.get(text[i], text[i])
    if c in "}]":
        return True
    if c == ")":
        return in_tuple
    if c in "`</":
        two = text[i : i + 2]
        return short if len(two) < 2 and not final else two in ("``", "</", "<|", "//", "/*")
    if c == "#":
        return i > start
    if not in_object:
        return c in ENDS or c in ",;:{[\\"
    if c == ",":
        start = i + 1
        i = past_blanks(text, start)
        if i - start >= _FAR:
            return True
        if i >= n:
            return short
        if text[i] in "}]{｝］｛/#`":
            return True
        if match := _NAME.match(text, i):
            return _leads_to_colon(text, match.end(), final)
    return True if (key := _quoted(text, i, final)) == 0 else key if key is None else key > 0


def _quoted(text: str, i: int, final: bool) -> int | None:
    """1 where a quoted key and a colon stand at text[i], -1 where something else does, 0 for a key that is too odd."""
    n, short = len(text), 0 if final else None
    if text[i] == "\\":
        i += 1
    if i >= n:
        return short
    if text[i] not in ENDS:
        return -1
    match = _KEY.match(text, i + 1)
    i = match.end() if match else i + 1
    if i < n and text[i] == "\\":
        i += 1
    if i >= n:
        return short
    if text[i] not in ENDS:
        return 0
    leads = _leads_to_colon(text, i + 1, final)
    return leads if leads is None else 1 if leads else -1


def _leads_to_colon(text: str, i: int, final: bool) -> bool | None:
    start, i = i, past_blanks(text, i)
    if i - start >= _FAR:
        return True
    if i >= len(text):
        return False if final else None
    return text[i] in ":：="


def ends_at_line(text: str, i: int, final: bool) -> bool | None:
    """Whether a string that nobody ended stops at the line end before text[i]: a bracket or a key follows."""
    start, i = i, past_blanks(text, i)
    if i - start >= _FAR:
        return False
    if i >= len(text):
        return False if final else None
    if text[i] in "}]｝］":
        return True
    key = _quoted(text, i, final)
    return key if key is None else key > 0


def begins_key(text: str, i: int, final: bool) -> bool | None:
    """Whether the quote text[i], inside of a string, begins a key, so that the string's own end was forgotten."""
    key = _quoted(text, i, final)
    return key if key is None else key > 0


def forgotten_end(parts: list[str]) -> tuple[int, int]:
    """How much of the end of a string's `parts`, before a key, is not of the string; and how much from its brace on.

    (0, 0) where it all is. The second is 0 where no object begins there.
    """
    tail, count = "", 0
    while count < len(parts) and len(tail) < _TAIL:
        count += 1
        tail = parts[-count] + tail
    tail = tail[-_TAIL:]
    match = _BEFORE_KEY.search(tail)
    if match is None:
        return 0, 0
    return len(tail) - match.start(), len(tail) - match.start(1) if match[1] else 0


def without_what_followed(words: str) -> str:
    """A string that the text's end cut, without brackets and tokens that stood behind its forgotten end."""
    head, tail = words[:-_TAIL], words[-_TAIL:]
    return head + _LEFT_OPEN.sub("", _CUT_STOP.sub("", tail))


def unescaped(words: str) -> str:
    """What a string says. Escapes that JSON does not have stay as they are; halves of characters become U+FFFD."""
    return _ESCAPE.sub(_unescape, words) if "\\" in words else words


def _unescape(match: re.Match[str]) -> str:
    first, second, letter = match.groups()
    if first is None:
        return _ESCAPED.get(letter) or (letter if letter in "\"\\/'\n" else match[0])
    code = int(first, 16)
    if second is None:
        return chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd"
    if 0xD800 <= code < 0xDC00:
        return chr(0x10000 + ((code - 0xD800) << 10) + int(second, 16) - 0xDC00)
    return (chr(code) if not 0xDC00 <= code < 0xE000 else "\ufffd") + "\ufffd"


def bare_word(parts: list[str]) -> str:
    """A word without quotes around it, without a comment behind it or half a pair of quotes."""
    word = "".join(parts)
    if comment := _COMMENT.search(word):
        word = word[: comment.start()]
    return word.strip().rstrip("\"'").rstrip()


def bare_value(word: str) -> Any:
    """The number or the constant that a bare word is, or the word."""
    plain = word if word.isascii() else word.translate(_NARROW)
    if _NUMBER.fullmatch(plain):
        digits = plain.lstrip("+-")
        return int(plain) if digits.isdigit() and len(digits) < 300 else float(plain)
    lower = plain.lower()
    if lower in _CONSTANTS:
        return _CONSTANTS[lower]
    return float(lower) if lower.lstrip("+-") == "infinity" else word
