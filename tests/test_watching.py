"""What a run leaves to look at: a log, a sheet for each evaluation, figures with readable names, and a curve."""

import json

import pytest
from PIL import Image

from grounding.errors import ConfigError, MissingExtraError
from grounding.model import GroundingForConditionalGeneration
from grounding.training import boards
from grounding.training.held_out import Watched
from grounding.training.lesson_rows import LessonCollator
from grounding.training.mixtures import watched_lessons
from grounding.training.recipe_files import recipe_of
from grounding.training.watching import said_of, watching
from tests import tiny, tiny_training

FIGURES = {"loss", "right", "overlap", "found", "unreadable"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four steps, evaluated at the second and the last, and what it said."""
    import io
    from contextlib import redirect_stderr

    out = tmp_path_factory.mktemp("run") / "mine"
    said = io.StringIO()
    with redirect_stderr(said):
        tiny_training.run(
            out,
            held_out=[{"source": "scenes", "options": {"phrases": 2}}],
            eval_every=2,
            eval_lessons=6,
            eval_answers=4,
        )
    return out, said.getvalue()


def test_the_log_has_losses_and_figures_by_step(run):
    lines = [json.loads(line) for line in (run[0] / "ground" / "log.jsonl").read_text().splitlines()]
    losses = [line for line in lines if "loss" in line]
    assert [line["step"] for line in losses] == [1, 2, 3, 4]
    assert {"text", "expectation", "learning_rate", "lessons_per_second"} <= losses[0].keys()
    figures = [line for line in lines if "held_out_loss" in line]
    assert [line["step"] for line in figures] == [2, 4]
    for name in FIGURES:
        assert f"held_out_{name}" in figures[0]
    assert any(key.startswith("held_out_right_") for key in figures[0])


def test_every_evaluation_leaves_a_sheet_and_every_run_a_curve(run):
    sheets = sorted((run[0] / "ground" / "sheets").iterdir())
    assert [path.name for path in sheets] == ["step-000002.png", "step-000004.png"]
    with Image.open(sheets[0]) as picture:
        assert picture.width > 600
    with Image.open(run[0] / "curve.png") as picture:
        assert picture.width > 600


def test_a_pipe_is_told_in_lines(run):
    lines = run[1].splitlines()
    assert any(line.startswith("step 2, held-out lessons: loss ") for line in lines)
    assert lines[-1].startswith("ground 4/4  loss ")
    assert "\x1b" not in run[1]
    assert "{'loss'" not in run[1]


def test_what_is_open_is_closed_when_a_run_breaks_off(tmp_path):
    recipe = recipe_of(tiny_training.values(tmp_path / "run"))
    (stage,) = recipe.stages
    closed = []

    def break_off():
        with watching(recipe, stage, None, None) as (watch,):
            watch.boards = [type("Board", (), {"close": lambda self: closed.append(1)})()]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert closed == [1]


def test_a_process_that_does_not_tell_writes_nothing(tmp_path):
    recipe = recipe_of(tiny_training.values(tmp_path / "run"))
    with watching(recipe, recipe.stages[0], None, None, main=False) as (watch,):
        watch.on_log(None, None, None, {"loss": 1.0})
        assert watch.watched is None
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_watched_is_said_before_the_first_step(tmp_path, monkeypatch):
    def begin(**changes):
        recipe = recipe_of(tiny_training.values(tmp_path / "run", **changes))
        with watching(recipe, recipe.stages[0], None, None):
            raise AssertionError("it began")

    with pytest.raises(ConfigError, match=r"the data 'nowhere.jsonl' can't be opened"):
        begin(held_out=[{"source": "nowhere.jsonl"}], eval_lessons=3)
    monkeypatch.setitem(boards.BOARDS, "tensorboard", ("no_such_package", boards.TensorBoard))
    with pytest.raises(MissingExtraError, match="no_such_package"):
        begin(report_to=["tensorboard"])


def test_the_weights_that_will_be_left_are_measured_and_training_does_not_notice(tmp_path):
    how = {"ema": 0.9, "stage": {"steps": 3, "lr": 1e-2}, "save_every": 9}
    out = tiny_training.run(
        tmp_path / "seen", **how, held_out=[{"source": "scenes"}], eval_every=2, eval_lessons=3, eval_answers=0
    )
    unseen = tiny_training.run(tmp_path / "unseen", **how)
    assert (out / "model.safetensors").read_bytes() == (unseen / "model.safetensors").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "seen" / "ground" / "log.jsonl").read_text().splitlines()]
    last = next(line for line in lines if line["step"] == 3 and "held_out_loss" in line)
    recipe = recipe_of(tiny_training.values(tmp_path / "seen", held_out=[{"source": "scenes"}], eval_lessons=3))
    processor = tiny.processor()
    model = GroundingForConditionalGeneration.from_pretrained(out).eval()
    quick = Watched(*watched_lessons(recipe), LessonCollator(processor, recipe.most_tokens), processor).quick(model)
    assert last["held_out_loss"] == quick["held_out_loss"]


def test_an_evaluation_is_said_in_a_line():
    figures = {"held_out_loss": 1.234, "held_out_right": 0.5, "held_out_found": 0.25, "held_out_overlap": 0.4}
    assert said_of(7, "held_out", figures) == (
        "step 7, held-out lessons: loss 1.23 · right 50% given the beginning, 25% written · overlap 40%"
    )
    assert said_of(7, "trained_on", {"trained_on_loss": 2.0}) == "step 7, trained-on lessons: loss 2"
    assert said_of(7, "held_out", {}) == "step 7, held-out lessons: nothing could be measured"
