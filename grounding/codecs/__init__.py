"""Owns the table of families: the name of a way to write boxes as text -> its codec."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from grounding.codecs.base import Codec, Decoded, Stream
from grounding.errors import UnknownCodecError

__all__ = ["CODECS", "Codec", "Decoded", "Stream", "get_codec"]


def _location(rounding: str | None) -> Codec:
    from grounding.codecs.location import LocationCodec

    return LocationCodec(rounding)


def _paligemma(rounding: str | None) -> Codec:
    from grounding.codecs.paligemma import PaliGemmaCodec

    return PaliGemmaCodec(rounding)


CODECS: dict[str, Callable[[str | None], Codec]] = {"location": _location, "paligemma": _paligemma}
"""Family name to a function that makes its codec from the name of a rounding (None: the most accurate)."""


@lru_cache(maxsize=64)
def get_codec(name: str, rounding: str | None = None) -> Codec:
    """The codec of a family. `rounding` names a reader where they disagree. Raises UnknownCodecError, ConfigError."""
    if name not in CODECS:
        raise UnknownCodecError(f"no codec named {name!r}; known: {', '.join(CODECS)}")
    return CODECS[name](rounding)
