"""How scores and comparisons look: all that has to be said, in a terminal and in a pipe."""

import io
import re
from dataclasses import replace

import pytest

from grounding.data.predictions import Predictions
from grounding.metrics.base import Figure
from grounding.metrics.intervals import Difference
from grounding.score import compare, score, score_all_protocols
from grounding.score.comparing_terminal import _signed, show_comparison, show_protocols
from grounding.score.terminal import bar, interval, number, show_scores
from tests.questions import BOX, FAR, HALF, NONE, grounding, header, row

HEADER = {
    "dataset": "refcoco:testA",
    "expected": 5657,
    "model": "some-model",
    "codec": "qwen2.5-vl",
    "rounding": "rescaled",
    "prompt": 'Locate "red cup"\nin JSON',
    "seed": 7,
    "versions": {"torch": "2.11.0"},
    "fingerprint": "0123456789abcdef",
    "source": "refs(unc).p",
}
ANSWERS = [BOX, HALF, FAR, NONE, "failed"]


def predictions(answers=ANSWERS, **more):
    rows = tuple(row(BOX, answer, f"q{number}", f"{number}.png") for number, answer in enumerate(answers))
    return Predictions(header(len(rows), **{**HEADER, **more}), rows)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """What a terminal of so many columns gets of a call, without its colours."""

    def run(show, *args, columns=100):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        stream = Terminal()
        show(*args, stream=stream)
        return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())

    return run


MUST_BE_SAID = (
    "refcoco:testA",
    "5,657 as published",
    "5 found here",
    "5 scored",
    "some-model",
    "qwen2.5-vl",
    "rescaled",
    'Locate "red cup" in JSON',
    "torch 2.11.0",
    "0123456789abcdef",
    "IoU >= t in pixels of the original picture",
    "OpenGVLab/InternVL",
    "questions that failed and count as wrong: 1",
)


def test_both_forms_say_all_that_a_figure_needs(shown):
    piped = io.StringIO()
    show_scores(score(predictions()), stream=piped)
    for output in (piped.getvalue(), shown(show_scores, score(predictions()), columns=200)):
        for words in MUST_BE_SAID:
            assert words in output


def grouped(names, value=0.5):
    """Scores with twenty groups of each of two ways, the figures `names` each, and one without an interval."""
    of = {name: Figure(value, 0.4, 0.6, 7) for name in names}
    groups = {f"a rather long name, {number}": of for number in range(20)} | {"one": {names[0]: Figure(1.0, n=1)}}
    return replace(score(predictions()), groups={"kind": {"one": groups.pop("one"), **groups}, "size": {"small": of}})


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_groups_keep_their_names_in_a_narrow_terminal(shown, columns):
    """A table of seven figures squeezed its first column to one letter a line."""
    names = ["recall@0.5", "f1@0.5", "f1@0.5:0.95", "AP", "precision@0.5", "precision@0.95", "recall@0.95"]
    output = shown(show_scores, grouped(names), columns=columns)
    lines = output.splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.startswith("    a rather long name, 3") and "50.0" in line for line in lines)
    _, left_out, names_left_out = output.partition("no room for")
    assert bool(left_out) == (columns < 160)
    assert not left_out or "recall@0.95: see --out" in " ".join(names_left_out.split())


def test_values_stand_under_one_another_where_some_have_no_interval(shown):
    lines = shown(show_scores, grouped(["acc@0.5"])).splitlines()
    assert {line.index("0.0") for line in lines if line.startswith(("    one ", "    a rather"))} == {
        next(line.index("0.0") for line in lines if line.startswith("    small"))
    }


def test_a_pipe_gets_a_line_a_figure():
    stream = io.StringIO()
    show_scores(score(predictions()), stream=stream)
    lines = [line.split("\t") for line in stream.getvalue().splitlines()]
    (headline,) = [line for line in lines if line[0] == "headline"]
    assert headline[:3] == ["headline", "acc@0.5", "0.4000"]
    assert headline[-1] == "5"
    assert ["rate", "failed", "0.2000"] in [line[:3] for line in lines]
    assert ["size", "large: acc@0.5", "0.4000"] in [line[:3] for line in lines]
    assert ["error", "wrong object", "1"] in lines


