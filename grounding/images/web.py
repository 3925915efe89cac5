"""Owns open_url: a picture from an http or https address, fetched within limits of bytes and of time."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn

from PIL import Image

from grounding.errors import InputError, UnreadableImageError
from grounding.images.opening import DEFAULT_LIMITS, ImageLimits, decode, mega, quoted, too_many_bytes, within


class _WebOnly(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener: that one also opens ftp:, file: and data: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _WebOnly(),
    ):
        opener.add_handler(handler)
    return opener


def _check_address(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise UnreadableImageError(f"{quoted(url)} is not an http: or https: address; for a file use open_image")
    if "@" in parts.netloc:  # not echoed: it holds a password
        raise UnreadableImageError("an address with a name and password is not fetched: get the bytes yourself")


def open_url(url: str, *, limits: ImageLimits = DEFAULT_LIMITS, timeout: float = 20.0) -> Image.Image:
    """The picture at an http or https address, as `open_image` gives it.

    `timeout` is for the whole download, in seconds; reading stops at the limit of bytes. Redirects are followed five
    times, and only to http and https. Any address this machine can reach is fetched, those of its own network as well:
    do not pass on what strangers type.

    Raises UnreadableImageError (unreachable, refused, too slow, no picture) and ImageTooLargeError.
    """
    _check_address(url)
    name = quoted(url)
    until = time.monotonic() + timeout
    # Spaces and letters beyond ASCII are written as people write them, and sent as servers want them.
    sent = urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    request = urllib.request.Request(sent, headers={"User-Agent": "grounding-vlm", "Accept": "image/*"})
    try:
        with _opener().open(request, timeout=timeout) as response:
            data = _download(response, name, limits, until, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        words = " ".join(str(error.reason).split())
        raise UnreadableImageError(f"{name} answered {error.code} {words}: check the address") from error
    except TimeoutError as error:
        _too_slow(name, timeout, error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            _too_slow(name, timeout, error)
        raise UnreadableImageError(f"{name} cannot be fetched: {reason}") from error
    return decode(data, name, limits)


def _too_slow(name: str, timeout: float, error: Exception | None = None) -> NoReturn:
    raise UnreadableImageError(f"{name} took longer than {timeout:g} s: try again, or pass timeout=...") from error


def _download(
    response: http.client.HTTPResponse, name: str, limits: ImageLimits, until: float, timeout: float
) -> bytes:
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    if expected is not None and expected > limits.max_bytes:
        too_many_bytes(name, f"has {mega(expected)} MB", limits)
    data = bytearray()
    # read1 returns what has come; read would wait for a server that sends a byte a second, past any timeout.
    while piece := response.read1(65536):
        data += piece
        within(data, limits, name)
        if time.monotonic() > until:
            _too_slow(name, timeout)
    if expected is not None and len(data) < expected:
        raise UnreadableImageError(f"{name} ended after {len(data):,} of {expected:,} bytes: try again")
    return bytes(data)
