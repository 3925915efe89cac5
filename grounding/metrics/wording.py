"""Owns the kind of a phrase judged by its words alone: ordinal, relation, place, attribute or plain.

For data sets that do not say the kind of their questions. It is a table of English words, no parser: a phrase counts
under the first of the kinds, in this order, of which it holds a word. What it gives is called "kind by words".
"""

from __future__ import annotations

import re

KINDS = ("ordinal", "relation", "place", "attribute", "plain")

_ORDINAL = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d+(?:st|nd|rd|th)"
    r"|(?:one|two|three|four|2|3|4) (?:in )?from(?: the)? (?:left|right|top|bottom|front|back|end))\b"
)
_PLACE_PHRASE = re.compile(
    r"\b(?:on|at|in|to|from|toward|towards) (?:the |our |your |my )?(?:very |far |extreme |upper |lower |top |bottom )*"
    r"(?:left|right|top|bottom|middle|center|centre|corner|front|back|rear|foreground|background|end|edge)"
    r"(?:most)?(?: (?:corner|side|edge|end|hand side))?"
    r"(?! of (?!(?:the )?(?:picture|image|photo|pic|screen|frame)\b))\b"
)
"""A place in the picture that begins like a relation: "on the left", but not "to the left of the dog"."""
_RELATION = re.compile(
    r"\b(?:left of|right of|top of|bottom of|front of|back of|side of|edge of|end of|next to|close to|closest to"
    r"|nearest|farthest from|furthest from|beside|besides|behind|between|among|near|by|above|below|under|underneath"
    r"|beneath|over|against|around|across|along|inside|outside|on|onto|in front|facing|touching|holding|carrying"
    r"|riding|pulling|pushing|eating|drinking|feeding|petting|hugging|kicking|hitting|throwing|catching|following"
    r"|leaning|attached to|belonging to|surrounded by|covered by)\b"
)
_PLACE = re.compile(
    r"\b(?:left|right|top|bottom|middle|center|centre|corner|front|back|rear|far|near|upper|lower|leftmost|rightmost"
    r"|topmost|upmost|lowest|highest|foreground|background|closest|nearest|farthest|furthest|edge|end|side|lft|rt|l|r"
    r"|(?:top|upper|bottom|lower|far|front|back|middle)(?:left|right))\b"
)
_ATTRIBUTE = re.compile(
    r"\b(?:red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ae]y|beige|tan|gold(?:en)?|silver"
    r"|blond[e]?|brunette|dark(?:er|est)?|light(?:er|est)?|bright(?:er|est)?|pale|colou?rful|clear|transparent"
    r"|big(?:ger|gest)?|large[rst]*|small(?:er|est)?|little|tiny|huge|tall(?:er|est)?|short(?:er|est)?|long(?:er|est)?"
    r"|wide|narrow|thin|thick|fat|skinny|full|empty|half|whole|old(?:er|est)?|young(?:er|est)?|new|bald|round|square"
    r"|flat|striped?s?|stripy|plaid|checkered|spotted|dotted|plain|wood(?:en)?|metal(?:lic)?|glass|plastic|leather"
    r"|furry|fuzzy|shiny|dirty|broken|open|closed|wet|wearing|dressed|shirtless|with|without|standing|sitting|seated"
    r"|lying|laying|walking|running|jumping|smiling|looking|sleeping|bending|crouching|kneeling|parked|flying|\w+ed"
    r"|shirt|jacket|dress|hat|cap|glasses)\b"
)


def kind_by_words(phrase: str) -> str:
    """One of KINDS, judged from the words; "plain" where no rule fits, as in "the dog" or in other languages."""
    words = " ".join(re.sub(r"[^a-z0-9 ]+", " ", phrase.lower()).split())
    if _ORDINAL.search(words):
        return "ordinal"
    if _RELATION.search(_PLACE_PHRASE.sub(" place ", words)):
        return "relation"
    if _PLACE_PHRASE.search(words) or _PLACE.search(words):
        return "place"
    return "attribute" if _ATTRIBUTE.search(words) else "plain"
