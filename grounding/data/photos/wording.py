"""How phrases are put into words: where the side goes, articles, filler, short cuts and slips of the finger."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from grounding.data.photos.people import Words

_LEFT_BEFORE = Words(
    "left 42, far left 9, leftmost 6, left most 4, left side 2.5, left hand 0.7, lefthand 0.3, left-most 1, "
    "furthest left 1.5, farthest left 1, most left 0.5, left hand side 0.2, lft 0.3, very left 0.3"
)
_LEFT_AFTER = Words(
    "on left 22, on the left 22, left 9, to the left 5, far left 6, on far left 4, on the far left 5, on left side 4, "
    "on the left side 4, at left 2.5, to left 1.5, at the left 0.7, left side 3.5, all the way left 0.5, leftmost 1, "
    "all the way to the left 0.5, furthest left 1, furthest to the left 0.6, farthest to the left 0.4, left most 0.6, "
    "on left edge 0.5, at far left 0.7, at the far left 0.6, on the left hand side 0.3, on left of picture 0.4, "
    "on left of pic 0.3, on the left of the picture 0.4, on your left 0.2, that is on the left 0.3, in left 0.4, "
    "on the very left 0.2, towards left 0.2, closest to left 0.2, over on the left 0.2, on left hand side 0.2, "
    "on the left of the photo 0.2, on lft 0.2, left hand side 0.3, closest to the left 0.2"
)
_LEFT_BARE = Words(
    "left 24, left one 14, one on left 6, the one on the left 6, on left 6, far left 10, leftmost 4, left most 3, "
    "left side 5, on the left 5, one on the left 5, left most one 1, leftmost one 1, the left one 2, far left one 2, "
    "the one on left 2, the left 0.7, one to the left 1, to the left 1.5, on far left 1.5, furthest left 1, lft 0.3, "
    "all the way left 0.5, on the far left 1.5, very left 0.3"
)
_TOP_BEFORE = Words("top 40, upper 12, topmost 2, highest 4, uppermost 0.5, top most 1, top side 0.3, higher 1.5")
_TOP_AFTER = Words(
    "on top 14, at top 10, at the top 10, top 8, up top 3, on the top 5, in top 0.7, up high 0.5, toward the top 0.5, "
    "at top of picture 1, at top of pic 0.8, towards top 0.5, at the very top 0.7, highest up 0.6, near top 0.8, "
    "near the top 0.7, higher up 0.7, top of pic 0.7, at the top of the picture 0.6, highest 0.5"
)
_TOP_BARE = Words(
    "top 20, top one 14, one on top 6, on top 4, upper one 3, highest one 1, one at top 3, the top one 2, at top 2"
)
_BOTTOM_BEFORE = Words("bottom 40, lower 12, bottommost 1, lowest 4, bottom most 1.5, bottom side 0.2")
_BOTTOM_AFTER = Words(
    "on bottom 12, at bottom 12, at the bottom 12, bottom 8, on the bottom 6, in bottom 0.7, down low 0.4, lowest 0.5, "
    "toward the bottom 0.5, at bottom of picture 1, at bottom of pic 0.8, near bottom 0.9, near the bottom 0.7, "
    "at the very bottom 0.6, bottom of pic 0.8, at the bottom of the picture 0.6, "
    "lower down 0.3, down at the bottom 0.2"
)
_BOTTOM_BARE = Words(
    "bottom 20, bottom one 14, one on bottom 5, on bottom 3, lower one 4, lowest one 1, "
    "one at bottom 3, the bottom one 2, "
    "at bottom 2, one at the bottom 2"
)
_MIDDLE_BEFORE = Words("middle 40, center 14, central 0.8, centre 1.5, centered 0.2, mid 0.5")
_MIDDLE_AFTER = Words(
    "in the middle 20, in middle 20, middle 8, in center 7, in the center 6, center 4, at center 0.7, in centre 0.8, "
    "in between 0.8, in the very middle 0.3, between the other two 0.7, in the middle of the picture 0.5, "
    "in middle of pic 0.4, in the centre 0.5, dead center 0.2"
)
_MIDDLE_BARE = Words(
    "middle 20, middle one 12, one in middle 6, one in the middle 6, in the middle 4, center 6, "
    "center one 3, in middle 3, "
    "the middle one 3, the one in the middle 3, in center 2, in between 0.5"
)
_CORNER_BEFORE = Words(
    "top left 40, upper left 14, left top 1.5, left upper 0.7, top left corner 3, "
    "upper left corner 1, left top corner 0.3"
)
_CORNER_AFTER = Words(
    "top left 22, on top left 7, at top left 6, in top left 4, in the top left 4, in top left corner 4, upper left 8, "
    "in the top left corner 4, top left corner 6, upper left corner 3, in upper left corner 2, in the upper left 1.5, "
    "on the top left 3, on upper left 2, at the top left 2, in the upper left corner 1.5, at upper left 1, "
    "in the upper left hand corner 0.3, left top 1, on the upper left 1, left top corner 0.4, "
    "to the top left 0.5, on left top 0.4"
)
_CORNER_BARE = Words(
    "top left 24, top left corner 8, upper left 8, top left one 6, one on top left 3, "
    "upper left corner 3, in top left 2, "
    "the top left one 1, upper left one 2, left top 0.7, the one in the top left corner 1, one in top left 1"
)
_BY_SIDE = {
    "left": (_LEFT_BEFORE, _LEFT_AFTER, _LEFT_BARE),
    "right": (_LEFT_BEFORE, _LEFT_AFTER, _LEFT_BARE),
    "top": (_TOP_BEFORE, _TOP_AFTER, _TOP_BARE),
    "bottom": (_BOTTOM_BEFORE, _BOTTOM_AFTER, _BOTTOM_BARE),
    "middle": (_MIDDLE_BEFORE, _MIDDLE_AFTER, _MIDDLE_BARE),
    "corner": (_CORNER_BEFORE, _CORNER_AFTER, _CORNER_BARE),
}
_FARTHER = ("far", "most", "very", "all the way", "furthest", "edge", "side", "picture", "pic", "photo")
"""Parts of wordings that are only used of what is well over to that side."""


def place_words(where: str, how: str, rng: Random, *, well: bool = True) -> str:
    """The words for a side, a corner or the middle: `how` is "before" the noun, "after" it, or "bare".

    Without `well` the thing is not far over on that side, and nothing stronger than "on the left" is said.
    """
    across = where.rpartition(" ")[2]
    lists = _BY_SIDE["corner" if " " in where else where]
    words = lists[("before", "after", "bare").index(how)]
    text = words.draw(rng)
    while not well and where in ("left", "right") and any(part in text for part in _FARTHER):
        text = words.draw(rng)
    if across == "right":
        text = text.replace("lft", "rt").replace("left", "right")
    if where.startswith("bottom "):
        text = text.replace("upper", "lower").replace("top", "bottom")
    return text


@dataclass(slots=True)
class Said:
    """A noun phrase in the making: words before its head, the head, and what follows it."""

    head: str
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    plural: bool = False
    headless: bool = False
    """The head is no noun of the thing itself ("red shirt" for who wears it): it takes no "one" and few articles."""

    def text(self) -> str:
        return " ".join((*self.before, self.head, *self.after))


def placed(said: Said, where: str, rng: Random, *, well: bool = True) -> str:
    """The noun phrase with its place: "left man in red", "man in red on the left", "man on left in red"."""
    roll = rng.random()
    if said.head.startswith(("in ", "wearing ")):
        # Nothing stands before "in red" but a noun.
        if roll < 0.6:
            return f"{said.text()} {place_words(where, 'after', rng, well=well)}"
        return f"{place_words(where, 'before', rng, well=well).removesuffix(' corner')} one {said.text()}"
    if roll < 0.45:
        words = place_words(where, "before", rng, well=well)
        if words.endswith("corner") or rng.random() < 0.04:
            words += ","
            words = words.replace(",", rng.choice(("", "", ",")))
        return " ".join((words, *said.before, said.head.removeprefix("the "), *said.after))
    words = place_words(where, "after", rng, well=well)
    if said.after and roll > 0.7:
        # "Man right by the guy" would be something else.
        words = f"on {words}" if words in ("left", "right", "top", "bottom", "middle") else words
        return " ".join((*said.before, said.head, words, *said.after))
    return f"{said.text()}{',' if rng.random() < 0.03 else ''} {words}"


def article(phrase: str, rng: Random, *, plural: bool = False) -> str:
    """The noun phrase as it stands inside a longer one: bare, or with "the", or with "a"."""
    roll = rng.random()
    if roll < 0.42:
        return phrase
    return "the " + phrase if roll < 0.8 or plural else a(phrase)


def a(phrase: str) -> str:
    """`phrase` behind "a" or "an"."""
    return (
        "an " if (phrase[:1] in "aeio" and not phrase.startswith(("one", "euro"))) or phrase[:2] == "um" else "a "
    ) + phrase


_SLIPS = {
    "giraffe": ("girafe", "giraff", "girrafe", "girraffe"),
    "elephant": ("elephent", "elefant", "elephan"),
    "umbrella": ("umbrela", "unbrella", "umbrealla"),
    "motorcycle": ("motorcyle", "motocycle", "motorcycl"),
    "bicycle": ("bycicle", "bicyle"),
    "broccoli": ("brocolli", "brocoli", "broccolli"),
    "banana": ("bananna", "bannana"),
    "sandwich": ("sandwhich", "sandwitch"),
    "suitcase": ("suite case", "suit case", "suticase"),
    "surfboard": ("surf board", "surboard"),
    "skateboard": ("skate board", "skatboard"),
    "person": ("persn", "preson", "perosn", "pers"),
    "woman": ("women", "womn", "woamn", "womam"),
    "man": ("mna", "men"),
    "people": ("ppl",),
    "wearing": ("wering", "wearin", "waering"),
    "holding": ("holdin", "holdng"),
    "sitting": ("siting", "sittin"),
    "standing": ("standin", "stading"),
    "middle": ("midle", "middel", "midddle"),
    "bottom": ("botom", "bottem", "btm", "bottm"),
    "right": ("rigth", "righ", "rght", "rt", "righht"),
    "left": ("lef", "leftt", "letf", "lft"),
    "second": ("2nd", "secnd", "sec"),
    "third": ("3rd", "thrid"),
    "closest": ("closet", "closes"),
    "behind": ("behing", "behnd"),
    "front": ("frnt", "fornt"),
    "shirt": ("shrt", "shirts", "shit", "shirtt", "tshirt"),
    "white": ("whit", "wht", "wite", "whtie"),
    "black": ("blk", "blak", "balck"),
    "yellow": ("yelow", "yllw"),
    "orange": ("ornage", "orage"),
    "blue": ("bleu", "blu"),
    "green": ("gren", "grean"),
    "with": ("w", "w/", "wit", "wiht"),
    "and": ("&", "n"),
    "between": ("inbetween", "betwen"),
    "next": ("nxt",),
    "chair": ("chiar", "char"),
    "couch": ("coach", "cuch"),
    "bench": ("bech",),
    "zebra": ("zeebra", "zebre"),
    "horse": ("hors", "hosre"),
    "truck": ("truk", "trcuk"),
    "pizza": ("piza", "pizz"),
    "picture": ("pic", "pict", "photo"),
    "tennis": ("tenis",),
    "refrigerator": ("refridgerator", "refridge"),
    "laptop": ("lap top", "labtop"),
    "player": ("playr", "palyer"),
    "jacket": ("jackt", "jaket"),
    "stripes": ("strips",),
    "guy": ("gut", "giy"),
    "lady": ("laddy",),
    "girl": ("gilr", "grl"),
}  # fmt: skip
_FILLER = Words(
    "the 1, find 0.4, that 0.4, see 0.1, only 0.2, um 0.1, ok 0.1, look for 0.1, it's 0.1, click 0.1, just 0.1"
)


def finished(phrase: str, rng: Random, *, the: float = 0.2) -> str:
    """The phrase as typed: "the" in front with that chance, rarely a filler, a capital, a full stop or a slip."""
    if the and not phrase.startswith(("the ", "a ", "an ", "in ", "on ", "at ", "to ", "wearing ", "all ")):
        if rng.random() < the:
            phrase = "the " + phrase
        elif rng.random() < 0.012:
            phrase = f"{_FILLER.draw(rng)} {phrase}"
    roll = rng.random()
    if roll < 0.035:
        phrase = slipped(phrase, rng)
    elif roll < 0.05:
        phrase = phrase[:1].upper() + phrase[1:]
    elif roll < 0.058:
        phrase += "."
    return phrase


def slipped(phrase: str, rng: Random) -> str:
    """The phrase with one word short or misspelt as people misspell it, or two letters in the wrong order."""
    words = phrase.split(" ")
    known = [place for place, word in enumerate(words) if word in _SLIPS]
    if known and rng.random() < 0.8:
        place = rng.choice(known)
        words[place] = rng.choice(_SLIPS[words[place]])
        return " ".join(words)
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return phrase
    place = rng.choice(long)
    word = words[place]
    at = rng.randrange(1, len(word) - 1)
    words[place] = (word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :])[
        rng.random() < 0.4
    ]
    return " ".join(words)
