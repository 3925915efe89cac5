"""Owns how an address is opened: http, https and file only, redirects too, and answers told from error pages."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

from grounding.errors import InputError

SCHEMES = ("http", "https", "file")
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Status codes that may pass; any other from 400 up is final for its address."""
_MAGIC = {".zip": (b"PK",), ".gz": (b"\x1f\x8b",), ".tgz": (b"\x1f\x8b",), ".parquet": (b"PAR1",)}


class Broken(Exception):
    """A transfer that broke off and may go on; `wait_s` is what the server asked to wait, where it did."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Refused(Exception):
    """An address that does not give the file: there is no point in asking it again."""


def check_address(address: str) -> str:
    """The address. Raises InputError where it is neither http:, https: nor file:, or holds a password."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:
        raise InputError(f"{address!r} is no address that can be read") from None
    if parts.scheme not in SCHEMES or (parts.scheme != "file" and not parts.hostname):
        raise InputError(f"{address!r} is no http:, https: or file: address")
    if "@" in parts.netloc:  # not echoed: it holds a password
        raise InputError("an address with a name and password is not fetched from: leave them out")
    return address


def host_of(address: str) -> str:
    """What stands for the address in messages: its host, or the folder of a file."""
    parts = urllib.parse.urlsplit(address)
    return parts.hostname or str(Path(urllib.request.url2pathname(parts.path)).parent)


def open_address(address: str, headers: dict[str, str], timeout_s: float) -> http.client.HTTPResponse:
    """The answer to a GET, its headers read and its body not. Raises Broken or Refused; status 416 is an answer."""
    sent = urllib.parse.quote(address, safe="%/:=&?~#+!$,;'@()*[]")
    headers = {"User-Agent": "grounding-vlm", "Accept-Encoding": "identity", **headers}
    try:
        response: http.client.HTTPResponse = _opener().open(
            urllib.request.Request(sent, headers=headers), timeout=timeout_s
        )
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error  # type: ignore[return-value]  # it is the response, with headers and body
        error.close()
        said = f"it answered {error.code} {' '.join(str(error.reason).split())}".rstrip()
        if error.code in TRY_AGAIN:
            asked = error.headers.get("Retry-After", "")
            raise Broken(said, float(asked) if asked.isdecimal() else None) from None
        raise Refused(said) from None
    except TimeoutError:
        raise Broken(f"it did not answer within {timeout_s:g} s") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise Broken(f"it did not answer within {timeout_s:g} s") from None
        # No such host, nobody listening, a wrong certificate: none of them passes within a minute.
        raise Refused(f"it cannot be reached ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"the connection broke ({error or type(error).__name__})") from None
    if response.status not in (200, 206):
        response.close()
        raise Refused(f"it answered {response.status}, which holds no file")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        response.close()
        raise Refused("it sends the file re-encoded, so that neither place nor length agree")
    return response


def open_file(address: str) -> BinaryIO:
    """The file of a file: address. Raises Refused."""
    try:
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(address).path)).open("rb")
    except OSError as error:
        raise Refused(f"it cannot be read ({error.strerror})") from None


def check_beginning(name: str, beginning: bytes) -> None:
    """Raises Refused where a file called `name` cannot begin so: dead hosts answer 200 with a web page."""
    if beginning.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise Refused("it sent a web page in place of the file")
    magic = _MAGIC.get(Path(name).suffix.lower())
    if magic and not beginning.startswith(magic):
        raise Refused(f"what it sent is no {Path(name).suffix} file")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            raise Refused("it redirects to what is neither http nor https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener: that one also opens ftp: and data: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SafeRedirects(),
    ):
        opener.add_handler(handler)
    return opener
