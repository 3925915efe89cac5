"""How colours are spoken of: what people wear, and what colour other things are."""

from __future__ import annotations

from random import Random

from grounding.data.photos.facts import Facts
from grounding.data.photos.people import BOTTOMS, SNOW_TOPS, SPORT_TOPS, SUITS, TOPS, Words
from grounding.data.photos.wording import Said, a

TYPICAL = frozenset(
    (
        *(("banana", "yellow"), ("broccoli", "green"), ("carrot", "orange"), ("orange", "orange"), ("zebra", "white")),
        *(("elephant", "gray"), ("zebra", "black"), ("zebra", "gray"), ("toilet", "white"), ("giraffe", "brown")),
        *(("stop sign", "red"), ("potted plant", "green"), ("giraffe", "tan"), ("sink", "white"), ("pizza", "yellow")),
        *(("sheep", "white"), ("pizza", "orange"), ("pizza", "brown"), ("giraffe", "orange"), ("giraffe", "yellow")),
    )
)
"""Colours that go without saying; they are said now and then all the same."""
_SYNONYMS = {
    "gray": Words("gray 5, grey 5, silver 0.4"),
    "tan": Words("tan 6, beige 2, light brown 1, khaki 0.7"),
    "purple": Words("purple 9, violet 0.4, lavender 0.3"),
    "black": Words("black 30, dark 2, all black 0.3"),
    "white": Words("white 30, light 0.6"),
    "blue": Words("blue 30, dark blue 0.5, light blue 0.7"),
    "green": Words("green 30, dark green 0.5, lime green 0.3"),
    "red": Words("red 30, bright red 0.3, maroon 0.2"),
    "pink": Words("pink 30, hot pink 0.4"),
    "brown": Words("brown 30, dark brown 0.6"),
    "yellow": Words("yellow 30, bright yellow 0.3"),
    "orange": Words("orange 30, bright orange 0.3"),
}
_TOP_TAILS = Words(
    "in C 20, in C G 22, in the C G 4, in A 3, with C G 9, with the C G 2, with A 1.5, wearing C 4, wearing C G 5, "
    "wearing A 4, wearing the C G 0.6, w C G 0.6, w/ C G 1.5, C G 6, that is wearing C 0.4, who is wearing A 0.2, "
    "in C G on 0.1, has C G on 0.3, with C G on 0.6, in the C 0.3, with C 0.8"
)
_HEADLESS_TOP = Words(
    "C G 50, C 6, in C 5, the one in C 2, one in C 2, wearing C 1.5, one with C G 1, C G H 7, the C G 2, H C G 1"
)
_BOTTOM_TAILS = Words(
    "in C G 30, with C G 12, wearing C G 8, C G 7, in the C G 3, with the C G 2, w/ C G 1, in C 4, with C G on 0.5"
)
_HEADLESS_BOTTOM = Words("C G 50, in C G 2, one in C G 3, C G H 4")
_SUIT_TAILS = Words(
    "in all C 16, in C 14, in C G 20, wearing all C 4, dressed in C 3, dressed in all C 2, "
    "wearing C 6, in A 3, all in C 2, with C G 3"
)
_HEADLESS_SUIT = Words("C G 40, all C 10, C 5, in all C 4, in C 3, the one in all C 1, C G H 5")
_BOTH_TAILS = Words(
    "in C G and D K 10, with C G and D K 4, in C G D K 3, wearing C G and D K 3, C G D K 3, "
    "in C and D 1.5, in C G with D K 1.5"
)
_HEADLESS_BOTH = Words("C G D K 10, C G and D K 6, C G with D K 2")
_ANIMALS = frozenset(("cat", "dog", "horse", "sheep", "cow", "bird", "bear", "elephant", "teddy bear"))


def color_word(color: str, rng: Random) -> str:
    """What someone calls this colour: mostly its own name; "gray" as often as "gray"."""
    words = _SYNONYMS.get(color)
    return color if words is None else words.draw(rng)


def loose_color(word: str, color: str) -> str:
    """The colour by which others are ruled out: that of "dark" and "light" is wider than the measured one."""
    return word if word in ("dark", "light") else color


