"""A whole training in small: stopped, it goes on with the same pictures to the same weights; and what it leaves."""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForImageTextToText, AutoProcessor

from grounding.errors import ConfigError
from grounding.model.decode import Decoder
from grounding.training.collator import SceneStream
from grounding.training.config import TrainingConfig
from grounding.training.trainer import FIRST_TRAINING_SEED, HELD_OUT_SEED, SceneRun, SceneTrainer, train
from tests import tiny

CONFIG = TrainingConfig(
    steps=4, decay_steps=2, warmup_steps=1, dense_steps=1, batch_size=2, phrases=3, eval_every=2, save_every=2,
    eval_pictures=3, workers=0, bf16=False, image_size=tiny.SIZE, width=tiny.WIDTH, vision_layers=1, text_layers=1,
    vocab_size=tiny.VOCAB,
)  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    return []


def run(out, **changes):
    """A training into `out`, with a tokenizer that is there already: learning one takes 4,000 pictures."""
    tiny.processor().save_pretrained(out / "processor")
    return train(dataclasses.replace(CONFIG, out=out, **changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, seen):
    """A run of four steps that was never stopped, and the seeds it drew."""
    draw = SceneStream.picture
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SceneStream, "picture", lambda self, seed: (seen.append(seed), draw(self, seed))[1])
        out = tmp_path_factory.mktemp("whole")
        run(out)
    return out


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(trained, seen, tmp_path, monkeypatch):
    stopped = tmp_path / "stopped"  # what is left of a run that was killed behind its second step
    stopped.mkdir()
    shutil.copytree(trained / "checkpoint-2", stopped / "checkpoint-2")
    again = []
    draw = SceneStream.picture
    monkeypatch.setattr(SceneStream, "picture", lambda self, seed: (again.append(seed), draw(self, seed))[1])
    run(stopped)
    learned = [seed for seed in seen if seed >= FIRST_TRAINING_SEED]
    assert learned == [FIRST_TRAINING_SEED + number for number in range(8)]
    assert [seed for seed in again if seed >= FIRST_TRAINING_SEED] == learned[4:]
    whole, resumed = (load_file(out / "checkpoint-4" / "model.safetensors") for out in (trained, stopped))
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name
    states = [torch.load(out / "checkpoint-4" / "optimizer.pt", weights_only=True) for out in (trained, stopped)]
    for one, other in zip(*(tree_leaves(state) for state in states), strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_finished_run_that_is_started_again_leaves_its_model_as_it_is(trained, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    shutil.copytree(trained / "checkpoint-4", again / "checkpoint-4")
    run(again)
    first, second = (load_file(out / "model" / "model.safetensors") for out in (trained, again))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("changes", [{"width": 128}, {"image_size": 96}, {"text_layers": 2}])
def test_a_folder_with_a_run_of_another_shape_is_refused(changes, trained):
    ((name, value),) = changes.items()
    with pytest.raises(ConfigError, match=f"{name} is {value}, and {getattr(CONFIG, name)} in the run"):
        train(dataclasses.replace(CONFIG, out=trained, **changes))


def test_the_finished_model_answers(trained):
    model = AutoModelForImageTextToText.from_pretrained(trained / "model")
    processor = AutoProcessor.from_pretrained(trained / "model")
    assert model.dtype == torch.bfloat16
    answers = Decoder(model.float(), processor).answer_many(tiny.asks(processor, 3))
    assert all(answer.ids for answer in answers)
    assert not [path for path in (trained / "model").iterdir() if path.suffix in (".bin", ".pt")]


def test_a_run_writes_down_its_configuration_its_versions_and_its_progress(trained):
    told = json.loads((trained / "run.json").read_text())
    assert told["config"]["steps"] == 4
    assert set(told["versions"]) == {"torch", "transformers", "python"}
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if "eval_all" in line]
    assert [line["step"] for line in evaluations] == [2, 4]
    assert all(0 <= line["eval_all"] <= 1 for line in evaluations)
    assert sorted(path.name for path in (trained / "sheets").iterdir()) == ["step-000002.png", "step-000004.png"]


def test_held_out_pictures_are_never_trained_on(trained, seen):
    held_out = {seed for seed in seen if seed < FIRST_TRAINING_SEED}
    assert held_out == {HELD_OUT_SEED, HELD_OUT_SEED + 1, HELD_OUT_SEED + 2}


def test_another_seed_trains_on_other_pictures_from_other_weights(trained):
    other = SceneRun(dataclasses.replace(CONFIG, out=trained, seed=1))
    same = SceneRun(dataclasses.replace(CONFIG, out=trained))
    one, two, three = (run.build_model().state_dict() for run in (same, SceneRun(same.config), other))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["model.projector.weight"], three["model.projector.weight"])


def test_a_finished_model_can_be_gone_on_with_in_another_folder(trained, tmp_path):
    config = dataclasses.replace(CONFIG, out=tmp_path / "more", start_from=trained / "model", seed=1)
    more = SceneRun(config)
    before = load_file(trained / "model" / "model.safetensors")
    started = more.build_model().model.state_dict()
    assert all(torch.equal(started[name], value.to(started[name].dtype)) for name, value in before.items())
    assert more.processor.encode_prompts(["locate the red star"]) == tiny.processor().encode_prompts(
        ["locate the red star"]
    )


def test_rates_rise_twice_and_fall_to_zero(trained, tmp_path):
    from transformers import TrainingArguments

    config = dataclasses.replace(CONFIG, out=trained, steps=40, warmup_steps=4, dense_steps=10, decay_steps=10)
    run = SceneRun(config)
    trainer = SceneTrainer(run, run.build_model(), TrainingArguments(str(tmp_path), use_cpu=True, report_to=[]), 0)
    trainer.create_optimizer()
    schedule = trainer.create_scheduler(40)
    rates = []
    for _ in range(41):
        rates.append(schedule.get_last_lr()[0] / config.matrix_lr)
        trainer.optimizer.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[10:14] == pytest.approx([0.25, 0.5, 0.75, 1])
    assert rates[14:31] == pytest.approx([1.0] * 17)
    assert rates[30:] == pytest.approx([1 - number / 10 for number in range(11)])


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch_size": 0}, {"image_size": 100}, {"eval_pictures": 0}, {"save_every": -1}]
)
def test_what_can_not_be_trained_is_refused_with_the_value_seen(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"{name} (is )?{value}"):
        TrainingConfig(**wrong)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_trains_in_bfloat16(tmp_path):
    assert (run(tmp_path, bf16=True, steps=2) / "model.safetensors").is_file()
