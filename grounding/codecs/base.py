"""Owns what all families of box texts have in common: Codec, Stream, and cutting marked-up text that arrives in pieces.

A codec is the only place that knows how one family is asked (`prompt`), what it should write (`encode`), what its text
means (`decode`, `stream`) and what it may write next (`grammar`). What a model wrote is data: reading it never raises,
and whatever could not be read stands in `problems`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grounding.codecs.bins import BinRule, pick_rule
from grounding.errors import InputError, PromptError
from grounding.result import Problem, Region

if TYPE_CHECKING:
    from grounding.codecs.grammar import Grammar
    from grounding.images import Canvas

BLANK = " \t\r\n\v\f"
"""What may stand around words without belonging to them. ASCII only: words of any script keep their own characters."""

BLANK_OR_COMMA = BLANK + ",，"

AT_ONCE = ("locate", "detect")
"""Tasks in which a codec may read typical answers at once: boxes and labels, the same in both."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an answer says.

    `regions` are in pixels of the original picture. `text` is the answer's words without its markup, for tasks that
    answer in words; None where the answer is only boxes. A region's span counts characters of `text`, or of the raw
    answer where `text` is None. A problem's span always counts characters of the raw answer. `count` is the number that
    an answer states.
    """

    regions: tuple[Region, ...] = ()
    problems: tuple[Problem, ...] = ()
    text: str | None = None
    count: int | None = None


class Codec(ABC):
    """One family's texts. Without state: one object serves any number of threads."""

    name: str
    tasks: tuple[str, ...]
    rules: Mapping[str, Any] = {}
    """The readers of the family's numbers by name, the most accurate first: what `rounding` chooses from."""
    rule: BinRule
    """The reader that was chosen."""
    at_once: Callable[[str, Canvas], Decoded | None] | None = None
    """Reads typical answers to the tasks of AT_ONCE as the stream does, sooner; None for all others (fast.py)."""

    def __init__(self, rounding: str | None = None) -> None:
        """`rounding`: the name of a reader; the most accurate one when None. Raises ConfigError."""
        self.rule = pick_rule(self.name, self.rules, rounding)

    @abstractmethod
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
        """How the family is asked. Box (x1 y1 x2 y2) and point (x y) are pixels of the original; they need a canvas.

        Raises PromptError where there is nothing to ask or the words would be read as markup, InputError for a task
        the family has no prompt for.
        """

    @abstractmethod
    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer that a model should write. Regions are written in the order given."""

    @abstractmethod
    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        """A reader for an answer that arrives in pieces."""

    def canvas(
        self,
        width: int,
        height: int,
        *,
        input_size: tuple[int, int] | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> Canvas:
        """What the family's coordinates count along, for a picture of `width` x `height` px.

        Most families count along the picture's own sides; those that pad it, or that write pixels of the picture they
        were given (`input_size`: its width and height; or the limits it was resized by), answer otherwise. Raises
        InputError where a size is missing.
        """
        from grounding.images import Canvas

        return Canvas.squash(width, height, *input_size) if input_size else Canvas.identity(width, height)

    def decode(self, text: str, canvas: Canvas, *, task: str = "locate") -> Decoded:
        """What `text` says, in pixels of the original image. Never raises on any text."""
        if self.at_once and task in AT_ONCE and (decoded := self.at_once(text, canvas)):
            return decoded
        stream = self.stream(canvas, task=task)
        stream.feed(text)
        return stream.close()

    def grammar(self, task: str, *, names: Sequence[str] = (), count: int | None = None) -> Grammar:
        """What an answer may look like: the base of logit masks and JSON schemas. `count`: exactly so many boxes."""
        raise InputError(f"{self.name} has no grammar for {task!r}: generate without a constraint")

    def check_task(self, task: str) -> None:
        """Raises InputError where the family does not know the task."""
        if task not in self.tasks:
            raise InputError(f"{self.name} knows no task {task!r}; it knows: {', '.join(self.tasks)}")


class Stream(ABC):
    """Reads one answer piece by piece, each character once. However it was cut, the regions are those of `decode`."""

    yielded: int = 0
    """How many regions `feed` has given; only the end of the text completes `close().regions[yielded:]`."""

    @abstractmethod
    def feed(self, piece: str) -> tuple[Region, ...]:
        """The regions that `piece` completed, in the order of the text."""

    @abstractmethod
    def close(self) -> Decoded:
        """The whole answer; nothing more will come. Its regions begin with those that `feed` gave, in their order."""


class TagLexer:
    """Cuts text that arrives in pieces into tags `<...>`, single separators and words, whatever the pieces are.

    Every character comes out exactly once and in order. Adjacent words may come out in several parts; a tag never does.
    A `<` that no `>` follows within LONGEST_TAG characters, or before the next blank, separator or `<`, comes out as it
    is, with what follows it.
    """

    LONGEST_TAG = 24
    _PATTERN = re.compile(rf"<[^<>\s;；]{{0,{LONGEST_TAG - 2}}}>?|[;；\r\n]|[^<;；\r\n]+")

    def __init__(self) -> None:
        self.position = 0
        self._held = ""

    def feed(self, piece: str) -> Iterator[tuple[str, int]]:
        """(lexeme, offset of its first character) of what can already be told; the start of a tag waits for its end."""
        text = self._held + piece
        self._held = ""
        end = len(text)
        offset = 0
        for lexeme in self._PATTERN.findall(text):
            offset += len(lexeme)
            if offset == end and lexeme[0] == "<" and lexeme[-1] != ">":
                self._held = lexeme
                return
            start = self.position
            self.position += len(lexeme)
            yield lexeme, start

    def close(self) -> tuple[str, int] | None:
        """The start of a tag that never ended, with its offset, or None."""
        held, self._held = self._held, ""
        self.position += len(held)
        return (held, self.position - len(held)) if held else None


_NOT_IN_WORDS = re.compile(r"</?(?:loc|seg|p>|image>|bos>|eos>|pad>)", re.IGNORECASE)


def clean_words(words: object, what: str, markup: re.Pattern[str] = _NOT_IN_WORDS) -> str:
    """`words` with single spaces, fit for a prompt. PromptError where they say nothing or hold `markup`."""
    if not isinstance(words, str):
        raise PromptError(f"a {what} is text; got {type(words).__name__} {words!r:.60}")
    tidy = " ".join(words.split())
    if not tidy:
        raise PromptError(f"the {what} {words!r:.60} is empty: say in words what is meant")
    if found := markup.search(tidy):
        raise PromptError(f"the {what} {tidy!r:.60} holds {found[0]!r}, which the model reads as markup: leave it out")
    return tidy


def clean_names(
    names: Sequence[str], markup: re.Pattern[str] = _NOT_IN_WORDS, separators: str = ";；"
) -> tuple[str, ...]:
    """The names, each once and in order, fit for a prompt that joins them with a separator. Raises PromptError."""
    names = (names,) if isinstance(names, str) else names
    tidy = tuple(dict.fromkeys(clean_words(name, "name", markup) for name in names))
    if not tidy:
        raise PromptError("no name was given: name at least one thing to look for")
    for name in tidy:
        if any(separator in name for separator in separators):
            kind = "semicolon" if ";" in separators else "comma"
            raise PromptError(f"the name {name!r:.60} holds a {kind}, which separates names: give two names instead")
    return tidy


class TagStream(Stream):
    """The reading shared by families whose coordinates are tags: `<loc0256>`, `<loc_52>`, `<0>`.

    Gathers coordinates into runs and words into whole stretches, and hands them to what a family implements, from
    `_read_tag` to `_on_cut`. Blanks and commas do not break a run.
    """

    separates = True
    """Whether semicolons and line ends part the answer's items; where they don't, they are words."""
    tags: tuple[str, ...] = ()
    """Tags of the family, to tell the start of one at the end of a text that was cut."""
    bins: Mapping[str, int] = {}
    """Coordinates as they should be spelled, read without a further look."""

    def __init__(self) -> None:
        self._lexer = TagLexer()
        self._regions: list[Region] = []
        self._problems: list[Problem] = []
        self._run: list[int | None] = []  # coordinates read since the last box; None: one that can't be read
        self._run_start = self._run_end = 0
        self._words: list[str] = []
        self._words_start = 0

    def feed(self, piece: str) -> tuple[Region, ...]:
        known = len(self._regions)
        bins, add = self.bins, self._add_coordinate
        for lexeme, start in self._lexer.feed(piece):
            if lexeme in bins:
                add(bins[lexeme], start, start + len(lexeme))
            else:
                self._take(lexeme, start)
        self.yielded = len(self._regions)
        return tuple(self._regions[known:])

    def close(self) -> Decoded:
        if held := self._lexer.close():
            cut, start = held
            if cut == "<" or any(tag.startswith(cut.lower().rstrip("0123456789")) for tag in self.tags):
                self._flush_words()
                self._on_cut(cut, start, start + len(cut))
            else:
                self._add_words(cut, start)
        self._flush_words()
        if self._run:
            self._end_run("truncated", self._run_end)
        return self._finish()

    # -- what a family implements --------------------------------------------------------------------------------------

    @abstractmethod
    def _read_tag(self, tag: str, start: int, end: int) -> None:
        """A `<` with what follows it, not in `bins`: an odd coordinate, other markup, or words."""

    @abstractmethod
    def _on_coordinate(self) -> None:
        """A coordinate was added to the run."""

    @abstractmethod
    def _on_words(self, words: str, start: int, *, before_run: bool) -> None:
        """A whole stretch of words, more than blanks and commas. `before_run`: a coordinate follows."""

    @abstractmethod
    def _end_run(self, kind: str, end: int) -> None:
        """Something ended the run before its time; a Problem of `kind` up to `end`. Empties the run."""

    @abstractmethod
    def _finish(self) -> Decoded:
        """The text is over, and every word and run was handed on."""

    def _on_separator(self, separator: str, start: int) -> None:
        """A semicolon or one character of a line end."""

    def _on_blank(self, blank: str, start: int, *, before_run: bool) -> None:
        """A stretch of blanks and commas outside a run. `before_run`: a coordinate follows."""

    def _on_cut(self, cut: str, start: int, end: int) -> None:
        """The text ended inside a tag."""
        if self._run:
            self._end_run("truncated", end)
        else:
            self._report("truncated", f"the text ends inside {cut!r}", start, end)

    # -- what a family calls -------------------------------------------------------------------------------------------

    def _report(self, kind: str, message: str, start: int, end: int) -> None:
        self._problems.append(Problem(kind, message, (start, end)))

    def _in_order(self) -> tuple[Problem, ...]:
        """The problems in the order of the text."""
        return tuple(sorted(self._problems, key=lambda problem: problem.span or (0, 0)))

    def _add_coordinate(self, bin_: int | None, start: int, end: int) -> None:
        if self._words:
            self._flush_words(before_run=True)
        if not self._run:
            self._run_start = start
        self._run.append(bin_)
        self._run_end = end
        self._on_coordinate()

    def _add_words(self, words: str, start: int) -> None:
        if not self._words:
            self._words_start = start
        self._words.append(words)

    def _flush_words(self, *, before_run: bool = False) -> None:
        if not self._words:
            return
        words, start = "".join(self._words), self._words_start
        self._words.clear()
        if words.strip(BLANK_OR_COMMA):
            if self._run:
                self._end_run("malformed", self._run_end)
            self._on_words(words, start, before_run=before_run)
        elif not self._run:
            self._on_blank(words, start, before_run=before_run)

    def _take(self, lexeme: str, start: int) -> None:
        first = lexeme[0]
        if first == "<":
            self._read_tag(lexeme, start, start + len(lexeme))
        elif self.separates and first in ";；\r\n":
            self._flush_words()
            if self._run:
                self._end_run("malformed", self._run_end)
            self._on_separator(lexeme, start)
        else:
            self._add_words(lexeme, start)
