"""The one door to all models, what Grounder does for each of them, and scripted answers through the real codec."""

import json

import numpy as np
import pytest
from PIL import Image

import grounding
from grounding import Grounding, Question, Region, Scripted
from grounding.backends import backends
from grounding.backends.base import Answer, Grounder
from grounding.errors import (
    BackendError,
    BoxError,
    CheckpointError,
    ConfigError,
    InputError,
    PromptError,
    UnknownModelError,
)

BOX = "<loc0256><loc0000><loc0768><loc1023>"
BOX_PX = (0.0, 100 * 256 / 1023, 200.0, 100 * 768 / 1023)
SMALL = "<loc0100><loc0200><loc0300><loc0400>"


@pytest.fixture
def picture():
    return Image.new("RGB", (200, 100), "white")


class Counting(Scripted):
    """Remembers what it was given, so that a test can see what a model would see."""

    def _generate(self, requests):
        self.requests = list(requests)
        return super()._generate(requests)


# ---- the verbs


def test_box_comes_back_in_pixels_of_the_picture(picture):
    answer = Scripted({"the red star": BOX}).ground(picture, "the red star")
    assert answer.found
    assert answer.regions[0].box == pytest.approx(BOX_PX)
    assert (answer.phrase, answer.task, answer.width, answer.height) == ("the red star", "locate", 200, 100)
    assert answer.model == "scripted"
    assert answer.seconds > 0
    assert answer.problems == ()


def test_nothing_there_is_an_answer(picture):
    answer = Scripted({"a whale": "none"}).ground(picture, "a whale")
    assert not answer.found
    assert answer.problems == ()


def test_what_a_model_wrote_badly_is_a_problem_and_no_error(picture):
    answer = Scripted({"a star": BOX + " ; <loc0001>"}).ground(picture, "a star")
    assert len(answer.regions) == 1
    assert answer.problems


def test_detect_labels_each_region(picture):
    question = Question("detect", names=("star", "ring"))
    answer = Scripted([(question, f"{BOX} star ; {SMALL} ring")]).detect(picture, ["star", "ring"])
    assert answer.labels == ("star", "ring")
    assert answer.phrase == "star ; ring"


def test_detect_gives_a_name_back_as_it_was_asked(picture):
    question = Question("detect", names=("Letter A",))
    model = Scripted([(question, f"{BOX} letter a")])
    assert model.detect(picture, ["Letter A"]).labels == ("Letter A",)
    assert [event.label for event in list(model.stream(picture, question))[:-1]] == ["Letter A"]


def test_detect_takes_one_name_as_a_string(picture):
    assert Scripted({"star": f"{BOX} star"}).detect(picture, "star").count == 1


def test_describe_a_point_gives_words_and_their_box(picture):
    answer = Scripted([(Question("describe", point=(30, 40)), f"{BOX} a red star")]).describe(picture, point=(30, 40))
    assert answer.text == "a red star"
    assert answer.best.box == pytest.approx(BOX_PX)


def test_describe_a_box_gives_words(picture):
    answer = Scripted([(Question("describe"), "a red star")]).describe(picture, box=(1, 2, 30, 40))
    assert answer.text == "a red star"


def test_caption_points_at_its_own_words(picture):
    answer = Scripted([(Question("caption"), f"a <p>red star</p>{BOX} on white")]).caption(picture)
    assert answer.text == "a red star on white"
    assert answer.text[slice(*answer.regions[0].span)] == "red star"
    assert answer.raw == f"a <p>red star</p>{BOX} on white"


def test_count_gives_a_number_and_a_region_each(picture):
    answer = Scripted({"stars": f"2 : {BOX} ; {SMALL}"}).count(picture, "stars")
    assert answer.count == len(answer.regions) == 2
    assert Scripted({"stars": "0"}).count(picture, "stars").count == 0


def test_segment_gives_masks(picture):
    text = "<loc0000><loc0000><loc1023><loc0000><loc1023><loc0512><loc0000><loc0512>"
    mask = Scripted({"star": text}).segment(picture, "star").regions[0].mask
    assert mask.array.shape == (100, 200)
    assert mask.area == pytest.approx(100 * 100, rel=0.02)


