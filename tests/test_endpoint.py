"""A model on a server behind the verbs: a real HTTP server on loopback answers, and what it was asked is looked at."""

import json
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import grounding
from grounding import Grounding, Question, Region
from grounding.backends import backends
from grounding.backends.endpoint_options import HOSTS, EndpointOptions
from grounding.codecs import get_codec
from grounding.errors import ConfigError, InputError, UnknownCodecError
from tests.chat_server import BOX, BOX_PX, ChatServer, chunk, completion, error, event, stream

pytest.importorskip("openai", reason="endpoints need the openai client: pip install 'grounding-vlm[endpoint]'")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def server():
    with ChatServer().running() as running:
        yield running


@pytest.fixture
def picture():
    return Image.new("RGB", (200, 100), "white")


def load(server, name="endpoint:served", **options):
    return grounding.load(name, base_url=server.base_url, **{"timeout": 60, "retries": 0, **options})


# ---- the verbs


def test_box_comes_back_in_pixels_of_the_picture(server, picture):
    answer = load(server).ground(picture, "the cup")
    assert [region.box for region in answer.regions] == [pytest.approx(BOX_PX)]
    assert answer.labels == ("cup",)
    assert answer.scores == (None,)
    assert (answer.problems, answer.model, answer.text) == ((), "endpoint:served", BOX)


def test_question_is_the_codecs_prompt_behind_the_picture(server, picture):
    load(server).ground(picture, "the cup")
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body["model"] == "served"
    assert asked.prompt == get_codec("json").prompt("locate", "the cup")
    assert [part["type"] for part in asked.body["messages"][0]["content"]] == ["image_url", "text"]
    assert asked.picture.size == (200, 100)


def test_every_task_of_the_codec_can_be_asked(server, picture):
    model = load(server)
    assert model.tasks == ("locate", "detect", "describe", "caption", "count")
    assert model.detect(picture, ["cup", "spoon"]).labels == ("cup",)
    assert model.count(picture, "cups").count == 1
    server.answers = completion("A cup.")
    assert model.caption(picture).text == "A cup."
    assert model.describe(picture, box=(20, 20, 60, 40)).text == "A cup."
    assert "[100, 200, 300, 400]" in server.asked[-1].prompt
    with pytest.raises(InputError, match="knows no task 'segment'"):
        model.segment(picture, "the cup")


def test_nothing_there_is_an_answer(server, picture):
    server.answers = completion("[]")
    answer = load(server).ground(picture, "a whale")
    assert (answer.found, answer.problems) == (False, ())


def test_prose_gives_no_region_and_one_problem_and_is_kept(server, picture):
    server.answers = completion("I see a nice table, but nothing of that kind.")
    answer = load(server).ground(picture, "a whale")
    assert not answer.found
    assert [problem.kind for problem in answer.problems] == ["prose"]
    assert answer.text == "I see a nice table, but nothing of that kind."


def test_answer_cut_by_the_length_limit_says_so_and_keeps_what_was_read(server, picture):
    server.answers = completion('[{"label": "cup", "box": [100, 200, 300, 400]}, {"label": "sp', finish="length")
    answer = load(server, max_tokens=40).ground(picture, "things")
    assert answer.labels == ("cup",)
    told = [problem.message for problem in answer.problems if problem.kind == "truncated"]
    assert "the answer was cut at the limit of 40 tokens: raise max_tokens=" in told
    assert server.asked[0].body["max_tokens"] == 40


def test_whole_boxes_of_an_answer_cut_at_the_limit_do_not_hide_the_cut(server, picture):
    server.answers = completion(BOX, finish="length")
    assert [problem.kind for problem in load(server).ground(picture, "things").problems] == ["truncated"]


def test_refusal_is_a_problem_and_kept(server, picture):
    server.answers = completion(None, refusal="I can't help with that.")
    answer = load(server).ground(picture, "things")
    assert not answer.found
    assert answer.text == "I can't help with that."
    assert "the model refused to answer" in [problem.message for problem in answer.problems]


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_empty_answer_is_one_problem(server, picture, text):
    server.answers = completion(text)
    answer = load(server).ground(picture, "things")
    assert not answer.found
    assert len(answer.problems) == 1


