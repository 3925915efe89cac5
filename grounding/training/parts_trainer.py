"""Owns what trainings of our own model share: transformers' Trainer over losses by part, quick accuracies, the log."""

from __future__ import annotations

import json
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from grounding.model import GroundingForConditionalGeneration, GroundingProcessor
from grounding.training.losses import labelled_logits
from grounding.training.metrics import phrase_numbers, quick_accuracy
from grounding.training.whole_folders import whole_folder


class Settings(Protocol):
    """What both configurations say of a run."""

    @property
    def batch_size(self) -> int: ...
    @property
    def bf16(self) -> bool: ...
    @property
    def eval_every(self) -> int: ...
    @property
    def save_every(self) -> int: ...
    @property
    def seed(self) -> int: ...


class PartsTrainer(Trainer):
    """A model whose forward gives `loss` and its parts by name: the parts are logged as means since the last entry.

    The model has our own, whole one as `model` beside heads that only training needs.
    """

    def __init__(self, *, model: nn.Module, processor: GroundingProcessor, batch_size: int, **kwargs: Any) -> None:
        super().__init__(model=model, **kwargs)
        self.asking, self.at_once = processor, batch_size
        self.parts: dict[str, Tensor | float] = defaultdict(float)
        self.parts_seen = 0

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        parts = model(**inputs)
        if model.training:
            for name, value in parts.items():
                self.parts[name] = self.parts[name] + value.detach()  # no float: a GPU would have to wait
            self.parts_seen += 1
        return (parts["loss"], parts) if return_outputs else parts["loss"]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self.parts_seen:
            logs |= {name: round(float(total) / self.parts_seen, 4) for name, total in self.parts.items()}
            self.parts, self.parts_seen = defaultdict(float), 0
        super().log(logs, start_time)

    def seen_by(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What our model is given of a batch's pictures."""
        return {"pixel_values": batch["pixel_values"]}

    def accuracies(
        self, pictures: Sequence[Any], collate: Callable[[Sequence[Any]], dict[str, Tensor]], prefix: str
    ) -> dict[str, float]:
        """Quick accuracies on pictures with samples: PREFIX_SKILL for each skill, PREFIX_all over all phrases."""
        wrapped: Any = self.model
        model: GroundingForConditionalGeneration = wrapped.model
        first, bins = int(model.config.location_token_id or 0), model.config.num_locations
        none_id = self.asking.encode_answers(["none"])[0][0]
        found: dict[str, list[float]] = defaultdict(list)
        for at in range(0, len(pictures), self.at_once):
            chunk = pictures[at : at + self.at_once]
            batch = self._prepare_inputs(collate(chunk))
            with self.compute_loss_context_manager():
                labels, logits, _ = labelled_logits(model, batch, **self.seen_by(batch))
            skills = [sample.skill for picture in chunk for sample in picture.samples]
            for skill, values in quick_accuracy(
                logits.cpu(), labels.cpu(), phrase_numbers(batch["labels"].cpu()), skills, first, bins, none_id
            ).items():
                found[skill] += values
        metrics = {f"{prefix}_{skill}": round(sum(v) / len(v), 4) for skill, v in sorted(found.items())}
        everything = [v for values in found.values() for v in values]
        metrics[f"{prefix}_all"] = round(sum(everything) / max(1, len(everything)), 4)
        return metrics

    def report(self, metrics: dict[str, float]) -> dict[str, float]:
        """Log an evaluation's figures and tell the callbacks, as transformers' own evaluate() does."""
        self.log(metrics)
        control = self.control  # type: ignore[has-type]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        return metrics


class LogFile(TrainerCallback):
    """One line of JSON for each log entry, with samples a second, and the stage where there are several."""

    def __init__(self, path: Path, batch_size: int, stage: str | None = None) -> None:
        self.path, self.batch_size = path, batch_size
        self.named = {} if stage is None else {"stage": stage}
        self.last = (time.monotonic(), 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.last = (time.monotonic(), state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        now, values = time.monotonic(), dict(logs or {})
        then, step = self.last
        if "loss" in values and state.global_step > step:
            values["pictures_per_second"] = round((state.global_step - step) * self.batch_size / (now - then), 1)
            self.last = (now, state.global_step)
        with self.path.open("a") as file:
            file.write(
                json.dumps({**self.named, "step": state.global_step, "time": round(time.time()), **values}) + "\n"
            )


def arguments(folder: Path, steps: int, config: Settings, keep: int) -> TrainingArguments:
    """What transformers' Trainer is told; `keep`: checkpoints that stay."""
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=50,
        eval_strategy="steps",
        eval_steps=min(config.eval_every, steps),
        save_steps=config.save_every,
        save_total_limit=keep,
        max_grad_norm=1.0,
        remove_unused_columns=False,
        ignore_data_skip=True,
        report_to=[],
        seed=config.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def last_step(folder: Path) -> tuple[str | None, int]:
    """The newest whole checkpoint in a run's folder and the step it was saved at; (None, 0) where there is none.

    transformers writes a checkpoint's state last: one without it was cut off while it was written.
    """
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    if not whole:
        return None, 0
    last = max(whole, key=lambda path: int(path.name.rpartition("-")[2]))
    step: int = json.loads((last / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]
    return str(last), step


def write_run(out: Path, config: Any, **more: Any) -> None:
    """run.json: the configuration, a dataclass, and the versions that it runs under."""
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    told = {"config": asdict(config), "versions": versions, **more}
    (out / "run.json").write_text(json.dumps(told, default=str, indent=1))


def save_model(model: GroundingForConditionalGeneration, processor: GroundingProcessor, folder: Path) -> Path:
    """The finished model, in bfloat16, whole in its folder or not at all. Raises OutputError."""
    with whole_folder(folder) as part:
        model.to(torch.bfloat16).save_pretrained(part)
        processor.save_pretrained(part)
    return folder
