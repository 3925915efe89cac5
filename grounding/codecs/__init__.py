"""Owns the table of families: the name of a way to write boxes as text -> its codec."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import cast

from grounding.codecs.base import Codec, Decoded, Stream
from grounding.errors import UnknownCodecError

__all__ = ["ALIASES", "CODECS", "Codec", "Decoded", "Stream", "get_codec"]


def _codec(module: str, name: str) -> Callable[[str | None], Codec]:
    """Imports the family's file when it is first asked for."""

    def make(rounding: str | None) -> Codec:
        return cast(Codec, getattr(import_module(f"grounding.codecs.{module}"), name)(rounding))

    return make


CODECS: dict[str, Callable[[str | None], Codec]] = {
    "location": _codec("location", "LocationCodec"),
    "paligemma": _codec("paligemma", "PaliGemmaCodec"),
    "florence-2": _codec("florence2", "Florence2Codec"),
    "kosmos-2": _codec("kosmos2", "Kosmos2Codec"),
    "qwen-vl": _codec("qwen", "QwenVLCodec"),
    "qwen2-vl": _codec("qwen", "Qwen2VLCodec"),
    "qwen2.5-vl": _codec("qwen_json", "Qwen25VLCodec"),
    "qwen3-vl": _codec("qwen_json", "Qwen3VLCodec"),
    "internvl": _codec("internvl", "InternVLCodec"),
    "deepseek-vl2": _codec("deepseek", "DeepSeekVL2Codec"),
    "cogvlm": _codec("cogvlm", "CogVLMCodec"),
    "shikra": _codec("shikra", "ShikraCodec"),
    "llava-1.5": _codec("llava", "LlavaCodec"),
    "minigpt-v2": _codec("minigpt", "MiniGPTv2Codec"),
    "ferret": _codec("ferret", "FerretCodec"),
    "ofa": _codec("ofa", "OFACodec"),
    "rex-omni": _codec("rex", "RexOmniCodec"),
    "locateanything": _codec("locateanything", "LocateAnythingCodec"),
    "gemini": _codec("gemini", "GeminiCodec"),
    "glm-4.5v": _codec("glm", "GLM45VCodec"),
    "fuyu": _codec("fuyu", "FuyuCodec"),
    "kimi-vl": _codec("kimi", "KimiVLCodec"),
    "molmo": _codec("points", "MolmoCodec"),
    "molmo2": _codec("points", "Molmo2Codec"),
    "json": _codec("json_boxes", "JSONCodec"),
}
"""Family name to a function that makes its codec from the name of a rounding (None: the most accurate)."""

ALIASES: dict[str, str] = {
    "ours": "location",
    "paligemma2": "paligemma",
    "florence2": "florence-2",
    "kosmos2": "kosmos-2",
    "qwen-vl-1": "qwen-vl",
    "qwen2_5_vl": "qwen2.5-vl",
    "deepseek": "deepseek-vl2",
    "llava": "llava-1.5",
    "rex": "rex-omni",
    "locate-anything": "locateanything",
    "glm": "glm-4.5v",
    "molmo-2": "molmo2",
    "gpt": "json",
    "claude": "json",
}
"""Other names that people write for a family."""


@lru_cache(maxsize=64)
def get_codec(name: str, rounding: str | None = None) -> Codec:
    """The codec of a family. `rounding` names a reader where they disagree. Raises UnknownCodecError, ConfigError."""
    key = name.lower()
    key = ALIASES.get(key, key)
    if key not in CODECS:
        raise UnknownCodecError(f"no codec named {name!r}; known: {', '.join(CODECS)}")
    return CODECS[key](rounding)
