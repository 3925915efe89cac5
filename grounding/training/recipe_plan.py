"""Owns plan_recipe(): what each stage of a recipe will take, from its own model and a few of its own lessons."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from torch import nn

from grounding.data.lessons.reading import ready
from grounding.errors import ConfigError
from grounding.model import GroundingProcessor
from grounding.model.location_tokens import new_token_ids
from grounding.model.token_tables import tables
from grounding.training.building import build
from grounding.training.lesson_rows import IGNORE, LessonCollator
from grounding.training.mixtures import everything, open_mixture
from grounding.training.parts import part_of, wanted_parts
from grounding.training.passes import share_of
from grounding.training.planning import Corpus, Machine, Run, Sizes, plan, sizes_of, table
from grounding.training.recipe import Recipe, StageRecipe

DRAWN = 32
"""Lessons by which the others are judged."""


def plan_recipe(recipe: Recipe, machine: Machine) -> dict[str, dict[str, dict[str, float]]]:
    """The plan (see `planning.plan`) of each stage, by its name; nothing is trained.

    The model is built and lessons are drawn as the training would do it. Raises ConfigError for other families' models.
    """
    recipe.check_complete()
    micro, _ = share_of(recipe.batch_size, recipe.micro_batch, machine.gpus)
    model, processor = build(recipe, open_mixture(everything(recipe), recipe))
    if not isinstance(processor, GroundingProcessor):
        raise ConfigError(f"a plan is made for models of ours, not for {type(model).__name__}: leave --plan out")
    collator = LessonCollator(processor, recipe.most_tokens)
    return {stage.name: _plan_stage(recipe, stage, model, collator, machine, micro) for stage in recipe.stages}


def _plan_stage(
    recipe: Recipe, stage: StageRecipe, model: Any, collator: LessonCollator, machine: Machine, micro: int
) -> dict[str, dict[str, float]]:
    mixture = open_mixture(stage.data or recipe.data, recipe)
    start = time.process_time()
    found = [ready(mixture, position) for position in range(DRAWN)]
    rows = [row for one in found for row in collator.prepare(one.lesson, one.images)]
    tensors = collator.tensors(rows)
    seconds = (time.process_time() - start) / DRAWN
    tokens = sum(len(row.ids) for row in rows) / DRAWN
    views = max(1, round(len(tensors["pixel_values"]) / DRAWN))
    run = Run(
        batch_size=recipe.batch_size,
        micro_batch=micro,
        labels=round(int((tensors["labels"] != IGNORE).sum()) / DRAWN),
        fsdp=recipe.scale == "fsdp" and machine.gpus > 1,
        gradient_checkpointing=recipe.gradient_checkpointing,
        states=1 if recipe.optimizer == "muon" else 2,
        ema=recipe.ema > 0,
    )
    train = wanted_parts(stage.train, stage.lora is not None)
    sizes = sizes_of(model, 0, round(tokens), train, views)
    if stage.lora is not None:
        sizes = with_adapters(sizes, model, stage)
    return plan(sizes, run, machine, Corpus(lessons=recipe.batch_size * stage.steps, ready=seconds))


def with_adapters(sizes: Sizes, model: Any, stage: StageRecipe) -> Sizes:
    """The sizes with the two thin matrices of each adapted layer and the rows of new tokens, in place of the language
    model's own weights."""
    from grounding.training.lora import linear_layers

    rank = stage.lora.rank if stage.lora else 0
    named = set(stage.lora.targets if stage.lora else ()) or None
    added = 0
    for name in linear_layers(model):
        layer = model.get_submodule(name)
        if isinstance(layer, nn.Linear) and (named is None or name in named or name.rpartition(".")[2] in named):
            added += rank * (layer.in_features + layer.out_features)
    own = sum(p.numel() for name, p in model.named_parameters() if part_of(name) == "locations")
    added += own or len(new_token_ids(model)) * sum(table.shape[1] for table in tables(model))  # new tokens' own rows
    towers = tuple(replace(tower, moves=tower.moves and tower.name == "vision") for tower in sizes.towers)
    moving = sizes.around_moving + added
    return replace(sizes, towers=towers, around=sizes.around + added, around_moving=moving)


def plans_text(plans: dict[str, dict[str, dict[str, float]]], machine: Machine) -> str:
    """All of it in lines, with what was assumed of the machine."""
    parts = [
        f"{machine.gpus} x {machine.memory / 1e9:.0f} GB, {machine.flops / 1e12:.0f} TFLOP/s each, of which "
        f"{machine.mfu:.0%} are used"
    ]
    parts += [f"stage {name}\n{table(planned)}" for name, planned in plans.items()]
    return "\n\n".join(parts)
