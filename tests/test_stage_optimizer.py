"""Groups of weights by part and rate, who decays, and which matrices Muon takes."""

import pytest
import torch

from grounding.errors import ConfigError
from grounding.training.checkpoints import parts_of
from grounding.training.parts import freeze
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.stage_optimizer import block_matrices, build_optimizer
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP


def built(model, recipe=None, **stage):
    wanted = StageRecipe("x", 10, **stage)
    return build_optimizer(model, freeze(model, wanted.train), recipe or Recipe(weight_decay=0.1), wanted)


def test_each_part_has_its_rate():
    optimizer = built(tiny.model(), lr=1e-3, part_lr={"vision": 1e-5, "locations": 1e-2})
    rates = {group["part"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {"vision": 1e-5, "projector": 1e-3, "language": 1e-3, "embeddings": 1e-3, "locations": 1e-2}


def test_matrices_decay_and_nothing_else_does():
    model = tiny.model()
    for group in built(model).param_groups:
        assert {weight.ndim >= 2 for weight in group["params"]} == {group["weight_decay"] > 0}


def test_a_table_of_which_rows_move_does_not_decay():
    (group,) = built(tiny.model(text_config=LLAMA), train=("locations",)).param_groups
    assert (group["part"], group["weight_decay"], len(group["params"])) == ("locations", 0.0, 2)


def test_every_weight_that_moves_is_in_one_group():
    model = tiny.model(text_config=LLAMA, vision_config=SIGLIP)
    for recipe in (Recipe(), Recipe(optimizer="muon")):
        held = [weight for group in built(model, recipe).param_groups for weight in group["params"]]
        assert len(held) == len(set(held))
        assert set(held) == set(model.parameters())


def test_muon_takes_the_matrices_of_blocks_ours_and_others():
    own, other = tiny.model(), tiny.model(text_config=LLAMA, vision_config=SIGLIP)
    assert len(block_matrices(own)) == 2 * 4  # the one block of its encoder repeats nothing
    assert len(block_matrices(other)) == 2 * (7 + 6)
    muon, adamw = parts_of(built(other, Recipe(optimizer="muon")))
    assert isinstance(muon, torch.optim.Muon)
    assert {id(weight) for group in muon.param_groups for weight in group["params"]} == {
        id(weight) for weight in block_matrices(other)
    }
    assert {group["part"] for group in muon.param_groups} == {"vision", "language"}
    assert isinstance(adamw, torch.optim.AdamW)


def test_a_rate_for_what_does_not_move_is_refused():
    with pytest.raises(ConfigError, match="part_lr has 'vision', which does not move in the stage 'x': there proj"):
        built(tiny.model(), train=("projector",), part_lr={"vision": 1e-5})
