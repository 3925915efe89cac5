"""Owns train_recipe(): a recipe's stages one after another, each resumed where it stopped, to one finished model.

out/
    recipe.json          the recipe
    processor/           tokenizer and all that goes with it, as they were when the run began
    STAGE/
        checkpoint-N/    see `checkpoints`
        finished/        the stage's weights, adapters merged; where it lies, the stage is over
        log.jsonl        losses, rates, speed; first the parameters of each part
    model/               the finished model, for `grounding.load` and AutoModelForImageTextToText
"""

from __future__ import annotations

import json
import sys
import warnings
import zlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, TrainingArguments

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.reading import BadLessons
from grounding.data.whole_files import whole_file
from grounding.errors import ConfigError, MissingExtraError, TrainingError
from grounding.model import GroundingProcessor
from grounding.model.modeling import progress_bar_off
from grounding.training import checkpoints
from grounding.training.building import build
from grounding.training.failures import BAD_LESSONS, Signals, memory_said
from grounding.training.foreign import ForeignProcessor
from grounding.training.foreign_rows import ForeignCollator
from grounding.training.lesson_rows import LessonCollator
from grounding.training.memory import keep_freed_memory
from grounding.training.mixtures import everything, open_mixture
from grounding.training.parts import Moving, freeze, parts_table, table_text
from grounding.training.passes import Collator, share_of
from grounding.training.recipe import LoraRecipe, Recipe, StageRecipe
from grounding.training.recipe_files import plain
from grounding.training.running_mean import RunningMean
from grounding.training.same_run import FINISHED, RECIPE, check_same_run
from grounding.training.spread import join_processes, wait_for_all
from grounding.training.stage_trainer import StageTrainer
from grounding.training.watching import watching
from grounding.training.whole_folders import clean_up, whole_folder


def collator_of(recipe: Recipe, processor: Any) -> Collator:
    """What makes tensors of lessons for a model that goes with this processor."""
    if isinstance(processor, ForeignProcessor):
        if recipe.where_weight:
            raise ConfigError(
                f"where_weight is {recipe.where_weight}, and the tokens of this family's pictures are its own affair: "
                "set it to 0"
            )
        return ForeignCollator(processor, recipe.most_tokens)
    return LessonCollator(processor, recipe.most_tokens, recipe.pack, recipe.where_weight > 0)


def train_recipe(recipe: Recipe) -> Path:
    """Runs or resumes a recipe; the folder of the finished model.

    Raises ConfigError where the folder holds another run, TrainingError where this one stops before its end and
    OutputError where nothing can be written: what was saved stays whole, and the same call goes on from there.
    """
    recipe.check_complete()
    processes = join_processes()
    share_of(recipe.batch_size, recipe.micro_batch, processes.num_processes)
    check_same_run(recipe)
    keep_freed_memory()
    if processes.is_main_process:
        prepare_folder(recipe)
    wait_for_all()
    model, processor = build(recipe, open_mixture(everything(recipe), recipe))
    processor = kept_processor(recipe, processor, processes.is_main_process)
    done = [stage for stage in recipe.stages if is_finished(recipe, stage)]
    if done:
        checkpoints.load_weights(model, recipe.out / done[-1].name / FINISHED / checkpoints.WEIGHTS)
    for stage in recipe.stages[len(done) :]:
        drawn = open_mixture(stage.data or recipe.data, recipe)
        model = run_stage(recipe, stage, model, processor, drawn)
    final = recipe.out / "model"
    if processes.is_main_process:
        with whole_folder(final) as part, progress_bar_off(True):
            model.save_pretrained(part)
            processor.save_pretrained(part)
    wait_for_all()
    return final


def prepare_folder(recipe: Recipe) -> None:
    """Clears what a killed run left half written, and writes the recipe down."""
    recipe.out.mkdir(parents=True, exist_ok=True)
    for folder in (recipe.out, *(recipe.out / stage.name for stage in recipe.stages)):
        clean_up(folder)
    with whole_file(recipe.out / RECIPE) as file:
        json.dump(plain(recipe), file, indent=1)