def test_a_terminal_gets_per_cent_with_intervals(shown):
    output = shown(show_scores, score(predictions()))
    assert "acc@0.5  40.0 %" in output
    assert "wrong object" in output
    assert "\t" not in output


@pytest.mark.parametrize("columns", [60, 84, 200])
def test_no_line_is_wider_than_the_terminal(shown, columns):
    output = shown(show_scores, score(predictions()), columns=columns)
    assert max(map(len, output.splitlines())) <= columns


def test_an_unfinished_file_is_marked_beside_the_headline(shown):
    output = shown(show_scores, score(Predictions(header(9), predictions().rows), partial=True))
    assert "NOT FINISHED" in output.split("acc@0.5")[0]


def test_where_no_boxes_are_compared_no_protocol_is_named(shown):
    output = shown(show_scores, score(predictions(scoring="counting")))
    assert "protocols do not differ" in output.replace("\n", " ")
    assert "protocol iou" not in output


def test_words_of_a_file_cannot_steer_the_terminal(shown):
    output = shown(show_scores, score(predictions(model="bad\x1b[2Jmodel", notes=("a\x07b",))))
    assert "\x1b[2J" not in output
    assert "\x07" not in output


def test_comparison_shows_differences_counts_and_the_first_flips(shown):
    second = predictions([BOX, FAR, BOX, NONE, BOX], model="another")
    found = compare(predictions(), second)
    output = shown(show_comparison, found, 2)
    assert "only the second right" in output
    assert "flips, 2 of 3" in output
    assert "+20.0" in output
    piped = io.StringIO()
    show_comparison(found, 10, stream=piped)
    lines = [line.split("\t") for line in piped.getvalue().splitlines()]
    assert ["count", "only the first right", "1"] in lines
    assert ["lost", "q1", "red cup", "1.png"] in lines
    assert ["gained", "q2", "red cup", "2.png"] in lines


@pytest.mark.parametrize("scoring", ["rec", "generalized", "phrases"])
def test_each_protocol_has_its_line(shown, scoring):
    scores = score_all_protocols(predictions(scoring=scoring))
    output = shown(show_protocols, scores)
    piped = io.StringIO()
    show_protocols(scores, stream=piped)
    lines = [line.split("\t") for line in piped.getvalue().splitlines()]
    assert [line[0] for line in lines] == ["protocol", *scores]
    assert all(name in output for name in scores)
    headline = lines[0].index(next(iter(scores.values())).headline)
    values = {line[0]: float(line[headline]) for line in lines[1:]}
    assert values == {name: pytest.approx(one.figures[one.headline].value, abs=1e-4) for name, one in scores.items()}


def test_numbers_are_per_cent_only_where_they_are_shares():
    assert (number(0.934, True), number(0.4219, False), number(None, True)) == ("93.4", "0.42", "–")
    assert interval(Figure(0.5, 0.25, 0.75), True) == "25.0–75.0"
    assert interval(Figure(0.5), True) == ""


def test_bar_is_as_long_as_the_figure():
    assert bar(Figure(0.5), cells=10).plain == "━━━━━─────"
    assert bar(Figure(0.5, 0.4, 0.7), cells=10).plain == "━━━━━━━───"
    assert bar(Figure(1.0, 1.0, 1.0), cells=10).plain == "━" * 10


def test_counts_of_things_are_no_shares(shown):
    answers = [grounding(BOX, BOX), BOX]
    output = shown(show_scores, score(predictions(answers, scoring="counting")))
    assert re.search(r"mean absolute error +0\.50 +0\.00–1\.00", output)


@pytest.mark.parametrize(
    ("name", "more", "fewer"),
    [
        ("acc@0.5", "green", "red"),
        ("false-positive rate", "red", "green"),
        ("mean absolute error", "red", "green"),
        ("several boxes", "", ""),
    ],
)
def test_a_clear_difference_is_green_where_the_second_model_is_better(name, more, fewer):
    assert _signed(Difference(0.5, 0.7, 0.2, 0.1, 0.3), name).style == more
    assert _signed(Difference(0.7, 0.5, -0.2, -0.3, -0.1), name).style == fewer
    assert _signed(Difference(0.7, 0.5, -0.2, -0.3, 0.1), name).style == ""
