"""Owns reading JSON as models write it: fenced, wrapped in prose or thinking, broken, cut, and arriving in pieces.

    ```json                                             the fence may lack its end, or be missing altogether
    [{"bbox_2d": [1, 2, 3, 4], "label": "man"s hat"},   quotes inside of strings (json_strings.py)
     {'bbox_2d': (1, 2, 3, 4), label: None,}            other quotes, tuples, bare keys and words, commas
     {{"bbox_2d": [1, 2, 3, 4}]                         too few brackets, or too many

JSONReader gives every object as soon as it closes, and every plain list outside of objects, with its place in the raw
text. What it gives does not depend on how the text was cut. It never raises, looks ahead by a bounded number of
characters, and takes time in proportion to the text. What the keys mean is told elsewhere (json_boxes.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from grounding.codecs.json_strings import (
    CHUNKS,
    ENDS,
    WIDE,
    bare_value,
    bare_word,
    begins_key,
    ends_at_line,
    ends_string,
    forgotten_end,
    past_blanks,
    unescaped,
    without_what_followed,
)
from grounding.codecs.json_structure import COLON, COMMA, KEY, VALUE, Found, Pairs, Structures

_BLANK = re.compile(r"[\s\ufeff\u200b]+")
_LETTER = re.compile(r"[^\W_]")
_FLAT = re.compile(r"\{[^{}\\]*\}")
_NEXT = re.compile(r"[ \t\r\n]*,[ \t\r\n]*(?=\{)")
_NUMBERS = re.compile(r"\[((?:[ \n]*-?(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,9})?[ \n]*(?:,(?=[^\]])|(?=\])))+)\]")
_decode = json.JSONDecoder(object_pairs_hook=Pairs).raw_decode

# Outside of any bracket: what opens a structure, and what may become such once more text is there.
_WORDS = re.compile(r"[^{\[(<`｛［（]+")
_OPENS = re.compile(
    r"""[{｛][\s\ufeff]{0,64}(?:["'“”‘’＂＇}｝\[［\\]|[^\W\d]\w{0,40}\s{0,8}[:：=])
    |[\[［][\s\ufeff]{0,64}(?:["'“”‘’＂＇{｛\[［(（\]］\\\d.+-])
    |[(（]\s{0,8}[+-]?[\d.]{1,12}\s{0,8}[,，]""",
    re.VERBOSE,
)
_MAY_OPEN = re.compile(
    r"[{｛][\s\ufeff]{0,64}(?:[^\W\d]\w{0,40}\s{0,8})?\Z|[\[［][\s\ufeff]{0,64}\Z|[(（]\s{0,8}[+-]?[\d.]{0,12}\s{0,8}\Z"
)
_TAG = re.compile(r"<[^<>\s]{1,30}>")
_MAY_BE_TAG = re.compile(r"<[^<>\s]{0,30}\Z")
_MARKUP = re.compile(r"</?[A-Za-z_]|<\|")
_FENCE = re.compile(r"`{3,8}\w{0,16}")
_MAY_BE_FENCE = re.compile(r"`{1,8}\w{0,16}\Z")
_AFTER_THINKING = re.compile(r"</think(?:ing)?>|<answer>", re.IGNORECASE)
_MAY_BE_AFTER = re.compile(r"<[/\w]{0,10}\Z")

STOP = re.compile(
    r"</?s>|<(?:pad|eos|bos|unk|start_of_turn|end_of_turn)>"
    r"|<\|(?:im_start|im_end|im_middle|end|endoftext|eot_id|begin_of_text|end_of_text|eos)\|>",
    re.IGNORECASE,
)
"""Tokens around an answer that carry nothing."""

_BARE = re.compile(r"[^/,，、;；}\]｝］\n\r{\[｛［<`\"]+")
_BARE_IN_LIST = re.compile(r"[^/,，、;；}\]｝］\n\r{\[｛［<`\"]+")
_BARE_IN_TUPLE = re.compile(r"[^/,，、;；)）}｝\]］\n\r{\[｛［<`]+")
_BARE_KEY = re.compile(r"[^/,，;；:：=}\]｝］\n\r{\[｛［<`\"]+")


class JSONReader(Structures):
    """Reads one answer, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.asides: list[tuple[int, int]] = []
        """Where thinking, fences and tokens that carry nothing stand."""
        self.words: tuple[int, int] | None = None
        """From the first to the last word outside of all that."""
        self.in_thinking = False
        """Whether the text ended inside thinking."""
        self.position = 0
        """Of the first character that was not taken yet."""
        self._held = ""
        self._final = False
        self._mode: Callable[[JSONReader, str, int], int] = JSONReader._plain
        self._parts: list[str] = []  # of the string, the bare word or the thinking that is open
        self._parts_start = 0
        self._quote, self._escaped = '"', False

    def feed(self, piece: str) -> list[Found]:
        """What `piece` completed, in the order of the text."""
        text = self._held + piece if self._held else piece
        index, end = 0, len(text)
        while index < end:
            after = self._mode(self, text, index)
            if after < 0:  # it takes more of the text to tell
                break
            index = after
        self._held = text[index:]
        self.position += index
        found, self._found = self._found, []
        return found

    def close(self) -> list[Found]:
        """What the end of the text completed. Nothing more can be fed."""
        self._final = True
        found = self.feed("")
        if self._mode is JSONReader._string:
            self._end_string(cut=True)
        elif self._mode is JSONReader._bare:
            self._end_bare(cut=True)
        elif self._mode is JSONReader._thinking:
            self.in_thinking = True
            self._report("truncated", "the text ends inside its thinking", self._parts_start, self.position)
        self._close_all("truncated", self.position)
        found += self._found
        self._found = []
        return found

    def _plain(self, text: str, i: int) -> int:
        return self._inside(text, i) if self._stack else self._outside(text, i)

    # -- outside of any structure: each reads from text[i] and gives where it stopped, or -1 for too little text -------

    def _outside(self, text: str, i: int) -> int:
        if match := _WORDS.match(text, i):
            self._add_words(text, i, match.end())
            return match.end()
        c = text[i]
        if c == "<":
            return self._tag(text, i)
        if c == "`":
            if not self._final and _MAY_BE_FENCE.match(text, i):
                return -1
            if match := _FENCE.match(text, i):
                self.asides.append((self.position + i, self.position + match.end()))
                return match.end()
            return i + 1
        if _OPENS.match(text, i):
            return self._open(text, i, WIDE.get(c, c))
        if not self._final and _MAY_OPEN.match(text, i):
            return -1
        self._add_words(text, i, i + 1)
        return i + 1

    def _add_words(self, text: str, start: int, end: int) -> None:
        if self.words is None:
            match = _LETTER.search(text, start, end)
            if match is None:
                return
            start = match.start()
            self.words = (self.position + start, self.position + start)
        if core := text[start:end].rstrip():
            self.words = (self.words[0], self.position + start + len(core))

    def _tag(self, text: str, i: int) -> int:
        """A `<` outside of strings. Inside a structure, what begins or ends an answer closes all that is open."""
        match = _TAG.match(text, i)
        if match is None:
            if not self._final and _MAY_BE_TAG.match(text, i):
                return -1
            if not self._stack:
                self._add_words(text, i, i + 1)
                return i + 1
            return self._start_bare(text, i)
        tag, start, end = match[0].lower(), self.position + i, self.position + match.end()
        if tag.strip("</>") in ("think", "thinking", "answer"):
            self._close_all("malformed", start)
            if tag[1] == "/" and tag[2] == "t":  # what stood before was thinking whose beginning the prompt holds
                self.words = None
                self.asides.append((0, end))
            elif tag[1] == "t":
                self._mode, self._parts_start = JSONReader._thinking, start
            else:
                self.asides.append((start, end))
        elif STOP.fullmatch(tag):
            self.asides.append((start, end))
        elif _MARKUP.match(tag):
            self._report("unknown_token", f"{match[0]!r} has no meaning here", start, end)
        elif not self._stack:
            self._add_words(text, i, match.end())
        return match.end()

    def _thinking(self, text: str, i: int) -> int:
        match = _AFTER_THINKING.search(text, i)
        if match is None:
            tail = None if self._final else _MAY_BE_AFTER.search(text, max(i, len(text) - 12))
            end = tail.start() if tail else len(text)
            return end if end > i else -1
        self.asides.append((self._parts_start, self.position + match.end()))
        self._mode = JSONReader._plain
        return match.end()

    # -- structures ----------------------------------------------------------------------------------------------------

    def _inside(self, text: str, i: int) -> int:
        if match := _BLANK.match(text, i):
            return match.end()
        c = text[i]
        c = WIDE.get(c, c)
        if c == "{" or c == "[" or c == "(":
            return self._open(text, i, c)
        if c == "}" or c == "]" or c == ")":
            self._close(c == "}", self.position + i + 1)
            return i + 1
        frame = self._stack[-1]
        if c == "," or c == ";":
            if frame.mark == "{":
                self._end_pair(frame)
                frame.state = KEY
            else:
                frame.state = VALUE
            return i + 1
        if c == ":" or c == "=":
            if frame.state == COLON:
                frame.state = VALUE
            elif frame.mark != "{" and frame.state == COMMA and frame.items and isinstance(frame.items[-1], str):
                self._to_object(frame)
            return i + 1
        if c in ENDS:
            return self._start_string(text, i, i + 1)
        return self._odd(text, i, c)

    def _odd(self, text: str, i: int, c: str) -> int:
        """What strict JSON does not have: escaped quotes, comments, fences, tags, bare words."""
        if c == "\\":
            end = i + 1
            while end < len(text) and text[end] == "\\":
                end += 1
            if end == len(text) and not self._final and end - i < 8:
                return -1
            if end < len(text) and text[end] in "\"'":
                return self._start_string(text, end, end + 1, escaped=True)
            return end
        if c == "/" or c == "#":
            two = text[i : i + 2]
            if len(two) < 2 and not self._final:
                return -1
            if c == "#" or two == "//":
                self._mode = JSONReader._line_comment
                return i + 1
            if two == "/*":
                self._mode = JSONReader._block_comment
                return i + 2
        if c == "<":
            return self._tag(text, i)
        if c == "`":
            if not self._final and _MAY_BE_FENCE.match(text, i):
                return -1
            if _FENCE.match(text, i):
                self._close_all("malformed", self.position + i)
                return i  # once more, from outside
            return i + 1
        return self._start_bare(text, i)

    def _line_comment(self, text: str, i: int) -> int:
        end = text.find("\n", i)
        if end < 0:
            return len(text)
        self._mode = JSONReader._plain
        return end + 1

    def _block_comment(self, text: str, i: int) -> int:
        end = text.find("*/", i)
        if end < 0:
            end = len(text) if self._final or text[-1] != "*" else len(text) - 1
            return end if end > i else -1
        self._mode = JSONReader._plain
        return end + 2

    def _open(self, text: str, i: int, mark: str) -> int:
        """An opening bracket: a value, or the next object where the one before was not closed."""
        start = self.position + i
        if mark == "{":
            self._make_room(start)
            while match := _FLAT.match(text, i):
                try:  # the usual case, and the only one that has to be fast
                    value, _ = _decode(match[0])
                except (ValueError, RecursionError):
                    break
                i = match.end()
                if not self._take_object(value, self.position + match.start(), self.position + i):
                    return i
                if (match := _NEXT.match(text, i)) is None:
                    return i
                i = match.end()
            start = self.position + i
        elif match := _NUMBERS.match(text, i):
            numbers = [float(word) if "." in word else int(word) for word in match[1].split(",")]
            self._end_list(numbers, "[", start, self.position + match.end(), whole=True)
            return match.end()
        self._push(mark, start)
        return i + 1

    # -- strings -------------------------------------------------------------------------------------------------------

    def _start_string(self, text: str, i: int, after: int, *, escaped: bool = False) -> int:
        """The quote text[i], with the string behind it; or a quote that stands around an object, which is left out."""
        frame = self._stack[-1]
        if frame.mark != "{":
            next_ = past_blanks(text, after)
            if next_ >= len(text) and not self._final:
                return -1
            c = text[next_ : next_ + 1]
            if (c in "{｛" and next_ == after) or (frame.state == COMMA and c in "]}),］｝），`<"):
                return after
        self._quote, self._escaped = text[i], escaped
        self._parts, self._parts_start = [], self.position + after
        self._mode = JSONReader._string
        return after

    def _string(self, text: str, i: int) -> int:
        parts, n, begin = self._parts, len(text), i
        chunk, ends = CHUNKS[self._quote].match, ENDS[self._quote]
        while i < n:
            if match := chunk(text, i):
                parts.append(match[0])
                i = match.end()
                continue
            c = text[i]
            if c == "\\":
                run = i + 1
                if self._escaped:
                    while run < n and text[run] == "\\" and run - i < 8:
                        run += 1
                if run >= n and not self._final:
                    return i if i > begin else -1
                if self._escaped and run - i == 1 and text[run : run + 1] == self._quote:
                    closes = self._ends_string(text, run + 1)
                    if closes is None:
                        return i if i > begin else -1
                    if closes:
                        self._end_string()
                        return run + 1
                parts.append(text[i : run + 1])
                i = run + 1
            elif c == "\n":
                lost = ends_at_line(text, i + 1, self._final)
                if lost is None:
                    return i if i > begin else -1
                if lost:
                    self._end_string()
                    return i
                parts.append(c)
                i += 1
            elif c in ends:
                closes = self._ends_string(text, i + 1)
                if closes is None:
                    return i if i > begin else -1
                if closes:
                    self._end_string()
                    return i + 1
                lost = self._lost_its_end(text, i)
                if lost is None:
                    return i if i > begin else -1
                if lost:
                    return i
                parts.append(c)
                i += 1
        return n

    def _ends_string(self, text: str, i: int) -> bool | None:
        frame = self._stack[-1]
        if frame.mark != "{":
            return ends_string(text, i, self._final, in_object=False, in_tuple=frame.mark == "(")
        if frame.state in (KEY, COMMA):
            return True
        return ends_string(text, i, self._final, in_object=True, in_tuple=False)

    def _lost_its_end(self, text: str, i: int) -> bool | None:
        """Ends a string whose own end was forgotten, where the quote text[i] begins the next key."""
        frame = self._stack[-1]
        if frame.mark != "{" or not (key := begins_key(text, i, self._final)):
            return False if frame.mark != "{" else key
        less, brace = forgotten_end(self._parts)
        if not less:
            return False
        self._end_string(less=less)
        if brace:
            start = self.position + i - brace
            self._make_room(start)
            self._push("{", start)
        else:
            frame.state = KEY
        return True

    def _end_string(self, *, less: int = 0, cut: bool = False) -> None:
        """The string is complete, `less` so many characters at its end; or `cut` by the end of the text."""
        words = "".join(self._parts)
        if less:
            words = words[:-less]
        if cut:
            words = without_what_followed(words)
        words = unescaped(unescaped(words)) if self._escaped else unescaped(words)
        self._parts = []
        self._mode = JSONReader._plain
        frame = self._stack[-1]
        if frame.mark != "{" or frame.state in (VALUE, COLON):
            self._attach(words, 0, 0)
        elif not cut:
            frame.key, frame.state = words, COLON

    # -- bare words and numbers ----------------------------------------------------------------------------------------

    def _start_bare(self, text: str, i: int) -> int:
        self._parts, self._parts_start = [text[i]], self.position + i
        self._mode = JSONReader._bare
        return i + 1

    def _bare(self, text: str, i: int) -> int:
        frame = self._stack[-1]
        if frame.mark == "{":
            pattern = _BARE_KEY if frame.state in (KEY, COMMA) else _BARE
        else:
            pattern = _BARE_IN_TUPLE if frame.mark == "(" else _BARE_IN_LIST
        if match := pattern.match(text, i):
            self._parts.append(match[0])
            return match.end()
        if text[i] == "/":
            ends = None if i + 1 == len(text) and not self._final else text[i + 1 : i + 2] in ("/", "*")
        else:
            ends = pattern is not _BARE or text[i] != '"' or begins_key(text, i, self._final)
        if ends is None:
            return -1
        if not ends:  # a slash, or a quote without a pair
            self._parts.append(text[i])
            return i + 1
        self._end_bare()
        return i

    def _end_bare(self, *, cut: bool = False) -> None:
        """The word is complete; or `cut` by the end of the text, where half a number would be another number."""
        word = bare_word(self._parts)
        self._parts = []
        self._mode = JSONReader._plain
        frame = self._stack[-1]
        if frame.mark == "{" and frame.state in (KEY, COMMA):
            if word and not cut:
                frame.key, frame.state = word, COLON
            return
        values = [bare_value(word)]
        if frame.mark != "{" and isinstance(values[0], str) and " " in word:
            several = [bare_value(part) for part in word.split()]
            values = several if not any(isinstance(value, str) for value in several) else values
        if cut and not isinstance(values[-1], str):
            values.pop()
        for value in values:
            if value != "":
                self._attach(value, 0, 0)
