"""Owns the run on photographs: rounds of seeing and labelling anew, then the asking; each resumes where it was."""

from __future__ import annotations

import json
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

import grounding
from grounding.data.photos.cleaning import CleanOptions
from grounding.data.photos.color_names import COLOR_NAMES
from grounding.data.photos.labels import PhotoLabels, read_labels, write_labels
from grounding.data.photos.names import NAMES
from grounding.data.photos.picture import PhotoOptions, PhotoPicture
from grounding.data.photos.shards import PhotoShards
from grounding.data.scenes.generate import Picture, PictureOptions
from grounding.data.scenes.scene import SceneOptions, training_options
from grounding.data.scenes.sprites import SpriteSet
from grounding.errors import ConfigError
from grounding.images import open_image
from grounding.model import GroundingProcessor
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.training.collator import IGNORE, SceneStream
from grounding.training.memory import keep_freed_memory
from grounding.training.metrics import phrase_numbers, quick_accuracy
from grounding.training.optimizer import MuonWithAdamW
from grounding.training.photos.batches import MixedCollator, MixedStream, PhotoSet
from grounding.training.photos.config import PhotosConfig
from grounding.training.photos.detecting import average_precision, detect, detect_published, photo_number
from grounding.training.photos.labelling import Belief, together
from grounding.training.photos.losses import PhotoTrainingModel
from grounding.training.photos.start import photo_processor, start_eyes, start_model
from grounding.training.running import forget_prepared
from grounding.training.trainer import FIRST_TRAINING_SEED, HELD_OUT_SEED, LogFile

SPEAK = "speak"
JUDGED_AT = (6 / 7, 15 / 14)
"""Sizes at which the published network labels photographs, of the size that the encoder sees: 384 and 480 of 448."""
PROBABLE = CleanOptions(sure=0.75, sure_of={}, unsure=0.35, clear_part=0.5)
"""What is believed of labels whose scores are probabilities."""


