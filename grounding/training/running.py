"""Owns train_recipe(): a recipe's stages one after another, each resumed where it stopped, to one finished model."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.sources import SceneSource
from grounding.model import GroundingForConditionalGeneration, GroundingProcessor
from grounding.training.building import build
from grounding.training.memory import keep_freed_memory
from grounding.training.parts import freeze
from grounding.training.recipe import DataRecipe, Recipe, StageRecipe
from grounding.training.recipe_files import plain
from grounding.training.stage_trainer import StageTrainer
from grounding.training.watching import callbacks_of


def open_mixture(data: tuple[DataRecipe, ...], recipe: Recipe) -> Mixture:
    """The sources of a recipe, by weight."""
    sources = [
        (part.weight, SceneSource(part.source, seed=recipe.seed, phrases=recipe.most_turns, **part.options))
        for part in data
    ]
    return Mixture(sources, recipe.seed)


def train_recipe(recipe: Recipe) -> Path:
    """Runs or resumes a recipe; the folder of the finished model."""
    recipe.out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    (recipe.out / "recipe.json").write_text(json.dumps(plain(recipe), indent=1))
    mixture = open_mixture(recipe.data, recipe)
    model, processor = build(recipe, mixture)
    for stage in recipe.stages:
        run_stage(recipe, stage, model, processor, mixture)
    final = recipe.out / "model"
    model.save_pretrained(final)
    processor.save_pretrained(final)
    return final


def run_stage(
    recipe: Recipe,
    stage: StageRecipe,
    model: GroundingForConditionalGeneration,
    processor: GroundingProcessor,
    mixture: Mixture,
) -> None:
    """One stage, from its last checkpoint where there is one."""
    folder = recipe.out / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    freeze(model, stage.train)
    last = get_last_checkpoint(str(folder))
    start = json.loads((Path(last) / "trainer_state.json").read_text())["global_step"] if last else 0
    args = TrainingArguments(
        output_dir=str(folder),
        max_steps=stage.steps,
        per_device_train_batch_size=recipe.micro_batch or recipe.batch_size,
        bf16=recipe.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=recipe.log_every,
        save_steps=recipe.save_every,
        save_total_limit=recipe.keep,
        max_grad_norm=recipe.clip,
        remove_unused_columns=False,
        ignore_data_skip=True,
        report_to=[],
        seed=recipe.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    watchers = callbacks_of(recipe, stage)
    trainer = StageTrainer(recipe, stage, mixture, processor, start, model=model, args=args, callbacks=watchers)
    trainer.train(resume_from_checkpoint=last)
