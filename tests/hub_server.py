"""Owns HubServer: as much of the hub as uploading a folder needs, on this machine, its repositories in memory."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

OID = "a" * 40


@dataclass
class Repository:
    """A model repository and what was committed to it."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0


class HubServer:
    """`with HubServer("token") as hub:`; `hub.endpoint`, `hub.repositories`, `hub.seen`. Takes every file inline."""

    def __init__(self, token: str, repositories: dict[str, Repository] | None = None, refuse: str = "") -> None:
        """`token`: the only one that may write. `refuse`: a part of the paths that are answered with 403."""
        self.token, self.repositories, self.refuse = token, repositories or {}, refuse
        self.seen: list[tuple[str, str]] = []
        """Method and path of every request."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer._answer(self)

            def do_POST(self) -> None:
                outer._answer(self)

            def do_HEAD(self) -> None:
                outer._answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.seen.append((request.command, path))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self._send(request, 401, {"error": "Invalid credentials"}, "Unauthorized")
        elif self.refuse and self.refuse in path:
            self._send(request, 403, {"error": "You may not"}, "")
        else:
            self._send(request, *self._made(path, body))

    def _made(self, path: str, body: bytes) -> tuple[int, dict | list, str]:
        """Code, answer, and the hub's own name of the error."""
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}" if wanted.get("organization") else wanted["name"]
            private = wanted.get("private") or wanted.get("visibility") == "private"
            self.repositories.setdefault(name, Repository(bool(private)))
            return 200, {"url": f"{self.endpoint}/{name}", "name": name}, ""
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, ""
        parts = path.split("/")
        name, rest = "/".join(parts[3:5]), parts[5:]
        repository = self.repositories.get(name)
        if not path.startswith("/api/models/") or repository is None:
            return 404, {"error": "Repository not found"}, "RepoNotFound"
        if not rest or rest[0] == "revision":
            siblings = [{"rfilename": file} for file in repository.files]
            return 200, {"id": name, "private": repository.private, "sha": OID, "siblings": siblings, "tags": []}, ""
        if rest[0] == "tree":
            return 200, [{"type": "file", "path": name, "size": 1, "oid": OID} for name in repository.files], ""
        if rest[0] == "preupload":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": file, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for file in files]
            return 200, {"files": modes}, ""
        if rest[0] == "commit":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    repository.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "deletedFile":
                    del repository.files[line["value"]["path"]]
            repository.commits += 1
            return 200, {"commitUrl": f"{self.endpoint}/{name}/commit/{OID}", "commitOid": OID, "hookOutput": ""}, ""
        return 404, {"error": f"nothing at {path}"}, "EntryNotFound"

    def _send(self, request: BaseHTTPRequestHandler, code: int, answer: dict | list, error: str) -> None:
        data = json.dumps(answer).encode()
        request.send_response(code)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        if error:
            request.send_header("X-Error-Code", error)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)
