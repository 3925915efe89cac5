"""Owns what the rule of nouns reads out of a phrase: what is wanted, where it lies, how it looks, what it is beside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grounding.backends.noun_words import (
    BODY_PARTS,
    CLOTHES,
    COLORS,
    FILLERS,
    HEAD_WEAR,
    LOWER_CLOTHES,
    MEANINGS,
    ORDINALS,
    PERSON,
    SIDES,
    SUPERLATIVES,
    YOUNG,
    singular,
    words_of,
)

_AS_ONE = (
    (r"\bw/o\b", " without "),
    (r"\bw/", " with "),
    (r"\btee[ -]?shirts?\b|\bt[ -]shirts?\b", " tshirt "),
    (r"\b(left|right|top|bottom|upper|lower)[ -](most|hand)\b", r" \1most "),
    (r"\b(clos\w*|near\w*) to (the |my |our )?(camera|us|you|me|viewer|front|screen|photographer|lens)\b", " front "),
    (r"\b(furthest|farthest|far|further) (away )?from (the )?(camera|us|you|me|viewer|front|screen)\b", " back "),
    (r"\bfac\w* (away|camera|us|you|left|right|forward|the camera)\b", " "),
    (r"\b(looking|turned|pointing|leaning) (to |towards |at )?(the )?(left|right|camera|us|down|up|away)\b", " "),
    (r"\b(in )?(the )?(middle|center|centre) of (the )?(pic\w*|photo|image|frame|screen|shot)\b", " middle "),
    (r"\b(of|in) (the )?(pic\w*|photo|image|frame|screen|shot)\b", " "),
    (r"\b(left|right)most\s+side\s+of\b", r" \1 of "),
    (r"\b(to |on |at )?(the )?(far |immediate |direct )?(left|right)( hand)?( side)?\s+of\b", r" \4_of "),
    (r"\bfar(thest|thest to the)? (left|right)\b", r" \2most "),
    (r"\b(in|at|on|to) (the )?(very |far )?(back|front|rear)\b(?! of)", r" \4 "),
    (r"\b(in )?(the )?(back|fore)ground\b", r" \3ground "),
    (r"\bin[ -]?front of\b", " before "),
    (r"\b(at |in |to )?(the )?back of\b|\bin back of\b", " behind "),
    (r"\b(on |at |in )?(the )?(top|bottom) of\b", r" \3_of "),
    (r"\b(next|adjacent|close|closest|nearest|nearer|closer|beside|besides|alongside) to\b", " beside "),
    (r"\bunderneath\b|\bbeneath\b|\bbelow\b", " under "),
    (r"\binside( of)?\b|\bwithin\b", " inside "),
    (r"\b(stop|traffic|street) sign\b", " stop sign "),
)
"""Ways of saying it in several words, and the one word they are read as; in this order."""

_MARKS: Mapping[str, str] = {
    **dict.fromkeys(
        words_of("on in inside with holding riding carrying using eating touching against wearing"), "touch"
    ),
    **dict.fromkeys(words_of("pulling pushing hugging petting feeding driving swinging throwing cutting has"), "touch"),
    **dict.fromkeys(words_of("beside near by nearest nearby around along watching following"), "beside"),
    "left_of": "left",
    "right_of": "right",
    "behind": "behind",
    "before": "before",
    "under": "under",
    "above": "above",
    "over": "above",
    "top_of": "above",
    "bottom_of": "under",
    "between": "between",
}
"""Words that open a phrase of their own, and the relation they name."""
_OF_PEOPLE = frozenset(
    words_of(
        "holding riding carrying using eating wearing pulling pushing hugging petting feeding driving "
        "swinging throwing cutting watching"
    )
)
_CLOSED = frozenset(words_of("not no without but isn't isnt except"))
"""What follows says what is not meant."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Something else that the phrase names, and how what is wanted lies to it."""

    relation: str
    """touch, beside, left, right, above, under, behind, before or between."""
    what: Wanted


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a phrase asks for."""

    nouns: Mapping[str, float] = field(default_factory=dict)
    """A detector's names, and how well each fits, 0 to 1; empty: the phrase names nothing that is known."""
    unknown: bool = False
    """Whether it names something that no table has."""
    sides: tuple[tuple[str, float], ...] = ()
    """Axis (x, y, middle, near, size, height) and which end of it, weighed: -1.5 to 1.5."""
    ordinal: tuple[int, str, float] | None = None
    """(n, axis, end): the n-th from that end of the axis."""
    colors: tuple[tuple[str, str], ...] = ()
    """A colour and where it is to be seen: whole, upper, lower or head."""
    young: bool = False
    beside: tuple[Beside, ...] = ()


def read_phrase(phrase: str) -> Wanted:
    """What the phrase asks for; never raises. A phrase with nothing known in it asks for anything."""
    return _wanted(_segments(_tokens(phrase)))


def _tokens(phrase: str) -> list[str]:
    text = phrase.lower()
    for pattern, instead in _AS_ONE:
        text = re.sub(pattern, instead, text)
    words = (word.removesuffix("'s").strip("'") for word in re.findall(r"[a-z0-9_]+(?:'[a-z]+)?", text))
    return [word for word in words if word]


