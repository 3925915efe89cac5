"""What the things of a drawn scene look like: kinds, colours, fills and sizes, and look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

import numpy as np

from grounding.data.scenes.scene import SceneOptions
from grounding.data.scenes.sprites import SpriteSet
from grounding.data.scenes.things import names_of, shape_of
from grounding.errors import ConfigError

T = TypeVar("T")

# Longer side of a thing over sqrt(width * height); gaps between the classes keep the word certain.
SIZES: dict[str, tuple[float, float]] = {"small": (0.095, 0.14), "medium": (0.19, 0.25), "large": (0.33, 0.42)}


class Chance:
    """Random draws that cost little and stay the same in every Python version (only `random()` promises that)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.random = Random(int(rng.integers(1 << 62))).random

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.random()

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[int(self.random() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different ones of `items`, or all when there are fewer."""
        left = list(items)
        return [left.pop(int(self.random() * len(left))) for _ in range(min(count, len(left)))]

    def weighted(self, items: Sequence[tuple[T, float]]) -> T:
        """One item by weight."""
        at = self.random() * sum(weight for _, weight in items)
        for item, weight in items:
            at -= weight
            if at < 0:
                return item
        return items[-1][0]


@dataclass(frozen=True)
class Look:
    """What a thing looks like, before it has a place."""

    kind: str
    name: str
    color: str | None
    fill: str
    size: str
    sprite: int | None = None


def sprites_of(options: SceneOptions) -> SpriteSet:
    """The sprites of `options`; ConfigError where there are none."""
    if options.sprites is None:
        raise ConfigError("this scene holds sprites and its options hold none: pass SceneOptions(sprites=...)")
    return options.sprites


class Looks:
    """Chooses what a scene's things look like."""

    def __init__(self, chance: Chance, options: SceneOptions, count: int) -> None:
        self.chance, self.options, self.count = chance, options, count
        crowded = count > 7
        self.sizes = (("small", 0.42), ("medium", 0.4), ("large", 0.1 if crowded else 0.35))
        self.fills: Sequence[str] = options.fills if chance.random() < 0.65 else ("solid",)
        # Sprites stand alone in some scenes and mixed half and half in others; over all scenes the share comes out.
        holding = min(1.0, 1.5 * options.sprite_share) if options.sprites is not None else 0.0
        self.sprites = chance.random() < holding
        self.only_sprites = self.sprites and chance.random() < 2 * options.sprite_share / holding - 1
        self.pool: list[int] = []

    def all(self) -> list[Look]:
        chance, options = self.chance, self.options
        first = self.first()
        looks = [first]
        style = chance.random()
        if style < options.distractors:
            one_size, one_fill = chance.random() < 0.4, chance.random() < 0.6
            if style < options.distractors / 2:  # a few kinds crossed with a few colours
                kinds = [first.kind, *chance.some([k for k in options.kinds if k != first.kind], chance.whole(1, 2))]
                others = [c for c in options.colors if c != first.color]
                colors = [c for c in (first.color, *chance.some(others, chance.whole(1, 2))) if c]
                while len(looks) < self.count:
                    looks.append(self.drawn(chance.pick(kinds), colors, first, one_size, one_fill))
            else:  # each differs from an earlier one in one attribute
                while len(looks) < self.count:
                    looks.append(self.near(chance.pick(looks)))
        else:
            kinds = chance.some(options.kinds, 1 if chance.random() < 0.12 else chance.whole(2, 8))
            colors = chance.some(options.colors, chance.whole(1, 8))
            while len(looks) < self.count:
                looks.append(self.any(kinds, colors))
        return looks

    def first(self) -> Look:
        chance, options = self.chance, self.options
        if options.only_pairs:
            color, kind = chance.pick(sorted(options.only_pairs))
            return self.with_fill(Look(kind, chance.pick(names_of(kind)), color, "solid", self.size_for(kind)))
        return self.any(options.kinds, options.colors)

    def any(self, kinds: Sequence[str], colors: Sequence[str]) -> Look:
        if self.only_sprites or (self.sprites and self.chance.random() < 0.5):
            return self.sprite()
        return self.drawn(self.chance.pick(kinds), colors)

    def sprite(self) -> Look:
        sprites = sprites_of(self.options)
        if not self.pool:  # few enough that some come twice
            self.pool = [sprites.pick(self.chance.random()) for _ in range(self.chance.whole(1, 9))]
        number = self.chance.pick(self.pool)
        return Look("sprite", sprites.name(number), None, "solid", self.chance.weighted(self.sizes), number)

    def drawn(
        self, kind: str, colors: Sequence[str], like: Look | None = None, size: bool = False, fill: bool = False
    ) -> Look:
        """A thing of one kind in one of `colors`; with the size or the fill of `like` where asked."""
        if kind == "sprite" or self.only_sprites:
            return self.sprite()
        name = like.name if like is not None and like.kind == kind else self.chance.pick(names_of(kind))
        forbidden = self.options.forbidden_pairs
        allowed = [c for c in colors if (c, kind) not in forbidden]
        if not allowed:
            allowed = [c for c in self.options.colors if (c, kind) not in forbidden]
        tiny = shape_of(name).kind.tiny
        chosen = like.size if like is not None and size and (tiny or like.size != "small") else self.size_for(kind)
        look = Look(kind, name, self.chance.pick(allowed), "solid", chosen)
        if like is not None and fill:
            return replace(look, fill=like.fill) if like.fill in shape_of(name).kind.fills else look
        return self.with_fill(look)

    def near(self, other: Look) -> Look:
        """A look-alike of `other`: one attribute changed, or none."""
        chance, options = self.chance, self.options
        if other.kind == "sprite":
            return replace(other, size=chance.weighted(self.sizes)) if chance.random() < 0.4 else self.sprite()
        what = chance.random()
        if what < 0.34 and len(options.colors) > 1:
            return self.drawn(other.kind, [c for c in options.colors if c != other.color], other, True, True)
        if what < 0.68 and len(options.kinds) > 1:
            kind = chance.pick(options.kinds)
            while kind == other.kind:
                kind = chance.pick(options.kinds)
            return self.drawn(kind, [other.color or options.colors[0]], other, True, True)
        if what < 0.84:
            sizes = [s for s in SIZES if s != other.size and (s != "small" or shape_of(other.name).kind.tiny)]
            return replace(other, size=chance.pick(sizes))
        if what < 0.94:
            fills = [f for f in options.fills if f != other.fill and f in shape_of(other.name).kind.fills]
            return replace(other, fill=chance.pick(fills)) if fills else other
        return other

    def size_for(self, kind: str) -> str:
        size = self.chance.weighted(self.sizes)
        if size == "small" and not shape_of(names_of(kind)[0]).kind.tiny:
            return "medium"
        return size

    def with_fill(self, look: Look) -> Look:
        fits = [f for f in self.fills if f in shape_of(look.name).kind.fills]
        if len(fits) < 2 or self.chance.random() < 0.4:
            return look
        return replace(look, fill=self.chance.pick(fits))
