"""Rows of JSON lists and jsonl, found by their place: what is damaged is named, and nothing is held but places."""

import json
import pickle

import pytest

from grounding.data.lessons.json_rows import JsonRows
from grounding.errors import InputError

ROWS = [
    {"id": 1, "text": "naïve café 猫"},
    {"id": 2, "list": [1, {"a": "]"}]},
    {"id": 3, "text": 'a "quoted" \\ {brace'},
]


@pytest.fixture
def write(tmp_path):
    def made(text, name="rows.json"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return made


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_gives_its_rows_whatever_its_spelling(write, ascii_only, indent):
    rows = JsonRows(write(json.dumps(ROWS, ensure_ascii=ascii_only, indent=indent)))
    assert (list(rows), len(rows), rows.problems) == (ROWS, 3, ())


def test_lines_and_a_byte_order_mark_are_read(write):
    text = "\ufeff" + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n"
    assert list(JsonRows(write(text, "rows.jsonl"))) == ROWS


def test_rows_can_be_sent_to_another_process(write):
    rows = pickle.loads(pickle.dumps(JsonRows(write(json.dumps(ROWS)))))
    assert rows[2] == ROWS[2]


def test_a_list_that_is_cut_off_is_refused_with_its_row(write):
    text = json.dumps(ROWS)
    with pytest.raises(InputError, match=r"cut off at row 3 .*fetch it again"):
        JsonRows(write(text[:-10]))
    with pytest.raises(InputError, match="cut off at row 4"):
        JsonRows(write(text[:-1]))


def test_what_is_no_object_is_named_and_left_out(write):
    rows = JsonRows(write('[1, {"id": 2}, "x"]'))
    assert (list(rows), [problem.entry for problem in rows.problems]) == ([{"id": 2}], [1, 3])
    lines = JsonRows(write('{"id": 1}\nnonsense\n{"id": 3', "rows.jsonl"))
    assert list(lines) == [{"id": 1}]
    assert [problem.line for problem in lines.problems] == [2, 3]
    assert "ends in the middle" in lines.problems[1].message


def test_a_line_that_only_looks_like_an_object_fails_when_it_is_asked_for(write):
    rows = JsonRows(write('{"id": 1}\n{"id": }\n', "rows.jsonl"))
    assert rows[0] == {"id": 1}
    with pytest.raises(InputError, match=r"row 2 of rows.jsonl is not JSON"):
        rows[1]


def test_deep_nesting_is_an_error_of_ours(write):
    with pytest.raises(InputError, match="row 1"):
        JsonRows(write("[" + "[" * 100_000))


def test_files_that_cannot_be_read_say_so(write, tmp_path):
    with pytest.raises(InputError, match="is empty"):
        JsonRows(write(""))
    with pytest.raises(InputError, match="No such file"):
        JsonRows(tmp_path / "none.json")
    with pytest.raises(InputError, match="not UTF-8"):
        JsonRows(write(b'[{"a": "\xff\xfe"}]'))
    assert len(JsonRows(write("[]"))) == 0
