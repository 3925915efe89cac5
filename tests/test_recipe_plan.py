"""What a recipe will take, from its own model and lessons."""

import pytest

from grounding.cli import main
from grounding.errors import ConfigError
from grounding.training.building import build
from grounding.training.lora import with_lora
from grounding.training.mixtures import open_mixture
from grounding.training.parts import freeze
from grounding.training.planning import Machine
from grounding.training.recipe_files import recipe_of
from grounding.training.recipe_plan import plan_recipe

MODEL = {
    "image_size": 64, "vocab_size": 1600, "projector": "linear",
    "vision_config": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128,
                      "stem_channels": [16, 32]},
    "language_config": {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                        "num_key_value_heads": 2, "intermediate_size": 128},
}  # fmt: skip
VALUES = {
    "model": MODEL,
    "data": [{"source": "scenes"}],
    "batch_size": 8,
    "stages": [
        {"name": "align", "steps": 10, "train": ["projector"]},
        {"name": "instruct", "steps": 10, "train": ["projector", "lora"], "lora": {"rank": 2}},
        {"name": "ground", "steps": 100},
    ],
}


def test_each_stage_is_planned_by_what_moves_in_it():
    plans = plan_recipe(recipe_of(VALUES), Machine(gpus=2))
    align, instruct, ground = plans.values()
    assert align["memory"]["weights"] == ground["memory"]["weights"]
    gradients = [planned["memory"]["gradients"] for planned in (align, instruct, ground)]
    assert gradients == sorted(gradients)
    assert gradients[0] == 4 * (64 * 64 + 64)
    adapters = 2 * 2 * (4 * (64 + 64) + 3 * (64 + 128))
    new_rows = 2 * 1024 * 64  # of the table and of the head
    assert gradients[1] == gradients[0] + 4 * (adapters + new_rows)
    assert ground["time"]["steps"] == 100
    assert align["time"]["operations of a lesson"] < ground["time"]["operations of a lesson"]


def test_a_plan_counts_as_moving_what_moves_when_all_but_the_language_model_does():
    own = {**MODEL, "language_config": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}}
    for model in (MODEL, own):
        recipe = recipe_of({**VALUES, "model": model, "stages": [{"name": "x", "steps": 1, "lora": {"rank": 2}}]})
        built, _ = build(recipe, open_mixture(recipe.data, recipe))
        moving = freeze(with_lora(built, rank=2), ("all",), adapters=True)
        (planned,) = plan_recipe(recipe, Machine(gpus=1)).values()
        assert planned["memory"]["gradients"] == 4 * sum(moving.counts.values())


def test_the_command_says_it_and_trains_nothing(tmp_path, capsys):
    import yaml

    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**VALUES, "out": str(tmp_path / "run")}))
    assert main(["train", str(tmp_path / "small.yaml"), "--plan", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 x 80 GB, 989 TFLOP/s each, of which 40% are used\n\nstage align\nmemory\n")
    assert not (tmp_path / "run").exists()
    assert main(["train", str(tmp_path / "small.yaml"), "--plan", "0"]) == 2
    assert "--plan is 0" in capsys.readouterr().err


def test_a_batch_that_does_not_divide_among_the_gpus_is_refused():
    with pytest.raises(ConfigError, match="batch_size is 8 and there are 3 processes"):
        plan_recipe(recipe_of(VALUES), Machine(gpus=3))
