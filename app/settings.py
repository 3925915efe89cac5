"""Owns what the operator decides on the command line: models, address, limits."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

SHIPPED = "grounding-photos"
"""How the shipped model is called on the page and on the command line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the operator may choose."""

    models: tuple[str, ...] = (SHIPPED,)
    """Names that `grounding.load` takes; users choose among these alone."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 7860
    """0 takes any free port."""
    auth: tuple[str, str] | None = None
    """User and password, for the page and for the API."""
    share: bool = False
    """Whether a public address is asked of Gradio's tunnel."""
    workers: int = 3
    """Answers that a model writes at the same time."""
    queue: int = 32
    """Questions that may wait; the next is refused in words."""
    time_limit_s: float = 60.0
    """An answer is cut after so many seconds."""
    max_megabytes: float = 20.0
    """Of an uploaded file."""
    max_megapixels: float = 50.0
    """Of an uploaded picture; checked before it is decoded."""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """The settings on a command line. Exits with one sentence where it makes no sense."""
    usual = Settings()
    parser = argparse.ArgumentParser(prog="python -m app", description="Click and ask a picture, in a browser.")
    parser.add_argument(
        "--model", action="append", metavar="M", help="a model that users may choose; several: give it again"
    )
    parser.add_argument("--host", help="the address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=usual.port, help="0: any free one (default: %(default)s)")
    parser.add_argument("--auth", metavar="USER:PASS", help="asked of everybody, of API callers too")
    parser.add_argument("--share", action="store_true", help="ask Gradio's tunnel for a public address; needs --auth")
    parser.add_argument("--workers", type=int, default=usual.workers, help="answers at the same time (%(default)s)")
    parser.add_argument("--queue", type=int, default=usual.queue, help="questions that may wait (%(default)s)")
    parser.add_argument("--time-limit", type=float, default=usual.time_limit_s, help="seconds an answer may take")
    parser.add_argument("--max-megabytes", type=float, default=usual.max_megabytes, help="of an uploaded file")
    parser.add_argument("--max-megapixels", type=float, default=usual.max_megapixels, help="of an uploaded picture")
    seen = parser.parse_args(arguments)
    for name in ("workers", "queue", "time_limit", "max_megabytes", "max_megapixels"):
        if getattr(seen, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} is {getattr(seen, name):g}: it must be over 0")
    auth = None
    if seen.auth is not None:
        user, colon, password = seen.auth.partition(":")
        if not (user and colon and password):
            parser.error("--auth has no user and password: write USER:PASS")
        auth = (user, password)
    if seen.share and auth is None:
        parser.error("--share opens this machine to everybody: give --auth USER:PASS with it")
    if not 0 <= seen.port <= 65535:
        parser.error(f"--port is {seen.port}: give one of 0 to 65535")
    return Settings(
        models=tuple(dict.fromkeys(seen.model or usual.models)),
        host=seen.host or usual.host,
        port=seen.port,
        auth=auth,
        share=seen.share,
        workers=seen.workers,
        queue=seen.queue,
        time_limit_s=seen.time_limit,
        max_megabytes=seen.max_megabytes,
        max_megapixels=seen.max_megapixels,
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
