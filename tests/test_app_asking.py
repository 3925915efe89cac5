"""Answers in the making: stopped between two tokens, cut at their time, and never in each other's way."""

from __future__ import annotations

import threading
import time

import pytest

import grounding
from app.asking import WENT_WRONG, Asking
from app.models import Models, shown_names
from app.settings import parse
from tests.app_server import SCENE

THREE = {"task": "detect", "names": ["star"]}


@pytest.fixture(scope="module")
def models():
    made = Models(["grounding-photos"], workers=2)
    made.open("grounding-photos")
    return made


@pytest.fixture(scope="module")
def scene():
    return grounding.open_image(SCENE)


def test_stopping_ends_the_answer_and_frees_its_worker(models, scene):
    asking = Asking(models, 60)
    for _ in range(4):  # twice as often as there are workers
        events = asking.events(scene, THREE, "grounding-photos", "mine")
        assert next(events)["kind"] == "region"
        assert asking.stop("mine")
        assert list(events) == [{"kind": "problem", "message": "Stopped.", "stopped": True}]
    assert not asking.stop("mine")
    assert [e["kind"] for e in asking.events(scene, THREE, "grounding-photos")] == ["region"] * 3 + ["answer"]


def test_page_that_goes_away_frees_its_worker(models, scene):
    asking = Asking(models, 60)
    for _ in range(4):
        events = asking.events(scene, THREE, "grounding-photos", "gone")
        next(events)
        events.close()
    assert list(asking.events(scene, THREE, "grounding-photos"))[-1]["kind"] == "answer"


def test_answer_is_cut_at_its_time(models, scene):
    (event,) = Asking(models, 1e-6).events(scene, THREE, "grounding-photos")
    assert "longer than" in event["message"]


def test_model_that_is_being_loaded_holds_nobody_up(monkeypatch, scene):
    both, begun, go_on = Models(["grounding-photos", "slow"], workers=1), threading.Event(), threading.Event()
    both.open("grounding-photos")

    def slowly(_):
        begun.set()
        go_on.wait(60)
        return object()

    monkeypatch.setattr(grounding, "load", slowly)
    loading = threading.Thread(target=both.open, args=("slow",))
    loading.start()
    begun.wait(60)
    *_, last = Asking(both, 60).events(scene, THREE, "grounding-photos")
    assert last["kind"] == "answer"
    assert loading.is_alive()
    go_on.set()
    loading.join()


def test_long_answer_does_not_hold_up_another(models, scene):
    asking = Asking(models, 60)
    long = asking.events(scene, THREE, "grounding-photos")
    next(long)  # and nobody takes the rest for now
    start = time.perf_counter()
    quick = list(asking.events(scene, {"task": "describe", "point": (313, 115)}, "grounding-photos"))
    assert quick[-1]["answer"]["text"] == "medium red star"
    assert time.perf_counter() - start < 20
    assert len(list(long)) == 3


def test_answers_at_the_same_time_are_those_one_after_the_other(models):
    pictures = [grounding.open_image(path) for path in sorted((SCENE.parents[2] / "app/examples").glob("*.png"))]
    asking, seen = Asking(models, 60), {}
    alone = [list(asking.events(p, {"task": "caption"}, "grounding-photos"))[-1]["answer"]["text"] for p in pictures]

    def one(number):
        seen[number] = [
            list(asking.events(pictures[number], {"task": "caption"}, "grounding-photos"))[-1]["answer"]["text"]
            for _ in range(3)
        ]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: [text] * 3 for number, text in enumerate(alone)}


def test_what_breaks_is_told_without_a_trace(models, scene, caplog):
    class Broken(Models):
        def lent(self, name, check):
            raise RuntimeError("secret path /x/y")

    (event,) = Asking(Broken(["m"], 1), 60).events(scene, THREE, "m")
    assert event["message"] == WENT_WRONG
    assert "secret path" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--auth", "ada"], "USER:PASS"),
        (["--share"], "--auth"),
        (["--workers", "0"], "over 0"),
        (["--port", "70000"], "65535"),
    ],
)
def test_command_lines_without_sense_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert words in capsys.readouterr().err


def test_it_listens_on_this_machine_alone_unless_told(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert parse([]).host == "127.0.0.1"
    assert parse(["--host", "0.0.0.0"]).host == "0.0.0.0"


def test_users_see_no_path_of_this_machine(tmp_path):
    names = ["grounding-photos", f"scripted:{tmp_path}/a.jsonl", str(tmp_path), "org/name", "openai:gpt-4o"]
    shown = shown_names([*names, f"scripted:{tmp_path}/b/a.jsonl"])
    assert list(shown) == [
        "grounding-photos", "scripted:a.jsonl", tmp_path.name, "org/name", "openai:gpt-4o", "scripted:a.jsonl (2)",
    ]  # fmt: skip
    assert list(shown.values())[:5] == names


def test_failing_model_is_told_without_its_files(scene, tmp_path, caplog):
    (tmp_path / "empty.jsonl").write_text("")
    models = Models([f"scripted:{tmp_path}/empty.jsonl"], 1)
    (event,) = Asking(models, 60).events(scene, THREE, "scripted:empty.jsonl")
    assert event["message"].startswith("This model could not answer.")
    assert "has no answer" in caplog.text


def test_question_that_waits_for_a_model_can_be_stopped(scene, tmp_path):
    (tmp_path / "one.jsonl").write_text('{"phrase": "x", "answer": "none"}\n')
    models = Models([f"scripted:{tmp_path}/one.jsonl"], workers=3)  # it has no twins
    asking, seen = Asking(models, 60), []
    question = {"task": "locate", "phrase": "x"}
    with models.lent("scripted:one.jsonl", lambda: None):
        waiting = threading.Thread(
            target=lambda: seen.extend(asking.events(scene, question, "scripted:one.jsonl", "w"))
        )
        waiting.start()
        while not asking.stop("w"):
            time.sleep(0.01)
        waiting.join(10)
    assert [event["message"] for event in seen] == ["Stopped."]
    assert [event["kind"] for event in asking.events(scene, question, "scripted:one.jsonl")] == ["answer"]