def _segments(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """("", the words up to the first mark), then each mark with the words behind it; what is negated is left out."""
    segments: list[tuple[str, list[str]]] = [("", [])]
    closed = False
    for word in words:
        if word in _MARKS:
            segments.append((word, []))
            closed = False
        elif word in _CLOSED:
            closed = True
        elif not closed:
            segments[-1][1].append(word)
    return segments


def _wanted(segments: Sequence[tuple[str, list[str]]]) -> Wanted:
    head = _Part(segments[0][1])
    beside: list[Beside] = []
    colors = list(head.colors)
    sides, ordinal, clothed = list(head.sides), head.ordinal, head.clothed
    doing = False
    for mark, words in segments[1:]:
        part = _Part(words)
        doing |= mark in _OF_PEOPLE
        clothed |= part.clothed or part.bodily
        if part.nouns and not part.bodily and not (part.clothed and mark in ("in", "wearing")):
            inner = Wanted(part.nouns, False, tuple(part.sides), part.ordinal, tuple(part.colors), part.young)
            beside.append(Beside(_MARKS[mark], inner))
            continue
        if mark == "behind" and not part.unknown:
            sides.append(("near", -1.0))
        if not (part.unknown and mark in ("left_of", "right_of", "under", "above", "top_of", "bottom_of")):
            sides += part.sides
        elif mark in ("left_of", "right_of"):  # of something no detector knows: it lies on that side, if anything
            sides.append(("x", -0.5 if mark == "left_of" else 0.5))
        ordinal = ordinal or part.ordinal
        colors += [
            (color, "upper" if where == "whole" and mark in ("in", "wearing") else where)
            for color, where in part.colors
        ]
    nouns, unknown = head.nouns, head.unknown
    if not nouns and (clothed or doing or (any(mark in ("in", "wearing") for mark, _ in segments) and colors)):
        nouns, unknown = {PERSON: 1.0}, False
    if ordinal is not None:
        ordinal, sides = _counted_from(ordinal, sides)
    return Wanted(nouns, unknown and not nouns, tuple(sides), ordinal, tuple(colors), head.young, tuple(beside))


def _counted_from(
    ordinal: tuple[int, str, float], sides: list[tuple[str, float]]
) -> tuple[tuple[int, str, float] | None, list[tuple[str, float]]]:
    """The ordinal with the end it counts from, which is then no side any more; from the left where none is said."""
    for place, (axis, end) in enumerate(sides):
        if axis in ("x", "y"):
            return (ordinal[0], axis, end), sides[:place] + sides[place + 1 :]
        if axis == "near":
            return (ordinal[0], "near", end), sides[:place] + sides[place + 1 :]
    return (ordinal[0], "x", -1.0), sides


class _Part:
    """One segment, read: its noun is the last known one, as English puts it."""

    def __init__(self, words: Sequence[str]) -> None:
        self.nouns: Mapping[str, float] = {}
        self.unknown = False
        self.sides: list[tuple[str, float]] = []
        self.ordinal: tuple[int, str, float] | None = None
        self.colors: list[tuple[str, str]] = []
        self.clothed = False
        self.young = False
        self.bodily = False
        """Whether its noun is a part of a body."""
        waiting: list[str] = []  # colours that still look for what they are the colour of
        strange = 0
        place = 0
        while place < len(words):
            word, after = words[place], words[place + 1 : place + 2]
            pair = f"{word} {singular(after[0])}" if after else ""
            if pair in MEANINGS:
                self._name(MEANINGS[pair], waiting)
                place += 2
                continue
            place += 1
            one = singular(word)
            if word in ORDINALS:
                self.ordinal = (ORDINALS[word], "x", -1.0)
            elif word in CLOTHES and (waiting or word not in SIDES):  # a black top, the top bunk
                self._wear(word, waiting)
            elif word in COLORS and (word != "orange" or self._is_color(words, place)) and word not in HEAD_WEAR:
                waiting.append(COLORS[word])
            elif one in MEANINGS:
                self._noun(word, one, waiting)
            elif word in SIDES:
                axis, end = SIDES[word]
                self.sides.append((axis, end * (1.5 if word in SUPERLATIVES else 1.0)))
            elif word not in FILLERS and word != "from" and not word.isdecimal():
                strange += not (self.nouns and word.endswith("ing"))  # what somebody who was named does
        self.colors += [(color, "whole") for color in waiting]
        self.unknown = not self.nouns and strange > 0

    def _name(self, fits: Mapping[str, float], waiting: list[str]) -> None:
        self.nouns = fits
        self.colors += [(color, "whole") for color in waiting]
        waiting.clear()

    def _noun(self, word: str, one: str, waiting: list[str]) -> None:
        if one in BODY_PARTS and waiting:
            self.colors += [(color, "head") for color in waiting]
            waiting.clear()
        if one in HEAD_WEAR and word in COLORS:
            self.colors.append((COLORS[word], "head"))
        self.young |= one in YOUNG
        if not MEANINGS[one]:
            return  # "one", "thing": it names nothing
        if one in BODY_PARTS and self.nouns:
            return  # the hand of somebody or something that was named
        self.bodily = one in BODY_PARTS
        self._name(MEANINGS[one], waiting)

    def _wear(self, word: str, waiting: list[str]) -> None:
        where = "lower" if word in LOWER_CLOTHES else "head" if word in HEAD_WEAR else "upper"
        self.colors += [(color, where) for color in waiting]
        waiting.clear()
        self.clothed = True

    @staticmethod
    def _is_color(words: Sequence[str], place: int) -> bool:
        """Whether something follows that an orange could be the colour of."""
        return any(singular(word) in MEANINGS or word in CLOTHES for word in words[place:])