def test_empty_answer_of_a_family_for_which_that_means_nothing_is_no_problem(server, picture):
    server.answers = completion("")
    model = load(server, "endpoint:google/paligemma2-3b-mix-448")
    assert model.detect(picture, ["whale"]).problems == ()
    server.answers = completion(None)
    assert [problem.message for problem in model.detect(picture, ["whale"]).problems] == ["the server sent no text"]


def test_answer_that_the_servers_filter_cut_says_so(server, picture):
    server.answers = completion("[", finish="content_filter")
    answer = load(server).ground(picture, "things")
    assert "the server's content filter cut the answer" in [problem.message for problem in answer.problems]


def test_answer_in_parts_is_read_as_one(server, picture):
    server.answers = completion([{"type": "text", "text": BOX[:9]}, {"type": "text", "text": BOX[9:]}])
    assert load(server).ground(picture, "the cup").found


# ---- many at once


def test_batch_keeps_its_order_and_the_limit_of_requests_at_a_time(server, picture):
    def answer(asked):
        number = int(re.search(r"thing (\d+)", asked.prompt)[1])
        until = time.monotonic() + 20
        while server.most < 3 and time.monotonic() < until:
            time.sleep(0.01)  # until three are here at once
        told = completion(json.dumps([{"label": str(number), "box": [0, 0, 10 * number, 100]}]))
        told.wait = 0.01 * (12 - number)  # the first takes longest
        return told

    server.answers = answer
    model = load(server, concurrency=3)
    answers = model.ground_many([(picture, f"thing {number}") for number in range(1, 13)])
    assert [one.labels for one in answers] == [(str(number),) for number in range(1, 13)]
    assert [one.phrase for one in answers] == [f"thing {number}" for number in range(1, 13)]
    assert server.most == 3
    assert [used.phrase for used in model.usage.answers] == [one.phrase for one in answers]


def test_failure_in_a_batch_ends_it_and_what_was_answered_is_counted(server, picture):
    server.answers = lambda asked: completion() if "thing 0" in asked.prompt else error(401, "no")
    model = load(server, concurrency=1)
    with pytest.raises(grounding.BackendError, match="wants a key"):
        model.ground_many([(picture, f"thing {number}") for number in range(9)])
    assert len(server.asked) < 9
    assert [used.phrase for used in model.usage.answers] == ["thing 0"]


def test_each_question_of_a_batch_may_fail_alone(server, picture):
    server.answers = lambda asked: error(400, "refused") if "thing 3" in asked.prompt else completion()
    model = load(server, concurrency=2, retries=0)
    answers = model.ask_each((picture, Question(phrase=f"thing {number}")) for number in range(6))
    assert [isinstance(one, Grounding) for one in answers] == [True] * 3 + [False] + [True] * 2
    assert isinstance(answers[3], grounding.BackendError)
    assert "refused" in str(answers[3])
    answered = [asked for asked in server.asked if "thing 3" not in asked.prompt]
    assert len(answered) == 5, "what was answered is not asked again"
    assert [used.phrase for used in model.usage.answers] == [f"thing {number}" for number in (0, 1, 2, 4, 5)]


def test_pictures_of_a_batch_are_not_mixed_up(server):
    def answer(asked):
        red = asked.picture.getpixel((0, 0))[0]
        label = "wanted" if f"shade {red}." in asked.prompt else "other"
        return completion(json.dumps([{"label": label, "box": [0, 0, 9, 9]}]))

    server.answers = answer
    shades = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (0, 60, 120, 240)]
    pairs = [(shades[number % 4], f"shade {(0, 60, 120, 240)[number % 4]}") for number in range(16)]
    for one in load(server, image_format="png").ground_many(pairs):
        assert one.labels == ("wanted",)


# ---- streaming


def test_regions_come_while_the_answer_is_written(server, picture):
    text = '[{"label": "cup", "box": [0, 0, 500, 500]}, {"label": "pot", "box": [500, 500, 1000, 1000]}]'
    server.answers = stream(text, size=3, pause=0.005)
    model = load(server)
    *regions, whole = model.stream(picture, "things")
    assert [type(event) for event in regions] == [Region, Region]
    assert isinstance(whole, Grounding)
    assert tuple(regions) == whole.regions
    assert (whole.text, whole.problems) == (text, ())
    assert server.asked[0].body["stream"] is True
    (used,) = model.usage.answers
    assert (used.input_tokens, used.output_tokens, used.finish) == (50, 20, "stop")