def test_stream_gives_each_region_and_then_the_whole_answer(picture):
    model = Scripted({"stars": f"{BOX} ; {SMALL}"})
    *regions, whole = model.stream(picture, "stars")
    assert isinstance(whole, Grounding)
    assert tuple(regions) == whole.regions
    assert whole.replace(seconds=None) == model.ground(picture, "stars").replace(seconds=None)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Question("detect", names=("star",)), f"{BOX} star ; {SMALL} star"),
        (Question("caption"), f"a <p>red star</p>{BOX} and <p>rings</p>{SMALL}{BOX}"),
        (Question("describe", point=(1, 1)), f"{BOX} a red star"),
        (Question("count", phrase="stars"), f"2 : {BOX} ; {SMALL}"),
    ],
    ids=lambda value: getattr(value, "task", ""),
)
def test_stream_agrees_with_the_whole_for_every_task(picture, question, text):
    *regions, whole = Scripted([(question, text)]).stream(picture, question)
    assert tuple(regions) == whole.regions
    assert whole.found


def test_backend_that_cannot_stream_gives_its_answer_at_the_end(picture):
    class Slow(Scripted):
        _stream = Grounder._stream

    events = list(Slow({"stars": f"{BOX} ; {SMALL}"}).stream(picture, "stars"))
    assert [type(event) for event in events] == [Region, Region, Grounding]


def test_many_questions_come_back_in_order_and_share_an_opened_picture(picture, tmp_path):
    path = tmp_path / "a.png"
    picture.save(path)
    model = Counting({"a": BOX, "b": "none", "c": SMALL})
    answers = model.ground_many([(path, "a"), (str(path), "b"), (np.zeros((50, 60, 3), np.uint8), "c")])
    assert [answer.phrase for answer in answers] == ["a", "b", "c"]
    assert [answer.found for answer in answers] == [True, False, True]
    assert model.requests[0].image is model.requests[1].image
    assert answers[2].width == 60


def test_many_tasks_can_be_asked_at_once(picture):
    model = Scripted([(Question("locate", "a"), BOX), (Question("caption"), "white")])
    assert [
        answer.task for answer in model.ask_many([(picture, Question("caption")), (picture, Question("locate", "a"))])
    ] == [
        "caption",
        "locate",
    ]


def test_no_questions_no_answers():
    assert Scripted({}).ground_many([]) == []


def test_scores_and_finer_boxes_of_a_backend_win_over_its_text(picture):
    class Scoring(Scripted):
        def _generate(self, requests):
            return [Answer(BOX, regions=(Region((0, 1, 2, 3), score=0.5),)) for _ in requests]

    assert Scoring({}).ground(picture, "a").regions == (Region((0, 1, 2, 3), score=0.5),)


def test_backend_that_loses_an_answer_is_found_out(picture):
    class Losing(Scripted):
        def _generate(self, requests):
            return []

    with pytest.raises(BackendError, match="0 answers to 1 question"):
        Losing({}).ground(picture, "a")


# ---- questions that make no sense

ANY = [(Question(task), "none") for task in ("locate", "detect", "describe", "count", "segment")]


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda m, p: m.ground(p, ""), PromptError, "'' is empty"),
        (lambda m, p: m.ground(p, " \n"), PromptError, "is empty"),
        (lambda m, p: m.ground(p, 5), PromptError, "got int 5"),
        (lambda m, p: m.count(p, ""), PromptError, "is empty"),
        (lambda m, p: m.segment(p, ""), PromptError, "is empty"),
        (lambda m, p: m.detect(p, []), PromptError, "at least one"),
        (lambda m, p: m.detect(p, ["star", ""]), PromptError, "is empty"),
        (lambda m, p: m.detect(p, ["a ; b"]), PromptError, "semicolon"),
        (lambda m, p: m.ground(p, "<loc0001>"), PromptError, "markup"),
        (lambda m, p: m.describe(p), PromptError, "one of"),
        (lambda m, p: m.describe(p, point=(1, 2), box=(1, 2, 3, 4)), PromptError, "one of"),
        (
            lambda m, p: m.describe(p, point=(300, 20)),
            BoxError,
            r"point \(300, 20\) is outside the picture of 200 x 100",
        ),
        (lambda m, p: m.describe(p, point=(1,)), BoxError, "2 finite numbers"),
        (lambda m, p: m.describe(p, point=(1, float("nan"))), BoxError, "finite"),
        (lambda m, p: m.describe(p, point="ab"), BoxError, "2 finite numbers"),
        (lambda m, p: m.describe(p, box=(10, 10, 250, 90)), BoxError, r"clip it to \(10, 10, 200, 90\)"),
        (lambda m, p: m.describe(p, box=(210, 10, 250, 90)), BoxError, "give one inside"),
        (lambda m, p: m.describe(p, box=(50, 10, 20, 90)), BoxError, "has no area"),
        (lambda m, p: m.ask(p, Question("sing")), InputError, "no task 'sing'; it knows: locate"),
    ],
)
def test_question_that_makes_no_sense_is_refused_before_the_model_is_asked(picture, ask, error, says):
    model = Counting(ANY)
    with pytest.raises(error, match=says) as caught:
        ask(model, picture)
    assert not hasattr(model, "requests")
    assert "\n" not in str(caught.value)


