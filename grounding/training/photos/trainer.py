"""Owns the stages of a training on photographs: rounds of seeing and labelling anew, then the asking; each resumes
where it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import TrainingArguments

from grounding.data.photos.labels import PhotoLabels
from grounding.data.photos.picture import PhotoPicture
from grounding.errors import ConfigError
from grounding.training.collator import SceneStream
from grounding.training.memory import keep_freed_memory
from grounding.training.optimizer import MuonWithAdamW
from grounding.training.parts_trainer import LogFile, PartsTrainer, arguments, last_step, save_model, write_run
from grounding.training.photos.batches import MixedCollator, MixedStream, PhotoSet
from grounding.training.photos.config import PhotosConfig
from grounding.training.photos.losses import PhotoTrainingModel
from grounding.training.photos.run import PhotoRun, convolutions
from grounding.training.running import forget_prepared
from grounding.training.same_run import check_same_shape
from grounding.training.sheets import write_sheet
from grounding.training.trainer import FIRST_TRAINING_SEED, HELD_OUT_SEED
from grounding.training.whole_folders import settle

SPEAK = "speak"
FINISHED = "finished.safetensors"
"""All that a finished stage has learned, heads included; its metadata has the number of steps."""
SHOWN = ("name", "side", "color", "size", "ordinal", "near", "relation", "long", "all", "absent", "count", "detect")
"""Skills that a sheet of photographs shows, as far as they are asked for."""


class PhotoTrainer(PartsTrainer):
    """transformers' Trainer for one stage: our losses and optimizers, pictures by their place."""

    def __init__(
        self,
        run: PhotoRun,
        stage: str,
        model: PhotoTrainingModel,
        labels: dict[str, PhotoLabels],
        args: TrainingArguments,
        start_step: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model=model,
            processor=run.processor,
            batch_size=run.config.batch_size,
            args=args,
            eval_dataset=[0],
            **kwargs,
        )
        self.run, self.stage, self.labels, self.start_step = run, stage, labels, start_step
        self.seeing = stage != SPEAK
        model.seeing = self.seeing

    def collator(self, most_tokens: int | None = None) -> MixedCollator:
        run = self.run
        return MixedCollator(
            run.processor, run.names, run.colors, run.config.background, most_tokens, seeing=self.seeing
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        run, config = self.run, self.run.config
        photos = run.photo_set(self.labels, **({"phrases": 0} if self.seeing else {}))
        if not self.seeing:
            photos = replace(photos, several=config.several)
        scenes = None
        if not self.seeing and config.scene_share > 0:
            scenes = SceneStream(run.scenes, FIRST_TRAINING_SEED + (config.seed + 50) * 10_000_000, 0)
        count = (self.args.max_steps - self.start_step) * config.batch_size
        first = self.start_step * config.batch_size
        stream = MixedStream(photos, scenes, config.scene_share, first, count, config.batch_size)
        return DataLoader(
            stream,
            batch_size=config.batch_size,
            collate_fn=self.collator(config.most_tokens),
            num_workers=config.workers,
            prefetch_factor=6 if config.workers else None,
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        config = self.run.config
        if self.optimizer is None:  # type: ignore[has-type]
            share = 1.0 if self.seeing else config.speak_share
            slow = convolutions(self.model.eyes)
            self.optimizer = MuonWithAdamW(
                self.model,
                config.matrix_lr * share,
                config.other_lr * share,
                config.weight_decay,
                slow={id(p): config.conv_lr * share for part in slow for p in part.parameters()},
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Warm-up, plateau, straight decay to zero."""
        config, steps = self.run.config, self.args.max_steps

        def factor(step: int) -> float:
            rise = min(1.0, (step + 1) / max(1, config.warmup_steps))
            return rise * min(1.0, (steps - step) / max(1.0, config.decay * steps))

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def seen_by(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        wrapped: PhotoTrainingModel = self.model
        pixels = batch["pixel_values"]
        return {"image_features": wrapped.model.projector(wrapped.both(wrapped.look(pixels), pixels))}

    @torch.no_grad()
    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """AP of the new encoder's boxes, and quick accuracies by skill on the watched photographs and on scenes."""
        self.model.eval()
        precision = self.run.precision(self.model)
        metrics = {f"{metric_key_prefix}_{key}": round(v, 4) for key, v in precision.items() if v is not None}
        if not self.seeing:
            asked = watched_photos(self.run, self.labels)
            metrics |= self.accuracies(asked, self.collator(), f"{metric_key_prefix}_photo")
            scenes = list(SceneStream(self.run.scenes, HELD_OUT_SEED, self.run.config.watched))
            metrics |= self.accuracies(scenes, self.collator(), f"{metric_key_prefix}_scene")
            path = self.run.config.out / "sheets" / f"step-{self.state.global_step:06d}.png"
            wrapped: PhotoTrainingModel = self.model
            write_sheet(wrapped.model, self.run.processor, asked[:24], path, SHOWN)
        self.model.train()
        return self.report(metrics)


def watched_photos(run: PhotoRun, labels: dict[str, PhotoLabels]) -> list[PhotoPicture]:
    """The photographs set aside to watch the run on, whole, of which something can be asked."""
    watched = PhotoSet(run.shards, {name: labels[name] for name in run.watched}, run.options(view=None), seed=1)
    names = watched.names()
    pictures = [watched.picture(place, names) for place in range(len(names))]
    return [picture for picture in pictures if picture.samples]


SHAPE = (
    "eyes",
    "image_size",
    "proposals",
    "vision_layers",
    "vocab_size",
    "most_tokens",
    "start_from",
    "labelled",
    "watched",
    "seed",
)
"""Settings that a run which goes on must share with its beginning."""


def train(config: PhotosConfig) -> Path:
    """Run or resume the training; the folder of the finished model."""
    check_same_shape(config, config.out, SHAPE)
    for number in range(1, config.rounds + 1):
        check_finished(config.out / f"see-{number}", config.see_steps)
    check_finished(config.out / SPEAK, config.speak_steps)
    config.out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    write_run(config.out, config)
    run = PhotoRun(config)
    model = run.build()
    labels = run.first_labels()
    for number in range(1, config.rounds + 1):
        run_stage(run, f"see-{number}", model, labels, config.see_steps)
        if number < config.rounds:
            labels = run.label(model, number)
    run_stage(run, SPEAK, model, labels, config.speak_steps)
    return save_model(model.model, run.processor, config.out / "model")


def check_finished(folder: Path, steps: int) -> None:
    """Raises ConfigError where a stage was finished with another number of steps than it is to have."""
    finished = folder / FINISHED
    if not finished.is_file():
        return
    with safe_open(finished, "pt") as file:
        made = (file.metadata() or {}).get("steps", str(steps))
    if made != str(steps):
        raise ConfigError(
            f"the stage in {folder} was finished with {made} steps, and {steps} are asked for: "
            f"ask for {made}, or give the run another folder"
        )


def run_stage(run: PhotoRun, stage: str, model: PhotoTrainingModel, labels: dict[str, PhotoLabels], steps: int) -> None:
    """Train one stage, or what is left of it; a finished one is read from its folder."""
    config, folder = run.config, run.config.out / stage
    finished = folder / FINISHED
    if finished.is_file():
        model.load_state_dict(load_file(finished))
        return
    folder.mkdir(parents=True, exist_ok=True)
    last, start = last_step(folder)
    log = LogFile(config.out / "log.jsonl", config.batch_size, stage)
    trainer = PhotoTrainer(run, stage, model, labels, arguments(folder, steps, config, keep=1), start, callbacks=[log])
    trainer.train(resume_from_checkpoint=last)
    trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    forget_prepared(model)
    part = finished.with_suffix(".part")
    learned = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(learned, part, metadata={"steps": str(steps)})
    settle(part)
    part.rename(finished)
