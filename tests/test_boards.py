"""Boards: figures and sheets reach TensorBoard's and Weights & Biases' own files, without any network."""

import json

import pytest
from PIL import Image

from grounding.errors import MissingExtraError
from grounding.training import boards
from grounding.training.boards import board_names, check_boards, open_boards
from grounding.training.recipe import Recipe, StageRecipe

STAGE = StageRecipe("ground", 10)


def recipe(out, *report_to):
    return Recipe(out=out / "run", stages=(STAGE,), report_to=report_to)


def told(made):
    for board in made:
        board.tell(5, {"training/loss": 2.5, "held_out/right": 0.25})
        board.show(5, Image.new("RGB", (40, 30), "red"))
        board.close()


def test_tensorboard_has_figures_and_sheets(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told(open_boards(recipe(tmp_path, "tensorboard"), STAGE))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "ground"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("training/loss")] == [(5, 2.5)]
    assert [event.step for event in events.Images("predictions")] == [5]


@pytest.mark.slow
def test_weights_and_biases_goes_on_in_the_same_run(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    ids = set()
    for _ in range(2):
        (board,) = open_boards(recipe(tmp_path, "wandb"), STAGE)
        ids.add(board.run.id)
        assert board.run.config["stage"] == "ground"
        told([board])
    assert len(ids) == 1
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_none_reports_nowhere(tmp_path):
    assert open_boards(recipe(tmp_path, "none"), STAGE) == []
    assert open_boards(recipe(tmp_path), STAGE) == []


def test_a_missing_package_is_said_with_both_remedies(tmp_path, monkeypatch):
    monkeypatch.setitem(boards.BOARDS, "wandb", ("no_such_package", boards.WeightsAndBiases))
    with pytest.raises(MissingExtraError, match=r"pip install no_such_package, or leave it out with --set report_to="):
        check_boards(recipe(tmp_path, "wandb"))


def test_names_are_grouped_and_what_is_no_number_is_left_out():
    entry = {
        "loss": 2,
        "held_out_right": 0.5,
        "held_out_right_ordinal": 0.25,
        "trained_on_loss": 1.0,
        "parts": [1],
        "on": True,
    }
    assert board_names(entry) == {
        "training/loss": 2.0,
        "held_out/right": 0.5,
        "held_out by kind/ordinal": 0.25,
        "trained_on/loss": 1.0,
    }
    json.dumps(board_names(entry))