def test_streamed_and_whole_answers_agree(server, picture):
    server.answers = [completion(), stream()]
    model = load(server)
    whole = model.ground(picture, "the cup")
    assert list(model.stream(picture, "the cup"))[-1].replace(seconds=None) == whole.replace(seconds=None)


def test_first_region_is_there_before_the_last_piece_is_sent(server, picture):
    server.answers = stream(BOX[:-1] + ", " * 200, size=1, pause=0.01)
    events = load(server).stream(picture, "the cup")
    first = next(events)
    assert first.box == pytest.approx(BOX_PX)
    events.close()


@pytest.mark.parametrize("cut", [True, False], ids=["connection lost", "no end"])
def test_stream_that_breaks_off_keeps_what_came_and_says_so(server, picture, cut):
    server.answers = stream(BOX + '[{"label"', finish=None, cut=cut)
    *regions, whole = load(server).stream(picture, "things")
    assert [region.box for region in regions] == [pytest.approx(BOX_PX)]
    assert any("broke off before its end" in problem.message for problem in whole.problems)
    assert {problem.kind for problem in whole.problems} == {"truncated"}


def test_error_in_the_middle_of_a_stream_is_told(server, picture):
    told = stream(BOX, finish=None)
    told.body.append(event({"error": {"message": "out of memory"}}))
    server.answers = told
    *_, whole = load(server).stream(picture, "things")
    assert whole.found
    assert any("out of memory" in problem.message for problem in whole.problems)


def test_streamed_length_limit_and_refusal_are_problems(server, picture):
    server.answers = [stream(finish="length"), stream("")]
    server.answers[1].body.insert(1, chunk({"refusal": "I can't "}))
    server.answers[1].body.insert(2, chunk({"refusal": "do that."}))
    model = load(server)
    *_, cut = model.stream(picture, "things")
    assert [problem.kind for problem in cut.problems] == ["truncated"]
    *_, refused = model.stream(picture, "things")
    assert refused.text == "I can't do that."
    assert "the model refused to answer" in [problem.message for problem in refused.problems]


def test_stream_left_in_the_middle_gives_its_place_back_and_is_counted(server, picture):
    server.answers = stream(BOX[:-1] + ", " * 300, size=1, pause=0.01)
    model = load(server, concurrency=1, timeout=20)
    events = model.stream(picture, "the cup")
    next(events)
    events.close()
    server.answers = completion()
    assert model.ground(picture, "the cup").found
    left, whole = model.usage.answers
    assert (left.input_tokens, left.finish, whole.input_tokens) == (None, None, 50)


# ---- pictures


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_pictures_are_sent_within_the_limit_and_boxes_stay_right(server, image_format):
    big = Image.fromarray(np.zeros((3000, 1000, 3), np.uint8))
    model = load(server, max_side=600, image_format=image_format)
    (region,) = model.ground(big, "the cup").regions
    (asked,) = server.asked
    assert asked.picture.size == (200, 600)
    assert asked.url.startswith(f"data:image/{image_format};base64,")
    assert region.box == pytest.approx((100, 600, 300, 1200))


def test_small_pictures_are_sent_as_they_are(server):
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    load(server, image_format="png").ground(noise, "the cup")
    assert np.array_equal(np.asarray(server.asked[0].picture), noise)


def test_pixels_of_qwen25_go_through_the_picture_sent_and_the_servers_resizing(server):
    # 4000 x 3000 is sent as 1568 x 1176, which the server makes 1148 x 840 to stay within 1280 * 28 * 28 pixels
    server.answers = completion('[{"bbox_2d": [574, 420, 1148, 840], "label": "cup"}]')
    model = load(server, "endpoint:Qwen/Qwen2.5-VL-7B-Instruct", min_pixels=3136, max_pixels=1280 * 28 * 28)
    assert model.codec.name == "qwen2.5-vl"
    answer = model.ground(Image.new("RGB", (4000, 3000)), "the cup")
    assert answer.regions[0].box == pytest.approx((2000, 1500, 4000, 3000))
    assert server.asked[0].picture.size == (1568, 1176)


