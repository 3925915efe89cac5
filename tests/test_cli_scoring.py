"""The command `grounding score`: figures, files, exit codes, and one sentence for every mistake."""

import json

import pytest

from grounding.cli import main
from grounding.data.opening import open_dataset
from grounding.metrics.base import Scores
from tests.questions import BOX, FAR, HALF, HEIGHT, WIDTH, row, write_predictions


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with two files of predictions, and in it the test runs."""
    for name, answers in (("a.jsonl", [BOX, HALF, FAR]), ("b.jsonl", [BOX, FAR, BOX])):
        rows = [row(BOX, answer, str(number), f"{number}.png") for number, answer in enumerate(answers)]
        write_predictions(tmp_path / name, rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(place, capsys):
    """Runs a command and gives (exit code, standard output, standard error)."""

    def call(*arguments):
        code = main(["score", *arguments])
        return code, *capsys.readouterr()

    return call


def figure(output, name):
    return next(line.split("\t")[2] for line in output.splitlines() if line.split("\t")[1] == name)


def test_figures_are_printed_under_the_protocol_that_was_named(run):
    assert figure(run("a.jsonl")[1], "acc@0.5") == "0.6667"
    code, out, err = run("a.jsonl", "--protocol", "iou-strict")
    assert (code, err, figure(out, "acc@0.5")) == (0, "", "0.3333")


def test_out_is_what_json_prints(run, place):
    code, out, _ = run("a.jsonl", "--json", "--out", "scores.json")
    assert code == 0
    written = json.loads((place / "scores.json").read_text())
    assert json.loads(out) == written
    assert Scores.from_json(written).figures["acc@0.5"].n == 3


def test_all_protocols_print_a_line_each_and_write_a_list(run, place):
    code, out, _ = run("a.jsonl", "--all-protocols", "--out", "all.json")
    assert (code, len(out.splitlines())) == (0, 6)
    assert json.loads((place / "all.json").read_text())[0]["protocol"] == "iou"


def test_compare_prints_differences_and_writes_every_flip(run, place):
    code, out, _ = run("a.jsonl", "--compare", "b.jsonl", "--flips", "1", "--out", "compared.json")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines() if line.startswith(("lost", "gained"))] == ["lost"]
    assert len(json.loads((place / "compared.json").read_text())["flips"]) == 2


def test_another_scoring_can_be_asked_for(run):
    assert figure(run("a.jsonl", "--as", "counting")[1], "exact") == "1.0000"


def test_an_unfinished_file_needs_partial(run, place):
    write_predictions(place / "half.jsonl", [row(BOX, BOX)], samples=2)
    code, out, err = run("half.jsonl")
    assert (code, out) == (2, "")
    assert "not finished: 1 of 2 questions have an answer" in err
    assert "--partial" in err
    code, out, _ = run("half.jsonl", "--partial")
    assert code == 0
    assert "NOT FINISHED" in out


def test_the_data_set_can_be_opened_again_to_check_ids(run, place):
    """A file in the manner of InternVL: the answers' ids are those that its reader gives."""
    lines = [
        {"image": f"{number}.png", "sent": "red cup", "bbox": list(BOX), "width": WIDTH, "height": HEIGHT}
        for number in range(3)
    ]
    (place / "set.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ids = [sample.id for sample in open_dataset("set.jsonl")]
    rows = [row(BOX, BOX, id, f"{number}.png") for number, id in enumerate(ids)]
    write_predictions(place / "mine.jsonl", [*rows, row(BOX, BOX, "stranger")], samples=3)
    code, _, err = run("mine.jsonl")
    assert (code, "name the right one with --dataset" in err) == (2, True)
    code, out, _ = run("mine.jsonl", "--dataset", "set.jsonl")
    assert (code, figure(out, "acc@0.5")) == (0, "1.0000")
    assert "mine.jsonl, line 5: the id 'stranger' is of no question" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.jsonl"], "missing.jsonl can't be read"),
        (["a.jsonl", "--protocol", "diou"], "no protocol named 'diou'; known: iou,"),
        (["a.jsonl", "--as", "boxes"], "nothing is scored as 'boxes'"),
        (["a.jsonl", "--all-protocols", "--compare", "b.jsonl"], "--all-protocols is of one file"),
        (["a.jsonl", "--score-threshold", "0.5"], "the scoring 'rec' has no option 'score_threshold'"),
    ],
)
def test_each_mistake_is_one_sentence(run, arguments, sentence):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_nowhere_to_write_is_said_before_anything_is_measured(run):
    code, out, err = run("missing.jsonl", "--out", "nowhere/scores.json")
    assert (code, out) == (1, "")
    assert "there is no directory nowhere" in err


@pytest.mark.parametrize("flags", [[], ["--json"], ["--out", "scores.json"], ["--compare", "b.jsonl"]])
def test_half_a_character_in_a_file_stops_nothing(run, place, flags):
    text = (place / "a.jsonl").read_text()
    lines = [line.replace('"id": "1"', '"id": "\\ud83d", "kind": "\\ud83d"') for line in text.splitlines()]
    (place / "a.jsonl").write_text("\n".join(lines) + "\n")
    code, out, err = run("a.jsonl", *flags)
    assert (code, err) == (0, "")
    out.encode()
    if "--out" in flags:
        assert Scores.from_json(json.loads((place / "scores.json").read_text())).verdicts[1].id == "\ud83d"


def test_a_folder_of_no_data_set_is_refused(run):
    code, _, err = run("a.jsonl", "--root", "annotations")
    assert (code, err) == (
        2,
        "grounding: --root is the folder of --dataset's annotations: name the data set too, or leave it out\n",
    )
