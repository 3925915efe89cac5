"""Owns what can be set about a training: one frozen dataclass, of which the command line's flags are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.errors import ConfigError


@dataclass(frozen=True)
class TrainingConfig:
    """A training on drawn scenes, from scratch or from a checkpoint."""

    out: Path = Path("runs/scenes")
    """Folder of checkpoints, logs and sheets; a run found there is resumed."""
    start_from: Path | None = None
    """Folder of a finished model to start from, in place of fresh weights; take another seed than it had."""
    steps: int = 12000
    """Optimizer steps in all."""
    decay_steps: int = 2500
    """The last so many steps in which the learning rate falls to zero."""
    warmup_steps: int = 200
    """The first so many steps in which the learning rate rises."""
    batch_size: int = 32
    """Pictures a step."""
    phrases: int = 8
    """Phrases asked of a picture, at most, in one pass."""
    most_tokens: int = 144
    """Text tokens of a picture's phrases together, at most; those over it wait for another picture."""
    dense_steps: int = 1750
    """The first so many steps train the vision encoder alone, on what each patch shows: denser signal than text."""
    matrix_lr: float = 2e-3
    """Learning rate of Muon, for the matrices of the blocks."""
    other_lr: float = 1e-3
    """Learning rate of AdamW, for all else."""
    weight_decay: float = 0.02
    """Of both."""
    location_sigma: float = 4.0
    """Width, in bins, of the soft target around a coordinate."""
    expectation_weight: float = 2.0
    """Weight of the distance between the expected coordinate and the true one, as a share of the picture."""
    dense_weight: float = 0.3
    """Weight of the dense loss beside the text loss."""
    where_weight: float = 0.5
    """Weight of the loss that asks each phrase which patches it means."""
    image_size: int = 224
    """Side of the square the model sees, px; a multiple of 16."""
    width: int = 256
    """Width of encoder and decoder."""
    vision_layers: int = 3
    """Blocks of the vision encoder."""
    text_layers: int = 5
    """Blocks of the language decoder."""
    vocab_size: int = 5120
    """Tokens, the 1,024 locations included."""
    sprites: Path | None = None
    """Folder of named cut-outs to draw besides shapes."""
    sprite_share: float = 0.12
    """Share of pictures with sprites, where a folder is given."""
    seed: int = 0
    """Of weights and scenes."""
    eval_every: int = 500
    """Steps between evaluations."""
    save_every: int = 250
    """Steps between checkpoints."""
    eval_pictures: int = 512
    """Held-out pictures of an evaluation."""
    workers: int = 1
    """Processes that draw pictures."""
    bf16: bool = True
    """Compute in bfloat16 where it is safe; weights stay in float32."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "phrases", "eval_every", "save_every", "eval_pictures"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.image_size % 16:
            raise ConfigError(f"image_size {self.image_size} is not a multiple of 16")
