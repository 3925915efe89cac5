"""Facts: one photograph as tables and bitmasks, so that "which things could this phrase mean" is a few ANDs.

Bit `i` of a mask stands for `scene.things[i]`. A mask that a word or a cue gives is always the *loose* one: everything
the words might be said of, unsure things included. What is asked for lies in it for certain, and is certainly alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from grounding.data.photos.names import KINDS, Readings, is_plural, kind_readings, readings, word_for, words_of
from grounding.data.photos.people import ANYONE, GROWN, SMALL
from grounding.data.photos.things import PhotoScene, PhotoThing

TINY = 0.12
"""A thing under this share of another's area is background beside it: nobody counts it when saying "the left one"."""

# Colours that may be said of one another's things: names are cut differently by everyone, and light plays.
_NEAR_COLORS = (
    *("black gray", "black brown", "black blue", "black purple", "black green", "white gray", "white tan", "gray blue"),
    *("gray tan", "gray brown", "gray green", "red orange", "red pink", "red brown", "red purple", "pink purple"),
    *("pink orange", "pink tan", "orange yellow", "orange brown", "orange tan", "yellow tan", "yellow green"),
    *("green blue", "blue purple", "brown tan", "white pink", "white yellow", "white blue", "green brown"),
)
_ALIKE_COLORS: dict[str, set[str]] = {}
for _pair in _NEAR_COLORS:
    _one, _other = _pair.split(" ")
    _ALIKE_COLORS.setdefault(_one, set()).add(_other)
    _ALIKE_COLORS.setdefault(_other, set()).add(_one)
SHADES: dict[str, frozenset[str]] = {
    "dark": frozenset(("black", "brown", "gray", "blue", "green", "purple", "red")),
    "light": frozenset(("white", "tan", "gray", "yellow", "pink", "orange", "blue")),
}
"""What "dark" and "light" may be said of; they are said of black and of white things."""


@dataclass(frozen=True, slots=True)
class Noun:
    """What something is called, and everything that this might be said of."""

    words: str
    mask: int
    plural: bool = False
    """Whether "a" and "one" do not go with it ("skis")."""


@dataclass(frozen=True, slots=True)
class Tie:
    """One person and one thing that certainly have to do with one another."""

    person: int
    thing: int
    people: int
    """Everyone who might be said to have such a thing."""
    things: int
    """Every thing of its class that someone might be said to have."""