class PhotoRun:
    """What a run is made of, built from its configuration; the tokenizer is learned once and kept in the folder."""

    def __init__(self, config: PhotosConfig) -> None:
        self.config = config
        self.names, self.colors = list(NAMES), list(COLOR_NAMES)
        self.shards = PhotoShards(config.photos)
        self.truth = _truth(config)
        self.given = read_labels(config.photos / "detections.jsonl")
        numbers = {photo_number(name): name for name in self.given}
        self.reserved = {
            numbers[photo_number(name)]: true for name, true in self.truth.items() if photo_number(name) in numbers
        }
        """Photographs whose true boxes are known: never learned from."""
        learned = [name for name in self.given if name not in self.reserved]
        if len(learned) <= config.watched:
            raise ConfigError(
                f"{config.photos} has {len(learned)} photographs to learn from, of which {config.watched} would be set "
                "aside to watch the run on: give more, or set watched to less"
            )
        self.watched = learned[-config.watched :]
        self.judges = [self.given]
        self.scenes = self._scene_mixture()
        self.processor = self._processor()

    def options(self, **changes: Any) -> PhotoOptions:
        """How photographs are shown and asked about."""
        plain = PhotoOptions(size=self.config.image_size, phrases=self.config.phrases, clean=PROBABLE)
        return replace(plain, **changes)

    def _scene_mixture(self) -> list[tuple[float, PictureOptions]]:
        config = self.config
        plain = training_options()
        mixture = [(1.0, PictureOptions(plain, min(8, config.phrases)))]
        if config.sprites is not None:
            stickers = training_options(SceneOptions(sprites=SpriteSet.from_folder(config.sprites), sprite_share=0.7))
            share = config.sprite_share
            mixture = [(1 - share, mixture[0][1]), (share, PictureOptions(stickers, min(8, config.phrases)))]
        return mixture

    def photo_set(self, labels: dict[str, PhotoLabels], **changes: Any) -> PhotoSet:
        """The photographs to learn from, with these labels."""
        left = {*self.watched, *self.reserved}
        kept = {name: found for name, found in labels.items() if name not in left}
        return PhotoSet(self.shards, kept, self.options(**changes), self.config.seed)

    def _processor(self) -> GroundingProcessor:
        folder = self.config.out / "processor"
        if (folder / "tokenizer.json").is_file():
            processor: GroundingProcessor = GroundingProcessor.from_pretrained(folder)
            return processor
        processor = photo_processor(self._texts(self.first_labels()), self.config)
        processor.save_pretrained(folder)
        return processor

    def _texts(self, labels: dict[str, PhotoLabels]) -> Iterator[str]:
        """What the tokenizer is learned of: as many questions of photographs as of scenes."""
        photos = self.photo_set(labels, size=64)
        names = photos.names()
        for place in range(self.config.text_pictures):
            for sample in photos.picture(place, names).samples:
                yield from (sample.prompt, sample.answer)
        for picture in SceneStream(self.scenes, HELD_OUT_SEED + 10_000_000, self.config.text_pictures):
            for sample in picture.samples:
                yield from (sample.prompt, sample.answer)
        if self.config.sprites is not None:
            for name in SpriteSet.from_folder(self.config.sprites).names:
                yield f"the {name}"

    def build(self) -> PhotoTrainingModel:
        """The model to start from, under heads of the run's seed; the encoder of scenes rests."""
        torch.manual_seed(self.config.seed)
        before = self.config.start_from or Path(grounding.__file__).parent / "weights"
        model = start_model(before, self.processor, self.config)
        wrapped = PhotoTrainingModel(model, len(self.names), len(self.colors), self.config)
        pair: Any = model.vision
        pair.second.requires_grad_(False)
        if self.config.conv_lr == 0:
            for part in convolutions(wrapped.eyes):
                part.requires_grad_(False)
        return wrapped

    # ---- labels

    def first_labels(self) -> dict[str, PhotoLabels]:
        """Those that the photographs came with and the published network's own, together."""
        file = self.config.out / "labels-0.jsonl"
        if not file.is_file():
            if self.config.eyes == "nanodet":
                network = start_eyes(self.config).eval()
                sizes = [max(32, round(share * self.config.image_size / 32) * 32) for share in JUDGED_AT]
                own = detect_published(network, self.names, self.pictures(), sizes=sizes, bf16=self.config.bf16)
                write_labels(own, self.config.out / "judge-published.jsonl")
                self.judges = [own, self.given]
            write_labels(self.together(), file)
        elif (published := self.config.out / "judge-published.jsonl").is_file():
            self.judges = [read_labels(published), self.given]
        return read_labels(file)

    def label(self, model: PhotoTrainingModel, round_: int) -> dict[str, PhotoLabels]:
        """The photographs' labels after a round: what the encoder says now is one more judge."""
        file, own = (self.config.out / f"{kind}-{round_}.jsonl" for kind in ("labels", "judge"))
        if not own.is_file():
            write_labels(detect(model, self.processor, self.names, self.pictures()), own)
        self.judges = [read_labels(own), *self.judges[-2:]]
        if not file.is_file():
            write_labels(self.together(), file)
        return read_labels(file)

    def together(self) -> dict[str, PhotoLabels]:
        """What all judges say; how far each is believed is fitted on the photographs whose true boxes are known."""
        return together(self.judges, Belief.fit(self.judges, self.reserved))

    def pictures(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Every photograph by its name, with a bar on the terminal."""
        for name in track(self.given, description="labelling photographs", transient=True):
            yield name, self.shards[name]

    def precision(self, model: PhotoTrainingModel) -> dict[str, float | None]:
        """AP and AP50 on the labelled photographs, where there are any."""
        if not self.truth:
            return {}
        folder = self.config.labelled / "images" if self.config.labelled else Path()

        def pictures() -> Iterator[tuple[str, NDArray[np.uint8]]]:
            for name in self.truth:
                yield name, np.asarray(open_image(folder / name).convert("RGB"))

        found = detect(model, self.processor, self.names, pictures(), least=0.01)
        numbers = average_precision(found, self.truth)
        return {"ap": numbers.get("AP"), "ap50": numbers.get("AP50")}


def convolutions(eyes: nn.Module) -> list[nn.Module]:
    """The published parts of the new encoder."""
    if isinstance(eyes, GroundingNanoVisionModel):
        return [eyes.network.stem, eyes.network.stages, eyes.network.laterals, eyes.network.heads]
    return [eyes.stem, eyes.stages]  # type: ignore[list-item]


def _truth(config: PhotosConfig) -> dict[str, PhotoLabels]:
    return read_labels(config.labelled / "boxes.jsonl") if config.labelled is not None else {}


class PhotoTrainer(Trainer):
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
        super().__init__(model=model, args=args, eval_dataset=[0], **kwargs)
        self.run, self.stage, self.labels, self.start_step = run, stage, labels, start_step
        self.seeing = stage != SPEAK
        model.seeing = self.seeing
        self.parts: dict[str, Tensor | float] = defaultdict(float)
        self.parts_seen = 0

    def collator(self, most_tokens: int | None = None) -> MixedCollator:
        run = self.run
        return MixedCollator(
            run.processor, run.names, run.colors, run.config.background, most_tokens, seeing=self.seeing
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        run, config = self.run, self.run.config
        photos = run.photo_set(self.labels, **({"phrases": 0} if self.seeing else {}))
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

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        parts = model(**inputs)
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
        """AP of the new encoder's boxes, and quick accuracies by skill on the watched photographs and on scenes."""
        self.model.eval()
        metrics = {f"{metric_key_prefix}_{k}": round(v, 4) for k, v in self.run.precision(self.model).items() if v}
        if not self.seeing:
            watched = {name: self.labels[name] for name in self.run.watched}
            photos = PhotoSet(self.run.shards, watched, self.run.options(view=None), seed=1)
            names = photos.names()
            asked: list[Picture | PhotoPicture] = [photos.picture(place, names) for place in range(len(names))]
            metrics |= self._accuracies(asked, f"{metric_key_prefix}_photo")
            scenes = list(SceneStream(self.run.scenes, HELD_OUT_SEED, self.run.config.watched))
            metrics |= self._accuracies(scenes, f"{metric_key_prefix}_scene")
        self.model.train()
        self.log(metrics)
        control = self.control  # type: ignore[has-type]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        return metrics

    def _accuracies(self, pictures: list[Any], prefix: str) -> dict[str, float]:
        wrapped: PhotoTrainingModel = self.model
        model, size = wrapped.model, self.run.config.batch_size
        first, bins = int(model.config.location_token_id or 0), model.config.num_locations
        none_id = self.run.processor.encode_answers(["none"])[0][0]
        collator = self.collator()
        found: dict[str, list[float]] = defaultdict(list)
        pictures = [picture for picture in pictures if picture.samples]
        for at in range(0, len(pictures), size):
            chunk = pictures[at : at + size]
            batch = self._prepare_inputs(collator(chunk))
            with self.compute_loss_context_manager():
                pixels = batch["pixel_values"]
                output = model(
                    input_ids=batch["input_ids"],
                    image_features=model.projector(wrapped.both(wrapped.look(pixels), pixels)),
                    token_roles=batch["token_roles"],
                    segment_ids=batch["segment_ids"],
                    position_ids=batch["position_ids"],
                    output_hidden_states=True,
                    logits_to_keep=-1,
                )
                labels = batch["labels"]
                places = labels != IGNORE
                hidden = output.hidden_states[-1][places]
                logits = F.linear(hidden, model.language.embedding.weight.to(hidden.dtype))
            skills = [sample.skill for picture in chunk for sample in picture.samples]
            for skill, values in quick_accuracy(
                logits.cpu(), labels[places].cpu(), phrase_numbers(labels.cpu()), skills, first, bins, none_id
            ).items():
                found[skill] += values
        metrics = {f"{prefix}_{skill}": round(sum(v) / len(v), 4) for skill, v in sorted(found.items())}
        everything = [v for values in found.values() for v in values]
        metrics[f"{prefix}_all"] = round(sum(everything) / max(1, len(everything)), 4)
        return metrics


def train(config: PhotosConfig) -> Path:
    """Run or resume the training; the folder of the finished model."""
    config.out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    run = PhotoRun(config)
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    told = {"config": asdict(config), "versions": versions}
    (config.out / "run.json").write_text(json.dumps(told, default=str, indent=1))
    model = run.build()
    labels = run.first_labels()
    for number in range(1, config.rounds + 1):
        run_stage(run, f"see-{number}", model, labels, config.see_steps)
        if number < config.rounds:
            labels = run.label(model, number)
    run_stage(run, SPEAK, model, labels, config.speak_steps)
    final = config.out / "model"
    model.model.to(torch.bfloat16).save_pretrained(final)
    run.processor.save_pretrained(final)
    return final


def run_stage(run: PhotoRun, stage: str, model: PhotoTrainingModel, labels: dict[str, PhotoLabels], steps: int) -> None:
    """Train one stage, or what is left of it; a finished one is read from its folder."""
    config, folder = run.config, run.config.out / stage
    finished = folder / "finished.safetensors"
    if finished.is_file():
        model.load_state_dict(load_file(finished))
        return
    folder.mkdir(parents=True, exist_ok=True)
    last = get_last_checkpoint(str(folder))
    start = json.loads((Path(last) / "trainer_state.json").read_text())["global_step"] if last else 0
    args = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=50,
        eval_strategy="steps",
        eval_steps=min(config.eval_every, steps),
        save_steps=config.save_every,
        save_total_limit=1,
        max_grad_norm=1.0,
        remove_unused_columns=False,
        ignore_data_skip=True,
        report_to=[],
        seed=config.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    log = LogFile(config.out / "log.jsonl", config.batch_size, stage)
    trainer = PhotoTrainer(run, stage, model, labels, args, start, callbacks=[log])
    trainer.train(resume_from_checkpoint=last)
    trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    forget_prepared(model)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, finished)
