"""Owns what the JSON objects of an answer mean as regions, for all families that write JSON.

More is read than what is asked for: other keys (json_keys.py), broken JSON (json_repair.py), a single object, bare
lists of four numbers, and objects inside of objects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from grounding.codecs.base import BLANK, Decoded, Stream
from grounding.codecs.collect import Box, Collector
from grounding.codecs.json_keys import (
    BOX,
    LABEL_KEYS,
    NO_LABEL,
    POINT,
    ROLES,
    is_box,
    is_places,
    label_in,
    label_of_key,
    numbers_in,
    places_in,
    role_of,
    sides_by_name,
)
from grounding.codecs.json_repair import STOP, JSONReader
from grounding.codecs.json_structure import Found, Pairs
from grounding.result import Region

if TYPE_CHECKING:
    pass

SPECIAL = re.compile(r"<\|[^<>\s]{1,24}\|>|</?(?:think|answer|s)>|<(?:eos|bos|pad|unk)>", re.IGNORECASE)
_THINKING = re.compile(
    r"\A[\s\S]*</think(?:ing)?>|<think(?:ing)?>[\s\S]*?(?:</think(?:ing)?>|(?=<answer>)|\Z)|</?answer>"
)
_FENCE_BEFORE = re.compile(r"`{3,8}\w{0,16}\s*\Z")
_FENCE_AFTER = re.compile(r"\s*`{3,8}")

IN_WORDS = ("caption", "answer", "describe")
"""Tasks that are answered in words."""


class JSONStream(Stream):
    """Regions of the objects and lists in an answer, each as soon as it closes."""

    def __init__(self, collector: Collector, task: str) -> None:
        self._collector, self._task = collector, task
        self._reader = JSONReader()
        self._in_words = task in IN_WORDS
        self._raw: list[str] = []  # the whole answer, where it is words
        self._tried = -1  # where the last object or list began that was meant as a place
        self._nothing = False  # whether it says that nothing is there
        self._asides: list[tuple[int, int]] = []  # lists that mean nothing
        self._known: set[tuple[Any, ...]] = set()
        self._shown: list[int] = []  # beside words: where objects began that gave regions

    def feed(self, piece: str) -> tuple[Region, ...]:
        regions = self._collector.regions
        known = len(regions)
        if self._in_words:
            self._raw.append(piece)
        for found in self._reader.feed(piece):
            if found.mark == "{":
                self._take_object(found)
            else:
                self._take_list(found)
        self.yielded = len(regions)
        return tuple(regions[known:])

    def close(self) -> Decoded:
        for found in self._reader.close():
            if found.mark == "{":
                self._take_object(found)
            else:
                self._take_list(found)
        reader, collector = self._reader, self._collector
        end = reader.position
        if self._in_words:
            text = self._words()
            if self._shown:
                collector.problems += [problem for problem in reader.problems if problem.kind != "unknown_token"]
            elif reader.in_thinking:
                collector.problems += reader.problems[-1:]
            if not text and not collector.problems:
                collector.report("truncated", "the answer has no words", 0, end)
            return collector.decoded(text=text)
        collector.problems += reader.problems
        if not collector.regions and not collector.problems and not self._nothing:
            spans = [*self._asides, *([reader.words] if reader.words else [])]
            if spans:
                kind, message = ("prose", "words, and no box among them") if reader.words else ("malformed", "no box")
                collector.report(kind, message, min(span[0] for span in spans), max(span[1] for span in spans))
            else:
                collector.report("truncated", "an empty answer, where [] means nothing there", 0, end)
        return collector.decoded()

    # -- objects

    def _take_object(self, found: Found) -> None:
        if len(found.value) == 2 and not self._in_words:  # a box and a label, and nothing to be told about them
            (key, value), (key_2, label) = found.value
            if ROLES.get(key_2) == BOX:
                key, value, key_2, label = key_2, label, key, value
            if ROLES.get(key) == BOX and ROLES.get(key_2, -1) >= 0 and label.__class__ is str and is_box(value):
                self._tried = found.start
                label = label.strip(BLANK) or None
                self._collector.add_box(value, found.start, found.end, label=label)
                return
        self._take_any_object(found)

    def _take_any_object(self, found: Found) -> None:
        places: list[tuple[Any, bool]] = []
        label: Any = None
        rank, meant = NO_LABEL, False
        for key, value in found.value:
            role = ROLES.get(key)
            if role is None and (role := role_of(key)) is None:
                continue
            if role >= 0:
                if role == rank and places:  # the same key again: the next thing, in the same braces
                    self._add(places, label, found)
                    places = []
                if role <= rank:
                    label, rank = value, role
            elif value == []:
                self._nothing = meant = True
            elif value.__class__ is not list or value[0].__class__ is not Pairs:  # else each was taken by itself
                if rank < NO_LABEL and places and any(point == (role == POINT) for _, point in places):
                    self._add(places, label, found)
                    places, label, rank = [], None, NO_LABEL
                places.append((value, role == POINT))
                meant = True
        if places:
            self._add(places, label, found)
        elif not meant:
            meant = self._take_other(found)
        if meant:
            self._tried = found.start
        elif not found.outer and self._tried < found.start and found.whole and not self._in_words:
            self._collector.report("malformed", "an object without a box", found.start, found.end)

    def _take_other(self, found: Found) -> bool:
        """An object without the usual keys: sides by name, or things by name. Whether it meant a place."""
        if (sides := sides_by_name(Pairs(found.value))) is not None:
            if role_of(found.key) is not None:
                return False  # the object around it has it as its box
            values = {key.strip().lower(): value for key, value in found.value}
            label = next((values[key] for key in LABEL_KEYS if key in values), None)
            self._add([(sides, len(sides) == 2)], label, found)
            return True
        meant = False
        for key, value in found.value:
            if value == [] and not found.outer:
                self._nothing = meant = True
            elif key and is_places(value):
                self._add([(value, False)], label_of_key(key), found)
                meant = True
        return meant

    def _add(self, places: list[tuple[Any, bool]], label: Any, found: Found) -> None:
        """The regions of one thing: its places, and what it is called."""
        if label is None and found.key:
            label = label_of_key(found.key)
        boxed = len(places) > 1 and not all(point for _, point in places)
        for value, point in places:
            if point and boxed:
                continue  # the box of the same thing says more
            several = places_in(value, point)
            if label.__class__ is list and len(label) == len(several) > 1:
                for numbers, own in zip(several, label, strict=True):
                    self._place(numbers, point, own, found)
            else:
                for numbers in several:
                    self._place(numbers, point, label, found)

    def _place(self, value: Any, point: bool, label: Any, found: Found) -> None:
        numbers = numbers_in(value)
        collector, start, end = self._collector, found.start, found.end
        if not found.whole and (numbers is None or len(numbers) != (2 if point else 4)):
            return  # the text was cut in it, which is reported
        words = label.strip(BLANK) or None if label.__class__ is str else label_in(label)
        if numbers is None:
            collector.report("malformed", "a box with a coordinate that can't be read", start, end)
        elif point or (len(numbers) == 2 and self._task == "point"):
            if (spot := collector.point(numbers, start, end)) is not None:
                if self._in_words:
                    self._show((*spot, *spot), words, spot)
                else:
                    collector.add_point(spot, start, end, label=words)
        elif not self._in_words:
            collector.add_box(numbers, start, end, label=words)
        elif (box := collector.box(numbers, start, end)) is not None:
            self._show(box, words, None)
        if self._in_words and found.mark == "{":
            self._shown.append(start)

    def _show(self, box: Box, label: str | None, point: tuple[float, float] | None) -> None:
        """A region beside words: without a span, for it is not among them."""
        if (box, label, point) not in self._known:
            self._known.add((box, label, point))
            self._collector.regions.append(Region(box, label=label, point=point))

    # -- lists

    def _take_list(self, found: Found) -> None:
        """A list outside of objects: four numbers are a box, and a word beside them its label."""
        values = found.value
        numbers = [value for value in values if value.__class__ is int or value.__class__ is float]
        words = [value for value in values if value.__class__ is str]
        wanted = (4, 2) if self._task == "point" else (4,)
        if len(numbers) in wanted and len(words) <= 1 and len(numbers) + len(words) == len(values):
            self._tried = found.start
            self._place(numbers, False, words[0] if words else None, found)
        elif not values:
            self._nothing = True
        elif self._in_words or not found.whole:
            pass
        elif len(numbers) == len(values) > 1 and found.mark == "[":
            self._collector.report("malformed", f"{len(numbers)} of a box's 4 coordinates", found.start, found.end)
        else:
            self._asides.append((found.start, found.end))

    # -- words

    def _words(self) -> str:
        """The answer without thinking, tokens, and the JSON that gave regions."""
        raw = "".join(self._raw)
        kept: list[str] = []
        done = taken = 0
        shown = sorted(self._shown)
        for first, last in self._reader.structures:
            before = taken
            while taken < len(shown) and shown[taken] < last:
                taken += 1
            if taken > before:
                kept.append(_FENCE_BEFORE.sub("", raw[done:first]))
                after = _FENCE_AFTER.match(raw, last)
                done = after.end() if after else last
        kept.append(raw[done:])
        return STOP.sub("", _THINKING.sub("", "".join(kept))).strip(BLANK)
