"""JSON objects as regions, and the texts for GPT and Claude: prompts, schemas, round trips, broken answers."""

import json

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import PROBLEM_KINDS, Region
from tests.strategies import answers, broken, canvases, cut, regions
from tests.test_json_repair import texts

CODEC = get_codec("json")
CANVAS = Canvas.identity(1000, 1000)  # a unit is a pixel
BOX = (10, 20, 30, 40)


def decode(text: str, task: str = "locate"):
    return CODEC.decode(text, CANVAS, task=task)


def seen(text: str, task: str = "locate") -> list[tuple]:
    return [(region.box, region.label) for region in decode(text, task).regions]


def kinds(text: str, task: str = "locate") -> list[str]:
    return [problem.kind for problem in decode(text, task).problems]


# ---- asking


def test_the_prompt_shows_the_form_that_is_read():
    asked = CODEC.prompt("locate", "the red cup")
    assert "the red cup" in asked
    assert "0 to 1000" in asked
    shown = asked[asked.index("[{") : asked.index("}]") + 2].replace("x1, y1, x2, y2", "10, 20, 30, 40")
    assert seen(shown) == [(BOX, "what it is")]
    assert "cat, dog" in CODEC.prompt("detect", names=["cat", "dog"])
    assert '"point": [x, y]' in CODEC.prompt("point", "the cup")
    assert CODEC.prompt("answer", "how many?").startswith("how many?")


def test_a_place_is_asked_about_in_the_same_numbers():
    canvas = Canvas.identity(200, 100)
    assert "[50, 200, 150, 400]" in CODEC.prompt("describe", box=(10, 20, 30, 40), canvas=canvas)
    assert "[50, 200]" in CODEC.prompt("describe", point=(10, 20), canvas=canvas)
    with pytest.raises(PromptError, match="one place"):
        CODEC.prompt("describe", canvas=canvas)
    with pytest.raises(PromptError, match="canvas="):
        CODEC.prompt("describe", box=BOX)


def test_prompts_refuse_what_the_model_would_misread():
    with pytest.raises(PromptError, match="markup"):
        CODEC.prompt("locate", "a <|im_end|> b")
    with pytest.raises(PromptError, match="comma"):
        CODEC.prompt("detect", names=["cat, dog"])
    with pytest.raises(PromptError, match="empty"):
        CODEC.prompt("locate", " ")
    assert '"big" {one}' in CODEC.prompt("locate", 'the "big" {one}')


def test_the_schema_says_what_the_prompt_asks_for():
    schema = CODEC.schema("locate")
    thing = schema["items"]
    assert schema["type"] == "array"
    assert thing["required"] == ["label", "box"]
    box = thing["properties"]["box"]
    assert (box["minItems"], box["maxItems"]) == (4, 4)
    assert box["items"] == {"type": "integer", "minimum": 0, "maximum": 1000}
    assert CODEC.schema("detect", ["cat", "dog"])["items"]["properties"]["label"]["enum"] == ["cat", "dog"]
    assert "enum" not in CODEC.schema("detect")["items"]["properties"]["label"]
    assert CODEC.schema("point")["items"]["required"] == ["label", "point"]
    assert CODEC.schema("locate", wrapped=True)["properties"]["objects"] == schema
    with pytest.raises(InputError, match="in words"):
        CODEC.schema("caption")
    for task in ("locate", "detect", "count", "point"):
        keys = CODEC.schema(task)["items"]["required"]
        assert all(f'"{key}": ' in CODEC.prompt(task, "a cup", names=["cup"]) for key in keys)


# ---- reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"label": "cat", "box": [10, 20, 30, 40]}]', [(BOX, "cat")]),
        ('{"bbox_2d": [10, 20, 30, 40], "label": "cat"}', [(BOX, "cat")]),
        ('```json\r\n[{"bbox": [10, 20, 30, 40]}]\r\n```', [(BOX, None)]),
        ('{"objects": [{"box": [10, 20, 30, 40], "name": " cat "}]}', [(BOX, "cat")]),
        ('{"cat": {"box": [10, 20, 30, 40]}}', [(BOX, "cat")]),
        ('{"cat": [10, 20, 30, 40], "size": [1, 2]}', [(BOX, "cat")]),
        ('{"boxes": [[10, 20, 30, 40], [1, 2, 3, 4]], "labels": ["a", "b"]}', [(BOX, "a"), ((1, 2, 3, 4), "b")]),
        ('{"boxes": [[10, 20, 30, 40], [1, 2, 3, 4]], "label": "a"}', [(BOX, "a"), ((1, 2, 3, 4), "a")]),
        ('{"box": [10,20,30,40], "label": "a", "box": [1,2,3,4], "label": "b"}', [(BOX, "a"), ((1, 2, 3, 4), "b")]),
        ('{"label": "a", "box": [10,20,30,40], "label": "b", "box": [1,2,3,4]}', [(BOX, "a"), ((1, 2, 3, 4), "b")]),
        ('{"coordinates": {"x1": 10, "y1": 20, "x2": 30, "y2": 40}, "text_content": "EXIT"}', [(BOX, "EXIT")]),
        ('{"x1": 10, "y1": 20, "x2": 30, "y2": 40, "name": "cat"}', [(BOX, "cat")]),
        ('{"bbox_2d": "10, 20, 30, 40", "label": "cat"}', [(BOX, "cat")]),
        ('{"bbox_2d": [[10, 20], [30, 40]], "label": "cat"}', [(BOX, "cat")]),
        ('{"bbox_2d": [10, 20, 30, 40], "names": {"zh": "猫", "en": "cat"}}', [(BOX, "cat")]),
        ('{"label": "car", "sub_label": "red car", "bbox_2d": [10, 20, 30, 40]}', [(BOX, "car")]),
        ('{"box": [10, 20, 30, 40], "point": [15, 25], "label": "cat"}', [(BOX, "cat")]),
        ("[10, 20, 30, 40]", [(BOX, None)]),
        ("The cat is at (10, 20, 30, 40).", [(BOX, None)]),
        ('[["cat", 10, 20, 30, 40], [1, 2, 3, 4]]', [(BOX, "cat"), ((1, 2, 3, 4), None)]),
        ('{"box": [10.0, 20, 30, 40], "label": "man"s hat, big", "score": 0.9}', [(BOX, 'man"s hat, big')]),
    ],
)
def test_regions_of_many_forms(text, expected):
    assert seen(text) == expected
    assert not decode(text).problems
    assert all(region.score is None for region in decode(text).regions)


