"""Muon for matrices of the blocks, AdamW for the rest, one optimizer to the outside, and a state that survives."""

import io

import pytest
import torch

from grounding.training.optimizer import MuonWithAdamW
from tests import tiny


@pytest.fixture
def model():
    return tiny.model()


def optimizer_of(model):
    return MuonWithAdamW(model, matrix_lr=2e-3, other_lr=1e-3, weight_decay=0.02)


def steps(model, optimizer, numbers, scheduler=None):
    """A few steps on inputs that depend only on their number."""
    for number in numbers:
        torch.manual_seed(number)
        ids = torch.cat([torch.full((2, 16), 3), torch.randint(4, tiny.VOCAB, (2, 6))], 1)
        optimizer.zero_grad()
        model(input_ids=ids, pixel_values=torch.randn(2, 3, 64, 64), labels=ids).loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()


def test_matrices_of_blocks_go_to_muon_and_all_else_to_adamw(model):
    muon, adamw = optimizer_of(model).parts
    names = {id(weight): name for name, weight in model.named_parameters()}
    matrices = {names[id(weight)] for group in muon.param_groups for weight in group["params"]}
    assert all(".blocks." in name for name in matrices)
    assert len(matrices) == 3 * 4  # qkv, out, mlp_in and mlp_out of three blocks
    decayed, spared = ({names[id(weight)] for weight in group["params"]} for group in adamw.param_groups)
    assert "language.embedding.words" in decayed
    assert "vision.stem.0.conv.weight" in decayed
    assert "vision.norm.weight" in spared
    assert "projector.bias" in spared
    assert matrices | decayed | spared == set(names.values())
    assert len(matrices) + len(decayed) + len(spared) == len(names)
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.02, 0.0]


def test_weights_that_are_frozen_are_left_alone(model):
    model.vision.requires_grad_(False)
    before = {name: value.clone() for name, value in model.vision.named_parameters()}
    optimizer = optimizer_of(model)
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert not held & {id(weight) for weight in model.vision.parameters()}
    steps(model, optimizer, [0])
    assert all(torch.equal(value, before[name]) for name, value in model.vision.named_parameters())


def test_every_weight_moves_and_gradients_are_cleared(model):
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = optimizer_of(model)
    steps(model, optimizer, [0, 1])
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert still == []
    optimizer.zero_grad()
    assert all(weight.grad is None for weight in model.parameters())


def test_a_schedule_reaches_both_kinds(model):
    optimizer = optimizer_of(model)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    steps(model, optimizer, [0], scheduler)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 5e-4, 5e-4])
    assert [part.param_groups[0]["lr"] for part in optimizer.parts] == pytest.approx([1e-3, 5e-4])


def test_a_saved_and_loaded_state_goes_on_as_if_never_stopped():
    whole, stopped = tiny.model(), tiny.model()
    optimizer = optimizer_of(whole)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    steps(whole, optimizer, range(4), schedule)
    first = optimizer_of(stopped)
    early = torch.optim.lr_scheduler.LambdaLR(first, lambda step: 1 / (1 + step))
    steps(stopped, first, range(2), early)
    file = io.BytesIO()
    torch.save({"model": stopped.state_dict(), "optimizer": first.state_dict(), "schedule": early.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = tiny.model(seed=1)
    resumed.load_state_dict(saved["model"])
    second = optimizer_of(resumed)
    late = torch.optim.lr_scheduler.LambdaLR(second, lambda step: 1 / (1 + step))
    second.load_state_dict(saved["optimizer"])
    late.load_state_dict(saved["schedule"])
    steps(resumed, second, range(2, 4), late)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert [group["lr"] for group in second.param_groups] == [group["lr"] for group in optimizer.param_groups]


def test_a_model_without_blocks_takes_adamw_alone():
    layer = torch.nn.Linear(4, 4)
    optimizer = optimizer_of(layer)
    assert [type(part).__name__ for part in optimizer.parts] == ["AdamW"]
    layer(torch.ones(1, 4)).sum().backward()
    optimizer.step()
