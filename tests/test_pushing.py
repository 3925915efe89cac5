"""Pushing to a hub: private unless told otherwise, by the environment's token, against a hub on this machine."""

import pytest

from grounding.errors import ConfigError, OutputError
from grounding.training.pushing import check_push, push
from tests.hub_server import HubServer, Repository

TOKEN = "hf_test"


@pytest.fixture
def folder(tmp_path):
    for name, words in (("README.md", "---\nlicense: mit\n---\n# Mine\n"), ("config.json", "{}")):
        (tmp_path / name).write_text(words)
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)) * 20)
    return tmp_path


@pytest.fixture
def hub(monkeypatch):
    def begin(**options):
        server = HubServer(TOKEN, **options).__enter__()
        servers.append(server)
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        return server

    servers = []
    yield begin
    for server in servers:
        server.__exit__()


def test_a_new_repository_is_private_and_holds_every_file_as_it_is(hub, folder):
    server = hub()
    assert push(folder, "me/mine") == f"{server.endpoint}/me/mine"
    repository = server.repositories["me/mine"]
    assert repository.private
    assert repository.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert repository.commits == 1


def test_it_is_public_where_that_is_said(hub, folder):
    server = hub()
    push(folder, "me/mine", public=True)
    assert not server.repositories["me/mine"].private


def test_a_repository_that_is_there_is_added_to(hub, folder):
    server = hub(repositories={"me/mine": Repository(True, {"old.txt": b"kept"})})
    push(folder, "me/mine")
    assert server.repositories["me/mine"].files.keys() == {"old.txt", "README.md", "config.json", "model.safetensors"}
    assert ("POST", "/api/repos/create") not in server.seen


def test_weights_that_lay_there_before_are_gone(hub, folder):
    before = ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "model.safetensors", "log.jsonl")
    server = hub(repositories={"me/mine": Repository(True, dict.fromkeys(before, b"old"))})
    push(folder, "me/mine")
    repository = server.repositories["me/mine"]
    assert repository.files.keys() == {"log.jsonl", "README.md", "config.json", "model.safetensors"}
    assert repository.files["model.safetensors"] != b"old"
    assert repository.commits == 1


def test_a_private_repository_is_not_made_public_without_a_word(hub, folder):
    server = hub(repositories={"me/mine": Repository(True)})
    with pytest.raises(ConfigError, match="me/mine is private already: leave --public out"):
        push(folder, "me/mine", public=True)
    assert not server.repositories["me/mine"].files


def test_nothing_goes_to_a_public_repository_unless_that_was_said(hub, folder):
    server = hub(repositories={"me/mine": Repository(False)})
    with pytest.raises(ConfigError, match="me/mine is public already: add --public"):
        push(folder, "me/mine")
    assert not server.repositories["me/mine"].files
    push(folder, "me/mine", public=True)
    assert server.repositories["me/mine"].files


def test_a_hub_that_refuses_or_is_not_there_is_told_with_the_folder(hub, folder, monkeypatch):
    hub(refuse="/commit/")
    with pytest.raises(OutputError, match=r"the hub refuses me/mine: .*403.* holds the export"):
        push(folder, "me/mine")
    monkeypatch.setenv("HF_TOKEN", "another")
    with pytest.raises(OutputError, match=r"the hub refuses me/mine: .*401"):
        push(folder, "me/mine")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OutputError, match=r"the hub can't be reached .* holds the export"):
        push(folder, "me/mine")


def test_the_token_is_the_environments_alone(monkeypatch):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="needs a token that may write there, in the environment's HF_TOKEN"):
        check_push("me/mine")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", " older ")
    assert check_push("me/mine") == "older"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert check_push("me/mine") == TOKEN


@pytest.mark.parametrize("name", ["mine", "a/b/c", "../up", "me/", "me/mi ne"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match="is no repository's name: write OWNER/NAME"):
        check_push(name)
