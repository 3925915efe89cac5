"""What goes wrong between a program and a server: one clear sentence each, nothing asked twice in vain, no key told."""

import io
import logging
import socket
import time
import traceback

import pytest
from PIL import Image

import grounding
from grounding.backends.endpoint_options import EndpointOptions
from grounding.backends.endpoint_reply import Reply
from grounding.backends.endpoint_server import Server
from grounding.errors import BackendError
from tests.chat_server import BOX, ChatServer, Told, chunk, completion, error, event, stream

pytest.importorskip("openai", reason="endpoints need the openai client: pip install 'grounding-vlm[endpoint]'")

KEY = "sk-proj-Geheimnis0123456789"


@pytest.fixture
def server():
    with ChatServer().running() as running:
        yield running


@pytest.fixture
def picture():
    return Image.new("RGB", (200, 100), "white")


def load(server, name="endpoint:served", **options):
    return grounding.load(name, base_url=server.base_url, **{"timeout": 60, "retries": 0, **options})


def failure(server, **options):
    """The sentence with which asking this server fails."""
    with pytest.raises(BackendError) as caught:
        load(server, **options).ground(Image.new("RGB", (20, 10)), "the cup")
    assert "\n" not in str(caught.value)
    assert server.base_url in str(caught.value)
    return str(caught.value)


# ---- tries


def test_failure_that_passes_is_tried_again(server, picture):
    server.answers = [error(500, "busy"), Told(b"<html>bad gateway</html>", 502), completion()]
    assert load(server, retries=2).ground(picture, "the cup").found
    assert len(server.asked) == 3


def test_failure_that_stays_says_how_often_it_was_tried(server):
    server.answers = error(503, "no model is loaded")
    said = failure(server, retries=1)
    assert said.endswith("failed with status 503 (2 tries): no model is loaded; its log may say why")
    assert len(server.asked) == 2


def test_pause_is_the_one_that_the_server_asks_for(server, picture):
    server.answers = [error(429, "slow down", **{"Retry-After": "1.5"}), completion()]
    assert load(server, retries=1).ground(picture, "the cup").found
    first, second = (asked.when for asked in server.asked)
    assert second - first >= 1.5


def test_rate_limit_that_stays_says_what_to_do(server):
    server.answers = error(429, "You exceeded your current quota")
    assert "takes no more requests for now: You exceeded your current quota; wait, or lower concurrency=" in failure(
        server
    )


def test_mistakes_are_not_tried_again(server):
    server.answers = error(401, "no")
    failure(server, retries=3)
    assert len(server.asked) == 1


# ---- silence


def test_server_that_is_slow_is_given_up(server):
    completed = completion()
    completed.wait = 1.0
    server.answers = completed
    start = time.perf_counter()
    assert "gave no answer within 0.3 s: raise timeout=" in failure(server, timeout=0.3)
    assert time.perf_counter() - start < 5


def test_stream_that_falls_silent_is_given_up_and_says_so(server, picture):
    server.answers = Told([chunk({"content": BOX})], headers={"Content-Type": "text/event-stream"}, pause=5.0)
    *regions, whole = load(server, timeout=1.5).stream(picture, "the cup")
    assert len(regions) == 1
    assert any("nothing came for 1.5 s" in problem.message for problem in whole.problems)


def test_nobody_at_the_address_is_named(picture):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    model = grounding.load("endpoint:m", base_url=url, retries=0)
    with pytest.raises(BackendError, match=f"no server answers at {url} .*: start it there, or correct base_url="):
        model.ground(picture, "the cup")
    with pytest.raises(BackendError, match="no server answers at"):
        list(model.stream(picture, "the cup"))


def test_connection_that_breaks_is_told(server):
    server.answers = Told(b'{"choices"', cut=True)
    assert "broke" in failure(server)


# ---- nonsense


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>welcome</html>",
        b"\xff\xfe\x00",
        b"[]",
        b"5",
        b"{}",
        b'{"choices": []}',
        b'{"choices": "x"}',
        b'{"choices": [5]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"text": "x"}]',
    ],
    ids=repr,
)
def test_body_that_is_no_answer_is_told(server, body):
    server.answers = Told(body)
    assert "no chat completion" in failure(server)


