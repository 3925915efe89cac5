"""Owns what may reach the server at all: a list of doors, who may pass, and from which page."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .settings import Settings, is_loopback

log = logging.getLogger("app")
ENDPOINT = "(find|detect|describe|caption|count|segment|ask)"
DOORS = (
    ("GET", r"/"),
    ("GET", r"/page/[a-z]+\.(js|css|svg)"),
    ("GET", r"/settings"),
    ("GET", r"/docs/api"),
    ("GET", r"/examples/\d"),
    ("GET", r"/pictures/[\w-]+"),
    ("GET", r"/links/[\w-]+"),
    ("POST", r"/(pictures|links|exports|stop|look|login)"),
    # What gradio_client and curl need of Gradio; its other doors (files, proxies, editors, history) stay shut.
    ("GET", r"/config/?"),
    ("GET", r"/gradio_api/(info/?|openapi\.json|startup-events|queue/data|heartbeat/[\w-]+)"),
    ("GET", rf"/gradio_api/call/{ENDPOINT}/\w+"),
    ("POST", r"/gradio_api/(upload|queue/join|cancel|reset)/?"),
    ("POST", rf"/gradio_api/call/{ENDPOINT}/?"),
)
OPEN = (("GET", r"/page/[a-z]+\.(css|svg)"), ("POST", r"/login"))
"""Doors that need no password."""
MOST_JSON_BYTES = 1_000_000
BODY_TIME_S = 120.0
"""Within so many seconds what somebody sends must be here."""
REST_BYTES, REST_TIME_S = 64_000_000, 5.0
"""So much of a refused body is still read, and thrown away: a connection closed on unread bytes loses the answer."""
COOKIE = "grounding-session"
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self' https://huggingface.co",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


class _TooSlowError(Exception):
    pass


class _TooLongError(Exception):
    pass


class Sessions:
    """Who has given the password: cookies of this server's lifetime, or HTTP Basic with each request."""

    def __init__(self, auth: tuple[str, str] | None) -> None:
        self.auth = auth
        self._tokens: set[str] = set()

    def enter(self, user: str, password: str) -> str | None:
        """A new cookie's value, or None where the two are not right."""
        if not self._right(user, password):
            return None
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return token

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers may pass."""
        if self.auth is None:
            return True
        # Other servers of this machine share the cookies: what they write, however odd, must not hide ours.
        for cookie in headers.get("cookie", "").split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == COOKIE and value in self._tokens:
                return True
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (ValueError, UnicodeDecodeError):
            return False
        return self._right(user, password)

    def _right(self, user: str, password: str) -> bool:
        if self.auth is None:
            return False
        given, wanted = f"{user}\0{password}", "\0".join(self.auth)
        return hmac.compare_digest(given.encode(), wanted.encode())


class Gate:
    """ASGI middleware: 404 for every door that is not listed, 401 without the password, 403 from foreign pages."""

    def __init__(self, app: Any, settings: Settings, sessions: Sessions, uploads: Path, login_page: bytes) -> None:
        self.app, self.settings, self.sessions = app, settings, sessions
        self.uploads, self.login_page = uploads.resolve(), login_page

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        method, path = ("GET" if scope["method"] == "HEAD" else scope["method"]), scope["path"]
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        receive, send = _heard_out(receive, send, headers)
        if not _listed(DOORS, method, path):
            await _say(send, 404, "There is nothing here.")
        elif not self._at_home(headers):
            await _say(send, 403, "This server answers its own page alone.")
        elif not self.sessions.knows(headers) and not _listed(OPEN, method, path):
            if path == "/":
                await _say(send, 401, self.login_page, "text/html; charset=utf-8")
            else:
                await _say(send, 401, "A user and password are needed here.")
        else:
            await self._passed(scope, receive, send)

    async def _passed(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Lets a request in: its body in good time and no longer than allowed, its errors in words."""
        path, begun, failed = scope["path"], False, False

        async def sending(message: dict[str, Any]) -> None:
            nonlocal begun, failed
            if not begun and message["type"] == "http.response.start" and message["status"] == 500:
                failed = True  # the words of a web framework: ours come instead
            if not failed:
                begun = True
                await send(message)

        most = int(self.settings.max_megabytes * 1e6) + 100_000  # and what a form writes around a file
        read = _in_time(receive, most if path.startswith("/gradio_api/upload") else None)
        try:
            if scope["method"] == "POST" and path.startswith("/gradio_api/") and "upload" not in path:
                await self._checked(scope, read, sending)
            else:
                await self.app(scope, read, _with_headers(sending))
            status, words = 500, "Something went wrong on the server. It is written down there."
        except _TooLongError:
            status, words = 413, f"An upload may have {self.settings.max_megabytes:g} MB in all."
        except _TooSlowError:
            status, words = 408, "The request came too slowly."
        except Exception:
            log.exception("a request failed: %s", path)
            failed = True
            status, words = 500, "Something went wrong on the server. It is written down there."
        if failed or (status != 500 and not begun):
            await _say(send, status, words)

    def _at_home(self, headers: Mapping[str, str]) -> bool:
        """Whether the request comes from our own page or no page; and, on loopback, by a loopback name."""
        host = headers.get("host", "")
        try:
            if is_loopback(self.settings.host) and not self.settings.share:
                name = urlsplit(f"//{host}").hostname or ""
                if not is_loopback(name):
                    return False
            origin = headers.get("origin")
            return origin is None or urlsplit(origin).netloc == host
        except ValueError:  # a name that is none, such as "["
            return False

    async def _checked(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Passes a JSON body on, if it is small and names no file but uploaded ones: nothing is fetched for anybody."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MOST_JSON_BYTES:
                await _say(send, 413, "The request is too long.")
                return
        try:
            data = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            await _say(send, 400, "The request is no JSON.")
            return
        if not self._files_are_ours(data):
            await _say(send, 400, "A picture is uploaded, not named: no address and no path is read for anybody.")
            return
        given = False

        async def again() -> dict[str, Any]:
            nonlocal given
            if given:
                return await receive()  # type: ignore[no-any-return]
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, _with_headers(send))

    def _files_are_ours(self, data: Any) -> bool:
        waiting = [data]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting.extend(value)
            elif isinstance(value, dict):
                waiting.extend(value.values())
                if "path" in value:
                    path = value["path"]
                    if not isinstance(path, str) or "://" in path:
                        return False
                    if not Path(path).resolve().is_relative_to(self.uploads):
                        return False
                    value_url = value.get("url")
                    if value_url is not None and not isinstance(value_url, str):
                        return False
        return True


