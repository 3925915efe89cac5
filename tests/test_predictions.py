"""predictions.jsonl: what is written comes back, and what is wrong in a file is named by its line."""

import json

import pytest

from grounding import Grounding, Mask, Region
from grounding.data.predictions import Header, Prediction, lines_of, read_predictions
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Problem

HEADER = Header("refcoco:testA", "rec", 2, "tiny", expected=5657, notes=("a note",), options={"batch": 2})
TRUTH = Grounding("red cup", (Region((1, 2, 30.5, 40)),), "", 64, 48)
ANSWER = Grounding(
    "red cup",
    (Region((0.1, 2, 30, 40), score=0.25, mask=Mask.from_polygons([[1, 2, 30, 2, 30, 40]], 64, 48)),),
    "<loc0001>",
    64,
    48,
    problems=(Problem("truncated", "it stops"),),
    seconds=0.5,
    model="tiny",
)
ROWS = (
    Prediction("a", "one.png", TRUTH, ANSWER, kind="attribute", meta={"split": "val"}, chunk=0),
    Prediction("b", "two.png", TRUTH.replace(phrase="it"), None, error="no picture", crowd=(Region((0, 0, 9, 9)),)),
)


def written(folder, rows=ROWS, header=HEADER, tail=""):
    path = folder / "predictions.jsonl"
    path.write_text(json.dumps(header.to_json()) + "\n" + "".join(lines_of(rows)) + tail)
    return path


def test_header_and_rows_come_back_as_they_were(tmp_path):
    read = read_predictions(written(tmp_path))
    assert (read.header, read.rows, read.problems) == (HEADER, ROWS, ())
    assert read.finished


def test_a_sample_becomes_a_line_with_its_question_and_truth():
    sample = Sample("pictures/one.png", "red cup", TRUTH.replace(phrase=""), id="a", task="count")
    row = Prediction.of(sample, ANSWER, chunk=3)
    assert (row.id, row.picture, row.phrase, row.truth.task, row.chunk) == ("a", "one.png", "red cup", "count", 3)


def test_a_line_cut_short_is_named_and_the_rest_is_read(tmp_path):
    read = read_predictions(written(tmp_path, tail=next(lines_of(ROWS))[:50]))
    assert read.rows == ROWS
    (problem,) = read.problems
    assert (problem.where, problem.kind) == ("predictions.jsonl, line 4", "unreadable line")
    assert "stopped while it was written" in problem.message


def test_a_number_that_is_none_is_named(tmp_path):
    line = next(lines_of(ROWS)).replace("30.5", "NaN").replace('"a"', '"c"')
    (problem,) = read_predictions(written(tmp_path, tail=line)).problems
    assert (problem.kind, problem.line) == ("not a number", 4)


def test_an_id_that_stands_twice_counts_once(tmp_path):
    read = read_predictions(written(tmp_path, rows=(*ROWS, ROWS[0])))
    assert read.rows == ROWS
    assert [problem.kind for problem in read.problems] == ["duplicate id"]


@pytest.mark.parametrize("first", ["", "{}", "[1]", '{"format": "grounding predictions", "version": 9}', "not json"])
def test_a_file_without_a_header_is_refused_in_one_sentence(tmp_path, first):
    path = tmp_path / "other.jsonl"
    path.write_text(first + "\n")
    with pytest.raises(InputError, match=r"other\.jsonl, line 1"):
        read_predictions(path)


def test_headers_differ_in_what_changes_answers_and_not_in_where_the_pictures_lie():
    moved = Header(**{**vars(HEADER), "root": "/elsewhere", "images": "/there"})
    other = Header(**{**vars(HEADER), "model": "large", "seed": 1})
    assert HEADER.differences(moved) == []
    assert HEADER.differences(other) == ["model", "seed"]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("samples", "200", "a whole number"),
        ("samples", True, "a whole number"),
        ("model", None, "a text"),
        ("notes", None, "a list of texts"),
        ("notes", [3], "a list of texts"),
        ("options", [1], "an object"),
        ("data_problems", {"no box": "3"}, "an object of numbers"),
        ("prompt", 5, "a text"),
    ],
)
def test_a_header_of_another_shape_is_told_by_field_and_value(tmp_path, name, value, what):
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps({**HEADER.to_json(), name: value}) + "\n")
    with pytest.raises(InputError) as told:
        read_predictions(path)
    assert f"predictions.jsonl, line 1: {name} is {value!r}, and should be {what}" in str(told.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"phrase": 7}, "phrase is 7, and should be a text"),
        ({"kind": ["a"]}, "kind is ['a'], and should be a text"),
        ({"meta": [1]}, "meta is [1], and should be an object"),
        ({"names": "ab"}, "names is 'ab', and should be a list of texts"),
        ({"names": [None]}, "names is [None], and should be a list of texts"),
        ({"truth": [{"box": [1, 2, 3, 4], "label": 5}]}, "label is 5, and should be a text"),
        ({"answer": []}, "answer is [], and should be an object with regions"),
        ({"truth": {"box": [1, 2, 3, 4]}}, "truth is {'box': [1, 2, 3, 4]}, and should be a list"),
        ({"truth": [None]}, "a region in JSON needs 'box'"),
    ],
)
def test_a_line_of_another_shape_is_told_by_field_and_value(tmp_path, changed, reason):
    line = json.dumps({**ROWS[0].to_json(), "id": "c", **changed}) + "\n"
    (problem,) = read_predictions(written(tmp_path, tail=line)).problems
    assert (problem.where, problem.kind) == ("predictions.jsonl, line 4", "unreadable line")
    assert reason in problem.message


@pytest.mark.parametrize("line", ["[1, 2]", "null", '"x"', "3"])
def test_a_line_that_is_no_object_is_told_in_words(tmp_path, line):
    (problem,) = read_predictions(written(tmp_path, tail=line + "\n")).problems
    assert "it is no JSON object but" in problem.message