def test_qwen25_without_its_servers_limits_says_what_to_give(server):
    with pytest.raises(InputError, match=r"read as qwen2\.5-vl.*load\(\) takes min_pixels= and max_pixels="):
        load(server, "endpoint:qwen2.5vl:7b")


def test_padded_families_are_right_for_pictures_sent_smaller(server):
    server.answers = completion("[0.25, 0.25, 0.75, 0.75]")
    answer = load(server, codec="llava-1.5", max_side=100).ground(Image.new("RGB", (2000, 1000)), "the cup")
    assert answer.regions[0].box == pytest.approx((500, 0, 1500, 1000))


# ---- families, schemas, and what servers do not take


@pytest.mark.parametrize(
    ("name", "codec", "text", "box"),
    [
        ("endpoint:Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl", '[{"bbox_2d": [100, 200, 300, 400]}]', BOX_PX),
        ("endpoint:gemini-2.5-flash", "gemini", '[{"box_2d": [200, 100, 400, 300], "label": "cup"}]', BOX_PX),
        ("gemini:whatever", "gemini", '[{"box_2d": [200, 100, 400, 300], "label": "cup"}]', BOX_PX),
        ("claude:claude-sonnet-4-5", "json", BOX, BOX_PX),
        ("openai:gpt-4o", "json", BOX, BOX_PX),
        ("endpoint:OpenGVLab/InternVL3-8B", "internvl", "<ref>cup</ref><box>[[100, 200, 300, 400]]</box>", BOX_PX),
    ],
)
def test_model_is_read_as_the_family_that_its_name_tells(server, picture, name, codec, text, box):
    server.answers = completion(text)
    model = load(server, name)
    assert model.codec.name == codec
    answer = model.ground(picture, "the cup")
    assert answer.regions[0].box == pytest.approx(box)
    assert answer.model == name


def test_codec_can_be_chosen(server, picture):
    server.answers = completion('[{"box_2d": [200, 100, 400, 300]}]')
    model = load(server, "openai:mine", codec="gemini")
    assert model.ground(picture, "the cup").regions[0].box == pytest.approx(BOX_PX)
    with pytest.raises(UnknownCodecError, match="no codec named 'gemeni'"):
        load(server, codec="gemeni")


