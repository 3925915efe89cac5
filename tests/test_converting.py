"""`grounding data convert` and `show`: what they write, print, say on stderr and refuse."""

import json

import pytest
from PIL import Image

from grounding.cli import main

LINES = [
    {"image": "a.jpg", "phrase": "red cup", "box": [12, 30, 96, 70], "kind": "color"},
    {"image": "a.jpg", "phrase": "left cup", "boxes": [[12, 30, 50, 70], [60, 30, 96, 70]], "kind": "place"},
    {"image": "a.jpg", "phrase": "cup", "box": [12, 30, 12, 70]},
    {"image": "b.jpg", "phrase": "cat", "box": None, "width": 64, "height": 48},
]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.effect_noise((100, 80), 60).convert("RGB").save(tmp_path / "a.jpg")
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return str(path)


def run(capsys, *arguments):
    code = main(["data", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_data_set_is_written_and_what_is_not_held_is_said_on_stderr(mine, capsys):
    code, out, err = run(capsys, "convert", mine, "out")
    assert (code, out) == (0, "3 samples in out/instances.json and out/grefs.json\n")
    assert err.splitlines() == [
        "grounding: 1 x empty box in the data set",
        "grounding: not held: 3 x id of a sample: refs and sentences are numbered",
        "grounding: not held: 3 x region that nobody named: its category is 'object'",
        "grounding: not held: 2 x kind of question",
    ]
    code, out, err = run(capsys, "show", "out/grefs.json", "--images", ".")
    assert "samples\t3\n" in out


def test_the_format_is_told_by_the_name_or_asked_for(mine, capsys):
    assert run(capsys, "convert", mine, "again.jsonl")[:2] == (0, "3 samples in again.jsonl\n")
    assert run(capsys, "convert", mine, "again.txt", "--to", "jsonl")[0] == 0
    code, out, err = run(capsys, "convert", mine, "again.txt")
    assert (code, out) == (2, "")
    assert err == "grounding: the name 'again.txt' tells no format: end it in .jsonl or .json, or say --to FORMAT\n"


def test_what_is_there_is_replaced_only_when_asked(mine, capsys, tmp_path):
    (tmp_path / "there.jsonl").write_text("mine")
    code, _, err = run(capsys, "convert", mine, "there.jsonl")
    assert (code, err.count("\n")) == (2, 1)
    assert "is there already" in err
    assert (tmp_path / "there.jsonl").read_text() == "mine"
    assert run(capsys, "convert", mine, "there.jsonl", "--overwrite")[0] == 0


def test_show_tells_what_is_in_a_data_set_and_what_is_wrong(mine, capsys):
    code, out, err = run(capsys, "show", mine)
    rows = [line.split("\t") for line in out.splitlines()]
    told = {row[0]: row[1:] for row in rows}
    assert (code, err) == (0, "")
    assert told["samples"] == ["3"]
    assert told["scored as"] == ["generalized"]
    assert told["pictures"] == ["2 (1 missing)"]
    assert told["missing"] == ["b.jpg"]
    assert told["true regions"] == ["3, 1 samples without any"]
    assert told["kinds"] == ["color 1, place 1"]
    assert told["problem"][:3] == ["empty box", "1", "0 kept"]
    assert told["problem"][3].startswith("mine.jsonl, line 3: the box")


def test_every_problem_can_be_listed(mine, capsys):
    code, out, _ = run(capsys, "show", mine, "--problems")
    assert code == 0
    assert out.splitlines()[-1].startswith("mine.jsonl, line 3\tempty box\tthe box (12, 30, 12, 70)")


def test_show_draws_what_has_a_picture(mine, capsys, tmp_path):
    code, out, err = run(capsys, "show", mine, "--out", "sheet.png", "--n", "5")
    assert (code, err) == (0, "")
    assert out.endswith("2 samples drawn to sheet.png\n")
    assert Image.open(tmp_path / "sheet.png").width > 600


def test_a_sheet_without_any_picture_is_refused_in_one_sentence(mine, capsys, tmp_path):
    (tmp_path / "a.jpg").unlink()
    path = tmp_path / "known.jsonl"
    path.write_text(json.dumps(LINES[3]) + "\n")
    code, _, err = run(capsys, "show", str(path), "--out", "sheet.png")
    assert code == 2
    assert err == (
        "grounding: no picture of known.jsonl can be opened: none is there; give --images, the folder they lie in\n"
    )
    assert not (tmp_path / "sheet.png").exists()


def test_without_a_data_set_every_name_is_listed(capsys):
    code, out, _ = run(capsys, "show")
    assert code == 0
    assert "coco:val2017 | val2014 ...\tCOCO instances\n" in out


def test_options_go_to_the_reader(mine, capsys):
    code, out, _ = run(capsys, "show", mine, "--option", "scoring=pointing")
    assert (code, "scored as\tpointing\n" in out) == (0, True)
    for option, said in (
        ("colour=red", "has no option 'colour'"),
        ("scoring", "is not written NAME=VALUE"),
        ("root=x", "there is a flag of its own for it, --root"),
    ):
        code, _, err = run(capsys, "show", mine, "--option", option)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "none.jsonl"), "no data set named 'none.jsonl', and no file of that name"),
        (("show", "coco:val2017"), "coco:val2017 needs root="),
        (("convert", "mine.jsonl", "a.json", "--to", "yolo"), "nothing is written as 'yolo'"),
        (("show", "mine.jsonl", "--out", "sheet.doc"), "names no picture format"),
        (("show", "mine.jsonl", "--images", "nowhere"), "there is no folder of pictures"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(mine, capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
