"""Owns Grammar: what may follow what in an answer, said once, for logit masks and for JSON schemas.

A grammar is a small automaton over symbols, not over the tokens of any one tokenizer. State 0 begins; each state lists
(symbol, next state); `END` has no next state. Two boxes at most:

    0 --low y--> 1 --low x--> 2 --high y--> 3 --high x--> 4 --END
                              4 --" ; "--> 5 --low y--> 6 ... 8 --high x--> 9 --END
    0 --"none"--> 10 --END

A high coordinate is over the low one of its axis in the same box. A low one is never the top bin, or its high partner
would have nothing left to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from grounding.codecs.base import BLANK
from grounding.errors import InputError

MOST_COUNT = 100
"""The largest number a count answer may state."""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One coordinate token."""

    axis: Literal["y", "x"]
    role: Literal["low", "high", "free"]


@dataclass(frozen=True, slots=True)
class Text:
    """Exactly this text, as it stands between its neighbours."""

    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """One of these texts, each with the blank in front of it; capitals don't matter."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Free words: anything without a `<`, with something to see in it. `spaced`: a blank stands in front of them."""

    spaced: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The end of the answer."""


Symbol = Coordinate | Text | Label | Words | End
Edge = tuple[Symbol, int]
END: Edge = (End(), -1)


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an answer to one question may look like; see the head of this file."""

    task: str
    states: tuple[tuple[Edge, ...], ...]
    names: tuple[str, ...] = ()
    """The labels there may be; empty where the task has none, or free ones."""
    fewest: int = 0
    most: int | None = None
    """How many boxes there may be; None: any number."""
    top: int = 1023
    surface: str = "<loc{:04d}>"
    """How a coordinate is written, for `str.format`."""

    def accepts(self, text: str) -> bool:
        """Whether `text` is a whole answer."""
        return any(state == -1 for state, *_ in self._walk(text))

    def accepts_start(self, text: str) -> bool:
        """Whether `text` is the start of an answer, cut at the end of a symbol, or a whole one."""
        return any(place == len(text) for _, place, *_ in self._walk(text))

    def _walk(self, text: str) -> Iterator[tuple[int, int, int, int]]:
        """Every (state, place in the text, low y, low x) that can be reached; state -1 only at the end of the text."""
        front, back = self.surface.split("{")[0], self.surface.split("}")[-1]
        coordinate = re.compile(rf"{re.escape(front)}(\d+){re.escape(back)}", re.ASCII)
        todo = [(0, 0, -1, -1)]
        seen = set(todo)
        while todo:
            position = todo.pop()
            yield position
            state, place, low_y, low_x = position
            if state < 0:
                continue
            for symbol, then in self.states[state]:
                for reached in self._step(symbol, then, text, place, low_y, low_x, coordinate):
                    if reached not in seen:
                        seen.add(reached)
                        todo.append(reached)

    def _step(
        self, symbol: Symbol, then: int, text: str, place: int, low_y: int, low_x: int, coordinate: re.Pattern[str]
    ) -> Iterator[tuple[int, int, int, int]]:
        """Where the symbol leads from `place`, if it can be read there."""
        match symbol:
            case End():
                if place == len(text):
                    yield -1, place, low_y, low_x
            case Text(literal):
                if text.startswith(literal, place):
                    yield then, place + len(literal), low_y, low_x
            case Label(texts):
                for label in texts:
                    if text[place : place + len(label)].casefold() == label.casefold():
                        yield then, place + len(label), low_y, low_x
            case Words(spaced):
                end = text.find("<", place)
                end = len(text) if end < 0 else end
                words = text[place:end]
                if words.strip(BLANK) and (not spaced or words[0] == " "):
                    yield then, end, low_y, low_x
            case Coordinate(axis, role):
                found = coordinate.match(text, place)
                if not found or found[0] != self.surface.format(bin_ := int(found[1][:9])) or bin_ > self.top:
                    return
                if role == "high":
                    if bin_ > (low_y if axis == "y" else low_x):
                        yield then, found.end(), *((-1, low_x) if axis == "y" else (low_y, -1))
                elif role == "free":
                    yield then, found.end(), low_y, low_x
                elif bin_ < self.top:
                    yield then, found.end(), *((bin_, low_x) if axis == "y" else (low_y, bin_))

    def to_json_schema(self, top: int = 1000) -> dict[str, Any]:
        """The same answer as a JSON schema, for endpoints that take one: `{"regions": [{"box", "label"}], ...}`.

        Boxes are four integers 0 to `top`; which axis comes first, and that a high coordinate is over its low one, a
        schema can't say: the prompt does. Every property is required and no other is allowed, as strict servers ask.
        """
        number = {"type": "integer", "minimum": 0, "maximum": top}
        place: dict[str, Any] = {"box": {"type": "array", "items": number, "minItems": 4, "maxItems": 4}}
        if self.task == "segment":
            place = {"polygon": {"type": "array", "items": number, "minItems": 6}}
        if self.names:
            place["label"] = {"type": "string", "enum": list(self.names)}
        elif self.task in ("caption", "answer"):
            place["phrase"] = {"type": "string"}
        regions: dict[str, Any] = {"type": "array", "items": _object(place), "minItems": self.fewest}
        if self.most is not None:
            regions["maxItems"] = self.most
        words = {"text": {"type": "string"}} if self.task in ("describe", "caption", "answer") else {}
        if self.task == "count":
            words = {"count": {"type": "integer"}}
        return _object(words | ({} if self.most == 0 else {"regions": regions}))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


