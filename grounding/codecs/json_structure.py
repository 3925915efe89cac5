"""Owns what is open in JSON as models write it: which bracket closes what, and what is given out when it closes.

A bracket that closes closes what is open inside of its pair, too; one without a pair is left out. A brace where only a
key can come begins the next object, and the one before ends: `[{"a": 1, {"b": 2}]`, `[{ {"a": 1}]`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from grounding.result import Problem


class Pairs(list[tuple[str, Any]]):
    """An object: its keys and values in the order written, repeated keys included. A value without a key has ""."""


class Found(NamedTuple):
    """An object or a list that closed."""

    value: Pairs | list[Any]
    start: int
    """Of the opening bracket, in the raw text."""
    end: int
    """After the closing bracket, or where it ends for lack of one."""
    mark: str
    """The opening bracket: `{`, `[` or `(`."""
    key: str
    """The key it stands under in the object around it; "" where there is none."""
    outer: int
    """How many objects it stands in."""
    whole: bool
    """False where the text ended, or something else began, before it closed."""


_found = partial(tuple.__new__, Found)  # as Found(...), in half the time
KEY, COLON, VALUE, COMMA = range(4)  # what a structure waits for


class Frame:
    """A structure that is open."""

    __slots__ = ("brace", "items", "key", "mark", "nested", "start", "state", "under")

    def __init__(self, mark: str, start: int, under: str) -> None:
        self.mark, self.start, self.under = mark, start, under
        self.items: Any = Pairs() if mark == "{" else []
        self.state = KEY if mark == "{" else VALUE
        self.key = ""
        self.brace = mark == "{"  # whether a brace closes it
        self.nested = False  # a list that holds more than plain values


class Structures:
    """The objects and lists that are open, and those that closed."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.structures: list[tuple[int, int]] = []
        """Where the outermost objects and lists stand."""
        self._found: list[Found] = []
        self._stack: list[Frame] = []
        self._objects = 0  # of the open structures, those that are objects
        self._braces = 0  # and those that a brace closes

    def _report(self, kind: str, message: str, start: int, end: int) -> None:
        self.problems.append(Problem(kind, message, (start, end)))

    def _push(self, mark: str, start: int) -> None:
        self._stack.append(Frame(mark, start, self._key()))
        self._objects += mark == "{"
        self._braces += mark == "{"

    def _key(self) -> str:
        """The key that what comes next stands under."""
        return self._stack[-1].key if self._stack and self._stack[-1].mark == "{" else ""

    def _take_object(self, value: Pairs, start: int, end: int) -> bool:
        """Gives out an object that was read as a whole. Whether it stands in a list, where another may follow."""
        if not self._stack:
            self._found.append(_found((value, start, end, "{", "", 0, True)))
            self.structures.append((start, end))
            return False
        frame = self._stack[-1]
        if frame.mark == "{":
            self._found.append(_found((value, start, end, "{", frame.key, self._objects, True)))
            self._attach(value, start, end)
            return False
        self._found.append(_found((value, start, end, "{", "", self._objects, True)))
        frame.nested, frame.state = True, COMMA
        if self._objects:
            frame.items.append(value)
        return True

    def _make_room(self, at: int) -> None:
        """Closes objects in which no value can come now."""
        while self._stack and (frame := self._stack[-1]).mark == "{" and frame.state in (KEY, COMMA):
            if frame.items:
                self._close_top(at, whole=True)
            else:
                self._stack.pop()
                self._objects -= 1
                self._braces -= frame.brace
                self._report("malformed", "a brace that holds nothing", frame.start, frame.start + 1)

    def _close(self, brace: bool, end: int) -> None:
        """A closing bracket. What is open inside of what it closes ends with it; one without a match is left out."""
        if not (self._braces if brace else len(self._stack) > self._braces):
            return
        while self._stack[-1].brace != brace:
            self._close_top(end - 1, whole=True)
        self._close_top(end, whole=True)

    def _close_top(self, end: int, *, whole: bool) -> None:
        frame = self._stack.pop()
        if frame.mark != "{":
            self._end_list(frame.items, frame.mark, frame.start, end, whole=whole, nested=frame.nested)
            return
        if whole:
            self._end_pair(frame)
        self._objects -= 1
        self._braces -= frame.brace
        self._found.append(Found(frame.items, frame.start, end, "{", frame.under, self._objects, whole))
        self._attach(frame.items, frame.start, end)

    def _end_list(
        self, items: list[Any], mark: str, start: int, end: int, *, whole: bool, nested: bool = False
    ) -> None:
        if not self._objects and not nested:
            self._found.append(Found(items, start, end, mark, "", 0, whole))
        self._attach(items, start, end)

    def _attach(self, value: Any, start: int, end: int) -> None:
        """Gives a value to the structure that it stands in."""
        if not self._stack:
            self.structures.append((start, end))
            return
        frame = self._stack[-1]
        if frame.mark == "{":
            frame.items.append((frame.key if frame.state in (VALUE, COLON) else "", value))
            frame.key = ""
        else:
            frame.nested = frame.nested or isinstance(value, list)
            if self._objects or not isinstance(value, list):  # else it was given out, and nobody asks for it again
                frame.items.append(value)
        frame.state = COMMA

    def _to_object(self, frame: Frame) -> None:
        """Makes an object of a list that holds a key: ["box": [1, 2, 3, 4]]."""
        frame.key = frame.items.pop()
        frame.items, frame.mark, frame.state = Pairs(("", item) for item in frame.items), "{", VALUE
        self._objects += 1

    def _end_pair(self, frame: Frame) -> None:
        """A pair that ends before its value."""
        if frame.state == VALUE:
            frame.items.append((frame.key, None))
        elif frame.state == COLON:
            frame.items.append(("", frame.key))
        frame.key = ""

    def _close_all(self, kind: str, end: int) -> None:
        """Something ends all that is open."""
        if self._stack:
            self._report(kind, "its brackets never close", self._stack[0].start, end)
        while self._stack:
            self._close_top(end, whole=False)
