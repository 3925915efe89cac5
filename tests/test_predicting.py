"""The command `grounding predict`: what it prints, and its exit codes."""

import json
import signal

import pytest

from grounding.cli import main
from grounding.data.predictions import read_predictions
from tests.predicting import lines_in, rows, run, start, wait_for, write_data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def predict(folder, capsys):
    """Runs the command and gives (exit code, standard output, standard error)."""

    def run(*arguments):
        model = () if "--model" in arguments else ("--model", "scripted:script.jsonl")
        code = main(["predict", "data.jsonl", *arguments, *model])
        return code, *capsys.readouterr()

    return run


def test_it_says_what_came_of_it_and_how_to_go_on(predict, folder):
    code, output, _ = predict()
    assert code == 0
    assert output.splitlines() == [
        "predictions.jsonl: 30 answered, 0 failed, 6 found nothing there, 0 unreadable",
        "measure it: grounding score predictions.jsonl",
    ]
    assert read_predictions("predictions.jsonl").finished


def test_the_score_it_names_can_be_computed(predict, folder, capsys):
    predict()
    assert main(["score", "predictions.jsonl"]) == 0


def test_failures_are_counted_and_the_first_is_shown(predict, folder):
    (folder / "pictures" / "4.png").unlink()
    code, output, errors = predict()
    assert code == 0
    assert "27 answered, 3 failed" in output
    assert "the first failure: the picture 'pictures/4.png' is not here" in output
    assert "--retry-failed" in output
    assert "1 of 10 pictures are not there" in errors


def test_where_nothing_was_answered_the_command_fails(predict, folder):
    (folder / "script.jsonl").write_text('{"phrase": "other", "answer": "none"}\n')
    code, output, errors = predict("--give-up-after", "0")
    assert code == 1
    assert "0 answered, 30 failed" in output
    assert "grounding score" not in output
    assert "none of the 30 questions was answered: scripted:script.jsonl has no answer to" in errors
    assert len(rows(folder / "predictions.jsonl")) == 31


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch", "0"), "batch is 0"),
        (("--option", "n"), "--option n is not written NAME=VALUE, such as --option n=200"),
        (("--model-option", "device=cpu"), "there is a flag of its own for it, --device"),
        (("--images", "nowhere"), "no folder of pictures 'nowhere'"),
        (("--restart", "--retry-failed"), "give one of them"),
        (("--model", "nonesuch:x"), "no model named 'nonesuch:x'"),
        (("--seed", "x"), "invalid int value"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_sentence(predict, arguments, said):
    code, output, errors = predict(*arguments)
    assert code == 2
    assert said in errors
    assert "Traceback" not in errors
    assert output == ""


def test_another_run_s_file_is_refused_with_what_differs(predict, folder):
    predict()
    code, _, errors = predict("--seed", "3")
    assert code == 2
    assert "seed was 0 and is 3" in errors
    assert "give another --out, or --restart" in errors
    assert predict("--seed", "3", "--restart")[0] == 0


def test_options_reach_the_model_and_the_header(predict, folder):
    answers = [json.loads(line) for line in (folder / "script.jsonl").read_text().splitlines()]
    text = "".join(json.dumps(row | {"answer": "[[0,0,500,500]]"}) + "\n" for row in answers)
    (folder / "script.jsonl").write_text(text)
    assert predict("--model-option", "codec=internvl", "--limit", "3")[0] == 0
    read = read_predictions("predictions.jsonl")
    assert read.header.options["codec"] == read.header.codec == "internvl"
    assert (read.header.samples, len(read.rows)) == (3, 3)
    assert "only the first 3 of 30 expressions were asked" in read.header.notes


def test_ctrl_c_says_how_to_go_on(folder):
    out = folder / "out.jsonl"
    line = ("predict", folder / "data.jsonl", "--model", f"slow:{folder / 'script.jsonl'}", "--batch", 3, "--out", out)
    process = start(*line, catch=True, SLOW_SECONDS="0.2")
    wait_for(lambda: lines_in(out) > 4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.decode().splitlines()[-2:] == [
        f"{out} keeps what was answered; the same command goes on with it",
        "interrupted",
    ]
    assert run(*line).returncode == 0
    assert len(rows(out)) == 31


def test_settings_stand_in_the_help(capsys):
    assert main(["predict", "--help"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for said in ("--give-up-after", "--ray-workers", "Ask again what failed", "default: 32"):
        assert said in output