def _in_time(receive: Any, most_bytes: int | None) -> Any:
    """`receive`, while the body comes, with a limit of time and, if given, of bytes; then as it is."""
    end, read_bytes, more = time.monotonic() + BODY_TIME_S, 0, True

    async def receiving() -> dict[str, Any]:
        nonlocal read_bytes, more
        if not more:
            return await receive()  # type: ignore[no-any-return]
        try:
            message: dict[str, Any] = await asyncio.wait_for(receive(), end - time.monotonic())
        except TimeoutError:
            raise _TooSlowError from None
        read_bytes += len(message.get("body", b""))
        more = message.get("more_body", False)
        if most_bytes is not None and read_bytes > most_bytes:
            raise _TooLongError
        return message

    return receiving


def _heard_out(receive: Any, send: Any, headers: Mapping[str, str]) -> tuple[Any, Any]:
    """Both doors of a request; a refusal waits until what is still sent has come and was thrown away, within limits."""
    # Who asks first whether to send (Expect) sends nothing when refused.
    more, asked = True, "expect" in headers

    async def receiving() -> dict[str, Any]:
        nonlocal more, asked
        asked = False
        message: dict[str, Any] = await receive()
        more = message.get("more_body", False)
        return message

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400 and more and not asked:
            await _thrown_away(receiving)
        await send(message)

    return receiving, sending


async def _thrown_away(receive: Any) -> None:
    read_bytes, more = 0, True
    try:
        async with asyncio.timeout(REST_TIME_S):
            while more and read_bytes < REST_BYTES:
                message = await receive()
                read_bytes += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        pass


def _listed(doors: tuple[tuple[str, str], ...], method: str, path: str) -> bool:
    return any(method == door and re.fullmatch(pattern, path) for door, pattern in doors)


def _with_headers(send: Any) -> Any:
    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *((k.encode(), v.encode()) for k, v in HEADERS.items())]
        await send(message)

    return sending


async def _say(send: Any, status: int, words: str | bytes, kind: str = "application/json") -> None:
    body = words if isinstance(words, bytes) else json.dumps({"message": words, "detail": words}).encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await _with_headers(send)(start)
    await send({"type": "http.response.body", "body": body})
