"""Owns the start: settings, a private folder for uploads, the model, the server, and the address that is printed."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .settings import Settings, is_loopback, parse

# Read by Gradio when it is imported: nothing is reported to anybody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo until it is interrupted. 0, or 1 with a sentence on stderr where it can't start."""
    settings = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="grounding-app-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        from grounding.errors import GroundingError

        try:
            return serve(settings, Path(folder))
        except (GroundingError, OSError) as error:
            print(f"app: {error}", file=sys.stderr)
            return 1


def serve(settings: Settings, folder: Path) -> int:
    """Listens first, so that a taken port is told at once; then loads the first model and answers."""
    import uvicorn

    listening = socket.create_server((settings.host, settings.port), family=_family(settings.host), backlog=256)
    port = listening.getsockname()[1]
    from .server import build, rooms_of

    rooms = rooms_of(settings)
    rooms.models.open(rooms.models.names[0])
    app = build(rooms, folder)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"the demo is at http://{shown}:{port}", flush=True)
    if not is_loopback(settings.host) and settings.auth is None:
        print("everybody who reaches this address may ask: --auth USER:PASS asks for a password", flush=True)
    if settings.share:
        print(f"and at {_tunnel(port)}", flush=True)
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_keep_alive=30)
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _tunnel(port: int) -> Any:
    import secrets

    from gradio import networking

    return networking.setup_tunnel("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
