"""A small OpenAI-compatible server on loopback: it answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

BOX = '[{"label": "cup", "box": [100, 200, 300, 400]}]'
"""An answer of the `json` family; in a picture of 200 x 100 px it is BOX_PX."""
BOX_PX = (20.0, 20.0, 60.0, 40.0)


@dataclass
class Asked:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    when: float

    @property
    def prompt(self) -> str:
        return self.body["messages"][0]["content"][1]["text"]

    @property
    def url(self) -> str:
        return self.body["messages"][0]["content"][0]["image_url"]["url"]

    @property
    def picture(self) -> Image.Image:
        image = Image.open(io.BytesIO(base64.b64decode(self.url.partition(",")[2])))
        image.load()
        return image


@dataclass
class Told:
    """What to send back. `cut`: end the connection without the end that HTTP asks for."""

    body: bytes | Sequence[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    wait: float = 0.0
    pause: float = 0.0
    cut: bool = False


def completion(text: str | None = BOX, *, finish: str = "stop", usage: Any = (50, 20), **message: Any) -> Told:
    """A whole answer. `usage`: prompt and completion tokens, or the field itself."""
    if isinstance(usage, tuple):
        usage = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish,
    }
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice]}
    return Told(json.dumps(body | ({} if usage is None else {"usage": usage})).encode())


def event(data: Any) -> bytes:
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "served"}
    return event({**head, "choices": [choice], **more})


def stream(text: str = BOX, *, size: int = 5, finish: str | None = "stop", **told: Any) -> Told:
    """The answer in pieces of `size` characters, with its token counts, as OpenAI sends it."""
    pieces = [chunk({"role": "assistant", "content": ""})]
    pieces += [chunk({"content": text[at : at + size]}) for at in range(0, len(text), size)]
    if finish is not None:
        pieces.append(chunk({}, finish))
        usage = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
        pieces += [event({"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": usage})]
        pieces.append(event("[DONE]"))
    return Told(pieces, headers={"Content-Type": "text/event-stream"}, **told)


def error(status: int, message: str, **headers: str) -> Told:
    body = json.dumps({"error": {"message": message, "type": "x", "code": None, "param": None}})
    return Told(body.encode(), status, {"Content-Type": "application/json", **headers})


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes in the middle of something, as some tests make it, is no news."""


class ChatServer:
    """`answers`: what to tell, one for each request and the last one for all others; or a function of the request."""

    def __init__(self) -> None:
        self.answers: Told | list[Told] | Callable[[Asked], Told] = completion()
        self.models: list[str] = ["served"]
        self.asked: list[Asked] = []
        self.most = 0
        """Requests that were under way at the same time, at most."""
        self._busy = 0
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", 0), self._handler())
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    @contextmanager
    def running(self) -> Iterator[ChatServer]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()

    def _tell(self, asked: Asked) -> Told:
        with self._lock:
            self.asked.append(asked)
            if isinstance(self.answers, list):
                return self.answers[min(len(self.asked), len(self.answers)) - 1]
        return self.answers(asked) if callable(self.answers) else self.answers

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(Told(json.dumps({"data": [{"id": name} for name in server.models]}).encode()))

            def do_POST(self) -> None:
                when = time.perf_counter()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with server._lock:
                    server._busy += 1
                    server.most = max(server.most, server._busy)
                try:
                    told = server._tell(Asked(self.path, headers, body, when))
                    time.sleep(told.wait)
                finally:
                    with server._lock:
                        server._busy -= 1
                try:
                    self._send(told)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has gone, as some tests make it

            def _send(self, told: Told) -> None:
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                if isinstance(told.body, bytes):
                    self.send_header("Content-Length", str(len(told.body) + (10 if told.cut else 0)))
                    self.end_headers()
                    self.wfile.write(told.body)
                else:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for piece in told.body:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                        self.wfile.flush()
                        time.sleep(told.pause)
                    if not told.cut:
                        self.wfile.write(b"0\r\n\r\n")
                if told.cut:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Keeps quiet."""

        return Handler
