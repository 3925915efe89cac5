"""Owns what is known of an endpoint before it is asked: its settings, hosts by name, families by a model's name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from grounding.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """How an OpenAI-compatible server is asked."""

    base_url: str | None = None
    """The server's address, up to /chat/completions, such as http://localhost:8000/v1; named hosts need none."""
    api_key_env: str | None = None
    """The environment variable that holds the key. With an own base_url no key is sent unless this names one."""
    codec: str | None = None
    """How the model writes boxes; without it the model's name tells, or it is asked for JSON."""
    rounding: str | None = None
    """The codec's reader, where readers disagree; without it the most accurate."""
    max_side: int = 1568
    """Pictures with a longer side than this are sent smaller; boxes still come back in pixels of the original."""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """How pictures are sent: jpeg is small, png is exact."""
    jpeg_quality: int = 90
    """1 to 95."""
    min_pixels: int | None = None
    """The server's own lower limit for a picture, where the model writes pixels of what it saw (Qwen2.5-VL)."""
    max_pixels: int | None = None
    """The server's own upper limit for a picture, where the model writes pixels of what it saw (Qwen2.5-VL)."""
    schema: bool = True
    """Hold the model to the codec's JSON schema, where there is one and the server takes it."""
    max_tokens: int | None = 4096
    """An answer is cut after so many tokens, and says so; those of a model's thinking count too."""
    temperature: float | None = 0.0
    """0 for the likeliest answer, more for variety; None for the server's default."""
    seed: int | None = None
    """For the same answer twice, where the server takes one."""
    timeout: float = 120.0
    """Seconds that the server may be silent before a try is given up."""
    retries: int = 3
    """How often a failed try is repeated, each time after a longer pause, or after the one that the server asks for."""
    concurrency: int = 4
    """Requests that are under way at the same time, at most."""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("max_side", 16, 20_000),
            ("jpeg_quality", 1, 95),
            ("min_pixels", 1, 10**9),
            ("max_pixels", 1, 10**9),
            ("max_tokens", 1, 10**7),
            ("retries", 0, 100),
            ("concurrency", 1, 1000),
        ):
            _check_number(name, getattr(self, name), least, most, whole=True)
        _check_number("timeout", self.timeout, 0.001, 86_400)
        _check_number("temperature", self.temperature, 0, 10)
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ConfigError(
                f"min_pixels is {self.min_pixels}, more than max_pixels, {self.max_pixels}: exchange them"
            )
        if self.image_format not in ("jpeg", "png"):
            raise ConfigError(f"image_format is {self.image_format!r}; it is jpeg or png")


def _check_number(name: str, value: float | None, least: float, most: float, *, whole: bool = False) -> None:
    if value is None and name in ("min_pixels", "max_pixels", "max_tokens", "temperature"):
        return
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise ConfigError(f"{name} is {value!r}; it is a {'whole ' if whole else ''}number, {least} to {most}")


# ---- hosts


@dataclass(frozen=True, slots=True)
class Host:
    """What a prefix of a name stands for."""

    base_url: str | None
    """Its address; None where the caller gives one."""
    api_key_env: str | None
    """The variable that its key is usually kept in."""
    codec: str
    """How its models are asked when their name says nothing."""


HOSTS = {
    "openai": Host("https://api.openai.com/v1", "OPENAI_API_KEY", "json"),
    "gemini": Host("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", "gemini"),
    "claude": Host("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "json"),
    "endpoint": Host(None, None, "json"),
}


def address(prefix: str, base_url: str | None) -> str:
    """The base URL to ask, without a slash at its end. Raises ConfigError, which does not repeat what may be secret."""
    url = base_url or HOSTS[prefix].base_url or os.environ.get("OPENAI_BASE_URL")
    if not url:
        raise ConfigError(
            "endpoint:MODEL needs the server's address: give base_url=, such as http://localhost:8000/v1, "
            "or set OPENAI_BASE_URL"
        )
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "a base_url holds no password, query or fragment: put the key into an environment variable "
            "and name that with api_key_env="
        )
    if not usable:
        raise ConfigError(
            f"base_url {url!r:.80} is no http: or https: address; give one such as http://localhost:8000/v1"
        )
    return url.rstrip("/")


def key_variable(prefix: str, options: EndpointOptions) -> str | None:
    """The environment variable whose key is sent, or None. A host's own key goes to that host's own address only."""
    if options.api_key_env is not None:
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", options.api_key_env):
            raise ConfigError(
                "api_key_env is the NAME of an environment variable, in capitals, such as OPENAI_API_KEY; what was "
                "given is not repeated here, in case it is the key itself"
            )
        return options.api_key_env
    host = HOSTS[prefix]
    own = options.base_url is None or options.base_url.rstrip("/") == host.base_url
    return host.api_key_env if own else None


def key_from(variable: str | None) -> str:
    """The key that `variable` holds, "" for none. Raises ConfigError where it is not set."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {variable} is not set: put the server's key there")
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the environment variable {variable} holds no usable key: it has characters no key has")
    return key


# ---- families


_FAMILIES = (
    (r"qwen-?2[.-]?5-?vl", "qwen2.5-vl"),
    (r"qwen-?3-?vl|qwen-?3\.[1-9]", "qwen3-vl"),
    (r"qwen-?2-?vl", "qwen2-vl"),
    (r"qwen-vl(-chat)?$", "qwen-vl"),  # qwen-vl-max and -plus name whatever is newest
    (r"internvl", "internvl"),
    (r"glm-?4\.[1-9]v", "glm-4.5v"),
    (r"deepseek-?vl-?2", "deepseek-vl2"),
    (r"kimi-?vl", "kimi-vl"),
    (r"gemini", "gemini"),
    (r"molmo-?2", "molmo2"),
    (r"molmo", "molmo"),
    (r"paligemma", "paligemma"),
    (r"florence-?2", "florence-2"),
    (r"kosmos-?2(?![.\d])", "kosmos-2"),
    (r"cogvlm-?grounding", "cogvlm"),
    (r"llava-?v?1\.5", "llava-1.5"),
    (r"minigpt-?v2", "minigpt-v2"),
    (r"rex-?omni", "rex-omni"),
    (r"locate-?anything", "locateanything"),
    (r"shikra", "shikra"),
    (r"fuyu", "fuyu"),
)


def family_of(model: str) -> str | None:
    """The codec of the family that a served model's name tells of, or None."""
    name = model.lower().replace("_", "-").replace(" ", "-")
    return next((codec for pattern, codec in _FAMILIES if re.search(pattern, name)), None)


TAGGED = frozenset(
    (
        *("location", "paligemma", "florence-2", "kosmos-2", "qwen-vl", "qwen2-vl", "internvl", "deepseek-vl2"),
        *("glm-4.5v", "ofa", "rex-omni", "locateanything", "fuyu"),
    )
)
"""Codecs whose coordinates or brackets are special tokens, which servers leave out of an answer unless told not to."""
