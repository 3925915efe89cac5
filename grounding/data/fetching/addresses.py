"""Owns how an address is opened: http, https and file only, redirects too, and answers told from error pages."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
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
        said = f"it answered {error.code} {in_a_line(error.reason)}".rstrip()
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
        raise Refused(f"it cannot be reached ({in_a_line(error.reason)})") from None
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"the connection broke ({in_a_line(error)})") from None
    except ValueError as error:  # what urllib and the codec of host names raise of an address, a redirect's too
        raise Refused(f"it leads to what is no address ({in_a_line(error)})") from None
    if response.status not in (200, 206):
        response.close()
        raise Refused(f"it answered {response.status}, which holds no file")
    coded = response.headers.get("Content-Encoding", "identity"), response.headers.get("Transfer-Encoding", "chunked")
    if tuple(map(str.lower, coded)) != ("identity", "chunked"):
        response.close()
        raise Refused("it sends the file re-encoded, so that neither place nor length agree")
    return response


def in_a_line(said: object) -> str:
    """What a server or an exception says, fit for a message: one line, nothing that steers a terminal."""
    text = "".join(character if character.isprintable() else " " for character in str(said))
    return " ".join(text.split())[:160] or type(said).__name__


def open_file(address: str) -> BinaryIO:
    """The file of a file: address. Raises Refused."""
    path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(address).path))
    try:
        if path.exists() and not path.is_file():
            raise Refused("it is no file")
        return path.open("rb")
    except ValueError:  # a name that cannot be one
        raise Refused("it is no file") from None
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


class _Connection(http.client.HTTPConnection):
    """One on which all headers of an answer come within the timeout, which else holds for each byte alone."""

    def getresponse(self) -> http.client.HTTPResponse:
        late = threading.Timer(self.timeout or 60.0, self._stop)
        late.daemon = True
        late.start()
        try:
            return super().getresponse()
        finally:
            late.cancel()

    def _stop(self) -> None:
        with suppress(OSError, AttributeError):  # it may be closed by now
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _SafeConnection(_Connection, http.client.HTTPSConnection):
    pass


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SafeConnection, req)


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener: that one also opens ftp: and data: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(),
        _Https(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SafeRedirects(),
    ):
        opener.add_handler(handler)
    return opener