def test_stream_refuses_before_its_first_event(picture):
    with pytest.raises(PromptError):
        Scripted(ANY).stream(picture, "")


def test_place_that_overhangs_by_rounding_is_moved_to_the_edge(picture):
    model = Counting([(Question("describe"), "white")])
    model.describe(picture, box=(-0.3, 0, 200.4, 100))
    assert model.requests[0].question.box == (0.0, 0.0, 200.0, 100.0)
    model.describe(picture, point=(200.2, -0.2))
    assert model.requests[0].question.point == (200.0, 0.0)


def test_words_are_tidied_before_they_are_asked(picture):
    assert Scripted({"the red star": BOX}).ground(picture, "  the red\n star ").phrase == "the red star"


# ---- scripts


def test_script_in_a_file_answers(tmp_path, picture):
    rows = [
        {"phrase": "the red star", "answer": BOX},
        {"task": "detect", "names": ["star"], "answer": f"{BOX} star"},
        {"task": "describe", "point": [3, 4], "answer": f"{BOX} red star"},
        {"task": "caption", "answer": "white"},
    ]
    path = tmp_path / "script.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)))
    model = grounding.load(f"scripted:{path}")
    assert model.name == f"scripted:{path}"
    assert model.ground(picture, "the red star").found
    assert model.detect(picture, ["star"]).found
    assert model.describe(picture, point=(3, 4)).text == "red star"
    assert model.caption(picture).text == "white"


def test_script_without_the_answer_says_what_it_has(picture):
    with pytest.raises(BackendError, match=r"no answer to locate a cat; add one \(it answers: locate a dog"):
        Scripted([(Question("locate", "a dog"), "none")]).ground(picture, "a cat")


def test_script_speaks_other_families(picture):
    model = Scripted({"cat": "<loc0256><loc0000><loc0768><loc1023> cat"}, codec="paligemma")
    assert model.detect(picture, ["cat"]).labels == ("cat",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"phrase": "a"', "line 1 is not JSON"),
        ('{"phrase": "a"}', 'no text under "answer"'),
        ("[1]", 'no text under "answer"'),
        ('{"task": "sing", "answer": ""}', "the task 'sing'"),
        ('{"phrase": "a", "answer": "none"}\n{"phrase": "a", "answer": ""}', "twice and differently"),
    ],
)
def test_bad_script_says_where(tmp_path, text, says):
    path = tmp_path / "script.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        grounding.load(f"scripted:{path}")


def test_script_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        grounding.load(f"scripted:{tmp_path}/no.jsonl")


# ---- the door


def test_unknown_name_lists_what_is_known():
    with pytest.raises(UnknownModelError, match=r"no model named 'gpt-7'.*known: .*scripted:FILE.jsonl"):
        grounding.load("gpt-7")


@pytest.mark.parametrize(
    ("config", "error", "says"),
    [
        (None, CheckpointError, "no config.json"),
        ("{", CheckpointError, "can't be read as JSON"),
        ('{"model_type": "bert"}', UnknownModelError, "type 'bert'.*known: "),
        ("[]", UnknownModelError, "type None"),
    ],
)
def test_directory_that_holds_no_model_of_ours_is_named(tmp_path, config, error, says):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(error, match=says) as caught:
        grounding.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_every_kind_of_name_is_listed_with_what_it_is():
    assert {"(no name)", "DIRECTORY", "scripted:FILE.jsonl"} <= {backend.form for backend in backends()}
    assert all(backend.what for backend in backends())


def test_an_option_that_a_kind_of_model_does_not_have_is_named(tmp_path):
    (tmp_path / "script.jsonl").write_text('{"phrase": "it", "answer": "none"}\n')
    with pytest.raises(
        ConfigError, match=r"scripted:FILE.jsonl has no option 'rounding'; its options are codec, device"
    ):
        grounding.load(f"scripted:{tmp_path / 'script.jsonl'}", rounding="official")
