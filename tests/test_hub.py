"""Names on the hub: a server of this machine's own stands in for it, and without any the answer is clear and quick."""

import http.server
import json
import os
import threading
import time
from typing import ClassVar

import huggingface_hub
import pytest

import grounding
from grounding.backends.hub import fetch, is_hub_name
from grounding.errors import CheckpointError, UnknownModelError
from tests.forced import picture

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """What the hub's client asks for, of the repositories in `repositories`: their files, and the list of them."""

    repositories: ClassVar[dict] = {}
    asked: ClassVar[list] = []

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.split("?")[0].removeprefix("/api/models").strip("/")
        self.asked.append(path)
        organisation, name, *rest = path.split("/")
        files = self.repositories.get(f"{organisation}/{name}")
        if files == "gated":
            return self.send(403, b"", {"X-Error-Code": "GatedRepo"}, body)
        if files is None:
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        if self.path.startswith("/api"):
            listed = [{"rfilename": file, "type": "file", "path": file, "size": len(files[file])} for file in files]
            listed = [{**entry, "oid": f"{number:040x}"} for number, entry in enumerate(listed)]
            whole = {"id": f"{organisation}/{name}", "sha": COMMIT, "siblings": listed, "private": False}
            found = listed if "tree" in rest else whole
            return self.send(200, json.dumps(found).encode(), {"Content-Type": "application/json"}, body)
        data = files.get(rest[-1])
        if data is None:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, body)
        return self.send(200, data, {"ETag": f'"{rest[-1]}"', "X-Repo-Commit": COMMIT}, body)

    def send(self, status, data, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_):
        """Silent: the test says what is wrong."""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running hub, and an empty place for what is fetched."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(Hub, "repositories", {})
    monkeypatch.setattr(Hub, "asked", [])
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield Hub
    server.shutdown()
    server.server_close()


def files_in(directory):
    return {name: (directory / name).read_bytes() for name in os.listdir(directory)}


def test_name_on_the_hub_is_fetched_and_opened(hub, directory_of):
    hub.repositories["tiny/paligemma"] = {
        **files_in(directory_of("paligemma")),
        "pytorch_model.bin": b"never fetched",
        "modeling_evil.py": b"never fetched",
        "onnx/model.json": b"never fetched",
    }
    model = grounding.load("tiny/paligemma", device="cpu", max_new_tokens=3)
    assert model.name == "tiny/paligemma"
    assert model.caption(picture()).model == "tiny/paligemma"
    assert not [path for path in hub.asked if path.endswith((".bin", ".py", "onnx/model.json"))]


def test_unknown_type_is_told_before_the_weights_are_fetched(hub):
    hub.repositories["some/bert"] = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"gigabytes"}
    with pytest.raises(UnknownModelError, match=r"some/bert holds a model of type 'bert'.*known: grounding, paligemma"):
        grounding.load("some/bert")
    assert not [path for path in hub.asked if path.endswith("safetensors")]


def test_pickles_on_the_hub_are_not_fetched(hub, directory_of):
    files = files_in(directory_of("paligemma"))
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    hub.repositories["old/paligemma"] = files
    with pytest.raises(CheckpointError, match=r"holds no weights: there is no model\.safetensors"):
        grounding.load("old/paligemma")


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("no/body", UnknownModelError, r"no directory 'no/body' and no public model of that name"),
        ("locked/model", CheckpointError, r"accept its licence.*hf auth login"),
        ("empty/model", CheckpointError, r"empty/model on the hub has no config.json"),
    ],
)
def test_what_the_hub_refuses_is_told_in_one_sentence(hub, name, error, says):
    hub.repositories.update({"locked/model": "gated", "empty/model": {"README.md": b""}})
    with pytest.raises(error, match=says) as caught:
        grounding.load(name)
    assert "\n" not in str(caught.value)


def test_without_a_network_the_answer_is_clear_and_quick(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    start = time.perf_counter()
    with pytest.raises(UnknownModelError, match=r"no directory 'org/name', the hub can't be reached.*: connect, or"):
        grounding.load("org/name")
    assert time.perf_counter() - start < 20  # the hub's client alone would try for longer


def test_what_was_fetched_once_opens_without_a_network(hub, directory_of, monkeypatch):
    hub.repositories["tiny/llava"] = files_in(directory_of("llava"))
    fetch("tiny/llava")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    assert grounding.load("tiny/llava", device="cpu").family.name == "LLaVA"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("google/paligemma2-3b-mix-448", True),
        ("gpt-7", False),
        ("runs/a/b", False),
        ("./runs", False),
        ("../x", False),
        ("/tmp/x", False),
        ("~/x", False),
        ("a/..", False),
        ("openai:org/name", False),
        ("", False),
    ],
)
def test_only_an_organisation_and_a_name_are_asked_of_the_hub(name, is_one):
    assert is_hub_name(name) is is_one