# ---- building


class Builder:
    """Collects states; a state may be made first and filled later, for loops."""

    def __init__(self) -> None:
        self.states: list[list[Edge]] = []

    def state(self, *edges: Edge) -> int:
        """A new state with these edges."""
        self.states.append(list(edges))
        return len(self.states) - 1

    def box(self, then: int) -> Edge:
        """The edge on which a box begins, y1 x1 y2 x2; it ends in the state `then`."""
        edge: Edge = (Coordinate("x", "high"), then)
        for coordinate in (Coordinate("y", "high"), Coordinate("x", "low"), Coordinate("y", "low")):
            edge = (coordinate, self.state(edge))
        return edge

    def item(self, then: int, labels: tuple[str, ...]) -> Edge:
        """A box, and its label where there are any."""
        return self.box(self.state((Label(labels), then)) if labels else then)

    def items(self, labels: tuple[str, ...], fewest: int, most: int | None, separator: str = " ; ") -> Edge:
        """The edge on which `fewest` (1 or more) to `most` items begin, separators between them and the end behind."""
        if most is None:
            if fewest > 1:
                raise InputError("a grammar with a smallest number of boxes needs a largest one too")
            after = self.state(END)
            first = self.item(after, labels)
            self.states[after].append((Text(separator), self.state(first)))
            return first
        after = self.state(END)
        first = self.item(after, labels)
        for written in range(most - 1, 0, -1):
            after = self.state(*([END] if written >= fewest else []), (Text(separator), self.state(first)))
            first = self.item(after, labels)
        return first

    def grammar(self, task: str, **facts: Any) -> Grammar:
        return Grammar(task, tuple(map(tuple, self.states)), **facts)


@lru_cache(maxsize=256)
def box_grammar(
    task: str, *, names: tuple[str, ...] = (), nothing: str = "none", count: int | None = None, most: int | None = None
) -> Grammar:
    """Boxes joined by " ; ", each with one of `names` where there are any, or `nothing` alone (empty: just the end).

    `count`: exactly so many boxes (0: nothing); `most`: so many at the most.
    """
    fewest, most = _limits(count, most)
    build = Builder()
    start = build.state()
    if fewest == 0:
        build.states[start].append((Text(nothing), build.state(END)) if nothing else END)
    if most != 0:
        build.states[start].append(build.items(tuple(f" {name}" for name in names), max(fewest, 1), most))
    return build.grammar(task, names=names, fewest=fewest, most=most)


