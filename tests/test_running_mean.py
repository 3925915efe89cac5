"""The running mean of weights: its arithmetic, what it takes in, and that it goes on where it stopped."""

import torch
from torch import nn

from grounding.training.checkpoints import gather, write
from grounding.training.running_mean import RunningMean


def layer(value=1.0):
    made = nn.Linear(2, 2)
    nn.init.constant_(made.weight, value)
    made.bias.requires_grad_(False)
    return made


def test_the_first_steps_count_more():
    model = layer(0.0)
    mean = RunningMean(model, 0.5)
    seen, share = 0.0, []
    for step in range(1, 20):
        nn.init.constant_(model.weight, float(step))
        mean.update()
        share.append(min(0.5, (1 + step) / (10 + step)))
        seen = share[-1] * seen + (1 - share[-1]) * step
        assert torch.allclose(mean.means["weight"], torch.full((2, 2), seen), rtol=1e-5)
    assert share[0] < 0.2
    assert share[-1] == 0.5


def test_weights_that_do_not_move_have_none():
    assert RunningMean(layer(), 0.9).means.keys() == {"weight"}


def test_it_becomes_the_weights_when_it_is_put_in():
    model = layer(0.0)
    mean = RunningMean(model, 0.9)
    nn.init.constant_(model.weight, 1.0)
    mean.update()
    mean.put_in()
    assert torch.allclose(model.weight, torch.full((2, 2), 1 - 2 / 11))


def test_it_may_stand_in_place_of_the_weights_for_a_while():
    model = layer(0.1)
    mean = RunningMean(model, 0.9)
    nn.init.constant_(model.weight, 0.7)
    mean.update()
    own, means = model.weight.detach().clone(), mean.means["weight"].clone()
    with mean.in_place():
        assert torch.equal(model.weight, means)
    assert torch.equal(model.weight, own)
    assert torch.equal(mean.means["weight"], means)


def test_it_goes_on_from_a_file(tmp_path):
    model = layer(0.0)
    whole, first = RunningMean(model, 0.9), RunningMean(model, 0.9)
    for step in range(6):
        nn.init.constant_(model.weight, float(step))
        whole.update()
        if step < 3:
            first.update()
        if step == 2:
            write(gather(first.tensors()), tmp_path / "mean.safetensors")
    second = RunningMean(layer(0.0), 0.9)
    second.load(tmp_path / "mean.safetensors", 3)
    for step in range(3, 6):
        nn.init.constant_(second.moving["weight"], float(step))
        second.update()
    assert torch.equal(second.means["weight"], whole.means["weight"])
