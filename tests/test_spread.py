"""Two processes learn what one does, with copies or parts of the weights; each goes on with the other's checkpoint."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from grounding.errors import ConfigError
from grounding.training.spread import join_processes, repeated_blocks
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP, losses, run, together

OPTIONS = {"vision_config": SIGLIP}
HOW = {"options": OPTIONS, "ema": 0.9, "weight_decay": 0.1}


def weights(folder):
    return load_file(folder / "model.safetensors")


def alike(one, other, tolerance):
    """Whether two files hold the same tensors, as near as sums in another order are."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=tolerance), name


def goes_on(out, trained):
    """A folder that holds a run stopped behind its second step."""
    out.mkdir()
    shutil.copy(trained / "recipe.json", out)
    shutil.copytree(trained / "ground" / "checkpoint-2", out / "ground" / "checkpoint-2")
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same four steps by one process, by two with copies, and by two with parts."""
    out = tmp_path_factory.mktemp("runs")
    run(out / "alone", **HOW)
    together(out / "ddp", scale="ddp", **HOW)
    together(out / "fsdp", scale="fsdp", micro_batch=1, **HOW)
    return out


@pytest.mark.parametrize("scale", ["ddp", "fsdp"])
def test_two_processes_have_the_losses_of_one(scale, runs):
    assert len(losses(runs / scale)) == 4
    assert losses(runs / scale) == pytest.approx(losses(runs / "alone"), abs=1e-4)


@pytest.mark.parametrize("scale", ["ddp", "fsdp"])
def test_two_processes_come_to_the_weights_of_one(scale, runs):
    alike(weights(runs / scale / "model"), weights(runs / "alone" / "model"), 2e-4)
    names = ("model", "optimizer", "mean")
    for name in names:
        one, other = (
            load_file(runs / how / "ground" / "checkpoint-4" / f"{name}.safetensors") for how in (scale, "alone")
        )
        alike(one, other, 2e-3 if name == "optimizer" else 2e-4)


@pytest.mark.parametrize("scale", ["ddp", "fsdp"])
def test_one_process_goes_on_with_a_checkpoint_of_two(scale, runs, tmp_path):
    out = goes_on(tmp_path / "on", runs / scale)
    run(out, **HOW)
    assert losses(out) == pytest.approx(losses(runs / "alone")[2:], abs=1e-4)
    alike(weights(out / "model"), weights(runs / "alone" / "model"), 2e-4)


@pytest.mark.parametrize("scale", ["ddp", "fsdp"])
def test_two_processes_go_on_with_a_checkpoint_of_one(scale, runs, tmp_path):
    out = goes_on(tmp_path / "on", runs / "alone")
    together(out, scale=scale, **HOW)
    assert losses(out) == pytest.approx(losses(runs / "alone")[2:], abs=1e-4)
    alike(weights(out / "model"), weights(runs / "alone" / "model"), 2e-4)


@pytest.mark.parametrize("scale", ["ddp", "fsdp"])
def test_two_processes_go_on_to_the_very_same_weights(scale, runs, tmp_path):
    out = goes_on(tmp_path / "on", runs / scale)
    together(out, scale=scale, **{**HOW, **({"micro_batch": 1} if scale == "fsdp" else {})})
    one, other = (weights(folder / "model") for folder in (out, runs / scale))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_parts_of_weights_are_measured_by_their_mean_and_learn_on_as_if_nobody_had_looked(runs, tmp_path):
    watched = {"held_out": [{"source": "scenes"}], "eval_every": 2, "eval_lessons": 2}
    together(tmp_path / "fsdp", scale="fsdp", micro_batch=1, **HOW, **watched)
    one, other = (weights(folder / "model") for folder in (tmp_path / "fsdp", runs / "fsdp"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    run(tmp_path / "alone", **HOW, **watched)
    measured = [losses(tmp_path / how, key="held_out_loss") for how in ("fsdp", "alone")]
    assert len(measured[0]) == 2
    assert measured[0] == pytest.approx(measured[1], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {"optimizer": "muon", "gradient_checkpointing": True}),
        ({"text_config": LLAMA}, {"stage": {"train": ["projector", "locations"]}, "weight_decay": 0.5}),
        ({"text_config": LLAMA}, {"stage": {"train": ["projector", "lora"], "lora": {"rank": 2}}}),
    ],
    ids=["muon", "rows of tables", "adapters"],
)
def test_parts_of_weights_learn_what_whole_ones_do(options, changes, tmp_path):
    changes = {"options": {**OPTIONS, **options}, "micro_batch": 1, **changes}
    run(tmp_path / "alone", **changes)
    together(tmp_path / "fsdp", scale="fsdp", **changes)
    assert losses(tmp_path / "fsdp") == pytest.approx(losses(tmp_path / "alone"), abs=1e-4)
    alike(*(weights(tmp_path / how / "ground" / "finished") for how in ("alone", "fsdp")), 5e-4)


@pytest.mark.parametrize("options", [{}, {**OPTIONS, "text_config": LLAMA}], ids=["ours", "others"])
def test_parts_of_weights_work_in_bfloat16(options, tmp_path):
    run(tmp_path / "alone", options=options, micro_batch=2, bf16=True)
    together(tmp_path / "fsdp", scale="fsdp", options=options, bf16=True)
    assert losses(tmp_path / "fsdp") == pytest.approx(losses(tmp_path / "alone"), abs=5e-2)
    kept = load_file(tmp_path / "fsdp" / "ground" / "checkpoint-4" / "model.safetensors")
    assert {value.dtype for value in kept.values() if value.is_floating_point()} == {torch.float32}


def test_parts_of_weights_are_measured_between_steps_and_learn_on(runs, tmp_path):
    watched = {"held_out": [{"source": "scenes"}], "eval_lessons": 4, "eval_every": 1, "eval_answers": 1}
    together(tmp_path, scale="fsdp", micro_batch=1, **watched, **HOW)
    assert (tmp_path / "ground" / "log.jsonl").read_text().count('"held_out_loss"') == 4
    one, other = (weights(out / "model") for out in (tmp_path, runs / "fsdp"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_numbers_that_are_none_stop_both_processes_and_name_the_lessons_of_both(tmp_path):
    with pytest.raises(AssertionError, match=r"ended with \[1, 1\]"):
        together(tmp_path, scale="fsdp", options=OPTIONS, stage={"lr": 1e30, "schedule": "constant"}, clip=1e9)
    told = json.loads((tmp_path / "ground" / "nan-step-2.json").read_text())
    assert [one["process"] for one in told["passes"]] == [0, 1]
    assert [one["lessons"] for one in told["passes"]] == [["boxes-4", "boxes-5"], ["boxes-6", "boxes-7"]]
    assert told["parameters"]


def test_blocks_are_the_layers_that_a_model_repeats():
    blocks = list(repeated_blocks(tiny.model(vision_config=SIGLIP, text_config=LLAMA)))
    assert [type(block).__name__ for block in blocks] == ["SiglipEncoderLayer"] * 2 + ["LlamaDecoderLayer"] * 2


def test_a_launcher_that_shares_out_the_weights_itself_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="`scale: fsdp`"):
        join_processes()