def kept_processor(recipe: Recipe, processor: Any, main: bool) -> Any:
    """The processor as it was when the run began: a tokenizer learned from the data must not change when they do."""
    if not isinstance(processor, GroundingProcessor):
        return processor  # of a checkpoint of another family
    folder = recipe.out / "processor"
    if main and not folder.is_dir():
        with whole_folder(folder) as part:
            processor.save_pretrained(part)
    wait_for_all()
    return GroundingProcessor.from_pretrained(folder)


def is_finished(recipe: Recipe, stage: StageRecipe) -> bool:
    """Whether a stage has been brought to its end, with as many steps as the recipe gives it now."""
    told = recipe.out / stage.name / FINISHED / "stage.json"
    return told.is_file() and json.loads(told.read_text())["steps"] >= stage.steps


def run_stage(recipe: Recipe, stage: StageRecipe, model: Any, processor: Any, mixture: Mixture) -> Any:
    """One stage, from its last checkpoint where there is one; the model as the stage leaves it."""
    folder = recipe.out / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    if stage.lora is not None:
        model = with_adapters(recipe, stage, model)
    moving = freeze(model, stage.train, stage.lora is not None)
    last = checkpoints.last_checkpoint(folder)
    start = checkpoints.step_of(last) if last else 0
    if last:
        checkpoints.load_weights(model, last / checkpoints.WEIGHTS)
    if last is None or start < stage.steps:
        collator = collator_of(recipe, processor)
        model = train_stage(recipe, stage, model, moving, collator, processor, mixture, last)
        last = folder / f"checkpoint-{stage.steps}"
    return finish_stage(recipe, stage, model, last)


def train_stage(
    recipe: Recipe,
    stage: StageRecipe,
    model: Any,
    moving: Moving,
    collator: Collator,
    processor: Any,
    mixture: Mixture,
    last: Path | None,
) -> Any:
    """The steps that are left of a stage, down to its last checkpoint. A model that was shared out comes back anew."""
    folder, start = recipe.out / stage.name, checkpoints.step_of(last) if last else 0
    args = arguments_of(recipe, stage, folder)
    if args.should_save:
        tell_parts(recipe, stage, model, moving, folder, start)
    if not start:
        BadLessons(recipe.bad_share, folder / BAD_LESSONS if args.should_save else None).opened(mixture.sources)
    if recipe.gradient_checkpointing:
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    signals = Signals()
    sharded = recipe.scale == "fsdp" and args.world_size > 1
    unpacked = collator_of(replace(recipe, pack=0, where_weight=0.0), processor)
    with watching(recipe, stage, unpacked, processor, args.should_save, sharded) as watchers:
        kind = trainer_of(stage)
        trainer = kind(recipe, stage, mixture, collator, moving, start, signals, model, args, [*watchers])
        for watch in watchers:
            watch.averaged = trainer.averaged
        trainer.remove_callback(PrinterCallback)  # `watching` tells
        with signals.caught(), memory_said(recipe, args.per_device_train_batch_size), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    wait_for_all()
    if trainer.stopping and trainer.state.global_step < stage.steps:
        raise TrainingError(
            f"stopped by {signals.received.name if signals.received else 'another process'} behind step "
            f"{trainer.state.global_step} of the stage {stage.name!r}, and saved: the same command goes on from there"
        )
    if trainer.sharded:
        base = model if stage.lora is None else model.get_base_model()
        fresh = type(base)(base.config)
        return fresh if stage.lora is None else with_adapters(recipe, stage, fresh)
    trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    forget_prepared(model)
    return model


