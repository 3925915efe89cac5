"""Owns what a run on photographs is made of: pictures, labels of several judges, tokenizer, model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import grounding
from grounding.data.photos.cleaning import CleanOptions
from grounding.data.photos.color_names import COLOR_NAMES
from grounding.data.photos.colors import ColorOptions
from grounding.data.photos.labels import PhotoLabels, read_labels, write_labels
from grounding.data.photos.names import NAMES
from grounding.data.photos.picture import PhotoOptions
from grounding.data.photos.shards import PhotoShards
from grounding.data.scenes.generate import PictureOptions
from grounding.data.scenes.scene import SceneOptions, training_options
from grounding.data.scenes.sprites import SpriteSet
from grounding.errors import ConfigError
from grounding.images import open_image
from grounding.model import GroundingProcessor
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.training.collator import SceneStream
from grounding.training.photos.batches import PhotoSet
from grounding.training.photos.config import PhotosConfig
from grounding.training.photos.detecting import average_precision, detect, detect_published, photo_number
from grounding.training.photos.labelling import Belief, together
from grounding.training.photos.losses import PhotoTrainingModel
from grounding.training.photos.start import photo_processor, start_eyes, start_model
from grounding.training.progress import counted
from grounding.training.trainer import HELD_OUT_SEED
from grounding.training.whole_folders import whole_folder

Judge = Callable[[Iterable[tuple[str, NDArray[np.uint8]]]], dict[str, PhotoLabels]]
"""What labels pictures, given as (name, RGB (h, w, 3))."""
SCENES_READ = 500
"""Drawn scenes of which is learned how the decoder reads edges."""
AT_ONCE = 64
"""Photographs that are labelled before their labels are written."""
JUDGED_AT = (6 / 7, 15 / 14)
"""Sizes at which the published network labels photographs, of the size that the encoder sees: 384 and 480 of 448."""
PROBABLE = CleanOptions(sure=0.55, sure_of={}, unsure=0.35, clear_part=0.5)
"""What is believed of labels whose scores are probabilities: of 226 photographs' sure boxes 85 % lie right, and of the
true boxes over a fiftieth of the picture 43 % are among them (at 0.75, 92 % and 35 %; less is then asked of fewer)."""
COLORS = ColorOptions(
    share=0.36, second=0.32, seen=0.2, own=0.3, whole=0.22, skin=0.35, side=10.0, contrast=6.0, cast=8.0, dim=20.0
)
"""Colours that are right four times in five, of a third of the people, are better to learn of than those that are all
but certain, of a seventh."""


class PhotoRun:
    """What a run is made of, built from its configuration; the tokenizer is learned once and kept in the folder."""

    def __init__(self, config: PhotosConfig) -> None:
        self.config = config
        self.names, self.colors = list(NAMES), list(COLOR_NAMES)
        self.shards = PhotoShards(config.photos)
        self.truth = _truth(config)
        self.given = read_labels(config.photos / "detections.jsonl")
        self.reserved = reserved(self.given, self.truth)
        """Photographs whose true boxes are known: never learned from."""
        if self.truth and not self.reserved:
            raise ConfigError(
                f"none of the photographs in {config.labelled} is in {config.photos}: judges are weighed by those that "
                "both have; leave labelled out, or add its photographs and their detections"
            )
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
        plain = PhotoOptions(size=self.config.image_size, phrases=self.config.phrases, clean=PROBABLE, colors=COLORS)
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
        count = self.config.text_pictures
        for place in counted(range(count), count, "reading what is asked of photographs", "pictures"):
            for sample in photos.picture(place, names).samples:
                yield from (sample.prompt, sample.answer)
        for picture in SceneStream(self.scenes, HELD_OUT_SEED + 10_000_000, count):
            for sample in picture.samples:
                yield from (sample.prompt, sample.answer)
        if self.config.sprites is not None:
            for name in SpriteSet.from_folder(self.config.sprites).names:
                yield f"the {name}"

    def build(self) -> PhotoTrainingModel:
        """The model to start from, under heads of the run's seed; the encoder of scenes rests."""
        torch.manual_seed(self.config.seed)
        before = self.config.out / "start"  # kept, as what a package ships may change before a run goes on
        if not before.is_dir():
            with whole_folder(before) as copy:
                source = self.config.start_from or Path(grounding.__file__).parent / "weights"
                shutil.copytree(source, copy, dirs_exist_ok=True)
        scenes = SceneStream(self.scenes, HELD_OUT_SEED + 20_000_000, SCENES_READ)
        drawn = counted(scenes, SCENES_READ, "looking how edges are read", "scenes")
        model = start_model(before, self.processor, self.config, drawn)
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
        file, published = (self.config.out / f"{kind}.jsonl" for kind in ("labels-0", "judge-published"))
        if self.config.eyes == "nanodet" and not (file.is_file() and not published.is_file()):
            self.judges = [self._judged(published, self._published), self.given]
        if not file.is_file():
            write_labels(self.together(), file)
        return read_labels(file)

    def label(self, model: PhotoTrainingModel, round_: int) -> dict[str, PhotoLabels]:
        """The photographs' labels after a round: what the encoder says now is one more judge."""
        file, own = (self.config.out / f"{kind}-{round_}.jsonl" for kind in ("labels", "judge"))
        found = self._judged(own, lambda: lambda pictures: detect(model, self.processor, self.names, pictures))
        self.judges = [found, *self.judges[-2:]]
        if not file.is_file():
            write_labels(self.together(), file)
        return read_labels(file)

    def _published(self) -> Judge:
        network: Any = start_eyes(self.config).eval()
        network = network.to(memory_format=torch.channels_last)  # a fifth faster, in bfloat16 on a processor
        sizes = [max(32, round(share * self.config.image_size / 32) * 32) for share in JUDGED_AT]
        bf16 = self.config.bf16
        return lambda pictures: detect_published(network, self.names, pictures, sizes=sizes, bf16=bf16)

    def _judged(self, file: Path, judge: Callable[[], Judge]) -> dict[str, PhotoLabels]:
        """A judge's labels of all photographs, kept in a file; a run that was stopped goes on where it was."""
        if not file.is_file():
            parts = file.with_suffix(".parts")
            names = list(self.given)
            chunks = [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]
            said: Judge | None = None
            labels: dict[str, PhotoLabels] = {}
            for number, chunk in counted(
                enumerate(chunks), len(chunks), "labelling photographs", "photographs", AT_ONCE
            ):
                part = parts / f"{number:05d}.jsonl"
                if not part.is_file():
                    said = said or judge()
                    parts.mkdir(parents=True, exist_ok=True)
                    write_labels(said((name, self.shards[name]) for name in chunk), part)
                labels |= read_labels(part)
            write_labels(labels, file)
            shutil.rmtree(parts)
        return read_labels(file)

    def together(self) -> dict[str, PhotoLabels]:
        """What all judges say; how far each is believed is fitted on the photographs whose true boxes are known."""
        return together(self.judges, Belief.fit(self.judges, self.reserved))

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


