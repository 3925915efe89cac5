"""Owns StageTrainer: transformers' Trainer with our loss, our order of lessons, and rates for each part."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainingArguments

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.mixture import Mixture
from grounding.model import GroundingProcessor
from grounding.training.lesson_rows import IGNORE, LessonCollator
from grounding.training.losses import token_losses
from grounding.training.parts import part_of
from grounding.training.recipe import Recipe, StageRecipe


class MixtureDataset(Dataset[Lesson]):
    """Lessons by position."""

    def __init__(self, mixture: Mixture, most_turns: int) -> None:
        self.mixture, self.most_turns = mixture, most_turns

    def __getitem__(self, position: int) -> Lesson:
        return self.mixture.lesson(position)


class Positions:
    """Batches of positions for one process: of each step's lessons, those that are its own.

    Step s has positions s * batch_size and up; among `processes` and passes they are shared out in turn, so that the
    lessons of a step are the same however many processes there are.
    """

    def __init__(self, first: int, last: int, batch_size: int, micro: int, process: int, processes: int) -> None:
        """Steps `first` to `last` - 1."""
        self.first, self.last, self.batch_size, self.micro = first, last, batch_size, micro
        self.process, self.processes = process, processes

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            for start in range(0, self.batch_size, self.micro * self.processes):
                at = step * self.batch_size + start + self.process * self.micro
                yield list(range(at, at + self.micro))

    def __len__(self) -> int:
        return (self.last - self.first) * self.batch_size // (self.micro * self.processes)


def rate(stage: StageRecipe, step: int) -> float:
    """What share of its highest the learning rate is at a step."""
    rise = min(1.0, (step + 1) / max(1, stage.warmup_steps))
    done = min(1.0, max(0, step - stage.warmup_steps) / max(1, stage.steps - stage.warmup_steps))
    if stage.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * done))
    if stage.schedule == "linear":
        return rise * (1 - done)
    if stage.schedule == "wsd":
        return rise * min(1.0, (stage.steps - step) / max(1, stage.decay_steps))
    return rise


class StageTrainer(Trainer):
    """One stage of a recipe."""

    def __init__(
        self,
        recipe: Recipe,
        stage: StageRecipe,
        mixture: Mixture,
        processor: GroundingProcessor,
        start_step: int,
        **kwargs: Any,
    ) -> None:
        self.recipe, self.stage, self.mixture, self.grounding_processor = recipe, stage, mixture, processor
        self.start_step = start_step
        super().__init__(**kwargs)
        self.model_accepts_loss_kwargs = True  # then the labels of a whole step are counted, over passes and processes
        self.loss_is_scaled_for_ga = True
        self._loss_shifts_labels = False
        self.parts: dict[str, Tensor | float] = defaultdict(float)
        self.parts_seen = 0

    def get_train_dataloader(self) -> DataLoader[Any]:
        arguments: TrainingArguments = self.args
        positions = Positions(
            self.start_step,
            self.stage.steps,
            self.recipe.batch_size,
            arguments.per_device_train_batch_size,
            arguments.process_index,
            arguments.world_size,
        )
        workers = self.recipe.workers
        return DataLoader(
            MixtureDataset(self.mixture, self.recipe.most_turns),
            batch_sampler=positions,
            collate_fn=LessonCollator(self.grounding_processor, self.recipe.most_tokens),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        groups: dict[tuple[str, bool], list[nn.Parameter]] = defaultdict(list)
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups[part_of(name), parameter.ndim >= 2].append(parameter)
        listed = [
            {
                "params": parameters,
                "lr": self.stage.part_lr.get(part, self.stage.lr),
                "weight_decay": self.recipe.weight_decay if matrix else 0.0,
                "part": part,
            }
            for (part, matrix), parameters in groups.items()
        ]
        self.optimizer = torch.optim.AdamW(listed, betas=(0.9, 0.98))
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or self.optimizer, lambda step: rate(self.stage, step)
        )
        return self.lr_scheduler

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Cross-entropy with soft coordinates, and the distance of expected coordinates: a mean over labels."""
        labels = inputs.pop("labels")
        columns = (labels != IGNORE).any(0).nonzero()[:, 0]
        output = model(**inputs, logits_to_keep=columns)
        labels = labels[:, columns]
        chosen = labels != IGNORE
        first, bins = self.locations
        losses, distances = token_losses(output.logits[chosen], labels[chosen], first, bins, self.recipe.location_sigma)
        count = chosen.sum() if num_items_in_batch is None else num_items_in_batch
        text, distance = losses.sum() / count, distances.sum() / count
        loss = text + self.recipe.expectation_weight * distance
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes
        if model.training:
            for name, value in {"text": text, "expectation": distance}.items():
                self.parts[name] = self.parts[name] + value.detach()
            self.parts_seen += 1
        return (loss, output) if return_outputs else loss

    @property
    def locations(self) -> tuple[int, int]:
        """Id of the first location token, and how many there are."""
        config = self.accelerator.unwrap_model(self.model).config
        return int(config.location_token_id or 0), int(config.num_locations)
