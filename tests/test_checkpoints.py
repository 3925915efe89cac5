"""Weights and optimizer states under their names: saved, loaded into another model, refused where they don't fit."""

import json

import pytest
import torch
from safetensors.torch import load_file

from grounding.errors import CheckpointError
from grounding.training.checkpoints import (
    COUNTS,
    MEANS,
    PROGRESS,
    STATES,
    WEIGHTS,
    checkpoints,
    drop_oldest,
    gather,
    last_checkpoint,
    load_optimizer,
    load_weights,
    named_tensors,
    optimizer_states,
    what_is_wrong,
    write,
)
from grounding.training.parts import freeze
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.stage_optimizer import build_optimizer
from tests import tiny
from tests.tiny_training import LLAMA


def stepped(model, kind, train=("all",)):
    """An optimizer that has made a step on gradients of a seed."""
    stage = StageRecipe("x", 10, train=train, lr=1e-3)
    optimizer = build_optimizer(model, freeze(model, train), Recipe(optimizer=kind), stage)
    torch.manual_seed(0)
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight) if weight.requires_grad else None
    return optimizer


def test_every_parameter_and_buffer_is_kept_once():
    model = tiny.model(text_config={**LLAMA, "tie_word_embeddings": True})
    names = [name for name, _ in named_tensors(model)]
    assert len(names) == len(set(names))
    assert "language.model.embed_tokens.weight" in names
    assert "language.lm_head.weight" not in names  # the same tensor
    assert not [name for name in names if "inv_freq" in name]  # made anew
    assert {name for name, _ in named_tensors(tiny.model())} == set(tiny.model().state_dict())


def test_weights_come_back_as_they_were(tmp_path):
    model, other = tiny.model(0), tiny.model(1)
    model.vision.stem[0].norm.running_mean.fill_(3)
    write(gather(named_tensors(model)), tmp_path / WEIGHTS)
    load_weights(other, tmp_path / WEIGHTS)
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_weights_of_another_model_are_refused_by_name_and_shape(tmp_path):
    write(gather(named_tensors(tiny.model())), tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"has no 'language\.lm_head\.weight': it is of another model"):
        load_weights(tiny.model(text_config=LLAMA), tmp_path / WEIGHTS)
    whole = load_file(tmp_path / WEIGHTS)
    write({**whole, "projector.bias": torch.zeros(3)}, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"has 'projector\.bias' of shape \(3,\), the model of \(64,\)"):
        load_weights(tiny.model(), tmp_path / WEIGHTS)
    write({**whole, "more": torch.zeros(3)}, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match="has 'more', which the model has not"):
        load_weights(tiny.model(), tmp_path / WEIGHTS)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_optimizer_states_come_back_so_that_the_next_step_is_the_same(kind, tmp_path):
    model, other = tiny.model(0), tiny.model(0)
    one = stepped(model, kind)
    one.step()
    write(gather(named_tensors(model)), tmp_path / WEIGHTS)
    write(gather(optimizer_states(model, one)), tmp_path / STATES)
    load_weights(other, tmp_path / WEIGHTS)
    two = stepped(other, kind)
    load_optimizer(other, two, tmp_path / STATES)
    one.step()
    two.step()
    for (name, weight), again in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, again), name


def test_states_of_weights_that_do_not_move_now_are_refused(tmp_path):
    model = tiny.model()
    optimizer = stepped(model, "adamw")
    optimizer.step()
    write(gather(optimizer_states(model, optimizer)), tmp_path / STATES)
    with pytest.raises(CheckpointError, match="which does not move now"):
        load_optimizer(model, stepped(model, "adamw", ("projector",)), tmp_path / STATES)


def made(folder, *steps):
    """Checkpoints that have all that is asked for."""
    for step in steps:
        path = folder / f"checkpoint-{step}"
        path.mkdir()
        for name in (WEIGHTS, STATES):
            write({"x": torch.zeros(100)}, path / name)
        for name in (PROGRESS, COUNTS):
            (path / name).write_text(json.dumps({"global_step": step}))


def test_the_latest_whole_checkpoint_is_gone_on_with(tmp_path, caplog):
    assert last_checkpoint(tmp_path) is None
    made(tmp_path, 2, 10, 9)
    (tmp_path / "checkpoint-11.part").mkdir()
    (tmp_path / "checkpoint-x").mkdir()
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-9", "checkpoint-2"]
    assert last_checkpoint(tmp_path).name == "checkpoint-10"
    (tmp_path / "checkpoint-10" / COUNTS).unlink()
    assert last_checkpoint(tmp_path).name == "checkpoint-9"
    assert "checkpoint-10 is passed over" in caplog.text


@pytest.mark.parametrize("name", [WEIGHTS, STATES, PROGRESS, COUNTS])
def test_a_file_cut_short_is_found_out(name, tmp_path):
    made(tmp_path, 1)
    path = tmp_path / "checkpoint-1"
    assert what_is_wrong(path) is None
    (path / name).write_bytes((path / name).read_bytes()[:-1])
    assert what_is_wrong(path)


def test_a_running_mean_that_is_gone_is_found_out(tmp_path):
    made(tmp_path, 1)
    path = tmp_path / "checkpoint-1"
    (path / COUNTS).write_text(json.dumps({"mean_steps": 1}))
    assert MEANS in what_is_wrong(path)
    write({"x": torch.zeros(100)}, path / MEANS)
    assert what_is_wrong(path) is None


def test_the_oldest_are_dropped(tmp_path):
    made(tmp_path, 1, 2, 10)
    drop_oldest(tmp_path, 2)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-2"]