@lru_cache(maxsize=256)
def location_grammar(
    task: str, *, names: tuple[str, ...] = (), count: int | None = None, most: int | None = None, point: bool = False
) -> Grammar:
    """The grammar of our model's answers; see location.py for what each task looks like."""
    if task in ("locate", "detect"):
        return box_grammar(task, names=names, count=count, most=most)
    if task in ("describe", "caption", "answer") and (count is not None or most is not None):
        raise InputError(f"{task} answers in words: it takes no number of boxes")
    fewest, most = _limits(count, most)
    build = Builder()
    start = build.state()
    if task == "count":
        _count(build, fewest, min(MOST_COUNT if most is None else most, MOST_COUNT))
    elif task == "segment":
        _outlines(build, fewest, most)
    elif task == "describe":
        words = build.state(END)
        build.states[start] = [build.box(build.state((Words(spaced=True), words)))] if point else [(Words(), words)]
        return build.grammar(task, fewest=int(point), most=int(point))
    elif task == "answer":
        words = build.state(END)
        after = build.state((Words(), words), END)
        box = build.box(after)
        build.states[words].append(box)
        build.states[after].append(box)
        build.states[start] = [(Words(), words)]
    else:
        _caption(build)
    return build.grammar(task, fewest=fewest, most=most)


def _limits(count: int | None, most: int | None) -> tuple[int, int | None]:
    for limit in (count, most):
        if limit is not None and limit < 0:
            raise InputError(f"an answer can't have {limit} boxes: give 0 or more")
    return (0, most) if count is None else (count, count)


def _count(build: Builder, fewest: int, most: int) -> None:
    """`0`, or a number and so many boxes: the chain of boxes is one, and each number enters it at its own length."""
    if fewest == 0:
        build.states[0].append((Text("0"), build.state(END)))
    after = build.state(END)
    for number in range(1, most + 1):
        first = build.state(build.box(after))
        if number >= fewest:
            build.states[0].append((Text(f"{number} : "), first))
        after = build.state((Text(" ; "), first))


def _outlines(build: Builder, fewest: int, most: int | None) -> None:
    """Outlines of 3 corners or more joined by " ; ", or `none`."""

    def outline() -> tuple[Edge, int]:
        after = build.state(END)
        more = build.state((Coordinate("x", "free"), after))
        build.states[after].append((Coordinate("y", "free"), more))
        edge: Edge = (Coordinate("x", "free"), after)
        for axis in ("y", "x", "y", "x", "y"):
            edge = (Coordinate(axis, "free"), build.state(edge))
        return edge, after

    if fewest == 0:
        build.states[0].append((Text("none"), build.state(END)))
    if most == 0:
        return
    if most is None:
        first, after = outline()
        build.states[after].append((Text(" ; "), build.state(first)))
        build.states[0].append(first)
        return
    following: Edge | None = None
    for written in range(most, 0, -1):
        first, after = outline()
        if following is not None:
            build.states[after].append((Text(" ; "), build.state(following)))
        if written < fewest:
            build.states[after].remove(END)
        following = first
    if following is not None:
        build.states[0].append(following)


def _caption(build: Builder) -> None:
    """Words, with `<p>phrase</p>` and the phrase's boxes anywhere among them."""
    words = build.state(END)
    closed = build.state()
    inside = build.state((Words(), build.state((Text("</p>"), closed))))
    opening: Edge = (Text("<p>"), inside)
    after = build.state((Words(), words), opening, END)
    box = build.box(after)
    build.states[closed].append(box)
    build.states[after].append(box)
    build.states[words].append(opening)
    build.states[0] = [(Words(), words), opening]