class Facts:
    """Tables of one photograph; see the top of the file. All lengths are fractions of the picture's sides."""

    def __init__(self, scene: PhotoScene) -> None:
        self.scene = scene
        self.things = scene.things
        self.count = len(scene.things)
        self.everything = (1 << self.count) - 1
        wide, high = float(scene.width), float(scene.height)
        self.x1 = [thing.box[0] / wide for thing in self.things]
        self.y1 = [thing.box[1] / high for thing in self.things]
        self.x2 = [thing.box[2] / wide for thing in self.things]
        self.y2 = [thing.box[3] / high for thing in self.things]
        self.cx = [(one + other) / 2 for one, other in zip(self.x1, self.x2, strict=True)]
        self.cy = [(one + other) / 2 for one, other in zip(self.y1, self.y2, strict=True)]
        self.w = [max(other - one, 1e-6) for one, other in zip(self.x1, self.x2, strict=True)]
        self.h = [max(other - one, 1e-6) for one, other in zip(self.y1, self.y2, strict=True)]
        self.area = [w * h for w, h in zip(self.w, self.h, strict=True)]
        self.names = [thing.name for thing in self.things]
        self.of_class: dict[str, int] = {}
        self.sure = 0
        for index, thing in enumerate(self.things):
            self.of_class[thing.name] = self.of_class.get(thing.name, 0) | 1 << index
            if thing.sure:
                self.sure |= 1 << index
        self.present = frozenset((*self.of_class, *scene.faint))
        """Classes that are never said to be missing."""
        self.persons = self.of_class.get("person", 0)
        self.stature = self._statures()
        """Of each thing: 1 for a person who looks grown beside smaller ones, -1 for such a smaller one, else 0."""
        self.worth = self._worths()
        """How likely someone is to ask about each thing; 0 for unsure ones."""
        self.places = frozenset(place for name in self.present for place in words_of(name).places)
        self.ties_known: list[Tie] | None = None
        """What roles.ties found; None before it was asked."""
        self.colorful = sum(1 << t.index for t in self.things if t.color or t.upper or t.lower)
        """Things of which some colour is known."""
        self._meant: dict[tuple[str, str], int] = {}
        self._colored: dict[tuple[str, str], int] = {}

    # ---- who is asked about

    def _worths(self) -> list[float]:
        worths = []
        for index, thing in enumerate(self.things):
            if not thing.sure:
                worths.append(0.0)
                continue
            # People ask about what is large enough to click on, mostly about people, and where there is a choice.
            worth = min(max(self.area[index] / 0.05, 0.08), 1.0)
            if thing.name == "person":
                worth *= 3.4
            elif thing.name in ("dining table", "bed"):
                worth *= 0.5
            if self.of_class[thing.name].bit_count() > 1:
                worth *= 1.6
            worths.append(worth)
        return worths

    def pick(self, rng: Random, mask: int) -> int | None:
        """A sure thing of the mask, drawn by its worth; None where there is none."""
        members = indices(mask & self.sure)
        if not members:
            return None
        return members[0] if len(members) == 1 else rng.choices(members, [self.worth[i] for i in members])[0]

    def _statures(self) -> list[int]:
        statures = [0] * self.count
        members = indices(self.persons)
        for small in members:
            for tall in members:
                # Smaller although no farther away: the feet are as low, and none are cut off below.
                level = abs(self.y2[small] - self.y2[tall]) < 0.09 and self.y2[small] < 0.97
                if level and self.h[tall] > 1.5 * self.h[small] and self.area[small] > 0.1 * self.area[tall]:
                    statures[small] = -1
        for tall in members:
            if statures[tall] == 0 and any(
                statures[small] < 0
                and self.h[tall] > 1.5 * self.h[small]
                and abs(self.y2[small] - self.y2[tall]) < 0.09
                for small in members
            ):
                statures[tall] = 1
        return statures

    # ---- words

    def meant_by(self, word: str, name: str) -> int:
        """Everything `word` might be said of, when it is said of a thing of class `name`."""
        key = (word, name)
        mask = self._meant.get(key)
        if mask is None:
            mask = self._meant[key] = self._read(readings(word, name))
        return mask

    def meant_by_kind(self, kind: str) -> int:
        """Everything that might be called one of this kind."""
        key = ("", kind)
        mask = self._meant.get(key)
        if mask is None:
            mask = self._meant[key] = self._read(kind_readings(kind))
        return mask

    def _read(self, classes: Readings) -> int:
        mask = 0
        for name, members in self.of_class.items():
            if name in classes.always:
                mask |= members
            elif name in classes.unsure:
                mask |= members & ~self.sure
        return mask

    def noun(self, index: int, rng: Random, *, kinds: float = 0.04, neutral: bool = False) -> Noun:
        """What someone calls this thing; of people `neutral` leaves out what only the eye can tell.

        `kinds` is how often a kind is named instead of the class: "animal" for a dog.
        """
        name = self.names[index]
        if name == "person":
            stature = self.stature[index]
            word = rng.choice(("person", "person", "player" if "field" in self.places else "person"))
            if not neutral:
                word = (GROWN if stature > 0 else SMALL if stature < 0 else ANYONE).draw(rng)
            return Noun(word, self.persons)
        if rng.random() < kinds and words_of(name).kinds:
            kind = rng.choice(words_of(name).kinds)
            if kind in KINDS:
                return Noun(rng.choice(KINDS[kind]), self.meant_by_kind(kind))
        word = word_for(name, rng)
        return Noun(word, self.meant_by(word, name), is_plural(word))

    # ---- colours

    def colored(self, color: str, part: str) -> int:
        """Things that might be called `color`: by their "color", "upper", "lower", or "worn" (a person's either)."""
        key = (color, part)
        mask = self._colored.get(key)
        if mask is None:
            mask = 0
            for index, thing in enumerate(self.things):
                if part == "color":
                    seen: tuple[str | None, ...] = (thing.color,)
                elif part == "upper":
                    seen = (thing.upper,)
                elif part == "lower":
                    seen = (thing.lower,)
                else:
                    seen = (thing.upper, thing.lower)
                if any(may_be(color, other) for other in seen) and not lacks(thing, color):
                    mask |= 1 << index
            self._colored[key] = mask
        return mask

    # ---- pairs

    def shared(self, one: int, other: int) -> float:
        """Area where two boxes overlap."""
        wide = min(self.x2[one], self.x2[other]) - max(self.x1[one], self.x1[other])
        high = min(self.y2[one], self.y2[other]) - max(self.y1[one], self.y1[other])
        return wide * high if wide > 0 and high > 0 else 0.0

    def contrasted(self, mask: int, index: int) -> bool:
        """Whether another sure thing of the mask stands beside thing `index`, so that "left" and "big" tell them apart.

        Where all others are unsure or background, there may be nothing to tell it from.
        """
        return bool(self.foreground(mask & self.sure, index) & ~(1 << index))

    def foreground(self, mask: int, beside: int) -> int:
        """Things of the mask that are not background beside thing `beside`."""
        least = TINY * self.area[beside]
        return sum(1 << i for i in indices(mask) if self.area[i] >= least)

    def rules(self, mask: int, index: int) -> bool:
        """Whether thing `index` is the only one of the mask that is not background beside it."""
        return self.foreground(mask, index) == 1 << index


def lacks(thing: PhotoThing, color: str) -> bool:
    """Whether hardly a pixel of the thing could be called this colour."""
    shade = SHADES.get(color)
    return color in thing.without if shade is None else shade <= thing.without


def may_be(color: str, other: str | None) -> bool:
    """Whether what was measured as `other` might be called `color`; what could not be measured might."""
    if other is None or other == color:
        return True
    shade = SHADES.get(color)
    return other in shade if shade is not None else other in _ALIKE_COLORS.get(color, ())


@lru_cache(maxsize=8192)
def indices(mask: int) -> tuple[int, ...]:
    """Numbers of the set bits, rising."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return tuple(found)


def reading_order(facts: Facts, members: Iterable[int]) -> tuple[int, ...]:
    """`members` from top to bottom, then left to right, by their upper left corners."""
    return tuple(sorted(members, key=lambda i: (facts.y1[i], facts.x1[i])))
