"""Whole trainings in small: stages one after another, each resumed where it stopped to the very same weights."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from grounding.errors import ConfigError
from grounding.model.tokenization import train_tokenizer
from grounding.training.parts import part_of
from grounding.training.stage_trainer import StageTrainer
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP, Boxes, losses, run

STAGES = [
    {"name": "align", "steps": 2, "lr": 1e-2, "train": ["projector"]},
    {"name": "ground", "steps": 4, "lr": 1e-3, "schedule": "wsd", "decay": 2},
]
TWO = {"stages": STAGES, "weight_decay": 0.1, "ema": 0.9, "optimizer": "muon"}


@pytest.fixture(scope="module")
def source():
    return Boxes()


@pytest.fixture(scope="module")
def trained(tmp_path_factory, source):
    """A run of two stages that was never stopped."""
    out = tmp_path_factory.mktemp("whole")
    run(out, source, **TWO)
    return out


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def left_of(trained, out, *parts):
    """A folder with what a stopped run has left."""
    for part in ("recipe.json", *parts):
        (out / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (trained / part).is_dir() else shutil.copy
        copy(trained / part, out / part)
    return out


def test_only_the_named_parts_move(trained):
    before = {**dict(tiny.model(0).named_parameters()), **dict(tiny.model(0).named_buffers())}
    aligned = weights(trained / "align" / "finished")
    moved = {name for name, value in aligned.items() if not torch.equal(value, before[name])}
    assert moved == {name for name in aligned if part_of(name) == "projector"}
    assert any("running_mean" in name for name in aligned)  # the batch norms of a frozen encoder are still too
    ground = weights(trained / "ground" / "finished")
    assert not [name for name, value in ground.items() if torch.equal(value, aligned[name])]


def test_a_stage_that_was_stopped_goes_on_to_the_same_weights(trained, source, tmp_path):
    first = list(source.asked)
    assert sorted(set(first)) == list(range(16))
    out = left_of(trained, tmp_path, "align/finished", "ground/checkpoint-2")
    again = Boxes()
    run(out, again, **TWO)
    assert again.asked == list(range(8, 16))
    for name in ("model.safetensors", "optimizer.safetensors", "mean.safetensors"):
        one, other = (load_file(folder / "ground" / "checkpoint-4" / name) for folder in (trained, out))
        assert same(one, other), name
    assert same(weights(trained / "model"), weights(out / "model"))
    assert losses(out) == losses(trained)[2:]


def test_a_finished_stage_is_not_made_again(trained, tmp_path):
    out, again = left_of(trained, tmp_path, "align/finished"), Boxes()
    run(out, again, **TWO)
    assert again.asked == list(range(16))  # of the second stage alone
    assert same(weights(trained / "ground" / "finished"), weights(out / "ground" / "finished"))


def test_a_finished_run_that_is_started_again_leaves_its_model_as_it_is(trained):
    before, lines, again = weights(trained / "model"), losses(trained), Boxes()
    run(trained, again, **TWO)
    assert again.asked == []
    assert same(before, weights(trained / "model"))
    assert losses(trained) == lines


def test_a_run_that_died_between_its_last_step_and_its_end_is_brought_to_it(trained, tmp_path):
    out, again = left_of(trained, tmp_path, "align/finished", "ground/checkpoint-4"), Boxes()
    run(out, again, **TWO)
    assert again.asked == []
    assert same(weights(trained / "model"), weights(out / "model"))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "trainer_state.json"])
def test_a_checkpoint_cut_short_is_passed_over(name, trained, tmp_path):
    out = left_of(trained, tmp_path, "align/finished", "ground/checkpoint-2", "ground/checkpoint-4")
    file = out / "ground" / "checkpoint-4" / name
    file.write_bytes(file.read_bytes()[:-100])
    again = Boxes()
    run(out, again, **TWO)
    assert again.asked == list(range(8, 16))
    assert same(weights(trained / "model"), weights(out / "model"))


def test_what_a_killed_run_left_half_written_is_cleared_away(trained, tmp_path):
    out = left_of(trained, tmp_path, "align/finished", "ground/checkpoint-4")
    shutil.copytree(out / "ground" / "checkpoint-4", out / "ground" / "checkpoint-9.part")
    run(out, **TWO)
    assert not list(out.rglob("*.part"))


def test_a_run_keeps_the_tokenizer_that_it_began_with(trained, tmp_path, monkeypatch):
    out = left_of(trained, tmp_path, "processor", "align/finished", "ground/checkpoint-2")
    other = train_tokenizer(["locate the red square <p> and what is new in the data </p>"] * 3, tiny.VOCAB)
    monkeypatch.setattr(tiny, "tokenizer", lambda: other)  # as learned anew from data that have changed
    run(out, **TWO)
    assert same(weights(trained / "model"), weights(out / "model"))
    text = "locate the red square"
    saved = AutoProcessor.from_pretrained(out / "model")
    assert saved.encode_prompts([text]) == AutoProcessor.from_pretrained(trained / "model").encode_prompts([text])


def test_the_saved_weights_are_the_running_means(trained):
    last = trained / "ground" / "checkpoint-4"
    means, raw, saved = load_file(last / "mean.safetensors"), weights(last), weights(trained / "model")
    assert all(torch.equal(saved[name], value) for name, value in means.items())
    assert not any(torch.equal(saved[name], raw[name]) for name in means)


def test_the_finished_model_loads_as_any_other(trained):
    model = AutoModelForImageTextToText.from_pretrained(trained / "model")
    processor = AutoProcessor.from_pretrained(trained / "model")
    inputs = processor([tiny.image(0)], ["locate the red square"])
    assert torch.isfinite(model(**inputs).logits).all()
    assert not [path for path in trained.rglob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl")]


def test_a_checkpoint_loads_as_a_model_of_its_own(trained):
    folder = trained / "ground" / "checkpoint-2"
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert torch.equal(model.projector.weight, weights(folder)["projector.weight"])


def test_the_log_says_how_many_parameters_move_in_each_part(trained, capfd, tmp_path):
    told = json.loads((trained / "align" / "log.jsonl").read_text().splitlines()[0])
    assert {row["part"]: row["moving"] for row in told["parts"] if row["moving"]} == {"projector": 4160}
    assert {row["part"]: row["rate"] for row in told["parts"]}["projector"] == 0.01
    run(tmp_path, stages=STAGES[:1])
    said = capfd.readouterr().err
    assert "projector            4,160         4,160  0.01" in said
    assert "embeddings          36,864             0  frozen" in said


def test_another_recipe_in_the_same_folder_is_refused_by_the_key_that_differs(trained):
    with pytest.raises(ConfigError, match=r"batch_size is 8, and 4 in the run that .* holds"):
        run(trained, **{**TWO, "batch_size": 8})
    stages = [STAGES[0], {**STAGES[1], "lr": 2e-3}]
    with pytest.raises(ConfigError, match=r"stages\.ground\.lr is 0\.002, and 0\.001 in the run"):
        run(trained, **{**TWO, "stages": stages})


def test_a_stage_may_be_lengthened(trained, tmp_path):
    out = left_of(trained, tmp_path, "align/finished", "ground/checkpoint-4", "ground/finished")
    again = Boxes()
    run(out, again, **{**TWO, "log_every": 2, "stages": [STAGES[0], {**STAGES[1], "steps": 6}]})
    assert again.asked == list(range(16, 24))
    assert (out / "ground" / "checkpoint-6").is_dir()


def test_rows_of_box_tokens_move_alone(tmp_path):
    options = {"text_config": LLAMA}
    stage = {"train": ["locations"], "lr": 1e-2}
    run(tmp_path, options=options, stage=stage, weight_decay=0.5)
    before = tiny.model(0, **options).state_dict()
    after = weights(tmp_path / "ground" / "finished")
    first = tiny.VOCAB - 1024
    for name, value in after.items():
        still = value[:first] if name.endswith(("embed_tokens.weight", "lm_head.weight")) else value
        assert torch.equal(still, before[name][: len(still)] if still.ndim else before[name]), name
    for name in ("language.model.embed_tokens.weight", "language.lm_head.weight"):
        assert not torch.equal(after[name][first:], before[name][first:])


def test_adapters_learn_in_a_stage_and_are_merged_at_its_end(tmp_path):
    options = {"text_config": LLAMA, "vision_config": SIGLIP}
    stage = {"train": ["projector", "lora"], "lora": {"rank": 2, "dropout": 0.1}, "lr": 1e-2}
    run(tmp_path / "whole", options=options, stage=stage)
    before = dict(tiny.model(0, **options).named_parameters())
    after = weights(tmp_path / "whole" / "ground" / "finished")
    assert after.keys() == before.keys()
    moved = {part_of(name) for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {"projector", "language"}
    inside = weights(tmp_path / "whole" / "ground" / "checkpoint-2")
    assert any("lora_A" in name for name in inside)
    out = left_of(tmp_path / "whole", tmp_path / "stopped", "ground/checkpoint-2")
    run(out, options=options, stage=stage)
    assert same(weights(out / "model"), weights(tmp_path / "whole" / "model"))
    model = AutoModelForImageTextToText.from_pretrained(out / "model")
    assert torch.equal(dict(model.named_parameters())["projector.weight"], after["projector.weight"])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The losses of a run whose encoder sees each picture by itself."""
    out = tmp_path_factory.mktemp("plain")
    run(out, options={"vision_config": SIGLIP})
    return losses(out)


