"""Owns the doors of the server: the page's own routes, and Gradio's queue and API mounted beside them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from gradio.data_classes import FileData

import grounding
from grounding import GroundingError, ImageLimits
from grounding.errors import ImageTooLargeError, InputError

from .asking import Asking, question_of, sentence
from .exports import export, read_answer
from .gate import COOKIE, Gate, Sessions
from .manual import page_of
from .models import Models
from .pictures import GoneError, Pictures
from .settings import Settings

HERE = Path(__file__).resolve().parent
KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
MANUAL = HERE.parent / "docs" / "api.md"
PICTURE_KINDS = {".png": "image/png", ".jpg": "image/jpeg"}
EXAMPLES = sorted(path for path in (HERE / "examples").iterdir() if path.suffix in PICTURE_KINDS)
UPLOADS_KEPT_S = 600.0
"""An API caller's file is removed so many seconds after it came."""
UPLOADS_ROOM_BYTES = 1_000_000_000
"""What all those files may take on the disk; the oldest go first."""
LONGEST_JSON = 1_000_000
"""Bytes of a request of the page."""
LONGEST_TEXT = 40_000
"""Characters of an answer that the model is asked to look at again."""


@dataclass
class Rooms:
    """What the handlers share."""

    settings: Settings
    models: Models
    pictures: Pictures
    asking: Asking


def rooms_of(settings: Settings) -> Rooms:
    """Everything but the doors; no model is loaded yet."""
    limits = ImageLimits(int(settings.max_megabytes * 1e6), int(settings.max_megapixels * 1e6))
    models = Models(settings.models, settings.workers)
    return Rooms(settings, models, Pictures(limits), Asking(models, settings.time_limit_s))


def build(rooms: Rooms, uploads: Path) -> Any:
    """The whole ASGI app. `uploads`: the folder that Gradio puts API callers' files into."""
    sessions = Sessions(rooms.settings.auth)
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_page(web, rooms)
    add_pictures(web, rooms)
    add_login(web, sessions)
    most = int(rooms.settings.max_megabytes * 1e6)
    gr.mount_gradio_app(
        web,
        blocks_of(rooms),
        path="/",
        show_error=False,
        max_file_size=most,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
    )

    @web.exception_handler(GroundingError)
    async def _(_: Request, error: GroundingError) -> Response:
        status = 410 if isinstance(error, GoneError) else 413 if isinstance(error, ImageTooLargeError) else 422
        return JSONResponse({"message": sentence(error)}, status)

    threading.Thread(target=_sweep, args=(uploads,), daemon=True).start()
    return Gate(web, rooms.settings, sessions, uploads, (HERE / "page" / "login.html").read_bytes())


def _sweep(folder: Path) -> None:
    while folder.is_dir():
        tidy(folder, UPLOADS_ROOM_BYTES)
        time.sleep(5)


def tidy(folder: Path, room_bytes: int) -> None:
    """Removes the uploads that are too old, and then the oldest of those that have no room."""
    held = 0
    files = []
    for path in folder.rglob("*"):
        with suppress(OSError):  # Gradio itself was quicker
            if path.is_file():
                files.append((path.stat().st_mtime, path.stat().st_size, path))
    for written, size_bytes, path in sorted(files, reverse=True):
        held += size_bytes
        if time.time() - written > UPLOADS_KEPT_S or held > room_bytes:
            path.unlink(missing_ok=True)


# ---- Gradio: the queue and the API


def blocks_of(rooms: Rooms) -> gr.Blocks:
    """The endpoints, all in one group of the queue: so many answers at once, so many waiting."""

    def answer(picture: FileData, model: str, **data: Any) -> dict[str, Any]:
        try:
            path = Path(picture["path"] if isinstance(picture, dict) else picture.path)
            image = grounding.open_image(path.read_bytes(), limits=rooms.pictures.limits)
            return rooms.asking.answer(image, data, model or rooms.models.names[0]).to_json()
        except GroundingError as error:
            raise gr.Error(sentence(error), print_exception=False) from None
        except (KeyError, TypeError, OSError):
            raise gr.Error("Upload the picture first, and name it by its path.", print_exception=False) from None

    def find(picture: FileData, phrase: str, model: str = "") -> dict:
        """Every region that a phrase names; `found` is false where nothing does."""
        return answer(picture, model, task="locate", phrase=phrase)

    def detect(picture: FileData, names: list[str], model: str = "") -> dict:
        """Every instance of several names, each labelled with its name."""
        return answer(picture, model, task="detect", names=names)

    def describe(
        picture: FileData, point: list[float] | None = None, box: list[float] | None = None, model: str = ""
    ) -> dict:
        """What is at a point (x, y) or inside a box (x1, y1, x2, y2), in pixels of the upright picture."""
        return answer(picture, model, task="describe", point=point, box=box)

    def caption(picture: FileData, model: str = "") -> dict:
        """A sentence; each region's span says which of its characters name it."""
        return answer(picture, model, task="caption")

    def count(picture: FileData, phrase: str, model: str = "") -> dict:
        """A region for each thing that a phrase names."""
        return answer(picture, model, task="count", phrase=phrase)

    def segment(picture: FileData, phrase: str, model: str = "") -> dict:
        """The regions that a phrase names, each with its outline."""
        return answer(picture, model, task="segment", phrase=phrase)

    def ask(picture: str, question: dict, model: str, ask_id: str) -> Iterator[dict]:
        """What the page asks: events while the answer is written."""
        try:
            image = rooms.pictures.get(picture).image
        except GroundingError as error:
            yield {"kind": "problem", "message": sentence(error), "gone": True}
            return
        yield from rooms.asking.events(image, question, model or rooms.models.names[0], ask_id)

    with gr.Blocks(analytics_enabled=False, title="grounding") as blocks:
        together: dict[str, Any] = {"concurrency_id": "answers", "concurrency_limit": rooms.settings.workers}
        for function in (find, detect, describe, caption, count, segment):
            gr.api(function, api_name=function.__name__, **together)
        gr.api(ask, api_name="ask", api_visibility="undocumented", **together)
    blocks.queue(max_size=rooms.settings.queue, default_concurrency_limit=rooms.settings.workers)
    return blocks


