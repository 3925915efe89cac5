"""Owns Recipe: everything that decides a training, as frozen dataclasses that a YAML file is checked against."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grounding.codecs import ALIASES, CODECS
from grounding.errors import ConfigError

PARTS = ("vision", "projector", "fusion", "language", "embeddings", "locations", "lora")
"""What a stage may name, besides "all"; "locations" are the rows of the box tokens within the embeddings."""


RESERVED = ("model", "processor", "sheets", "tensorboard", "wandb")
"""Folders of a run that no stage may be called after."""


@dataclass(frozen=True)
class ModelRecipe:
    """What is trained: a finished checkpoint, or a vision encoder and a language model joined by new parts."""

    checkpoint: str | None = None
    """Folder or hub name of a finished model to go on with: one of ours, PaliGemma, Florence-2, Qwen2.5-VL."""
    vision: str | tuple[str, ...] | None = None
    """Pretrained encoder: a folder, a hub name, `timm:NAME` or `efficientnet-lite0`; of two, both side by side; None:
    fresh weights of `vision_config`."""
    vision_config: dict[str, Any] = field(default_factory=dict)
    """Values of its configuration with `model_type`; without one they are our own encoder's; of a pretrained encoder,
    what `grounding.model.pretrained.load_vision` takes."""
    vision_feature_layer: int | tuple[int, ...] = -1
    """Which hidden state is projected; -2 is the one before the last block, as LLaVA takes it; of several, all."""
    language: str | None = None
    """Pretrained causal language model with its tokenizer: a folder, a hub name, a GGUF file or `smollm2`; None: fresh
    weights of `language_config`, a learned tokenizer."""
    language_config: dict[str, Any] = field(default_factory=dict)
    """Values of its configuration with `model_type`; without one they are our own decoder's; of a pretrained model,
    what `grounding.model.pretrained.load_language` takes."""
    tokenizer: str | None = None
    """Folder of a tokenizer for fresh weights; None: one is learned from the data's own texts."""
    vocab_size: int = 5120
    """Tokens of a learned tokenizer, those of boxes included."""
    codec: str = "location"
    """How boxes are written, such as location, kosmos-2, shikra: a name that `grounding codecs` lists."""
    image_size: int | None = None
    """Side of a view, px; None: what the encoder was made for, 224 for a fresh one."""
    pixel_mean: tuple[float, ...] | None = None
    """What is taken from red, green and blue, of 0 to 1; None: as the encoder was trained, where that is known."""
    pixel_std: tuple[float, ...] | None = None
    """What they are then divided by; None: the same."""
    resize: Literal["squash", "pad", "llava_next", "internvl", "native"] = "squash"
    """How a picture becomes views."""
    resize_options: dict[str, Any] = field(default_factory=dict)
    """What that way takes, such as `{max_tiles: 6}`."""
    line_ends: bool = False
    """Whether a learned token ends each line of image tokens, as in LLaVA-NeXT."""
    projector: Literal["linear", "mlp", "pixel_shuffle", "perceiver"] = "mlp"
    """What carries the encoder's features into the language model."""
    projector_options: dict[str, Any] = field(default_factory=dict)
    """What it takes, such as `{latents: 64}`."""
    patch_coordinates: int = 0
    """Channels with each patch's row and column beside its features, for convolutional encoders; four divides them."""
    fusion: Literal["concatenation", "cross_attention"] = "concatenation"
    """Whether features stand among the words, or layers between those of the language model look at them."""
    fusion_options: dict[str, Any] = field(default_factory=dict)
    """What it takes, such as `{every: 4}`."""
    attention: Literal["prefix", "causal"] = "prefix"
    """prefix: pictures and prompt see themselves whole; causal: everything sees what is before it."""
    prompt_template: str = "{prompt}"
    """What stands around a prompt, such as `USER: {prompt} ASSISTANT:`."""
    max_prompt_tokens: int | None = None
    """Longest prompt that the finished model takes, its pictures aside; None: 128 for our decoder, 1024 for others."""

    def __post_init__(self) -> None:
        if self.codec not in CODECS and self.codec not in ALIASES:
            raise ConfigError(_unknown("codec", self.codec, CODECS))
        if "{prompt}" not in self.prompt_template:
            raise ConfigError(f"prompt_template {self.prompt_template!r} has no {{prompt}}, where the question goes")
        for name in ("pixel_mean", "pixel_std"):
            values = getattr(self, name)
            if values is not None and (len(values) != 3 or (name == "pixel_std" and min(values) <= 0)):
                raise ConfigError(f"{name} is {list(values)}; it has three numbers, those of std over 0")
        _check_least(self, 1, "vocab_size")
        _check_least(
            self, 1, *(name for name in ("image_size", "max_prompt_tokens") if getattr(self, name) is not None)
        )
        for name in ("vision", "vision_config", "language", "language_config", "tokenizer"):
            if self.checkpoint and getattr(self, name):
                raise ConfigError(
                    f"checkpoint is {self.checkpoint!r}, a whole model, and {name} is given too: leave one of them out"
                )