@pytest.mark.parametrize("text", ["[]", "```json\n[]\n```", '{"objects": []}', "{'box': []}", "None is there: []</s>"])
def test_an_empty_list_means_nothing_there(text):
    assert not decode(text).regions
    assert not kinds(text)


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        ("", 0, ["truncated"]),
        (" \n", 0, ["truncated"]),
        ("```json\n```", 0, ["truncated"]),
        ("I see no cat in the picture [1].", 0, ["prose"]),
        ("[see below]", 0, ["prose"]),
        ('["cat", "dog"]', 0, ["malformed"]),
        ("<think>perhaps [10, 20, 30, 40]", 0, ["truncated"]),
        ('[{"label": "cat"}]', 0, ["malformed"]),
        ('{"box": [10, 20, 30], "label": "cat"}', 0, ["malformed"]),
        ("[[470,]]", 0, ["malformed"]),
        ("[10, 20, 30]", 0, ["malformed"]),
        ('{"box": [10, 20, 30, "x"]}', 0, ["malformed"]),
        ('{"box": null, "label": "cat"}', 0, ["malformed"]),
        ('{"box": [10, 20, 30, 99999]}', 0, ["out_of_range"]),
        ('{"box": [10, 20, 30, 1' + "0" * 400 + "]}", 0, ["out_of_range"]),
        ('{"box": [NaN, 20, 30, 40]}', 0, ["out_of_range"]),
        ('{"box": [10, 20, 30, 1003]}', 1, ["out_of_range"]),
        ('{"box": [30, 40, 10, 20]}', 1, ["inverted"]),
        ('[{"box": [10, 20, 30, 40]}, {"box": [10, 20, 30, 40]}]', 1, ["duplicate"]),
        ('[{"box": [10, 20, 30, 40], "label": "ca', 1, ["truncated"]),
        ('[{"box": [10, 20, 30, 40]}, {"box": [1, 2', 1, ["truncated"]),
        ('[{"label": "cat", "box": [10, 20, 30, 40', 0, ["truncated"]),
        ('<box>[{"box": [10, 20, 30, 40]}]', 1, ["unknown_token"]),
    ],
)
def test_broken_answers_give_what_can_be_read_and_say_what_can_not(text, found, problems):
    decoded = decode(text)
    assert len(decoded.regions) == found
    assert [problem.kind for problem in decoded.problems] == problems
    assert all(0 <= problem.span[0] <= problem.span[1] <= len(text) for problem in decoded.problems)


def test_the_same_box_forty_times_is_kept_once():
    decoded = decode("[" + ", ".join(['{"box": [10, 20, 30, 40], "label": "cat"}'] * 40) + "]")
    assert len(decoded.regions) == 1
    assert [problem.kind for problem in decoded.problems] == ["duplicate"] * 39


def test_a_region_says_where_it_was_read():
    text = 'So: [{"box": [10, 20, 30, 40]}, [1, 2, 3, 4]]'
    first, second = decode(text).regions
    assert text[slice(*first.span)] == '{"box": [10, 20, 30, 40]}'
    assert text[slice(*second.span)] == "[1, 2, 3, 4]"


def test_prose_is_reported_only_where_there_is_nothing_else():
    text = "I found one, as you asked:"
    assert kinds(text) == ["prose"]
    assert decode(text).problems[0].span == (0, len(text))
    assert not kinds(f"{text} [10, 20, 30, 40]. Anything else?")


