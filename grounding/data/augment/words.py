"""Owns what words say about a change of the picture: which sides they name, and which changes would make them untrue.

Everything here errs towards leaving a lesson as it is: a lesson that is not flipped costs a little variety, and one
that is flipped wrongly teaches something false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_SIDE = re.compile(
    r"(?<![a-z])(top|bottom|upper|lower|mid|far)?(left|right)(-?most|-?hand|wards?|-?side)?(?![a-z])", re.IGNORECASE
)
_OTHER = {"left": "right", "right": "left"}
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?", re.IGNORECASE)


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BEFORE_A_SIDE = _listed(
    "to on at from toward towards far top bottom upper lower middle mid center centre back front rear extreme "
    "very hand side your his her its their my our and or image's picture's photo's viewer's"
)
"""In front of a left or right that is a side."""
_AFTER_A_SIDE = _listed(
    "side sides hand corner corners edge half part portion section third quarter end foreground background top "
    "bottom arm leg foot eye ear shoulder knee hip wing wheel wall lane most"
)
"""Behind one that is a side."""
_WITH_A_SIDE = _listed(
    ", . ; : ! ? ) and or is are was were has have wearing holding with in of at while there a an we you which "
    "who that stands sits lies facing looking"
)
"""Behind one that is a side where "the", "to the" and the like stand in front of it."""
_NO_SIDE_BEFORE = _listed(
    "all is are was were be been being has have had what what's that's you're it's just nothing anything "
    "something everything much many any time food room space he she they i we who quite get got do does human not "
    "isn't"
)
_NO_SIDE_AFTER = _listed(
    "next now here there behind in above below under beneath beside before after at up down near by against over "
    "on out off open alone unattended away angle angles triangle way answer choice handed handedness the him them "
    "it"
)
_SLANG = _listed("l r lft lef rt rgt rigth rite righ lefty righty leftie rightie lhs rhs")
_READ_OR_TURNED = _listed(
    "text word words letter letters digit digits number numbers numbered numeral written writing writes wrote say "
    "says saying said spell spells spelled spelling logo logos brand label labels labeled labelled title headline "
    "font alphabet initials license licence barcode keyboard keypad calendar map clock clocks watch watches time "
    "times oclock o'clock clockwise counterclockwise anticlockwise handed mirror mirrored reflection flag flags port "
    "starboard east west eastern western northeast northwest southeast southwest sign signs jersey name names "
    "read reads"
)
"""What a mirror spoils, or what people may mean by it: signs, clocks, maps, hands."""
_ORDINALS = _listed("first second third fourth fifth sixth seventh eighth ninth tenth last next previous")
_ORDINAL_DIGITS = re.compile(r"\d+(?:st|nd|rd|th)", re.IGNORECASE)
_DIRECTIONS = _listed("top bottom front back above below behind row up down from")
_QUOTED = re.compile(r"[\"“”«»]|(?<![a-z])'[^']+'(?![a-z])", re.IGNORECASE)
_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
_MARKUP = re.compile(r"<(?:loc|box|bbox|patch|point|\|)|\[\s*-?[\d.]+\s*,|\(\s*-?[\d.]+\s*,")

_PLACES = _listed(
    "left right leftmost rightmost top bottom upper lower middle mid center centre central corner edge side above "
    "below behind between beside beneath next near nearest nearer close closer closest far farther farthest "
    "further furthest front back background foreground under over inside outside around among opposite across "
    "adjacent facing away row column only other another both pair one two three four five six seven eight nine "
    "ten most least more less than entire whole half cropped cut partially partly frame picture image photo "
    "visible bigger smaller larger"
)
_SUPERLATIVE = re.compile(r"[a-z]{2,}est$")
_COLOURS = _listed(
    "red orange yellow green blue purple violet pink brown black white gray grey beige tan cream gold golden "
    "silver cyan magenta turquoise teal navy maroon olive lime indigo crimson scarlet bronze khaki lavender peach "
    "salmon blond blonde brunette redhead color colors colour colours colored coloured colorful colourful hue "
    "shade tint rainbow multicolored multicoloured dark darker darkest light lighter lightest bright brighter "
    "brightest pale shadow shadowy sunny night day dim faded vivid tanned ginger amber ivory"
)
_COLOURED = re.compile(r"[a-z]+ish$")


def swap_sides(text: str) -> tuple[str, Callable[[int], int]]:
    """The text with left and right in each other's place, case kept; and where each of its characters has gone."""
    pieces: list[str] = []
    moves: list[tuple[int, int]] = []  # from this place on, everything stands so much further on
    done = shift = 0
    for found in _SIDE.finditer(text):
        start, end = found.span(2)
        other = _as_written(_OTHER[found[2].lower()], found[2])
        pieces += [text[done:start], other]
        done = end
        shift += len(other) - (end - start)
        moves.append((end, shift))
    pieces.append(text[done:])

    def moved(place: int) -> int:
        gone = [shift for start, shift in moves if start <= place]
        return place + (gone[-1] if gone else 0)

    return "".join(pieces), moved