@dataclass(frozen=True)
class DataRecipe:
    """One source of lessons."""

    source: str
    """`scenes`, `llava:FILE`, `swift:FILE`, `shards:PATTERN`, `hub:NAME`, or what `open_dataset` opens."""
    weight: float = 1.0
    """Its share, relative to the other sources'."""
    root: str | None = None
    """Folder of the data set's files."""
    images: str | None = None
    """Folder of its pictures, where that is another."""
    augment: tuple[str, ...] = ()
    """Names of augmentations, in the order in which they are done."""
    options: dict[str, Any] = field(default_factory=dict)
    """The source's own."""

    def __post_init__(self) -> None:
        if not (self.weight > 0 and math.isfinite(self.weight)):
            raise ConfigError(f"weight is {self.weight} for {self.source!r}; it must be over 0, or the source left out")


@dataclass(frozen=True)
class LoraRecipe:
    """Low-rank adapters in place of the language model's own weights."""

    rank: int = 16
    """Of the two matrices that stand for an update."""
    alpha: int = 32
    """Scale of the update, over `rank`."""
    dropout: float = 0.0
    """Of the adapters' input."""
    targets: tuple[str, ...] = ()
    """Names of the layers; none: every linear layer of the language model."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "rank", "alpha")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; it is a share from 0 to below 1")


@dataclass(frozen=True)
class StageRecipe:
    """One part of a run: what moves, how fast, on which data."""

    name: str
    """Its folder's name, such as `align`, `instruct`, `ground` or `reward`."""
    steps: int
    """Optimizer steps."""
    train: tuple[str, ...] = ("all",)
    """Parts that move; the rest is frozen: vision, projector, fusion, language, embeddings, locations, lora, or all."""
    lr: float = 1e-4
    """Highest learning rate."""
    part_lr: dict[str, float] = field(default_factory=dict)
    """Those of single parts."""
    warmup: float = 0.0
    """First steps, in which the rate rises; below 1: a share of all steps."""
    schedule: Literal["cosine", "wsd", "linear", "constant"] = "cosine"
    """How it falls: wsd is warm-up, plateau, and a straight fall over the last steps."""
    decay: float = 0.2
    """Last steps, in which the rate of wsd falls; below 1: a share of all steps."""
    lora: LoraRecipe | None = None
    """Adapters for the language model, merged into it at the stage's end."""
    data: tuple[DataRecipe, ...] = ()
    """What this stage learns from; none: the recipe's data."""
    objective: Literal["answers", "rewards"] = "answers"
    """answers: the true text; rewards: GRPO on what the model itself writes, by IoU and by "nothing there"."""
    objective_options: dict[str, Any] = field(default_factory=dict)
    """What the objective takes."""

    def __post_init__(self) -> None:
        if not self.name or not all(letter.isalnum() or letter in "-_" for letter in self.name):
            raise ConfigError(f"a stage is called {self.name!r}; its name is a folder's: letters, digits, - and _")
        if self.name in RESERVED:
            raise ConfigError(
                f"a stage is called {self.name!r}, and that folder is the run's own: give it another name"
            )
        _check_least(self, 1, "steps")
        _check_least(self, 0, "warmup", "decay")
        rates = {"lr": self.lr, **{f"part_lr.{part}": rate for part, rate in self.part_lr.items()}}
        for name, rate in rates.items():
            if not (rate >= 0 and math.isfinite(rate)):
                raise ConfigError(f"{name} is {rate} in the stage {self.name!r}; it must be 0 or more")
        for named, known in ((self.train, ("all", *PARTS)), (self.part_lr, PARTS)):
            for part in named:
                if part not in known:
                    raise ConfigError(f"in the stage {self.name!r}: {_unknown('part', part, known)}")
        if not self.train:
            raise ConfigError(f"the stage {self.name!r} trains nothing: name parts in `train`, or all")
        if self.warmup_steps + (self.decay_steps if self.schedule == "wsd" else 0) > self.steps:
            raise ConfigError(
                f"the stage {self.name!r} has {self.steps} steps, fewer than those of warmup {self.warmup:g} and decay "
                f"{self.decay:g}: shares such as 0.03 fit any number of steps"
            )

    @property
    def warmup_steps(self) -> int:
        """First steps, in which the rate rises."""
        return self._steps_of(self.warmup)

    @property
    def decay_steps(self) -> int:
        """Last steps, in which the rate of wsd falls."""
        return self._steps_of(self.decay)

    def _steps_of(self, amount: float) -> int:
        return round(amount * self.steps if amount < 1 else amount)