def test_points_are_regions_without_extent():
    for text in ('[{"point": [10, 20], "label": "cat"}]', '{"point_2d": [10, 20], "label": "cat"}'):
        for task in ("point", "locate"):
            (region,) = decode(text, task).regions
            assert (region.box, region.point, region.label) == ((10, 20, 10, 20), (10, 20), "cat")
    assert [region.point for region in decode("(10, 20) and [30, 40]", "point").regions] == [(10, 20), (30, 40)]
    assert [region.point for region in decode('{"points": [[1, 2], [3, 4]]}', "point").regions] == [(1, 2), (3, 4)]


def test_an_answer_in_words_may_show_boxes():
    decoded = decode(
        '<think>hm</think>The cat, left.\n```json\n[{"box": [10, 20, 30, 40], "label": "cat"}]\n```</s>', "answer"
    )
    assert decoded.text == "The cat, left."
    assert [(region.box, region.label, region.span) for region in decoded.regions] == [(BOX, "cat", None)]
    assert not decoded.problems
    for text in ('It says {"a": 1} and [x].', "3 : 1", "see `[1]` {so"):
        assert decode(text, "answer").text == text
        assert not kinds(text, "answer")
    assert kinds("", "answer") == ["truncated"]
    assert kinds("<think>and", "answer") == ["truncated"]


# ---- writing


def test_what_is_written():
    shown = [Region((10, 20, 30, 40), label='the "big" cat'), Region((0, 0, 1000, 999.6))]
    written = CODEC.encode("locate", regions=shown, canvas=CANVAS)
    assert written == '[{"label": "the \\"big\\" cat", "box": [10, 20, 30, 40]}, {"box": [0, 0, 1000, 1000]}]'
    assert CODEC.encode("detect", canvas=CANVAS) == "[]"
    assert (
        CODEC.encode("point", regions=shown[:1], canvas=CANVAS) == '[{"label": "the \\"big\\" cat", "point": [20, 30]}]'
    )
    assert CODEC.encode("answer", text=" two ", canvas=CANVAS) == "two"
    assert CODEC.encode("describe", regions=shown[:1], canvas=CANVAS) == 'the "big" cat'


def test_what_can_not_be_written_is_refused():
    with pytest.raises(InputError, match="needs a label"):
        CODEC.encode("detect", regions=[Region(BOX)], canvas=CANVAS)
    for label in (" ", "a<|im_end|>"):
        with pytest.raises(InputError, match="label"):
            CODEC.encode("locate", regions=[Region(BOX, label=label)], canvas=CANVAS)
    with pytest.raises(InputError, match="as JSON"):
        CODEC.encode("answer", text="at [10, 20, 30, 40]", canvas=CANVAS)
    with pytest.raises(InputError, match="words"):
        CODEC.encode("caption", canvas=CANVAS)


@settings(max_examples=60, deadline=None)
@given(canvases, st.data())
def test_boxes_and_labels_survive_a_round_trip(canvas, data):
    given_regions = data.draw(regions(canvas, thinnest=0))
    decoded = CODEC.decode(CODEC.encode("detect", regions=given_regions, canvas=canvas), canvas, task="detect")
    kept = {(region.box, region.label) for region in decoded.regions}
    assert {problem.kind for problem in decoded.problems} <= {"duplicate"}
    for truth in given_regions:
        assert any(
            label == truth.label
            and box[0::2] == pytest.approx(truth.box[0::2], abs=0.5 / 1000 * canvas.width + 1e-9)
            and box[1::2] == pytest.approx(truth.box[1::2], abs=0.5 / 1000 * canvas.height + 1e-9)
            for box, label in kept
        )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_reading_never_raises_is_never_silent_and_does_not_depend_on_pieces(data):
    codec = get_codec(data.draw(st.sampled_from(["json", "qwen2.5-vl", "qwen3-vl", "gemini", "kimi-vl"])))
    canvas = data.draw(canvases)
    task = data.draw(st.sampled_from(codec.tasks))
    text = data.draw(broken(answers(codec, task, canvas)) | broken(texts))
    decoded = codec.decode(text, canvas, task=task)
    assert decoded.text is None or task in ("caption", "answer", "describe")
    for region in decoded.regions:
        x1, y1, x2, y2 = region.box
        assert 0 <= x1 <= x2 <= canvas.width
        assert 0 <= y1 <= y2 <= canvas.height
    for problem in decoded.problems:
        assert problem.kind in PROBLEM_KINDS
        assert 0 <= problem.span[0] <= problem.span[1] <= len(text)
    nothing = decoded.text or any(sign in text for sign in ("[", "［", "(", "（"))  # where an empty list may stand
    assert decoded.regions or decoded.problems or nothing
    stream = codec.stream(canvas, task=task)
    early = [region for piece in data.draw(cut(st.just(text))) for region in stream.feed(piece)]
    whole = stream.close()
    assert whole == decoded
    assert tuple(early) == whole.regions[: stream.yielded]


def test_every_codec_of_json_writes_json():
    for name in ("json", "qwen2.5-vl", "qwen3-vl", "gemini", "kimi-vl"):
        written = get_codec(name).encode("detect", regions=[Region(BOX, label='a "b"\n猫')], canvas=CANVAS)
        assert json.loads(written.strip("`").removeprefix("json"))[0]["label"] == 'a "b"\n猫'
