"""Facts: one scene as tables of bitmasks, so that "which things could this phrase mean" is a few ANDs.

Bit `i` of a mask stands for `scene.things[i]`. Two readings of a noun are kept apart: the *sure* one (a ring is a
ring) and the *loose* one (a sprite of a doughnut might be called a ring too). A phrase is only used when its answer
is the same under both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from grounding.data.scenes.scene import Scene
from grounding.data.scenes.things import KINDS, names_of
from grounding.data.scenes.wording import Description

# What a sprite may show that a drawn kind is called, and the other way round. Drawn kinds are made to be told apart.
_LOOK_ALIKE: dict[str, tuple[str, ...]] = {
    "circle": ("ball", "coin", "button", "moon", "sun"),
    "ring": ("donut", "doughnut", "circle", "lifebuoy"),
    "oval": ("egg", "circle", "ball"),
    "square": ("box", "rectangle", "button"),
    "rectangle": ("box", "square", "button"),
    "diamond": ("gem", "kite", "square"),
    "cross": ("plus", "multiply", "x"),
    "crescent": ("moon", "croissant", "banana"),
    "drop": ("droplet", "tear", "sweat"),
    "lightning bolt": ("lightning", "voltage", "thunder"),
    "house": ("home", "building", "hut", "cottage"),
    "tree": ("evergreen", "palm", "pine", "christmas"),
    "car": ("taxi", "automobile", "truck", "bus", "van", "vehicle"),
    "cup": ("mug", "glass", "teacup", "beverage"),
    "fish": ("shark", "blowfish", "dolphin"),
    "flower": ("rose", "tulip", "sunflower", "blossom", "hibiscus", "bouquet", "daisy"),
    "boat": ("sailboat", "ship", "speedboat", "canoe", "ferry"),
    "star": ("sparkle",),
    "apple": ("tomato", "cherry", "peach"),
}
_SMALL_WORDS = frozenset(("of", "with", "and", "the", "in", "on", "letter", "digit"))
_SHAPES = frozenset(
    [
        *("circle", "square", "triangle", "rectangle", "star", "heart", "diamond", "pentagon", "hexagon", "cross"),
        *("ring", "crescent", "arrow", "oval", "drop"),
    ]
)
"""Kinds that go by "shape" too."""

DRAWN = frozenset(("letter", "digit", *(name.lower() for kind in KINDS for name in names_of(kind))))
"""Nouns of the drawn kinds."""

# Which attributes a description names: bits size 8, fill 4, color 2, head 1; sorted by how many they are.
_SAID = tuple((3.0 if bits & 1 else 1.0) * (0.4 if bits & 8 else 1.0) for bits in range(16))
SUBSETS = tuple(sorted(range(1, 16), key=lambda bits: (bits.bit_count(), bits)))
_LOOSE_WEIGHTS = ((1, 42), (0, 13), (2, 11), (3, 16), (5, 7), (9, 6), (4, 3), (8, 2))
_LOOSE_CHOICES = tuple(bits for bits, weight in _LOOSE_WEIGHTS for _ in range(weight))


@dataclass(frozen=True)
class Vocabulary:
    """Words a phrase may use although nothing in the scene goes by them."""

    colors: tuple[str, ...]
    heads: tuple[str, ...]
    """Lower-case names of the drawn kinds ("star", "letter a")."""
    sprites: tuple[str, ...] = ()
    fills: tuple[str, ...] = ("outlined", "striped", "dotted", "checked")
    unspoken_pairs: frozenset[tuple[str, str]] = frozenset()
    """(colour, head) pairs never to be named as missing: a model would learn that they do not exist."""


def heads_of(name: str, kind: str) -> tuple[str, ...]:
    """Lower-case nouns that fit a thing, the most exact first: "letter a", "letter"."""
    name = name.lower()
    return (name, kind) if kind in ("letter", "digit") and kind != name else (name,)


def could_be(word: str, heads: Iterable[str]) -> bool:
    """Whether `word` might be said of a thing that goes by `heads`: same word, shared words, look-alikes."""
    parts = _stems(word)
    alike = parts.union(*(_LOOK_ALIKE.get(part, ()) for part in (word, *parts)))
    for head in heads:
        theirs = _stems(head)
        if head == word or not alike.isdisjoint(theirs):
            return True
        if any(not parts.isdisjoint(_LOOK_ALIKE.get(part, ())) for part in (head, *theirs)):
            return True
    return False


@lru_cache(maxsize=4096)
def _stems(name: str) -> frozenset[str]:
    """The words of a name that carry its meaning, without a plural s."""
    return frozenset(part.removesuffix("s") for part in name.split() if part not in _SMALL_WORDS)


class Facts:
    """Bitmask tables of one scene; see the top of the file."""

    def __init__(self, scene: Scene, words: Vocabulary, focus: frozenset[tuple[str, str]] = frozenset()) -> None:
        things = scene.things
        self.scene = scene
        self.words = words
        self.things = things
        self.count = len(things)
        self.everything = (1 << len(things)) - 1
        self.width, self.height = float(scene.width), float(scene.height)
        self.x = [thing.center[0] for thing in things]
        self.y = [thing.center[1] for thing in things]
        self.heads = [heads_of(thing.name, thing.kind) for thing in things]
        self.color: dict[str, int] = {}
        self.fill: dict[str, int] = {}
        self.size: dict[str, int] = {}
        self.head: dict[str, int] = {}
        self._loose_head: dict[str, int] = {}
        self._unique: list[tuple[int, ...] | None] = [None] * len(things)
        self.visible = 0
        self.sprites = 0
        self.focus = 0
        shapes = True
        for index, thing in enumerate(things):
            bit = 1 << index
            for head in self.heads[index]:
                self.head[head] = self.head.get(head, 0) | bit
            self.size[thing.size] = self.size.get(thing.size, 0) | bit
            if thing.is_sprite:
                self.sprites |= bit
            else:
                if thing.color is not None:
                    self.color[thing.color] = self.color.get(thing.color, 0) | bit
                self.fill[thing.fill] = self.fill.get(thing.fill, 0) | bit
            if thing.visibility >= 0.5:
                self.visible |= bit
            if thing.kind not in _SHAPES:
                shapes = False
            if not focus or (thing.color, self.heads[index][0]) in focus:
                self.focus |= bit
        self.shapes = shapes
        """Every thing is a geometric shape, so "shape" fits all of them."""

    def loose_head(self, word: str) -> int:
        """Things that `word` might be said of."""
        mask = self._loose_head.get(word)
        if mask is None:
            mask = self.head.get(word, 0)
            # Words are loose only where a sprite is on one side or the other.
            for index in indices(self.sprites if word in DRAWN else self.everything):
                if could_be(word, self.heads[index]):
                    mask |= 1 << index
            self._loose_head[word] = mask
        return mask

    def loose(self, description: Description) -> int:
        """Things the description might mean; a sprite, having no named colour, might be of any."""
        size, fill, color, head = description
        mask = self.everything
        if head is not None:
            mask &= self.loose_head(head)
        if color is not None:
            mask &= self.color.get(color, 0) | self.sprites
        if fill is not None:
            same = self.fill.get(fill, 0)
            if fill == "solid":
                same |= self.fill.get("gradient", 0)
            elif fill == "gradient":
                same |= self.fill.get("solid", 0)
            mask &= same | self.sprites
        if size is not None:
            mask &= self.size.get(size, 0)
        return mask

    def sure(self, description: Description) -> int:
        """Things the description certainly fits."""
        size, fill, color, head = description
        mask = self.everything
        if head is not None:
            mask &= self.head.get(head, 0)
        if color is not None:
            mask &= self.color.get(color, 0)
        if fill is not None:
            mask &= self.fill.get(fill, 0)
        if size is not None:
            mask &= self.size.get(size, 0)
        return mask

    def describe(self, index: int, bits: int) -> Description | None:
        """The description of one thing by the attributes in `bits`; None where it has no such attribute."""
        thing = self.things[index]
        if bits & 6 and thing.is_sprite:
            return None
        return Description(
            thing.size if bits & 8 else None,
            thing.fill if bits & 4 else None,
            thing.color if bits & 2 else None,
            self.heads[index][0] if bits & 1 else None,
        )

    def unique(self, index: int, rng: Random, *, rich: bool = False, bare: bool = True) -> Description | None:
        """A description that fits thing `index` and no other: minimal mostly, now and then with one word more.

        `rich` prefers those that bind two or more attributes; without `bare` the noun is always said.
        """
        thing = self.things[index]
        minimal = self._minimal(index)
        if thing.fill == "solid" and rng.random() < 0.8:
            minimal = tuple(bits for bits in minimal if not bits & 4)
        if not bare:
            minimal = tuple(dict.fromkeys(bits | 1 for bits in minimal))
        if not minimal:
            return None
        binding = tuple(bits for bits in minimal if bits.bit_count() >= 2) if rich else ()
        pool = binding if binding and rng.random() < 0.75 else minimal
        bits = pool[0] if len(pool) == 1 else rng.choices(pool, [_SAID[bits] for bits in pool])[0]
        if rng.random() < (0.5 if rich and bits.bit_count() == 1 else 0.25) and not thing.is_sprite:
            extra = rng.choice((2, 2, 1, 1, 4, 8))
            if not (extra == 4 and thing.fill in ("solid", "gradient")) and not (extra == 8 and thing.size == "medium"):
                bits |= extra
        return self.describe(index, bits)

    def _minimal(self, index: int) -> tuple[int, ...]:
        """Sets of attributes that fit only this thing, and that none may be taken from; the smallest first."""
        found = self._unique[index]
        if found is None:
            thing = self.things[index]
            said = [0] * 16
            said[0] = self.everything
            said[1] = self.loose_head(self.heads[index][0])
            said[8] = self.size[thing.size]
            if not thing.is_sprite:
                said[2] = self.color[thing.color] | self.sprites if thing.color is not None else 0
                # Shading is never spoken of, and "solid" might be said of it.
                plain = self.fill.get("gradient", 0) if thing.fill == "solid" else 0
                said[4] = 0 if thing.fill == "gradient" else self.fill[thing.fill] | plain | self.sprites
            minimal: list[int] = []
            for bits in SUBSETS:
                low = bits & -bits
                if bits != low:
                    said[bits] = said[low] & said[bits ^ low]
                if said[bits] == 1 << index and not any(bits & known == known for known in minimal):
                    minimal.append(bits)
            found = self._unique[index] = tuple(minimal)
        return found

    def least_words(self, index: int) -> int:
        """How many attributes it takes to tell this thing from all others; 0 where none suffice."""
        return min((bits.bit_count() for bits in self._minimal(index)), default=0)

    def some(self, index: int, rng: Random) -> Description:
        """A description that fits thing `index`, and mostly others too: what a relation is then needed for."""
        thing = self.things[index]
        for _ in range(4):
            bits = rng.choice(_LOOSE_CHOICES)
            if (bits & 4 and thing.fill in ("solid", "gradient")) or (
                bits & 8 and thing.size == "medium" and rng.random() < 0.6
            ):
                continue
            if bits & 1 and len(self.heads[index]) > 1 and rng.random() < 0.5:
                base = self.describe(index, bits)
                if base is not None:
                    return base._replace(head=self.heads[index][1])
            description = self.describe(index, bits)
            if description is not None:
                return description
        return Description(head=self.heads[index][0])


def indices(mask: int) -> list[int]:
    """Numbers of the set bits, rising."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def reading_order(facts: Facts, members: Iterable[int]) -> tuple[int, ...]:
    """`members` from top to bottom, left to right within one row of a layout in rows."""
    things = facts.things
    if facts.scene.layout == "rows":
        return tuple(sorted(members, key=lambda i: (things[i].row or 0, things[i].box[0])))
    return tuple(sorted(members, key=lambda i: (things[i].box[1], things[i].box[0])))
