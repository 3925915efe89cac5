"""Of the tables only new rows move: not by gradients, nor by weight decay, nor by what an optimizer remembers."""

import pytest
import torch

import grounding
from grounding.errors import ConfigError, TrainingError
from grounding.training.location_rows import NewRowsOnly
from tests import tiny
from tests.tiny_languages import causal, joined

BINS = 64
OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 0.01, weight_decay=0.5),
    "fused": lambda parameters: torch.optim.AdamW(parameters, 0.01, weight_decay=0.5, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9, weight_decay=0.5),
    "adafactor": lambda parameters: torch.optim.Adafactor(parameters, 0.1, weight_decay=0.5),
}


def step(model, optimizer, ids):
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def moved(model, before):
    """Rows of each table, and of the head's bias, that are not bit by bit as they were."""
    found = {}
    for name, value in model.state_dict().items():
        if name in ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias"):
            differs = value != before[name]
            found[name] = set((differs.any(1) if differs.ndim == 2 else differs).nonzero()[:, 0].tolist())
    return found


def ready(kind):
    model, words = causal(kind)
    added = grounding.add_location_tokens(model, words, bins=BINS)
    ids = torch.tensor([[1, 2, 3, *added.ids[:8]]])
    return model.train(), added, ids, {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["llama", "tied llama", "phi"])
def test_only_new_rows_move(kind, name):
    model, added, ids, before = ready(kind)
    rows = NewRowsOnly(model)
    optimizer = OPTIMIZERS[name](model.parameters())
    rows.watch(optimizer)
    for _ in range(3):
        step(model, optimizer, ids)
    for table, changed in moved(model, before).items():
        assert changed, table
        assert changed <= {*added.ids}, table
    if not added.tied:  # in the head every row of the softmax has a gradient
        assert moved(model, before)["lm_head.weight"] == {*added.ids}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.5}  # the rest decays as it did
    layer = "model.layers.0.mlp.down_proj.weight" if kind != "phi" else "model.layers.0.mlp.fc1.weight"
    assert not torch.equal(model.state_dict()[layer], before[layer])


@pytest.mark.parametrize("kind", ["llama", "tied llama"])
def test_without_watching_decay_moves_every_row(kind):
    model, added, ids, before = ready(kind)
    NewRowsOnly(model)
    step(model, torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.5), ids)
    assert len(moved(model, before)["model.embed_tokens.weight"]) == added.first + BINS - 1  # padding's row is zero


def test_gradients_count_only_what_moves():
    model, added, ids, _ = ready("tied llama")
    NewRowsOnly(model)
    model(input_ids=ids, labels=ids).loss.backward()
    grad = model.get_input_embeddings().weight.grad
    assert grad[: added.first].abs().max() == 0
    assert grad[added.first :].abs().max() > 0


def test_momentum_from_before_moves_nothing():
    model, added, ids, _ = ready("tied llama")
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    step(model, optimizer, ids)
    rows = NewRowsOnly(model)
    rows.watch(optimizer)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model, optimizer, ids)
    assert moved(model, before)["model.embed_tokens.weight"] <= {*added.ids}
    rows.remove()
    step(model, optimizer, ids)
    assert moved(model, before)["model.embed_tokens.weight"] - {*added.ids}


def test_our_model_with_a_foreign_decoder_too():
    model, processor = joined("llama")
    added = grounding.add_location_tokens(model, processor, restart=True)
    rows = NewRowsOnly(model)
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    rows.watch(optimizer)
    batch = processor([tiny.image(0)], ["locate <loc0003> cup"])
    before = model.language.state_dict()["lm_head.weight"].clone()
    model(**batch, labels=batch["input_ids"]).loss.backward()
    optimizer.step()
    changed = (model.language.state_dict()["lm_head.weight"] != before).any(1).nonzero()[:, 0].tolist()
    assert changed == list(added.ids)


def test_decay_that_comes_back_is_noticed():
    model, _, ids, _ = ready("tied llama")
    rows = NewRowsOnly(model)
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    rows.watch(optimizer)
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.1
    with pytest.raises(TrainingError, match="moved rows of the embedding table that have no gradient"):
        step(model, optimizer, ids)


def test_muon_moves_only_new_rows():
    model, added, ids, before = ready("tied llama")
    rows = NewRowsOnly(model)
    optimizer = torch.optim.Muon([model.get_input_embeddings().weight], lr=0.1, weight_decay=0.1)
    rows.watch(optimizer)
    step(model, optimizer, ids)
    assert moved(model, before)["model.embed_tokens.weight"] == {*added.ids}


def test_nothing_to_move_is_refused():
    model, _ = causal("llama")
    with pytest.raises(ConfigError, match=r"no rows to move.*call grounding.add_location_tokens first"):
        NewRowsOnly(model)
    with pytest.raises(ConfigError, match="no rows to move"):
        NewRowsOnly(model, ids=(9999,))
    with pytest.raises(ConfigError, match="our own decoder makes the rows of its locations by a layer"):
        NewRowsOnly(tiny.model())
