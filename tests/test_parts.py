"""Which parameters belong to which part, which move when a part is named, and which rows."""

import pytest
import torch
from torch import nn

from grounding.errors import ConfigError
from grounding.training.parts import box_rows, freeze, keep_other_rows, part_of, parts_table, still_layers, table_text
from grounding.training.recipe import StageRecipe
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("vision.stem.0.conv.weight", "vision"),
        ("vision.embeddings.patch_embedding.weight", "vision"),
        ("projector.weight", "projector"),
        ("line_end", "projector"),
        ("fusion.layers.0.queries.weight", "fusion"),
        ("language.blocks.0.mlp_in.weight", "language"),
        ("language.position", "language"),
        ("language.embedding.words", "embeddings"),
        ("language.embedding.locations.weight", "locations"),
        ("language.model.embed_tokens.weight", "embeddings"),
        ("language.lm_head.weight", "embeddings"),
        ("model.visual.blocks.3.attn.qkv.weight", "vision"),
        ("model.visual.merger.mlp.0.weight", "projector"),
        ("model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", "vision"),
        ("model.multi_modal_projector.linear.weight", "projector"),
        ("model.language_model.layers.0.mlp.up_proj.weight", "language"),
        ("base_model.model.language.model.layers.0.self_attn.q_proj.lora_A.default.weight", "lora"),
        ("base_model.model.language.model.embed_tokens.token_adapter.trainable_tokens_delta.default", "lora"),
        ("base_model.model.language.embedding.locations.modules_to_save.default.weight", "lora"),
    ],
)
def test_a_parameter_belongs_to_the_part_that_its_name_says(name, part):
    assert part_of(name) == part


def moving(model):
    return {part_of(name) for name, weight in model.named_parameters() if weight.requires_grad}


def test_what_is_named_moves_and_nothing_else():
    model = tiny.model()
    freeze(model, ["projector", "vision"])
    assert moving(model) == {"projector", "vision"}
    assert freeze(model, ["all"]).counts.keys() == {"vision", "projector", "language", "embeddings", "locations"}
    assert moving(model) == {"projector", "vision", "language", "embeddings", "locations"}
    freeze(model, ["embeddings"])
    assert moving(model) == {"embeddings", "locations"}
    freeze(model, ["locations"])
    assert moving(model) == {"locations"}


def test_a_part_that_the_model_has_not_is_refused():
    with pytest.raises(ConfigError, match="trains 'lora', and this model has none; it has vision, projector, lang"):
        freeze(tiny.model(), ["projector", "lora"])
    with pytest.raises(ConfigError, match="trains 'fusion'"):
        freeze(tiny.model(), ["fusion"])


def test_with_adapters_everything_means_all_but_the_weights_that_they_stand_for():
    model = tiny.model()
    model.language.blocks[0].lora_A = nn.Linear(4, 4)
    assert freeze(model, ["all"], adapters=True).counts.keys() == {"vision", "projector", "lora"}
    assert freeze(model, ["projector"], adapters=True).counts.keys() == {"projector", "lora"}


def test_weights_that_move_are_put_into_float32():
    model = tiny.model().to(torch.bfloat16)
    freeze(model, ["projector"])
    assert {weight.dtype for weight in model.projector.parameters()} == {torch.float32}
    assert model.language.embedding.words.dtype == torch.bfloat16


def test_the_rows_of_box_tokens_are_those_that_the_configuration_names():
    model = tiny.model(text_config=LLAMA)
    assert box_rows(model) == [(tiny.VOCAB - 1024, 1024)]
    model.config.new_token_ranges = [[3, 2], [tiny.VOCAB - 1030, 8]]
    assert box_rows(model) == [(3, 2), (tiny.VOCAB - 1030, 1030)]
    table = freeze(model, ["locations"])
    assert table.rows.keys() == {"language.model.embed_tokens.weight", "language.lm_head.weight"}
    assert table.counts == {"locations": 2 * 1032 * 64}


@pytest.mark.parametrize("ranges", [[(0, 2)], [(3, 2), (8, 2)], [(9, 1)]])
def test_gradients_of_other_rows_are_cleared(ranges):
    weight = nn.Parameter(torch.zeros(10, 3))
    weight.grad = torch.ones(10, 3)
    keep_other_rows(weight, ranges)
    kept = {row for first, count in ranges for row in range(first, first + count)}
    assert weight.grad.sum(1).tolist() == [3.0 if row in kept else 0.0 for row in range(10)]
    weight.grad = None
    keep_other_rows(weight, ranges)


def test_layers_that_know_of_batches_are_still_where_they_are_frozen_and_nowhere_else():
    model = tiny.model()
    freeze(model, ["language"])
    still = set(still_layers(model))
    assert {module for module in model.modules() if isinstance(module, nn.BatchNorm2d)} <= still
    assert not still & set(model.language.blocks.modules())
    assert not [module for module in still if any(True for _ in module.children())]
    freeze(model, ["vision"])
    assert not set(still_layers(model)) & set(model.vision.modules())


def test_the_table_counts_every_parameter_once():
    model = tiny.model(text_config=LLAMA, vision_config=SIGLIP)
    total = sum(weight.numel() for weight in model.parameters())
    for train in (["all"], ["projector", "locations"], ["embeddings"]):
        stage = StageRecipe("x", 1, train=tuple(train), lr=1e-3, part_lr={train[0]: 2e-3} if len(train) > 1 else {})
        rows = parts_table(model, freeze(model, train), stage)
        assert sum(row["parameters"] for row in rows) == total
        moves = {row["part"]: row["moving"] for row in rows if row["moving"]}
        assert moves.keys() == ({row["part"] for row in rows} if train == ["all"] else {*train})
    assert "projector" in table_text("x", rows)


def test_the_table_says_the_rate_of_each_part_that_moves():
    model = tiny.model()
    stage = StageRecipe("x", 1, train=("projector", "vision"), lr=1e-3, part_lr={"vision": 1e-5})
    rates = {row["part"]: row["rate"] for row in parts_table(model, freeze(model, stage.train), stage)}
    assert rates == {"vision": 1e-5, "projector": 1e-3, "language": None, "embeddings": None, "locations": None}