def reserved(given: Iterable[str], truth: Mapping[str, PhotoLabels]) -> dict[str, PhotoLabels]:
    """Those of the photographs `given` whose true boxes are known: by their names, or by the last number in them, as
    COCO's photographs have one number under several names. Raises ConfigError where it may be one of several."""
    numbers: dict[str, list[str]] = {}
    for name in given:
        numbers.setdefault(photo_number(name), []).append(name)
    found: dict[str, PhotoLabels] = {}
    for name, true in truth.items():
        same = numbers.get(photo_number(name), [])
        same = [name] if name in same else same
        if len(same) > 1:
            raise ConfigError(f"{name} with true boxes may be any of {', '.join(same[:3])}: give both the same name")
        found |= dict.fromkeys(same, true)
    return found


def convolutions(eyes: nn.Module) -> list[nn.Module]:
    """The published parts of the new encoder."""
    if isinstance(eyes, GroundingNanoVisionModel):
        return [eyes.network.stem, eyes.network.stages, eyes.network.laterals, eyes.network.heads]
    return [eyes.stem, eyes.stages]  # type: ignore[list-item]


def _truth(config: PhotosConfig) -> dict[str, PhotoLabels]:
    return read_labels(config.labelled / "boxes.jsonl") if config.labelled is not None else {}
