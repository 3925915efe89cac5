"""Owns StageTrainer: transformers' Trainer with our loss, our order of lessons, and checkpoints that say nothing of how
a run was spread."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.reading import BadLessons
from grounding.errors import TrainingError
from grounding.training import checkpoints
from grounding.training.failures import BAD_LESSONS, Signals, bad_gradients, check_share, write_bad_step
from grounding.training.held_out import coordinates_of
from grounding.training.label_logits import logits_at
from grounding.training.lesson_rows import IGNORE
from grounding.training.losses import token_losses
from grounding.training.parts import Moving, keep_other_rows, still_layers
from grounding.training.passes import NOTES, Collator, PassNotes, Positions, pass_loader
from grounding.training.phrase_places import ENDS, SHARES, Places
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.running_mean import RunningMean
from grounding.training.schedules import rate
from grounding.training.spread import gather_objects, shard, sum_over_all, take_parts, wait_for_all
from grounding.training.stage_optimizer import build_optimizer
from grounding.training.whole_folders import whole_folder


class StageTrainer(Trainer):
    """One stage of a recipe. What a step learns is decided by its number alone: its lessons by their positions, its
    random numbers by seed, stage, step and process, its rate by the schedule."""

    def __init__(
        self,
        recipe: Recipe,
        stage: StageRecipe,
        mixture: Mixture,
        collator: Collator,
        moving: Moving,
        start_step: int,
        signals: Signals,
        model: nn.Module,
        args: TrainingArguments,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        """`start_step`: how many steps were done before, with weights that the model has by now."""
        self.recipe, self.stage, self.mixture, self.collator = recipe, stage, mixture, collator
        self.moving, self.start_step, self.signals = moving, start_step, signals
        self.sharded = recipe.scale == "fsdp" and args.world_size > 1
        super().__init__(model=model, args=args, callbacks=[_Steps(self), *(callbacks or ())])
        self.model_accepts_loss_kwargs = True  # then the labels of a whole step are counted, over passes and processes
        self.loss_is_scaled_for_ga = True
        self._loss_shifts_labels = False
        self.still = list(still_layers(model))
        self.mean: RunningMean | None = None
        self.places = Places(model, recipe.seed) if recipe.where_weight and stage.objective == "answers" else None
        self.stopping = False
        self.seen = self.bad = 0  # lessons that were learned, and those that gave way to them
        # each process names its own; whether they are too many is decided over all, in `_look`
        self.bad_lessons = BadLessons(recipe.bad_share, Path(args.output_dir) / BAD_LESSONS)
        self.passes: list[tuple[PassNotes, Tensor]] = []
        self.parts: dict[str, Tensor] = {}
        self.logged_step = start_step

    @classmethod
    def arguments(cls, args: TrainingArguments, stage: StageRecipe) -> TrainingArguments:
        """What this trainer takes, of what every stage is told."""
        return args

    # ---- what is learned

    def get_train_dataloader(self) -> DataLoader[Any]:
        args: TrainingArguments = self.args
        micro, processes = args.per_device_train_batch_size, args.world_size
        steps = self.start_step, self.stage.steps
        positions = Positions(*steps, self.recipe.batch_size, micro, args.process_index, processes)
        pin_memory = args.dataloader_pin_memory
        return pass_loader(self.mixture, positions, self.collator, self.recipe.workers, pin_memory)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        notes: PassNotes = inputs.pop(NOTES)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.passes.append((notes, loss))
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Cross-entropy with soft coordinates, the distance of expected coordinates and, where it is asked for, which
        tokens of the picture each phrase means: sums over the labels' number."""
        if model.training:
            for layer in self.still:
                layer.eval()
        labels = inputs.pop("labels")
        ends, shares = inputs.pop(ENDS, None), inputs.pop(SHARES, None)
        chosen = labels != IGNORE
        with self.places.watched() if self.places is not None else nullcontext():
            logits = logits_at(model, self.accelerator.unwrap_model(self.model), inputs, chosen)
        first, bins = coordinates_of(self.accelerator.unwrap_model(self.model), self.collator)
        losses, distances = token_losses(logits, labels[chosen], first, bins, self.recipe.location_sigma)
        count = chosen.sum() if num_items_in_batch is None else num_items_in_batch
        count = torch.as_tensor(count).clamp_min(1)  # a step of bad lessons alone has none
        text, distance = losses.sum() / count, distances.sum() / count
        loss = text + self.recipe.expectation_weight * distance
        told = {"text": text, "expectation": distance}
        if self.places is not None and ends is not None:
            told["where"] = self.places.loss(ends, shares) / count
            loss = loss + self.recipe.where_weight * told["where"]
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.args.world_size  # by which the gradients' sum will be divided
        if model.training:
            for name, value in told.items():
                self.parts[name] = self.parts.get(name, 0) + value.detach()
        return (loss, logits) if return_outputs else loss

    def floating_point_ops(self, inputs: Any) -> int:
        return 0  # Trainer's estimate walks through the model in every pass

    # ---- how it is learned

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        if not self.sharded:  # each process will take its part only
            super()._move_model_to_device(model, device)

    def _prepare_for_training(self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: Any) -> Any:
        if not self.sharded:
            return super()._prepare_for_training(max_steps, train_dataloader, resume_from_checkpoint)
        shard(self.model, self.args.device, self.args.bf16)
        # for its precision alone: there is nothing left to spread
        model = self.accelerator.prepare_model(self.model, device_placement=False, evaluation_mode=True)
        self.optimizer = self.accelerator.prepare(self.create_optimizer())
        self.create_scheduler(max_steps)
        self.model_wrapped = model
        if resume_from_checkpoint is not None:
            self._load_optimizer_and_scheduler(resume_from_checkpoint)
        for name in ("model", "optimizer", "lr_scheduler"):
            setattr(self.callback_handler, name, getattr(self, name))
        self.callback_handler.train_dataloader = train_dataloader
        return model, train_dataloader

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        self.optimizer = build_optimizer(self.model, self.moving, self.recipe, self.stage)
        if self.recipe.ema:
            self.mean = RunningMean(self.model, self.recipe.ema)
        return self.optimizer

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the model has the weights that would be left if the stage ended here: their running mean, if it has
        one. Where weights are shared out, all processes come here at once."""
        if self.mean is None:
            yield
            return
        with self.mean.in_place():
            yield
        if self.sharded:
            take_parts(self.model)  # which were whole of the means

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        optimizer = optimizer or self.optimizer
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(self.stage, step))
        schedule.last_epoch = self.start_step
        rates = [base * rate(self.stage, self.start_step) for base in schedule.base_lrs]
        for group, value in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = value
        schedule._last_lr = rates
        self.lr_scheduler = schedule
        return schedule

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clips, after looking whether the step can be taken at all; all processes come to the same answer."""
        named = {name: weight for name, weight in self.model.named_parameters() if weight.grad is not None}
        for name, rows in self.moving.rows.items():
            if name in named:
                keep_other_rows(named[name], rows)
        norm = get_total_norm([weight.grad for weight in named.values() if weight.grad is not None])
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        self._look(norm)
        clip_grads_with_norm_(named.values(), self.recipe.clip or float("inf"), norm)
        return norm

    def _look(self, norm: Tensor) -> None:
        """Raises TrainingError where the step's numbers are none, or too many lessons were bad."""
        losses = torch.stack([loss for _, loss in self.passes])
        finite = torch.isfinite(norm) & torch.isfinite(losses).all()
        notes = [note for note, _ in self.passes]
        seen, bad = (sum(map(len, lists)) for lists in zip(*((n.positions, n.bad) for n in notes), strict=True))
        asked = self.signals.received is not None
        facts = torch.tensor([0, asked, seen, bad], device=norm.device)
        facts[0] = ~finite
        broken, stopping, seen, bad = sum_over_all(facts).tolist()
        self.stopping = stopping > 0
        self.seen, self.bad = self.seen + seen, self.bad + bad
        folder = Path(self.args.output_dir)
        for note in notes:
            for bad_lesson in note.bad:
                self.bad_lessons.name(bad_lesson)
        if broken:
            self._report(norm, losses)
        self.passes = []
        check_share(self.bad, self.seen + self.bad, self.recipe.bad_share, folder)

    def _report(self, norm: Tensor, losses: Tensor) -> None:
        own = [
            {"process": self.args.process_index, "loss": str(loss), "lessons": note.ids, "positions": note.positions}
            for (note, _), loss in zip(self.passes, losses.tolist(), strict=True)
        ]
        passes = [one for ones in gather_objects(own) for one in ones]
        where = sorted({name for names in gather_objects(bad_gradients(self.model)) for name in names})
        step, folder = self.state.global_step + 1, Path(self.args.output_dir)
        if self.args.should_save:
            write_bad_step(folder, step, float(norm), passes, where)
        wait_for_all()
        raise TrainingError(
            f"the loss or its gradient is no number in step {step} of the stage {self.stage.name!r}: "
            f"{folder / f'nan-step-{step}.json'} names the step's lessons, and the last checkpoint is as it was; look "
            "at them, or take a lower lr, a longer warmup or bf16: false"
        )

    # ---- what is kept

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        steps = self.state.global_step - self.logged_step
        if "loss" in logs and self.parts and steps:
            totals = sum_over_all(torch.stack(list(self.parts.values())))
            logs |= {name: round(value / steps, 5) for name, value in zip(self.parts, totals.tolist(), strict=True)}
            self.parts, self.logged_step = {}, self.state.global_step
            if self.bad:
                logs["bad_lessons"] = self.bad
        epoch, self.state.epoch = self.state.epoch, None  # of a mixture without end there are none
        super().log(logs, start_time)
        self.state.epoch = epoch

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        folder = Path(self.args.output_dir)
        path = folder / f"checkpoint-{self.state.global_step}"
        if path.is_dir() and checkpoints.what_is_wrong(path) is None:
            return
        main = self.args.should_save
        if self.sharded:
            take_parts(self.model)  # an evaluation may have come just before
        files = {
            checkpoints.WEIGHTS: checkpoints.named_tensors(self.model),
            checkpoints.STATES: checkpoints.optimizer_states(self.model, self.optimizer),
            **({checkpoints.MEANS: self.mean.tensors()} if self.mean is not None else {}),
        }
        with ExitStack() as stack:
            part = stack.enter_context(whole_folder(path)) if main else None
            for name, tensors in files.items():
                whole = checkpoints.gather(tensors, main) if main or self.sharded else {}
                if part is not None:
                    checkpoints.write(whole, part / name)
            if part is not None:
                self.model.config.save_pretrained(part)
                self.state.save_to_json(str(part / checkpoints.PROGRESS))
                counts = {"lessons": self.seen, "bad": self.bad, "mean_steps": self.mean.steps if self.mean else 0}
                (part / checkpoints.COUNTS).write_text(json.dumps(counts))
        if main:
            checkpoints.drop_oldest(folder, self.recipe.keep)

    def _init_training_state(
        self, max_steps: int, steps_per_epoch: int, epochs: int, resume_from_checkpoint: Any, trial: Any
    ) -> tuple[int, int]:
        """A fresh state that has the checkpoint's steps and log: how often is logged and saved, the recipe says now."""
        start: tuple[int, int] = super()._init_training_state(max_steps, steps_per_epoch, epochs, None, trial)
        if resume_from_checkpoint is not None:
            before = TrainerState.load_from_json(str(Path(resume_from_checkpoint) / checkpoints.PROGRESS))
            self.state.global_step, self.state.log_history = before.global_step, before.log_history
        return start

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Nothing: the model came with the checkpoint's weights."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing: each step seeds its own random numbers."""

    def _load_scaler(self, checkpoint: str | None) -> None:
        """Nothing: bfloat16 needs no scaling."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        folder = Path(checkpoint)
        checkpoints.load_optimizer(self.model, self.optimizer, folder / checkpoints.STATES)
        counts = json.loads((folder / checkpoints.COUNTS).read_text())
        self.seen, self.bad = counts["lessons"], counts["bad"]
        if self.mean is not None and (folder / checkpoints.MEANS).is_file():
            self.mean.load(folder / checkpoints.MEANS, counts["mean_steps"])


class _Steps(TrainerCallback):
    """What happens at a step's begin and end."""

    def __init__(self, trainer: StageTrainer) -> None:
        self.trainer = trainer

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainer = self.trainer
        what = f"{trainer.recipe.seed}/{trainer.stage.name}/{state.global_step}/{args.process_index}"
        torch.manual_seed(zlib.crc32(what.encode()))

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.trainer.mean is not None:
            self.trainer.mean.update()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.trainer.stopping:
            control.should_save = control.should_training_stop = True
