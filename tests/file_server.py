"""Owns FileServer: a local HTTP server of files that can break off, hang, lie, redirect, or know nothing of ranges."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file and how it is served."""

    data: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    length: bool = True
    """Whether the answer says how long it is; else the end of the connection ends it."""
    break_at: list[int] = field(default_factory=list)
    """Bytes after which the first, second... answers break off; then they are whole."""
    hang_at: int | None = None
    status: list[int] = field(default_factory=list)
    """Codes of the first answers; then it is served."""
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    """Seconds between single bytes."""
    raw: list[bytes] = field(default_factory=list)
    """What the first requests get as it is, status line and all; then the file is served."""


class FileServer:
    """`with FileServer({"/a.zip": Served(b"...")}) as server:`; `server.address("/a.zip")`, `server.seen`."""

    def __init__(self, files: dict[str, Served]) -> None:
        self.files = files
        self.seen: list[tuple[str, str | None]] = []
        """Path and Range header of every request, in order."""
        self.stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.seen.append((self.path, self.headers.get("Range")))
                self.close_connection = True
                served = outer.files.get(self.path)
                if served is None:
                    self.send_error(404)
                elif served.raw:
                    outer._send(self, served.raw.pop(0), served.drip)
                elif served.status:
                    code = served.status.pop(0)
                    self.send_response(code)
                    for name, value in served.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    outer._serve(self, served)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __enter__(self) -> FileServer:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def _serve(self, request: BaseHTTPRequestHandler, served: Served) -> None:
        start, total = 0, len(served.data)
        asked = request.headers.get("Range")
        same = request.headers.get("If-Range") in (None, served.etag)
        if asked and served.ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= total:
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{total}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            request.send_response(200)
        if served.etag:
            request.send_header("ETag", served.etag)
        for name, value in served.headers.items():
            request.send_header(name, value)
        if served.length:
            request.send_header("Content-Length", str(total - start))
        request.end_headers()
        stop = served.break_at.pop(0) if served.break_at else total
        if served.hang_at is not None:
            request.wfile.write(served.data[start : served.hang_at])
            request.wfile.flush()
            self.stop.wait(20)
        else:
            self._send(request, served.data[start:stop], served.drip)

    def _send(self, request: BaseHTTPRequestHandler, data: bytes, drip: float) -> None:
        step = 1 if drip else max(len(data), 1)
        for place in range(0, len(data), step):
            try:
                request.wfile.write(data[place : place + step])
                request.wfile.flush()
            except OSError:  # nobody listens any more
                return
            if self.stop.wait(drip):
                return