@pytest.mark.parametrize(
    ("changes", "tolerance"),
    [
        ({"micro_batch": 1}, 1e-5),
        ({"micro_batch": 2, "pack": 96}, 1e-5),
        ({"pack": 150}, 1e-5),
        ({"gradient_checkpointing": True}, 1e-5),
        ({"workers": 2}, 0),
        ({"bf16": True}, 3e-2),
    ],
    ids=["accumulated", "accumulated in shared rows", "shared rows", "computed anew", "made ahead", "bfloat16"],
)
def test_how_a_step_is_made_does_not_change_what_it_learns(changes, tolerance, plain, tmp_path):
    run(tmp_path, options={"vision_config": SIGLIP}, **changes)
    assert losses(tmp_path) == pytest.approx(plain, abs=tolerance)


def test_every_stage_computes_in_the_precision_that_was_asked_for(source, tmp_path, monkeypatch):
    seen = []
    computed = StageTrainer.compute_loss

    def compute(self, model, *args, **kwargs):
        linear = self.model.projector
        hook = linear.register_forward_hook(lambda *call: seen.append((self.stage.name, call[2].dtype)))
        try:
            return computed(self, model, *args, **kwargs)
        finally:
            hook.remove()

    monkeypatch.setattr(StageTrainer, "compute_loss", compute)
    run(tmp_path, source, stages=STAGES, bf16=True)
    assert set(seen) == {(stage["name"], torch.bfloat16) for stage in STAGES}
