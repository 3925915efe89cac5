"""Words of the drawn scenes: adjectives and their synonyms, plurals, articles, ordinals, whole noun phrases.

Nothing here looks at a picture: a `Description` says which attributes are spoken of, this file says how.
Every wording is lower case and plain English, so that a tokenizer with a small vocabulary carries it in few tokens.
"""

from random import Random
from typing import NamedTuple


class Description(NamedTuple):
    """What a phrase says of a thing: None is left unsaid, `head` None is spoken as "thing"."""

    size: str | None = None
    fill: str | None = None
    color: str | None = None
    head: str | None = None


FILL_WORDS: dict[str, tuple[str, ...]] = {
    "solid": ("solid", "plain"),
    "outlined": ("outlined", "hollow"),
    "striped": ("striped",),
    "dotted": ("dotted", "spotted"),
    "checked": ("checked", "checkered"),
    "gradient": ("shaded",),
}
FILL_TAILS = {"striped": "with stripes", "dotted": "with dots", "checked": "with checks"}
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "small", "little"),
    "medium": ("medium", "medium-sized"),
    "large": ("large", "big"),
}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
GENERIC = ("thing", "thing", "object", "one", "item")
GENERIC_PLURAL = ("things", "things", "objects", "items")

_IRREGULAR = {
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
    "mouse": "mice",
    "leaf": "leaves",
    "knife": "knives",
    "wolf": "wolves",
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "tooth": "teeth",
    "foot": "feet",
    "goose": "geese",
    "ox": "oxen",
    "cactus": "cacti",
    "octopus": "octopuses",
    "loaf": "loaves",
    "scarf": "scarves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mango": "mangoes",
    "volcano": "volcanoes",
    "squid": "squid",
    "shrimp": "shrimp",
}
_ALWAYS_PLURAL = frozenset(
    (
        *("scissors", "glasses", "sunglasses", "jeans", "shorts", "trousers", "pants", "fries", "headphones", "grapes"),
        *("cherries", "socks", "gloves", "chopsticks", "goggles", "footprints", "dice", "bricks", "eyes"),
    )
)
_AN_EXCEPTIONS = ("uni", "use", "ufo", "one", "eur", "u-")


def is_always_plural(name: str) -> bool:
    """Whether `name` has no singular ("scissors"), so that "a" and "every" do not go with it."""
    return name.rsplit(" ", 1)[-1] in _ALWAYS_PLURAL


def plural(name: str) -> str | None:
    """Plural of a noun phrase, its head before " of " included; None where English has no good one ("letter a")."""
    first, _, rest = name.partition(" of ")
    if rest:
        head = plural(first)
        return None if head is None else f"{head} of {rest}"
    before, _, word = name.rpartition(" ")
    if before in ("letter", "digit", "number") or len(word) == 1:
        return None
    if word in _ALWAYS_PLURAL:
        return name
    if word in _IRREGULAR:
        ending = _IRREGULAR[word]
    elif word.endswith(("s", "x", "z", "ch", "sh")):
        ending = word + "es"
    elif word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u"):
        ending = word[:-1] + "ies"
    else:
        ending = word + "s"
    return f"{before} {ending}" if before else ending


def article(phrase: str) -> str:
    """`phrase` behind "a" or "an" ("an outlined star"); a noun without a singular stays bare."""
    if is_always_plural(phrase):
        return phrase
    vowel = phrase[:1] in ("a", "e", "i", "o", "u") and not phrase.startswith(_AN_EXCEPTIONS)
    return f"an {phrase}" if vowel else f"a {phrase}"


def canonical(size: str | None, fill: str | None, color: str | None, name: str) -> str:
    """The one wording used where the model itself speaks: "small striped red star"; plain fills are left unsaid."""
    pattern = None if fill in (None, "solid", "gradient") else FILL_WORDS[fill][0]
    words = [size, pattern, color, name]
    return " ".join(word for word in words if word)


def noun(description: Description, rng: Random, *, many: bool = False, shapes: bool = False) -> str:
    """A varied noun phrase without an article: "small red star", "red star with stripes", "big object".

    `many` asks for the plural and expects a head that has one; `shapes` allows "shape" where everything drawn is one.
    """
    size, fill, color, head = description
    words: list[str] = []
    tail = ""
    if size is not None:
        words.append(rng.choice(SIZE_WORDS[size]))
    if fill is not None:
        if fill in FILL_TAILS and rng.random() < 0.12:
            tail = " " + FILL_TAILS[fill]
            if color is not None:
                words.append(color)
        else:
            word = rng.choice(FILL_WORDS[fill])
            if color is None:
                words.append(word)
            elif rng.random() < 0.75:
                words += (word, color)
            else:
                words += (color, word)
    elif color is not None:
        words.append(color)
    if head is None:
        if shapes and rng.random() < 0.35:
            words.append("shapes" if many else "shape")
        elif many:
            words.append(rng.choice(GENERIC_PLURAL))
        else:
            words.append(rng.choice(GENERIC))
    else:
        words.append((plural(head) or head) if many else head)
    return " ".join(words) + tail


def definite(description: Description, rng: Random, *, shapes: bool = False) -> str:
    """The noun phrase with "the", for use inside a longer phrase."""
    return "the " + noun(description, rng, shapes=shapes)


def maybe_the(phrase: str, rng: Random) -> str:
    """`phrase`, with "the" in front more often than not: people type both."""
    return "the " + phrase if rng.random() < 0.6 else phrase


def every(description: Description, rng: Random, *, shapes: bool = False) -> str:
    """ "every red star", "all the red stars"."""
    uncountable = description.head is not None and is_always_plural(description.head)
    if rng.random() < 0.4 and not uncountable:
        words = noun(description, rng, shapes=shapes)
        if description.head is None and words.endswith("one"):
            words = words[:-3] + "thing"
        return f"{rng.choice(('every', 'each'))} {words}"
    words = noun(description, rng, many=True, shapes=shapes)
    return rng.choice(("all {}", "all {}", "all the {}", "all of the {}")).format(words)
