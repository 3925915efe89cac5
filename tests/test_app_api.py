"""The demo's API: the snippets of docs/api.md run as they stand; passwords, limits and doors hold for programs too."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zlib

import numpy as np
import pytest
from PIL import Image

from app import gate
from app.settings import parse
from tests.app_server import ROOT, SCENE, running, strict

MANUAL = (ROOT / "docs" / "api.md").read_text()


def snippets(language):
    return re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)


def post(path, data, server=None, headers=None):
    """Status and body of a POST: bytes as they are, anything else as JSON."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    request = urllib.request.Request(
        (server or running()) + path, body, headers or {"Content-Type": "application/json"}
    )
    return reached(request)


def reached(request):
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def picture_bytes(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def ask(picture, question, server=None, headers=None, model=""):
    """Every event of an answer."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    status, body = post("/gradio_api/call/ask", {"data": [picture, question, model, "t"]}, server, headers)
    if status != 200:
        return status, json.loads(body)
    address = f"{server or running()}/gradio_api/call/ask/{json.loads(body)['event_id']}"
    _, text = reached(urllib.request.Request(address, headers=headers))
    return 200, [json.loads(line[6:])[0] for line in text.decode().splitlines() if line.startswith("data: [")]


def test_python_snippet_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = snippets("python")
    exec(compile(code.replace("http://127.0.0.1:7860", running()), "docs/api.md", "exec"), {})
    said = capsys.readouterr().out
    assert "medium red star" in said
    assert "small green house" in said
    assert "polygons" in said
    assert "\n2\n" in said


def test_curl_snippet_runs():
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    (code,) = snippets("bash")
    code = code.replace("http://127.0.0.1:7860", running())
    ran = subprocess.run(["bash", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "event: complete" in ran.stdout, ran
    (answer,) = json.loads(ran.stdout.partition("data: ")[2])
    assert answer["regions"][0]["box"] == pytest.approx([271, 69, 355, 149], abs=3)


@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://127.0.0.1:9/x.png", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "docs/examples/scene.png", "meta": {"_type": "gradio.FileData"}},
    ],
)
def test_no_address_and_no_path_is_read_for_anybody(file):
    status, body = post("/gradio_api/call/find", {"data": [file, "the red star"]})
    assert status == 400
    assert b"no address and no path" in body


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        f"/gradio_api/file={SCENE}",
        "/gradio_api/proxy=https://example.com/",
        "/page/..%2fserver.py",
        "/page/%2e%2e/server.py",
        "/monitoring",
        "/gradio_api/vibe-code",
        "/gradio_api/runs",
        "/openapi.json",
    ],
)
def test_other_doors_are_shut(path):
    status, body = reached(urllib.request.Request(running() + path))
    assert status == 404
    assert b"Traceback" not in body


def test_address_beside_an_upload_is_not_fetched():
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.5)
        address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/x.png"
        boundary = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        _, body = post(
            "/gradio_api/upload",
            boundary + SCENE_BYTES + b"\r\n--b--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        meta = {"_type": "gradio.FileData"}
        for file in ({"url": address, "meta": meta}, {"path": json.loads(body)[0], "url": address, "meta": meta}):
            _, body = post("/gradio_api/call/find", {"data": [file, "the red star", ""]})
            event = json.loads(body).get("event_id")
            if event:
                asked.append(reached(urllib.request.Request(f"{running()}/gradio_api/call/find/{event}"))[0])
        with pytest.raises(TimeoutError):
            elsewhere.accept()
    assert asked


def test_other_pages_and_other_names_of_this_machine_are_refused():
    for headers in ({"Origin": "https://example.com"}, {"Host": "example.com"}, {"Host": "["}, {"Origin": "http://["}):
        status, _ = post("/stop", {"ask": "x"}, headers={"Content-Type": "application/json", **headers})
        assert status == 403


def bomb():
    """A PNG of a few bytes that says it has 60,000 x 60,000 pixels."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (60_000).to_bytes(4, "big") * 2
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\x02\x00\x00\x00") + chunk(b"IEND", b"")


SCENE_BYTES = SCENE.read_bytes()
REFUSED = {
    "bomb": (bomb, "million pixels"),
    "cut off": (lambda: SCENE_BYTES[: len(SCENE_BYTES) // 2], "damaged or cut off"),
    "too wide": (lambda: picture_bytes(Image.new("1", (20_000, 4_000))), "million pixels"),
    "too many bytes": (lambda: b"\x89PNG" + bytes(21_000_000), "20 MB"),
    "text": (lambda: b"hello, I am no picture", "no picture that can be read"),
    "nothing": (lambda: b"", "empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_pictures_get_one_plain_sentence(name):
    make, words = REFUSED[name]
    status, body = post("/pictures", make(), headers={"Content-Type": "application/octet-stream"})
    message = json.loads(body)["message"]
    assert status in (413, 422)
    assert words in message
    assert message[0].isupper()
    assert message.endswith(".")
    assert not any(inside in message for inside in ("limits=", "PIL", "Traceback", "\n"))


def test_files_of_one_upload_are_counted_together():
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(3_000_000) + b"\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    status, body = post("/gradio_api/upload", part * 8 + b"--b--\r\n", headers=headers)
    assert status == 413
    assert b"20 MB in all" in body


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/gradio_api/upload", 413, "20 MB in all"),
        ("/gradio_api/call/find", 413, "too long"),
        ("/pictures", 413, "20 MB"),
        ("/nowhere", 404, "nothing here"),
    ],
)
def test_a_refusal_reaches_who_is_still_sending(path, status, words):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(3_000_000) + b"\r\n"
    answered, body = post(path, part * 16 + b"--b--\r\n", headers=headers)
    assert answered == status
    assert words in json.loads(body)["message"]


def test_uploads_have_an_age_and_a_room(tmp_path):
    pytest.importorskip("gradio")
    from app.server import UPLOADS_KEPT_S, tidy

    now = time.time()
    for name, age_s in (("newest", 1), ("newer", 2), ("older", 3), ("out of date", UPLOADS_KEPT_S + 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(bytes(10))
        os.utime(tmp_path / name / "a.png", (now - age_s, now - age_s))
    tidy(tmp_path, 100)
    assert {path.parent.name for path in tmp_path.rglob("*.png")} == {"newest", "newer", "older"}
    tidy(tmp_path, 20)
    assert {path.parent.name for path in tmp_path.rglob("*.png")} == {"newest", "newer"}


ANSWER = {"task": "locate", "phrase": "x", "width": 377, "height": 301, "text": "", "regions": []}
QUESTION = {"task": "locate", "phrase": "x"}
BOX = {"box": [1, 2, 30, 40]}
SENSELESS = {
    "a mask that would fill the memory": (
        "/exports",
        {"answer": {**ANSWER, "regions": [{**BOX, "mask": {"size": [100_000, 100_000], "counts": [10**10]}}]}},
    ),
    "a mask that is none": ("/exports", {"answer": {**ANSWER, "regions": [{**BOX, "mask": 7}]}}),
    "a label that is none": ("/exports", {"answer": {**ANSWER, "regions": [{**BOX, "label": {"a": 1}}]}}),
    "regions that are none": ("/exports", {"answer": {**ANSWER, "regions": 5}}),
    "too many regions": ("/exports", {"answer": {**ANSWER, "regions": [BOX] * 2001}}),
    "another picture's answer": ("/exports", {"answer": {**ANSWER, "width": 378}}),
    "a number that is none": ("/look", {"question": QUESTION, "answer": ANSWER, "region": "x"}),
    "a text without end": (
        "/look",
        {"question": QUESTION, "answer": {**ANSWER, "text": "<loc0001>" * 20_000, "regions": [BOX]}, "region": 0},
    ),
    "turns that are none": ("/links", {"turns": 5}),
    "a turn that is none": ("/links", {"turns": [5]}),
}


@pytest.mark.parametrize("name", SENSELESS)
def test_what_no_page_sends_gets_a_sentence(name):
    _, body = post("/pictures", SCENE_BYTES, headers={"Content-Type": "image/png"})
    path, data = SENSELESS[name]
    status, body = post(path, {"form": "png", "picture": json.loads(body)["picture"], **data})
    assert status == 422
    assert json.loads(body)["message"].endswith(".")


def test_error_that_nobody_foresaw_is_told_in_words():
    status, body = post("/gradio_api/queue/join", {"fn_index": 99, "data": [], "session_hash": "x"})
    assert status == 500
    assert json.loads(body)["message"].startswith("Something went wrong on the server.")
    assert post("/gradio_api/call/nothing", {"data": []})[0] == 404


def test_request_that_drips_is_cut(monkeypatch):
    monkeypatch.setattr(gate, "BODY_TIME_S", 0.05)
    said = []

    async def drip():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def reader(scope, receive, send):
        while True:
            await receive()

    async def send(message):
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/pictures", "headers": [(b"host", b"localhost")]}
    passing = gate.Gate(reader, parse([]), gate.Sessions(None), ROOT, b"")
    asyncio.run(passing(scope, drip, send))
    assert said[0]["status"] == 408
    assert b"too slowly" in said[1]["body"]


def test_cookies_of_other_servers_do_not_hide_ours():
    sessions = gate.Sessions(("ada", "secret"))
    cookie = f"{gate.COOKIE}={sessions.enter('ada', 'secret')}"
    assert sessions.knows({"cookie": f'other={{"a": 1}}; b[="; {cookie}; x'})
    assert not sessions.knows({"cookie": f"{gate.COOKIE}=guess"})


def scene():
    return Image.open(SCENE).convert("RGB")


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture_bytes(scene().rotate(90, expand=True), "JPEG", exif=exif, quality=95)


TAKEN = {
    "16 bit": lambda: picture_bytes(Image.fromarray(np.asarray(scene().convert("L")).astype(np.uint16) * 257)),
    "cmyk": lambda: picture_bytes(scene().convert("CMYK"), "JPEG", quality=95),
    "palette": lambda: picture_bytes(scene().quantize(64)),
    "animated": lambda: picture_bytes(scene(), "GIF", save_all=True, append_images=[Image.new("RGB", scene().size)]),
    "turned": turned,
    "alpha": lambda: picture_bytes(scene().convert("RGBA"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", TAKEN)
def test_unusual_pictures_are_answered_upright(name):
    status, body = post("/pictures", TAKEN[name](), headers={"Content-Type": "application/octet-stream"})
    assert status == 200
    given = json.loads(body)
    assert (given["width"], given["height"]) == (377, 301)
    question = {"task": "describe", "point": [313, 115]}
    _, events = ask(given["picture"], question)
    assert "star" in events[-1]["answer"]["text"]


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (10, 3_000)])
def test_extreme_shapes_are_answered(size):
    _, body = post("/pictures", picture_bytes(Image.new("RGB", size, "white")), headers={"Content-Type": "image/png"})
    given = json.loads(body)
    _, events = ask(given["picture"], {"task": "locate", "phrase": "the red star"})
    assert events[-1]["kind"] == "answer", events
    for form in ("png", "yolo"):
        status, _ = post("/exports", {"form": form, "picture": given["picture"], "answer": events[-1]["answer"]})
        assert status == 200


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"task": "locate", "phrase": ""}, "phrase"),
        ({"task": "locate", "phrase": "star " * 300}, "400 characters"),
        ({"task": "describe", "point": [9999, 1]}, "outside the picture"),
        ({"task": "describe", "point": "x"}, "expected"),
        ({"task": "shout"}, "no task named"),
        ({"task": "detect", "names": {"a": 1}}, ""),
    ],
)
def test_questions_without_sense_get_a_sentence(question, words):
    _, body = post("/pictures", SCENE_BYTES, headers={"Content-Type": "image/png"})
    _, events = ask(json.loads(body)["picture"], question)
    if words:
        assert events[-1]["kind"] == "problem"
        assert words in events[-1]["message"].lower()
    assert "Traceback" not in json.dumps(events)


def test_picture_of_nobody_is_gone():
    assert reached(urllib.request.Request(f"{running()}/pictures/abcdef"))[0] == 410
    _, events = ask("abcdef", {"task": "caption"})
    assert events[-1]["gone"]


def test_model_that_is_not_allowed_is_refused():
    _, body = post("/pictures", SCENE_BYTES, headers={"Content-Type": "image/png"})
    _, events = ask(json.loads(body)["picture"], {"task": "caption"}, model="/etc")
    assert "no model named" in events[-1]["message"].lower()


def test_password_holds_for_page_and_api():
    from gradio_client import Client, handle_file

    for path in (
        *("/", "/settings", "/config", "/docs/api", "/examples/0", "/pictures/x", "/links/x", "/page/main.js"),
        *("/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/startup-events", "/gradio_api/heartbeat/x"),
        *("/gradio_api/queue/data?session_hash=x", "/gradio_api/call/ask/x"),
    ):
        assert reached(urllib.request.Request(strict() + path))[0] == 401
    for path in ("/pictures", "/links", "/exports", "/stop", "/look"):
        assert post(path, {}, strict())[0] == 401
    for path in ("call/find", "call/ask", "upload", "queue/join", "cancel", "reset"):
        assert post(f"/gradio_api/{path}", {"data": []}, strict())[0] == 401
    client = Client(strict(), auth=("ada", "secret"), verbose=False)
    assert client.predict(handle_file(SCENE), "the red star", api_name="/find")["found"]


def basic():
    return {"Authorization": "Basic YWRhOnNlY3JldA==", "Content-Type": "application/json"}


def test_full_queue_is_told():
    _, body = post("/pictures", SCENE_BYTES, strict(), basic())
    picture, statuses = json.loads(body)["picture"], []

    def one():
        statuses.append(ask(picture, {"task": "caption"}, strict(), basic())[0])

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, 503}


def test_pixels_are_counted_before_decoding():
    status, body = post("/pictures", picture_bytes(Image.new("1", (2000, 1001))), strict(), basic())
    assert status == 413
    assert b"million pixels" in body
