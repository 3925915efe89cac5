"""Bad lessons are passed over the same way everywhere, counted by reason, named, and stop a run past their share."""

import json

import pytest
from PIL import Image

from grounding.data.dataset import DataProblem
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.opening import open_source
from grounding.data.lessons.reading import TRIES, BadLesson, BadLessons, Ready, ready, ready_of, try_lesson
from grounding.data.lessons.sources import ListedSource, Source
from grounding.data.pictures import FilePicture, HeldPicture, NoPicture
from grounding.data.sample import Sample
from grounding.errors import ConfigError, InputError
from grounding.result import Grounding, Region

PICTURE = HeldPicture(Image.new("RGB", (100, 80)), "a.jpg")


def sample(box=(10, 10, 20, 20), size=(100, 80), **about):
    return Sample(PICTURE, "cup", Grounding("cup", (Region(box),), "", *size), "1", **about)


def lesson(turn, picture=PICTURE, id="1"):
    return Lesson(id, (picture,), (turn,))


def source(*lessons):
    return ListedSource("x", lessons, shuffle=False)


WORDS = Words("Hi", "Hello")
GOOD = lesson(WORDS, id="good")


def reason(made):
    return try_lesson(source(made), 0).reason


def test_every_way_to_be_bad_has_its_reason(tmp_path):
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert reason(lesson(WORDS, NoPicture("b.jpg"))) == "picture missing"
    assert reason(lesson(WORDS, FilePicture(tmp_path / "none.jpg"))) == "picture missing"
    assert reason(lesson(WORDS, FilePicture(tmp_path / "b.jpg"))) == "picture unreadable"
    assert reason(lesson(sample(size=(640, 480)))) == "picture of another size"
    assert reason(lesson(sample((200, 10, 300, 20)))) == "box outside its picture"
    assert reason(lesson(sample((0, -9, 10, 0)))) == "box outside its picture"
    asked = Sample(PICTURE, "", Grounding("", (), "x", 100, 80), "1", task="describe", box=(100, 0, 120, 20))
    assert reason(lesson(asked)) == "box outside its picture"
    assert reason(lesson(Words("Hi", "x", (), (Region((10, 90, 20, 95)),)))) == "box outside its picture"
    assert reason(lesson(Words("Hi", "x", (), (Region((1, 1, 2, 2)),), picture=3))) == "row unreadable"


def test_boxes_at_the_edge_and_over_it_are_in_the_picture():
    for box in ((0, 0, 100, 80), (99, 79, 130, 90), (-5, -5, 1, 1)):
        assert isinstance(try_lesson(source(lesson(sample(box))), 0), Ready)
    point = Region((100, 80, 100, 80), point=(100, 80))
    assert isinstance(try_lesson(source(lesson(Words("Hi", "x", (), (point,)))), 0), Ready)


def test_a_bad_lesson_is_replaced_by_the_next_readable_one():
    bad = lesson(sample((200, 10, 300, 20)), id="bad")
    made = source(bad, bad, GOOD, lesson(WORDS, id="last"))
    found = ready_of(made, 0)
    assert found.lesson.id == "good"
    assert found.images[0].size == (100, 80)
    assert [(entry.ordinal, entry.id, entry.file) for entry in found.passed_over] == [
        (0, "bad", "a.jpg"),
        (1, "bad", "a.jpg"),
    ]
    assert ready_of(made, 2).passed_over == ()
    mixture = Mixture([(1.0, made)])
    assert [ready(mixture, at).lesson.id for at in range(6)] == ["good", "good", "good", "last", "good", "good"]


def test_a_source_of_bad_lessons_alone_is_given_up():
    with pytest.raises(
        InputError, match=rf"{TRIES} lessons of x in a row can't be used, from number 7 on; the first: "
    ):
        ready_of(source(lesson(WORDS, NoPicture("a.jpg"))), 7)


class Misconfigured(Source):
    name = "x"

    def lesson(self, ordinal):
        raise ConfigError("no such skill")


def test_settings_that_make_no_sense_are_no_bad_lesson():
    with pytest.raises(ConfigError):
        ready_of(Misconfigured(), 0)


def bad(number, why="picture missing"):
    return BadLesson("x", number, f"id-{number}", why, "it is not there", "a.jpg")


def test_the_run_stops_only_past_the_share(tmp_path):
    counted = BadLessons(0.01, tmp_path / "log" / "bad.jsonl")
    for number in range(10):
        counted.note([bad(number)])
    counted.note([], lessons=990)
    assert counted.line() == "10 bad of 1,000 lessons (10 picture missing)"
    with pytest.raises(
        InputError, match=r"11 of 1,001 lessons .*over the share of 0.01 \(11 picture missing\).*bad.jsonl"
    ):
        counted.note([bad(10)])
    rows = [json.loads(line) for line in (tmp_path / "log" / "bad.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"id-{number}" for number in range(11)]
    assert rows[0] == {
        "source": "x",
        "ordinal": 0,
        "id": "id-0",
        "reason": "picture missing",
        "message": "it is not there",
        "file": "a.jpg",
    }


def test_a_bad_lesson_is_named_once_and_counted_each_time(tmp_path):
    counted = BadLessons(0.5, tmp_path / "bad.jsonl")
    found = ready_of(source(lesson(WORDS, NoPicture("a.jpg")), GOOD), 0)
    counted.take([found, found])
    counted.take(found)
    assert (counted.seen, counted.bad) == (3, 3)
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) == 1


def test_nothing_is_said_where_nothing_is_bad(tmp_path):
    counted = BadLessons(0.0, tmp_path / "bad.jsonl")
    counted.take(Ready(GOOD, ()))
    counted.opened([source(GOOD)])
    assert counted.line() == ""
    assert not (tmp_path / "bad.jsonl").exists()


def test_what_files_lost_counts_against_the_share(tmp_path):
    lost = DataProblem("box outside", "the box lies outside", "a.json", entry=7)
    kept = DataProblem("overhanging box", "it overhangs", "a.json", entry=8, kept=True)
    made = source(*[GOOD] * 99)
    made.problems = (lost, kept)
    BadLessons(0.01).opened([made])
    with pytest.raises(
        InputError, match=r"1 of 100 rows of x can't be used, over the share of 0.005.*entry 7: the box lies"
    ):
        BadLessons(0.005, tmp_path / "bad.jsonl").opened([made])
    (row,) = map(json.loads, (tmp_path / "bad.jsonl").read_text().splitlines())
    assert row["id"] == "a.json, entry 7"


def test_a_share_is_a_share():
    with pytest.raises(ConfigError, match="0 to 1; seen 3"):
        BadLessons(3)


def test_a_file_of_coco_loses_only_what_is_bad(tmp_path):
    for name in ("a", "b"):
        Image.new("RGB", (100, 80)).save(tmp_path / f"{name}.jpg")
    images = [{"id": n, "file_name": f"{name}.jpg", "width": 100, "height": 80} for n, name in enumerate("abc")]
    boxes = [(0, [10, 10, 20, 20]), (1, [10, 10, 20, 20]), (2, [10, 10, 20, 20]), (1, [300, 10, 20, 20])]
    data = {
        "images": images,
        "annotations": [{"id": n, "image_id": i, "category_id": 1, "bbox": box} for n, (i, box) in enumerate(boxes)],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(data))
    made = open_source(tmp_path / "instances.json", shuffle=False)
    counted = BadLessons(0.5)
    counted.opened([made])
    counted.take(ready_of(made, ordinal) for ordinal in range(3))
    assert counted.reasons == {"box outside in instances.json": 1, "picture missing": 1}