def test_page_of_another_service_is_told(server):
    server.answers = Told(b"<html>" + b"welcome " * 90, headers={"Content-Type": "text/html"})
    assert "check base_url=, which usually ends in /v1" in failure(server)


def test_error_sent_as_if_all_were_well_is_told(server):
    server.answers = Told(b'{"error": {"message": "the provider is down", "code": 502}}')
    assert failure(server).endswith("failed: the provider is down")


def test_odd_fields_in_an_answer_do_no_harm(server, picture):
    server.answers = completion(usage={"prompt_tokens": "many", "completion_tokens": None})
    model = load(server)
    assert model.ground(picture, "the cup").found
    assert model.usage.answers[0].input_tokens is None


@pytest.mark.parametrize(
    "body",
    [
        [],
        [b"<html>welcome</html>"],
        [event("{")],
        [event("5")],
        [event({"choices": "x"})],
        [event({"choices": [{"delta": 7}]})],
        [event({"error": {"message": "the provider is down"}})],
        [event("[DONE]")],
    ],
    ids=repr,
)
def test_stream_without_an_answer_is_told(server, picture, body):
    server.answers = Told(body, headers={"Content-Type": "text/event-stream"})
    with pytest.raises(BackendError, match="broke off before the answer's first word") as caught:
        list(load(server).stream(picture, "the cup"))
    assert server.base_url in str(caught.value)


def test_nonsense_in_the_middle_of_a_stream_keeps_what_came(server, picture):
    told = stream(BOX, finish=None)
    told.body.append(event("{"))
    server.answers = told
    *_, whole = load(server).stream(picture, "the cup")
    assert whole.found
    assert "truncated" in {problem.kind for problem in whole.problems}


# ---- what servers don't take


@pytest.mark.parametrize("status", [400, 422])
def test_schema_that_is_refused_is_left_out_once_and_noted(server, picture, caplog, status):
    def answer(asked):
        if "response_format" in asked.body:
            return error(status, "response_format of type json_schema is not supported")
        return completion()

    server.answers = answer
    model = load(server, concurrency=1)
    with caplog.at_level(logging.WARNING, "grounding"):
        answers = model.ground_many([(picture, "a"), (picture, "b"), (picture, "c")])
    assert all(one.found and not one.problems for one in answers)
    assert ["response_format" in asked.body for asked in server.asked] == [True, False, False, False]
    note = f"{server.base_url} takes no JSON schema: served is asked without"
    assert model.notes == (note,)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("grounding")] == [note]


def test_refusal_without_a_reason_leaves_out_what_servers_often_lack(server, picture):
    def answer(asked):
        return Told(b"Bad Request", 400) if "response_format" in asked.body else completion()

    server.answers = answer
    assert load(server).ground(picture, "the cup").found
    assert len(server.asked) == 2


def test_refusal_for_another_reason_is_told_and_nothing_is_noted(server):
    server.answers = error(400, "the context is too short for this picture")
    assert failure(server).endswith("refused the request with status 400: the context is too short for this picture")
    assert len(server.asked) == 2


def test_streams_go_on_without_token_counts_where_a_server_has_none(server, picture):
    def answer(asked):
        return Told(b'{"detail": "extra: stream_options"}', 422) if "stream_options" in asked.body else stream()

    server.answers = answer
    model = load(server)
    *_, whole = model.stream(picture, "the cup")
    assert whole.found
    assert len(model.notes) == 1
    list(model.stream(picture, "the cup"))
    assert len(server.asked) == 3


def test_name_of_the_token_limit_is_the_one_that_the_server_takes(server, picture):
    def answer(asked):
        if "max_tokens" in asked.body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return completion()

    server.answers = answer
    model = load(server, max_tokens=77)
    assert model.ground(picture, "the cup").found
    assert model.ground(picture, "the cup").found
    assert [asked.body.get("max_completion_tokens") for asked in server.asked] == [None, 77, 77]
    assert all("response_format" in asked.body for asked in server.asked)


def test_temperature_that_a_model_fixes_is_left_out_and_noted(server, picture):
    def answer(asked):
        if "temperature" in asked.body:
            return error(400, "Unsupported value: 'temperature' does not support 0.0 with this model.")
        return completion()

    server.answers = answer
    model = load(server)
    assert model.ground(picture, "the cup").found
    assert "temperature" in model.notes[0]
    assert "response_format" in server.asked[-1].body