def test_schema_of_the_codec_is_asked_for_and_its_answer_read(server, picture):
    server.answers = completion('{"objects": [{"label": "cup", "box": [100, 200, 300, 400]}]}')
    answer = load(server).detect(picture, ["cup", "spoon"])
    assert answer.regions[0].box == pytest.approx(BOX_PX)
    asked = server.asked[0].body["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True
    assert asked["json_schema"]["schema"] == get_codec("json").schema("detect", ["cup", "spoon"], wrapped=True)


def test_no_schema_for_words_for_families_without_one_and_where_it_is_not_wanted(server, picture):
    load(server).caption(picture)
    load(server, codec="internvl").ground(picture, "the cup")
    load(server, schema=False).ground(picture, "the cup")
    assert len(server.asked) == 3
    assert all("response_format" not in asked.body for asked in server.asked)


def test_tags_that_are_special_tokens_are_asked_for(server, picture):
    load(server, codec="internvl").ground(picture, "the cup")
    load(server, codec="internvl", extra_body={"skip_special_tokens": True, "top_k": 1}).ground(picture, "the cup")
    load(server).ground(picture, "the cup")
    assert [asked.body.get("skip_special_tokens") for asked in server.asked] == [False, True, None]
    assert server.asked[1].body["top_k"] == 1


def test_temperature_seed_and_limit_are_sent(server, picture):
    load(server, temperature=0.5, seed=7, max_tokens=9).ground(picture, "the cup")
    load(server, temperature=None, max_tokens=None).ground(picture, "the cup")
    first, second = (asked.body for asked in server.asked)
    assert (first["temperature"], first["seed"], first["max_tokens"]) == (0.5, 7, 9)
    assert not {"temperature", "seed", "max_tokens"} & set(second)


# ---- usage


def test_usage_and_cost_of_each_answer_and_of_all(server, picture):
    server.answers = [completion(usage=(1000, 200)), completion(usage=(3000, 100))]
    model = load(server, prices={"served": (2.0, 10.0), "other": (1, 1)}, concurrency=1)
    assert model.usage.cost == 0
    model.ground_many([(picture, "a"), (picture, "b")])
    first, second = model.usage.answers
    assert (first.phrase, first.input_tokens, first.output_tokens) == ("a", 1000, 200)
    assert first.cost == pytest.approx(0.004)
    assert first.seconds > 0
    assert (second.phrase, second.cost) == ("b", pytest.approx(0.007))
    assert (model.usage.input_tokens, model.usage.output_tokens) == (4000, 300)
    assert model.usage.cost == pytest.approx(0.011)


@pytest.mark.parametrize(("usage", "prices"), [((10, 10), None), (None, {"served": (1, 1)})])
def test_cost_nobody_knows_is_none(server, picture, usage, prices):
    server.answers = completion(usage=usage)
    model = load(server, prices=prices)
    model.ground(picture, "a")
    assert model.usage.cost is None
    assert model.usage.answers[0].cost is None


# ---- the door


def test_prefixes_are_listed():
    forms = {backend.form for backend in backends()}
    assert {"openai:MODEL", "gemini:MODEL", "claude:MODEL", "endpoint:MODEL"} <= forms


def test_repr_says_who_where_and_how(server):
    assert repr(load(server)) == f"Endpoint('endpoint:served', base_url='{server.base_url}', codec='json')"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temprature": 1}, "no option named 'temprature'; known: base_url"),
        ({"api_key": "sk-secret"}, "api_key is not taken"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"prices": {"served": (1,)}}, "the price of 'served'"),
    ],
)
def test_options_that_make_no_sense_are_refused(server, options, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load(server, **options)
    assert "sk-secret" not in str(caught.value)


def test_name_without_a_model_is_refused(server):
    with pytest.raises(ConfigError, match="endpoint:MODEL"):
        load(server, "endpoint:")


def test_models_whose_names_have_colons_are_asked_by_their_whole_name(server, picture):
    load(server, "endpoint:llava:7b").ground(picture, "a")
    assert server.asked[0].body["model"] == "llava:7b"


def test_without_the_client_library_one_line_says_what_to_install():
    code = """
        import sys
        sys.modules["openai"] = None
        import grounding
        try:
            grounding.load("endpoint:m", base_url="http://localhost:1/v1")
        except grounding.MissingExtraError as error:
            print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.stdout.strip().endswith("pip install 'grounding-vlm[endpoint]'")


def test_question_of_any_kind_streams(server, picture):
    server.answers = stream()
    *_, whole = load(server).stream(picture, Question("detect", names=("cup",)))
    assert whole.labels == ("cup",)


# ---- the manual


def test_python_of_the_manual_runs(server, monkeypatch, capsys):
    """With its addresses turned to the server here; its hosts and its servers are elsewhere."""
    monkeypatch.chdir(ROOT)
    for name in ("OPENAI_API_KEY", "MY_SERVER_KEY"):
        monkeypatch.setenv(name, "sk-test")
    for prefix, host in HOSTS.items():
        monkeypatch.setitem(HOSTS, prefix, replace(host, base_url=host.base_url and server.base_url))
    server.answers = lambda asked: stream() if asked.body.get("stream") else completion(usage=(1000, 100))
    text = (ROOT / "docs" / "endpoints.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    exec(compile(code.replace("http://localhost:8000/v1", server.base_url), "endpoints.md", "exec"), {})
    assert "2000 200 0.007" in capsys.readouterr().out
    assert len(server.asked) == 4


def test_manual_names_hosts_and_defaults_as_they_are():
    text = (ROOT / "docs" / "endpoints.md").read_text()
    for prefix, host in HOSTS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{prefix}:MODEL`"))
        assert host.base_url is None or f"`{host.base_url}`" in row
        assert host.api_key_env is None or f"`{host.api_key_env}`" in row
    for name, value in re.findall(
        r"\b(max_side|retries|timeout|concurrency|max_tokens|temperature|seed)=([\d.]+|None)`", text
    ):
        assert str(getattr(EndpointOptions(), name)) in (value, f"{value}.0"), name