def forget_prepared(model: Any) -> None:
    """Lets the next stage's accelerate prepare the model anew.

    What it unwraps it still takes for prepared, and would leave it without its half precision: in float32, each step of
    a second stage took twice the time of a first one's (8.7 s against 4.4 s, llava-mini on two cores).
    """
    model.__dict__.pop("_is_accelerate_prepared", None)


def trainer_of(stage: StageRecipe) -> type[StageTrainer]:
    """What does the steps of a stage. Raises MissingExtraError where rewards need what is not installed."""
    if stage.objective == "answers":
        return StageTrainer
    if missing := [name for name in ("trl", "datasets") if find_spec(name) is None]:
        raise MissingExtraError(f"rewards need {' and '.join(missing)}: pip install 'grounding-vlm[train,rewards]'")
    from grounding.training.reward_trainer import RewardTrainer

    return RewardTrainer


def with_adapters(recipe: Recipe, stage: StageRecipe, model: Any) -> Any:
    """The model with low-rank adapters, which always start alike, and with rows of new tokens that learn."""
    from grounding.training.lora import with_lora

    wanted = stage.lora or LoraRecipe()
    torch.manual_seed(zlib.crc32(f"{recipe.seed}/{stage.name}".encode()))
    targets = wanted.targets or "auto"
    return with_lora(model, rank=wanted.rank, alpha=wanted.alpha, dropout=wanted.dropout, targets=targets)


def brought_to(recipe: Recipe, stage: StageRecipe, model: Any, last: Path) -> Any:
    """The model, with adapters where the stage has some, as a checkpoint has it: the running mean, adapters merged."""
    freeze(model, stage.train, stage.lora is not None)
    checkpoints.load_weights(model, last / checkpoints.WEIGHTS)
    if (last / checkpoints.MEANS).is_file():
        mean = RunningMean(model, recipe.ema)
        mean.load(last / checkpoints.MEANS, 0)
        mean.put_in()
    if stage.lora is not None:
        from grounding.training.lora import merge

        model = merge(model)
    return model


def finish_stage(recipe: Recipe, stage: StageRecipe, model: Any, last: Path) -> Any:
    """The model as the stage has come to by its last checkpoint, which is kept as the stage's end."""
    model = brought_to(recipe, stage, model, last)
    if join_processes().is_main_process:
        with whole_folder(recipe.out / stage.name / FINISHED) as part:
            checkpoints.write(checkpoints.gather(checkpoints.named_tensors(model)), part / checkpoints.WEIGHTS)
            (part / "stage.json").write_text(json.dumps({"steps": stage.steps, "stage": plain(stage)}, indent=1))
    wait_for_all()
    return model


def arguments_of(recipe: Recipe, stage: StageRecipe, folder: Path) -> TrainingArguments:
    """What transformers' Trainer is told."""
    processes = join_processes().num_processes
    micro, passes = share_of(recipe.batch_size, recipe.micro_batch, processes)
    cuda = torch.cuda.is_available()
    args = TrainingArguments(
        output_dir=str(folder),
        max_steps=stage.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=passes,
        bf16=recipe.bf16,
        use_cpu=not cuda,
        logging_steps=recipe.log_every,
        logging_nan_inf_filter=False,
        save_steps=recipe.save_every,
        max_grad_norm=1.0,  # StageTrainer clips, by the recipe
        remove_unused_columns=False,
        ignore_data_skip=True,
        report_to=[],
        disable_tqdm=True,
        seed=recipe.seed,
        dataloader_pin_memory=cuda,
        ddp_find_unused_parameters=True,  # a layer behind the one whose features are taken gets no gradient
    )
    return trainer_of(stage).arguments(args, stage)


def tell_parts(recipe: Recipe, stage: StageRecipe, model: nn.Module, moving: Moving, folder: Path, start: int) -> None:
    """The parameters of each part, in the log and on stderr."""
    rows = parts_table(model, moving, stage)
    line = {"step": start, "stage": stage.name, "processes": join_processes().num_processes, "parts": rows}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(table_text(stage.name, rows), file=sys.stderr)