# ---- keys and names


def test_wrong_key_names_its_variable_and_not_the_key(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    server.answers = error(401, f"Incorrect API key provided: {KEY}")
    said = failure(server, api_key_env="MY_KEY")
    assert said == f"{server.base_url} refused the key in environment variable MY_KEY: put a valid one there"


def test_missing_key_says_how_to_give_one(server):
    server.answers = error(401, "You must provide a key")
    assert failure(server).endswith("put it into an environment variable and name that with api_key_env=")


def test_key_that_may_not_is_told(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    server.answers = error(403, f"{KEY} has no access here")
    said = failure(server, api_key_env="MY_KEY")
    assert "does not let the key in MY_KEY use served: *** has no access here" in said


def test_unknown_model_lists_what_is_served(server):
    server.answers = error(404, "The model does not exist")
    server.models = [f"model-{number}" for number in range(12)]
    said = failure(server)
    assert "has no model 'served'; it serves model-0, model-1, model-10" in said
    assert "and 4 more" in said


def test_unknown_model_of_a_server_that_lists_nothing_is_told(server):
    server.answers = error(404, "Not Found")
    server.models = []
    assert "has no model 'served': correct the name" in failure(server)


def test_key_is_sent_and_never_told(server, picture, monkeypatch):
    """In no repr, message, traceback, log of any library at any level, result or report, whatever the server echoes."""
    monkeypatch.setenv("MY_KEY", KEY)
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    told = []
    try:
        model = load(server, api_key_env="MY_KEY", retries=1)
        told += [repr(model), str(model), repr(model.options), repr(model.server)]
        answer = model.ground(picture, "the cup")
        told += [repr(answer), str(answer.to_json()), repr(model.usage), str(model.usage.to_json())]
        for status in (400, 401, 403, 404, 418, 429, 500):
            server.answers = error(status, f"not with {KEY}, the key {KEY}")
            with pytest.raises(BackendError) as caught:
                model.ground(picture, "the cup")
            told.append("".join(traceback.format_exception(caught.value)))
        server.answers = Told(b"key: " + KEY.encode())
        with pytest.raises(BackendError) as caught:
            model.ground(picture, "the cup")
        told.append("".join(traceback.format_exception(caught.value)))
        server.answers = Told([event({"error": {"message": KEY}})], headers={"Content-Type": "text/event-stream"})
        with pytest.raises(BackendError) as caught:
            list(model.stream(picture, "the cup"))
        told.append("".join(traceback.format_exception(caught.value)))
        server.answers = stream(BOX, finish=None)
        server.answers.body.append(event({"error": {"message": KEY}}))
        told += map(repr, model.stream(picture, "the cup"))
        told += model.notes
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in server.asked)
    assert "POST" in logged.getvalue()
    for text in (*told, logged.getvalue()):
        assert "Geheimnis" not in text


def test_errors_do_not_carry_the_request_along(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    server.answers = error(401, "no")
    with pytest.raises(BackendError) as caught:
        load(server, api_key_env="MY_KEY").ground(Image.new("RGB", (9, 9)), "the cup")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_keys_of_other_hosts_stay_at_home(server, picture, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for prefix in ("endpoint", "openai", "gemini", "claude"):
        load(server, f"{prefix}:served", codec="json").ground(picture, "the cup")
    assert len(server.asked) == 4
    assert all(KEY not in value for asked in server.asked for value in asked.headers.values())


# ---- places


def test_streams_left_open_do_not_hang_the_next_request(server):
    server.answers = stream()
    one = Server(server.base_url, "m", EndpointOptions(timeout=1.0, retries=0, concurrency=1))
    left_open = one.stream("data:,", "a")
    next(left_open)
    with pytest.raises(BackendError, match="read streams to their end or close them, or raise concurrency="):
        one.ask("data:,", "b")
    left_open.close()
    assert isinstance(list(one.stream("data:,", "c"))[-1], Reply)


def test_closed_server_lets_its_connections_go(server, picture):
    model = load(server)
    model.ground(picture, "the cup")
    model.close()
    with pytest.raises(BackendError, match="load the model anew"):
        model.ground(picture, "the cup")