# ---- the page


def add_page(web: FastAPI, rooms: Rooms) -> None:
    """The page, its parts, and what it needs to know."""

    @web.api_route("/", methods=["GET", "HEAD"])
    def page() -> Response:
        return _file(HERE / "page" / "index.html", "text/html")

    @web.get("/page/{name}")
    def part(name: str) -> Response:
        path = HERE / "page" / name
        return _file(path, KINDS[path.suffix[1:]]) if path.is_file() else Response(status_code=404)

    @web.get("/settings")
    def settings() -> dict[str, Any]:
        chosen, models = rooms.settings, rooms.models
        return {
            "models": [{"name": name} for name in models.names],
            "looks": hasattr(models.open(models.names[0]), "look"),
            "examples": [path.stem.partition("-")[2] for path in EXAMPLES],
            "manual": MANUAL.is_file(),
            "max_megabytes": chosen.max_megabytes,
            "max_megapixels": chosen.max_megapixels,
            "workers": chosen.workers,
            "queue": chosen.queue,
        }

    @web.get("/docs/api")
    def manual() -> Response:
        if not MANUAL.is_file():
            return Response(status_code=404)
        return Response(page_of(MANUAL.read_text(encoding="utf-8"), "The API"), media_type="text/html; charset=utf-8")

    @web.get("/examples/{number}")
    def example(number: int) -> Response:
        if number >= len(EXAMPLES):
            return Response(status_code=404)
        return _file(EXAMPLES[number], PICTURE_KINDS[EXAMPLES[number].suffix])


def _file(path: Path, kind: str) -> Response:
    charset = "" if kind.startswith("image") else "; charset=utf-8"
    return Response(path.read_bytes(), headers={"content-type": kind + charset, "cache-control": "no-cache"})


def add_pictures(web: FastAPI, rooms: Rooms) -> None:
    """Pictures in, and what is made of answers: downloads, links, the model's own view."""
    pictures = rooms.pictures

    @web.post("/pictures")
    async def add(request: Request) -> dict[str, Any]:
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > pictures.limits.max_bytes:
                raise ImageTooLargeError(f"the file has over {rooms.settings.max_megabytes:g} MB: give a smaller one")
        name, picture = await asyncio.to_thread(pictures.add, bytes(data))
        return {"picture": name, "width": picture.image.width, "height": picture.image.height}

    @web.get("/pictures/{name}")
    def show(name: str) -> Response:
        picture = pictures.get(name)
        return Response(picture.shown, media_type=picture.kind, headers={"cache-control": "private, max-age=3600"})

    @web.post("/stop")
    async def stop(request: Request) -> dict[str, bool]:
        return {"stopped": rooms.asking.stop(str((await _json(request)).get("ask")))}

    @web.post("/exports")
    async def take(request: Request) -> Response:
        data = await _json(request)
        image = pictures.get(str(data.get("picture"))).image
        made, kind, name = await asyncio.to_thread(export, str(data.get("form")), image, _object(data, "answer"))
        return Response(made, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})

    @web.post("/links")
    async def link(request: Request) -> dict[str, str]:
        return {"link": pictures.link(await _json(request))}

    @web.get("/links/{name}")
    def linked(name: str) -> dict[str, Any]:
        found = pictures.linked(name)
        image = pictures.get(found["picture"]).image
        return {**found, "width": image.width, "height": image.height}

    @web.post("/look")
    async def look(request: Request) -> dict[str, Any]:
        data = await _json(request)
        model = await asyncio.to_thread(rooms.models.open, str(data.get("model") or rooms.models.names[0]))
        if not hasattr(model, "look"):
            raise InputError("only models of our own kind show how they see")
        side, patch = model.patch_grid
        seen: dict[str, Any] = {"side": side, "patch": patch, "tokens": side * side}
        if data.get("answer"):
            image = pictures.get(str(data.get("picture"))).image
            answer, region = read_answer(_object(data, "answer"), image.size), data.get("region", 0)
            if type(region) is not int or len(answer.raw or answer.text) > LONGEST_TEXT:
                raise InputError("this is no box of an answer that the model wrote")
            question = question_of(_object(data, "question"))
            heat = await asyncio.to_thread(model.look, image, question, answer, region)
            seen["heat"] = [[round(float(value), 3) for value in row] for row in heat]
        return seen


async def _json(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_JSON:
            raise InputError("the request is too long")
    try:
        data = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise InputError("the request is no JSON") from None
    if not isinstance(data, dict):
        raise InputError("the request is no JSON object")
    return data


def _object(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise InputError(f"the request has no {key}")
    return value


def add_login(web: FastAPI, sessions: Sessions) -> None:
    """The door that takes a password, as a form with `username` and `password`, the way gradio_client sends it."""

    @web.post("/login")
    async def login(request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=8)
        token = sessions.enter(str(form.get("username", "")), str(form.get("password", "")))
        if token is None:
            await asyncio.sleep(1.0)  # a brake for those who guess
            return JSONResponse({"message": "This user and password are not right."}, 400)
        of_a_page = "text/html" in request.headers.get("accept", "")
        response: Response = RedirectResponse("./", 303) if of_a_page else JSONResponse({"success": True})
        response.set_cookie(COOKIE, token, httponly=True, samesite="lax")
        return response