@dataclass(frozen=True)
class Recipe:
    """A whole training, from what it starts with to what it leaves."""

    preset: str | None = None
    """A name that `grounding train list` shows, whose values stand wherever this file says nothing."""
    about: str = ""
    """What it is, in a sentence or two; the model's card says it too."""
    out: Path = Path("runs/grounding")
    """Folder of stages, logs, sheets and the finished model; a run found there is gone on with."""
    model: ModelRecipe = field(default_factory=ModelRecipe)
    """What is trained."""
    data: tuple[DataRecipe, ...] = ()
    """What it learns from."""
    held_out: tuple[DataRecipe, ...] = ()
    """What it is watched on; none: scenes that are never trained on, where scenes are among the data."""
    stages: tuple[StageRecipe, ...] = ()
    """In their order."""
    seed: int = 0
    """Of weights, order and augmentation."""
    batch_size: int = 32
    """Lessons of an optimizer step, over all processes."""
    micro_batch: int = 0
    """Lessons of one forward pass on one device; 0: as many as a step has for it."""
    most_turns: int = 8
    """Turns of a lesson."""
    most_tokens: int = 1024
    """Tokens of a lesson, its pictures included; turns behind that are left out."""
    pack: int = 0
    """Lessons are packed into rows of so many tokens; 0: a row each."""
    location_sigma: float = 4.0
    """Width, in bins, of the soft target around a coordinate; 0: the plain target."""
    expectation_weight: float = 1.0
    """Weight of the distance between expected and true coordinate, a share of the picture, beside the cross-entropy."""
    where_weight: float = 0.0
    """Weight of the question which of a picture's tokens each phrase means, asked in the middle of the decoder beside
    the text: a language model that is new to pictures learns sooner to look. Asked of turns by themselves about one
    picture that boxes answer. 0: not asked; our models only."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: for the matrices of blocks, AdamW for all else."""
    weight_decay: float = 0.0
    """Of matrices."""
    clip: float = 1.0
    """Longest gradient."""
    ema: float = 0.0
    """Share of the old in the running mean of the weights, which is then measured and saved, such as 0.999; 0: the
    weights themselves."""
    bf16: bool = True
    """Compute in bfloat16 where it is safe; weights that move stay in float32."""
    gradient_checkpointing: bool = False
    """Compute activations anew in the backward pass: a third slower, for much less memory."""
    scale: Literal["ddp", "fsdp"] = "ddp"
    """How several processes share a training: a copy each, or a part of the weights each (FSDP2)."""
    workers: int = 1
    """Processes that prepare lessons, for each device."""
    log_every: int = 10
    """Steps between lines of the log."""
    eval_every: int = 500
    """Steps between evaluations with their sheets."""
    eval_lessons: int = 128
    """Held-out lessons of an evaluation, measured in one pass with the true beginnings given."""
    eval_answers: int = 24
    """Of their questions, how many are answered by writing, measured by IoU and drawn on a sheet."""
    save_every: int = 250
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints of a stage that are kept."""
    bad_share: float = 0.01
    """Share of unreadable lessons past which the run stops."""
    report_to: tuple[str, ...] = ("tensorboard",)
    """Where the log goes besides its file: tensorboard, wandb, or none."""

    def __post_init__(self) -> None:
        positive = ("batch_size", "most_turns", "most_tokens", "log_every", "eval_every", "save_every", "keep")
        _check_least(self, 1, *positive)
        _check_least(
            self,
            0,
            "micro_batch",
            "pack",
            "location_sigma",
            "expectation_weight",
            "where_weight",
            "weight_decay",
            "workers",
            "seed",
        )
        _check_least(self, 0, "eval_lessons", "eval_answers")
        if not self.clip > 0:
            raise ConfigError(f"clip is {self.clip}; it must be over 0")
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ConfigError(
                f"batch_size {self.batch_size} does not divide into passes of micro_batch {self.micro_batch}"
            )
        names = [stage.name for stage in self.stages]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two stages are called {twice[0]!r}: each needs a name of its own")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema is {self.ema}; it is a share from 0 to below 1")
        if not 0 <= self.bad_share <= 1:
            raise ConfigError(f"bad_share is {self.bad_share}; it is a share from 0 to 1")
        for name in self.report_to:
            if name not in REPORTS:
                raise ConfigError(f"report_to: {_unknown('place', name, REPORTS)}")

    def check_complete(self) -> None:
        """Raises ConfigError where something is still missing that only the user can give."""
        if not self.stages:
            raise ConfigError("the recipe has no stages: give at least one, such as {name: ground, steps: 1000}")
        for stage in self.stages:
            if not (stage.data or self.data):
                raise ConfigError(
                    f"there is nothing to learn from in the stage {stage.name!r}: name your data under `data`, or with "
                    "--data, such as --data lessons.jsonl"
                )


REPORTS = ("tensorboard", "wandb", "none")
"""What `report_to` may name."""


def _check_least(config: object, least: int, *names: str) -> None:
    """Raises ConfigError for a number under `least`, or none at all."""
    for name in names:
        value = getattr(config, name)
        if not (value >= least and math.isfinite(value)):
            raise ConfigError(f"{name} is {value}; it must be {least} or more")


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A sentence that says what a wrong name may have meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return f"no {what} {name!r}; " + (f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}")