def undressed(facts: Facts, index: int, rng: Random) -> tuple[Said, int] | None:
    """A noun phrase with the thing's colour ("white car", "the red one"), and all it might be said of."""
    thing = facts.things[index]
    if thing.color is None:
        return None
    if (thing.name, thing.color) in TYPICAL and rng.random() < 0.85:
        return None
    noun = facts.noun(index, rng)
    word = color_word(thing.color, rng).removeprefix("all ")
    mask = noun.mask & facts.colored(loose_color(word, thing.color), "color")
    if rng.random() < 0.16:
        from grounding.data.photos.phrases import pool

        around = pool(facts)
        if around >> index & 1:
            # A bare colour means one of those that the picture is of.
            head = "one" if rng.random() < 0.7 or word in ("dark", "light", "orange") else ""
            colored = around & facts.colored(loose_color(word, thing.color), "color")
            return (Said("one", [word]) if head else Said(word, headless=True)), colored
    if rng.random() < 0.04 and not noun.plural:
        return Said(noun.words, after=[f"that is {word}"]), mask
    if rng.random() < 0.06 and thing.name in _ANIMALS and word in ("dark", "light", "black", "white", "brown"):
        word = {"black": "darker", "white": "lighter", "brown": "brown colored"}.get(word, f"{word} colored")
        if word in ("darker", "lighter"):
            mask = noun.mask & facts.colored(word[:-2].replace("ligh", "light").replace("lightt", "light"), "color")
    return Said(noun.words, [word], plural=noun.plural), mask


def dressed(facts: Facts, index: int, rng: Random, *, headless: float = 0.25) -> tuple[Said, int] | None:
    """A noun phrase with what a person wears ("guy in white", "red shirt"), and everyone it might be said of.

    `headless` is how often the clothes stand for the person.
    """
    thing = facts.things[index]
    upper, lower = thing.upper, thing.lower
    if upper is None and lower is None:
        return None
    bare = rng.random() < headless
    if upper is not None and upper == lower and rng.random() < 0.6:
        pattern, word, garment = (
            (_HEADLESS_SUIT if bare else _SUIT_TAILS).draw(rng),
            color_word(upper, rng),
            SUITS.draw(rng),
        )
        word = word.removeprefix("all ")
        mask = facts.colored(loose_color(word, upper), "worn")
        return _worn(facts, index, rng, pattern, (word, garment, "", ""), mask, bare)
    if upper is not None and lower is not None and rng.random() < 0.13:
        pattern = (_HEADLESS_BOTH if bare else _BOTH_TAILS).draw(rng)
        words = (color_word(upper, rng), _top(facts, rng), *_bottom(lower, rng))
        mask = facts.colored(loose_color(words[0], upper), "upper") & facts.colored(
            loose_color(words[2], lower), "lower"
        )
        return _worn(facts, index, rng, pattern, words, mask, bare)
    if upper is None or (lower is not None and rng.random() < 0.2):
        assert_lower = lower or ""
        pattern = (_HEADLESS_BOTTOM if bare else _BOTTOM_TAILS).draw(rng)
        word, garment = _bottom(assert_lower, rng)
        part = "worn" if "G" not in pattern else "lower"
        mask = facts.colored(loose_color(word, assert_lower), part)
        return _worn(facts, index, rng, pattern, (word, garment, "", ""), mask, bare)
    pattern = (_HEADLESS_TOP if bare else _TOP_TAILS).draw(rng)
    word = color_word(upper, rng)
    part = "upper" if "G" in pattern or "A" in pattern else "worn"
    mask = facts.colored(loose_color(word, upper), part)
    return _worn(facts, index, rng, pattern, (word, _top(facts, rng), "", ""), mask, bare)


def _top(facts: Facts, rng: Random) -> str:
    if facts.places & {"snow"}:
        return SNOW_TOPS.draw(rng)
    if facts.places & {"field", "court"} and rng.random() < 0.8:
        return SPORT_TOPS.draw(rng)
    if "water" in facts.places and "surfboard" in facts.of_class and rng.random() < 0.3:
        return "wetsuit" if rng.random() < 0.7 else "wet suit"
    return TOPS.draw(rng)


def _bottom(color: str, rng: Random) -> tuple[str, str]:
    if color == "blue" and rng.random() < 0.45:
        return rng.choice(("blue", "blue", "denim")), "jeans"
    garment = BOTTOMS.draw(rng)
    if garment == "jeans" and color not in ("blue", "black", "gray"):
        garment = "pants"
    return color_word(color, rng).removeprefix("all "), garment


def _worn(
    facts: Facts,
    index: int,
    rng: Random,
    pattern: str,
    words: tuple[str, str, str, str],
    mask: int,
    bare: bool,
) -> tuple[Said, int]:
    noun = facts.noun(index, rng)
    color, garment, other, below = words
    if pattern in ("C", "in C", "in the C") and color in ("dark", "light"):
        pattern += " G"
        garment = garment if garment != "" else "clothes"
    filled = []
    for part in pattern.split(" "):
        if part == "A":
            plural = garment.endswith(("s", "clothing", "attire", "gear"))
            part = f"{color} {garment}" if plural else a(f"{color} {garment}")
        else:
            part = {"C": color, "G": garment, "D": other, "K": below, "H": noun.words}.get(part, part)
        filled.append(part)
    text = " ".join(filled)
    mask &= noun.mask
    if bare:
        return Said(text, headless=True), mask
    return Said(noun.words, after=[text]), mask