def _as_written(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def may_flip(text: str, *, short: bool) -> bool:
    """Whether the text stays true of a flipped picture once its sides are swapped.

    `short`: a phrase or a name, in which left and right are sides unless something speaks against it; in sentences
    something has to speak for it.
    """
    if _QUOTED.search(text) or _MARKUP.search(text) or _CAPITALS.search(text):
        return False
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    known = set(words)
    if known & _READ_OR_TURNED or (short and known & _SLANG):
        return False
    if any(_is_read(word, short) for word in words):
        return False
    sides = list(_SIDE.finditer(text))
    ordinal = bool(known & _ORDINALS) or _ORDINAL_DIGITS.search(text) is not None
    if ordinal and not sides and not known & _DIRECTIONS:
        return False  # counted from somewhere that nobody says
    return all(_is_side(text, found, short) for found in sides)


def _is_read(word: str, short: bool) -> bool:
    """Whether it is a number that may stand written in the picture."""
    if not any(map(str.isdigit, word)) or _ORDINAL_DIGITS.fullmatch(word):
        return False
    return short or not word.isdigit() or int(word) > 20


def _is_side(text: str, found: re.Match[str], short: bool) -> bool:
    if found[1] or found[3]:
        return True  # bottomleft, leftmost, right-hand
    before = _WORD.findall(text[: found.start()])
    rest = text[found.end() :].lstrip(" -")
    after_word = _WORD.match(rest)
    after = after_word[0].lower() if after_word else rest[:1]
    last = before[-1].lower() if before else ""
    the = last == "the"
    if the:
        last = before[-2].lower() if len(before) > 1 else ""
    if rest.lower().startswith(("of way", "of it", "of the pizza", "of the cake")) and not the:
        return False
    if after in _AFTER_A_SIDE:
        return True
    if last in _BEFORE_A_SIDE and (not after or after in _WITH_A_SIDE):
        return True
    if last in _NO_SIDE_BEFORE or after in _NO_SIDE_AFTER:
        return False
    if after == "of":
        return True
    return short


def may_crop(texts: Iterable[str]) -> bool:
    """Whether the texts stay true of a part of the picture that holds what they mean: no places, no comparisons."""
    return not any(
        word in _PLACES
        or word in _ORDINALS
        or word.isdigit()
        or _SUPERLATIVE.match(word)
        or _ORDINAL_DIGITS.match(word)
        for text in texts
        for word in map(str.lower, _WORD.findall(text))
    )


def may_recolour(texts: Iterable[str]) -> bool:
    """Whether no text names a colour or the light."""
    return not any(
        word in _COLOURS or _COLOURED.match(word) for text in texts for word in map(str.lower, _WORD.findall(text))
    )
