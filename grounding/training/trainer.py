"""Owns the run on drawn scenes: data, transformers' Trainer, schedule, checkpoints that resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import TrainingArguments

from grounding.data.scenes.generate import MIXTURE, Picture, PictureOptions
from grounding.data.scenes.scene import SceneOptions, training_options
from grounding.data.scenes.sprites import SpriteSet
from grounding.data.scenes.things import KINDS, names_of
from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingProcessor,
)
from grounding.model.tokenization import train_tokenizer
from grounding.training.collator import SceneCollator, SceneStream, Vocabularies
from grounding.training.config import TrainingConfig
from grounding.training.losses import TrainingModel
from grounding.training.memory import keep_freed_memory
from grounding.training.optimizer import MuonWithAdamW
from grounding.training.parts_trainer import LogFile, PartsTrainer, arguments, last_step, save_model, write_run
from grounding.training.same_run import check_same_shape
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


class SceneTrainer(PartsTrainer):
    """transformers' Trainer with our loss and optimizer, data that goes on where a run stopped, quick accuracies."""

    def __init__(
        self, run: SceneRun, model: TrainingModel, args: TrainingArguments, start_step: int, **kwargs: Any
    ) -> None:
        held_out = SceneStream(run.mixture, HELD_OUT_SEED, run.config.eval_pictures)
        super().__init__(
            model=model,
            processor=run.processor,
            batch_size=run.config.batch_size,
            args=args,
            eval_dataset=held_out,
            **kwargs,
        )
        self.run, self.start_step = run, start_step

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
        return super().compute_loss(model, inputs, return_outputs)

    @torch.no_grad()
    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Quick accuracies by skill on the fixed pictures."""
        self.model.eval()
        pictures = list(SceneStream(self.run.mixture, HELD_OUT_SEED, self.run.config.eval_pictures))
        metrics = self.accuracies(pictures, self.run.held_out, metric_key_prefix)
        self.model.train()
        self._write_sheet(pictures[:24])
        return self.report(metrics)

    def _write_sheet(self, pictures: list[Picture]) -> None:
        wrapped: TrainingModel = self.model
        path = self.run.config.out / "sheets" / f"step-{self.state.global_step:06d}.png"
        write_sheet(wrapped.model, self.run.processor, pictures, path)


def train(config: TrainingConfig) -> Path:
    """Run or resume the training; the folder of the finished model."""
    check_same_shape(config, config.out, ("image_size", "width", "vision_layers", "text_layers", "vocab_size"))
    config.out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    run = SceneRun(config)
    last, start = last_step(config.out)
    write_run(config.out, config, mixture=dict(MIXTURE))
    args = arguments(config.out, config.steps, config, keep=2)
    log = LogFile(config.out / "log.jsonl", config.batch_size)
    model = run.build_model()
    SceneTrainer(run, model, args, start, callbacks=[log]).train(resume_from_checkpoint=last)
    return save_model(model.model, run.processor, config.out / "model")
