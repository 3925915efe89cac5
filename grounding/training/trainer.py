"""Owns the run: data, transformers' Trainer, schedule, checkpoints that resume, and the log."""

from __future__ import annotations

import json
import platform
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from grounding.data.scenes.generate import MIXTURE, Picture, PictureOptions
from grounding.data.scenes.scene import SceneOptions, training_options
from grounding.data.scenes.sprites import SpriteSet
from grounding.data.scenes.things import KINDS, names_of
from grounding.errors import ConfigError
from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingProcessor,
)
from grounding.model.tokenization import train_tokenizer
from grounding.training.collator import IGNORE, SceneCollator, SceneStream, Vocabularies
from grounding.training.config import TrainingConfig
from grounding.training.losses import TrainingModel
from grounding.training.memory import keep_freed_memory
from grounding.training.metrics import phrase_numbers, quick_accuracy
from grounding.training.optimizer import MuonWithAdamW
from grounding.training.sheets import write_sheet

FIRST_TRAINING_SEED = 1_000_000_000
"""Training draws the seeds from here up; tests and evaluations stay below."""
HELD_OUT_SEED = 900_000_000
"""The fixed pictures that a run is watched on."""


class SceneRun:
    """What a run is made of, built from its configuration; the tokenizer is learned once and kept in the folder."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        sprites = SpriteSet.from_folder(config.sprites) if config.sprites else None
        plain = training_options()
        self.mixture = [(1.0, PictureOptions(plain, config.phrases))]
        if sprites is not None:
            stickers = training_options(SceneOptions(sprites=sprites, sprite_share=0.7))
            share = config.sprite_share
            self.mixture = [(1 - share, self.mixture[0][1]), (share, PictureOptions(stickers, config.phrases))]
        drawn = [name for kind in KINDS for name in names_of(kind)]
        self.vocabularies = Vocabularies(list(dict.fromkeys([*drawn, *(sprites.names if sprites else ())])))
        self.processor = self._processor(config)
        self.collator = SceneCollator(self.processor, self.vocabularies, config.most_tokens)
        self.held_out = SceneCollator(self.processor, self.vocabularies)

    def _processor(self, config: TrainingConfig) -> GroundingProcessor:
        folder = config.out / "processor"
        if (folder / "processor_config.json").is_file() or (folder / "tokenizer.json").is_file():
            processor: GroundingProcessor = GroundingProcessor.from_pretrained(folder)
            return processor
        if config.start_from is not None:
            processor = GroundingProcessor.from_pretrained(config.start_from)
            processor.save_pretrained(folder)
            return processor
        stream = SceneStream(self.mixture, HELD_OUT_SEED + 10_000_000, 4000)
        texts = [text for picture in stream for s in picture.samples for text in (s.prompt, s.answer)]
        tokenizer = train_tokenizer([*texts, *(f"the {name}" for name in self.vocabularies.names)], config.vocab_size)
        tokens = (config.image_size // 16) ** 2
        processor = GroundingProcessor(GroundingImageProcessor(config.image_size), tokenizer, image_tokens=tokens)
        processor.save_pretrained(folder)
        return processor

    def build_model(self) -> TrainingModel:
        """Fresh weights of the run's seed, or those of the model to start from, under heads of the run's seed."""
        config = self.config
        torch.manual_seed(config.seed)
        if config.start_from is not None:
            model = GroundingForConditionalGeneration.from_pretrained(config.start_from, dtype=torch.float32)
            return TrainingModel(model, self.vocabularies.counts, config)
        shape = {
            "hidden_size": config.width,
            "intermediate_size": 4 * config.width,
            "num_attention_heads": config.width // 64,
        }
        model = GroundingForConditionalGeneration(
            GroundingConfig(
                vision_config={**shape, "num_hidden_layers": config.vision_layers, "image_size": config.image_size},
                text_config={**shape, "num_hidden_layers": config.text_layers, "vocab_size": config.vocab_size},
            )
        )
        return TrainingModel(model, self.vocabularies.counts, config)


class SceneTrainer(Trainer):
    """transformers' Trainer with our loss and optimizer, data that goes on where a run stopped, quick accuracies."""

    def __init__(
        self, run: SceneRun, model: TrainingModel, args: TrainingArguments, start_step: int, **kwargs: Any
    ) -> None:
        held_out = SceneStream(run.mixture, HELD_OUT_SEED, run.config.eval_pictures)
        super().__init__(model=model, args=args, eval_dataset=held_out, **kwargs)
        self.run, self.start_step = run, start_step
        self.parts: dict[str, Tensor | float] = defaultdict(float)
        self.parts_seen = 0

    def get_train_dataloader(self) -> DataLoader[Any]:
        config = self.run.config
        count = (config.steps - self.start_step) * config.batch_size
        first = FIRST_TRAINING_SEED + config.seed * 100_000_000 + self.start_step * config.batch_size
        return self._loader(SceneStream(self.run.mixture, first, count, config.batch_size), config.workers)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        return self._loader(SceneStream(self.run.mixture, HELD_OUT_SEED, self.run.config.eval_pictures), 0)

    def _loader(self, stream: SceneStream, workers: int) -> DataLoader[Any]:
        return DataLoader(
            stream,
            batch_size=self.run.config.batch_size,
            collate_fn=self.run.collator,
            num_workers=workers,
            prefetch_factor=6 if workers else None,
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        config = self.run.config
        if self.optimizer is None:  # type: ignore[has-type]
            self.optimizer = MuonWithAdamW(self.model, config.matrix_lr, config.other_lr, config.weight_decay)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Warm-up, plateau, straight decay to zero: a run can be lengthened by resuming before the decay.

        It warms up a second time when the decoder joins in, so that its first noise does not undo the encoder.
        """
        config = self.run.config

        def factor(step: int) -> float:
            since = step - config.dense_steps if step >= config.dense_steps else step
            rise = min(1.0, (since + 1) / max(1, config.warmup_steps))
            return rise * min(1.0, (config.steps - step) / max(1, config.decay_steps))

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        self.model.dense_only = self.state.global_step < self.run.config.dense_steps
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

    @torch.no_grad()
    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Quick accuracies by skill on the fixed pictures."""
        wrapped: TrainingModel = self.model
        wrapped.eval()
        model = wrapped.model
        first, bins = int(model.config.location_token_id or 0), model.config.num_locations
        none_id = self.run.processor.encode_answers(["none"])[0][0]
        found: dict[str, list[float]] = defaultdict(list)
        stream = SceneStream(self.run.mixture, HELD_OUT_SEED, self.run.config.eval_pictures)
        size = self.run.config.batch_size
        pictures = list(stream)
        for at in range(0, len(pictures), size):
            chunk = pictures[at : at + size]
            batch = self._prepare_inputs(self.run.held_out(chunk))
            with self.compute_loss_context_manager():
                output = model(
                    input_ids=batch["input_ids"],
                    pixel_values=batch["pixel_values"],
                    token_roles=batch["token_roles"],
                    segment_ids=batch["segment_ids"],
                    position_ids=batch["position_ids"],
                    output_hidden_states=True,
                    logits_to_keep=-1,
                )
                places = batch["labels"] != IGNORE
                hidden = output.hidden_states[-1][places]
                logits = F.linear(hidden, model.language.embedding.weight.to(hidden.dtype))
            skills = [sample.skill for picture in chunk for sample in picture.samples]
            labels = batch["labels"]
            for skill, values in quick_accuracy(
                logits.cpu(), labels[places].cpu(), phrase_numbers(labels.cpu()), skills, first, bins, none_id
            ).items():
                found[skill] += values
        wrapped.train()
        metrics = {f"{metric_key_prefix}_{skill}": round(sum(v) / len(v), 4) for skill, v in sorted(found.items())}
        self._write_sheet(pictures[:24])
        everything = [v for values in found.values() for v in values]
        metrics[f"{metric_key_prefix}_all"] = round(sum(everything) / len(everything), 4)
        self.log(metrics)
        control = self.control  # type: ignore[has-type]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        return metrics

    def _write_sheet(self, pictures: list[Picture]) -> None:
        wrapped: TrainingModel = self.model
        path = self.run.config.out / "sheets" / f"step-{self.state.global_step:06d}.png"
        write_sheet(wrapped.model, self.run.processor, pictures, path)


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


def check_same_shape(config: TrainingConfig) -> None:
    """Raises ConfigError where the folder holds a run whose weights have another shape than this one's."""
    told = config.out / "run.json"
    before = json.loads(told.read_text())["config"] if told.is_file() else {}
    for name in ("image_size", "width", "vision_layers", "text_layers", "vocab_size"):
        now = getattr(config, name)
        if before.get(name, now) != now:
            raise ConfigError(
                f"{name} is {now}, and {before[name]} in the run that {config.out} holds: "
                f"give it {before[name]} to go on with that run, or another folder"
            )


def train(config: TrainingConfig) -> Path:
    """Run or resume the training; the folder of the finished model."""
    check_same_shape(config)
    config.out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    run = SceneRun(config)
    last = get_last_checkpoint(str(config.out))
    start = json.loads((Path(last) / "trainer_state.json").read_text())["global_step"] if last else 0
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    (config.out / "run.json").write_text(
        json.dumps({"config": asdict(config), "versions": versions, "mixture": dict(MIXTURE)}, default=str, indent=1)
    )
    args = TrainingArguments(
        output_dir=str(config.out),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=50,
        eval_strategy="steps",
        eval_steps=config.eval_every,
        save_steps=config.save_every,
        save_total_limit=2,
        max_grad_norm=1.0,
        remove_unused_columns=False,
        ignore_data_skip=True,
        report_to=[],
        seed=config.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    model = run.build_model()
    trainer = SceneTrainer(run, model, args, start, callbacks=[LogFile(config.out / "log.jsonl", config.batch_size)])
    trainer.train(resume_from_checkpoint=last)
    final = config.out / "model"
    model.model.to(torch.bfloat16).save_pretrained(final)
    run.processor.save_pretrained(final)
    return final
