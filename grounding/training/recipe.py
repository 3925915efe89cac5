"""Owns Recipe: everything that decides a training, as frozen dataclasses that a YAML file is checked against."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grounding.errors import ConfigError


@dataclass(frozen=True)
class ModelRecipe:
    """What is trained: a finished checkpoint, or a vision encoder and a language model joined by new parts."""

    checkpoint: str | None = None
    """Folder or hub name of a finished model to go on with: one of ours, PaliGemma, Florence-2, Qwen2.5-VL."""
    vision: str | None = None
    """Pretrained encoder, as `grounding.model.pretrained` names them; None: fresh weights of `vision_config`."""
    vision_config: dict[str, Any] = field(default_factory=dict)
    """Values of its configuration with `model_type`; without one they are our own encoder's."""
    vision_feature_layer: int = -1
    """Which hidden state is projected; -2 is the one before the last block, as LLaVA takes it."""
    language: str | None = None
    """Pretrained language model with its tokenizer; None: fresh weights of `language_config`, a learned tokenizer."""
    language_config: dict[str, Any] = field(default_factory=dict)
    """Values of its configuration with `model_type`; without one they are our own decoder's."""
    tokenizer: str | None = None
    """Folder of a tokenizer for fresh weights; None: one is learned from the data's own texts."""
    vocab_size: int = 5120
    """Tokens of a learned tokenizer, boxes' tokens included."""
    codec: str = "location"
    """How boxes are written: a name of `grounding.codecs.CODECS`."""
    image_size: int = 224
    """Side of a view, px."""
    resize: str = "squash"
    """How a picture becomes views: squash, pad, llava_next, internvl or native."""
    resize_options: dict[str, Any] = field(default_factory=dict)
    """What that way takes, such as `{max_tiles: 6}`."""
    projector: str = "mlp"
    """linear, mlp, pixel_shuffle or perceiver."""
    projector_options: dict[str, Any] = field(default_factory=dict)
    """What it takes, such as `{latents: 64}`."""
    fusion: str = "concatenation"
    """concatenation or cross_attention."""
    fusion_options: dict[str, Any] = field(default_factory=dict)
    """What it takes, such as `{every: 4}`."""
    attention: Literal["prefix", "causal"] = "prefix"
    """prefix: pictures and prompt see themselves whole; causal: everything sees what is before it."""
    prompt_template: str = "{prompt}"
    """What stands around a prompt, such as `USER: {prompt} ASSISTANT:`."""


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
    warmup: int = 0
    """First steps, in which the rate rises."""
    schedule: Literal["cosine", "wsd", "linear", "constant"] = "cosine"
    """How it falls: wsd is warm-up, plateau, and a straight fall over the last `decay` steps."""
    decay: int = 0
    """Steps of the fall in wsd."""
    lora: LoraRecipe | None = None
    """Adapters for the language model, merged into it at the stage's end."""
    data: tuple[DataRecipe, ...] = ()
    """What this stage learns from; none: the recipe's data."""
    objective: Literal["answers", "rewards"] = "answers"
    """answers: the true text; rewards: GRPO on what the model itself writes, by IoU and by "nothing there"."""
    objective_options: dict[str, Any] = field(default_factory=dict)
    """What the objective takes."""


@dataclass(frozen=True)
class Recipe:
    """A whole training, from what it starts with to what it leaves."""

    preset: str | None = None
    """A name of `grounding.training.presets.PRESETS`, whose values stand wherever this file says nothing."""
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
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: for the matrices of blocks, AdamW for all else."""
    weight_decay: float = 0.0
    """Of matrices."""
    clip: float = 1.0
    """Longest gradient."""
    ema: float = 0.0
    """Share of the old in the running mean of the weights that is saved, such as 0.999; 0: the weights themselves."""
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
    """Lessons of an evaluation."""
    save_every: int = 250
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints of a stage that are kept."""
    bad_share: float = 0.01
    """Share of unreadable lessons past which the run stops."""
    report_to: tuple[str, ...] = ("tensorboard",)
    """Where the log goes besides its file: tensorboard, wandb, or none."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "most_turns", "most_tokens", "log_every", "eval_every", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        names = [stage.name for stage in self.stages]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two stages are called {twice[0]!r}: each needs a name of its own")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema is {self.ema}; it is a share from 0 to below 1")
        if not 0 <= self.bad_share <= 1:
            raise ConfigError(f"bad_share is {self.bad_share}; it is a share from 0 to 1")
