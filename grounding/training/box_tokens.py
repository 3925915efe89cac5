"""Owns the tokens that a box language has of its own: which they are, and where in a picture each of them stands."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.codecs import ALIASES
from grounding.codecs.bins import KOSMOS_2_PATCHES
from grounding.codecs.kosmos2 import DELIMITER
from grounding.codecs.location import TOKENS
from grounding.model.tokenization import MARKS


@dataclass(frozen=True)
class BoxTokens:
    """What a tokenizer needs besides words. A language that writes boxes in plain text needs nothing."""

    places: tuple[str, ...] = ()
    """One a coordinate, or one a patch, in order."""
    coordinates: tuple[tuple[float, ...], ...] = ()
    """Where each of them stands: one number from 0 to 1, or two, down and across."""
    tags: tuple[str, ...] = ()
    """What structures an answer, each a token of its own."""
    marks: tuple[str, ...] = ()
    """The same, with blanks in it: tokens of a learned tokenizer alone, as another knows these blanks in its words."""

    @property
    def bins(self) -> int:
        """How many of `places` are a line of bins, of which neighbours are neighbours in the picture; else 0."""
        return len(self.places) if self.places and len(self.coordinates[0]) == 1 else 0


def _line(count: int) -> tuple[tuple[float, ...], ...]:
    return tuple((number / (count - 1),) for number in range(count))


_SIDE = KOSMOS_2_PATCHES
_PATCHES = tuple((number // _SIDE / (_SIDE - 1), number % _SIDE / (_SIDE - 1)) for number in range(_SIDE**2))

BOX_TOKENS: dict[str, BoxTokens] = {
    "location": BoxTokens(
        TOKENS,
        _line(len(TOKENS)),
        tuple(mark for mark in MARKS if mark == mark.strip()),
        tuple(mark for mark in MARKS if mark != mark.strip()),
    ),
    "paligemma": BoxTokens(TOKENS, _line(len(TOKENS)), (), (" ; ",)),
    "florence-2": BoxTokens(tuple(f"<loc_{number}>" for number in range(1000)), _line(1000)),
    "kosmos-2": BoxTokens(
        tuple(f"<patch_index_{number:04d}>" for number in range(_SIDE**2)),
        _PATCHES,
        ("<grounding>", "<phrase>", "</phrase>", "<object>", "</object>", DELIMITER),
    ),
}
"""Family to its tokens; families that are not here write boxes in words."""


def box_tokens(codec: str) -> BoxTokens:
    """The tokens of a codec, by any of its names."""
    return BOX_TOKENS.get(ALIASES.get(codec, codec), BoxTokens())
