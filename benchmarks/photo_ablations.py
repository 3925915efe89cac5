"""What each choice of the training on photographs is worth, on photographs whose true boxes are known.

`python benchmarks/photo_ablations.py --run RUN [--steps N] [--only NAME ...] --out FOLDER` takes a finished run of
`grounding train photos` and trains its asking anew, shorter, from its finished seeing: as it was, and with each change;
answers by the run's own model are then written in other ways. One table, intervals over photographs, which lies in
FOLDER/ablations.md too. What was trained and measured is not trained and measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from grounding.data.photos.labels import read_labels
from grounding.data.photos.picture import PhotoPicture
from grounding.metrics.base import Figure
from grounding.model import GroundingForConditionalGeneration, GroundingImageProcessor, GroundingProcessor
from grounding.model.decode import DecodeOptions
from grounding.training.photos.config import PhotosConfig
from grounding.training.photos.run import PhotoRun
from grounding.training.photos.trainer import FINISHED, train
from grounding.training.photos.validating import ABSENT, EVERYTHING, validate, validation_pictures

KEPT = ("start", "processor", "judge-published.jsonl", "labels-0.jsonl")
"""Of a run, what its changes begin with, as far as it has it."""
BEGUN = "begun"
"""File in a change's folder that says that all it begins with is there."""
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "plain targets for coordinates": {"location_sigma": 0.0},
    "no loss on expected coordinates": {"expectation_weight": 0.0},
    "phrases not asked where they mean": {"where_weight": 0.0},
    "what patches show is left behind": {"dense_weight": 0.0},
    "no drawn scenes": {"scene_share": 0.0},
    "labelled anew by what has learned to see": {"rounds": 2},
    "photographs with several of a kind no more often": {"several": 1},
    "the detector's own boxes are not told": {"proposals": 0},
    "convolutions learn": {"conv_lr": 2e-4},
    "the labels that came with the photographs": {},
    "pictures of 320 px": {"image_size": 320},
    "EfficientNet-Lite0's features at 224 px": {"eyes": "lite0", "image_size": 224},
}
"""Name of each change to the settings that it makes."""
SEEN_ALIKE = ("proposals", "eyes")
"""Settings that a finished seeing can be gone on from only where they are the same. Of `conv_lr` it can: features are
then tuned while the decoder is asked; of another size too, with the table of the places of patches resized."""
COLUMNS = {EVERYTHING: "one box, Acc@0.5", "side": "by side", "color": "by colour", "relation": "by relation"}
GIVEN = "the labels that came with the photographs"
ANSWERED: dict[str, tuple[DecodeOptions, bool]] = {
    "the whole run": (DecodeOptions(max_new_tokens=32), False),
    "its coordinates as the likeliest tokens": (DecodeOptions(max_new_tokens=32, expectation=False), False),
    "one way to write a box": (DecodeOptions(max_new_tokens=32, ways=1), False),
    "it sees mirror images too": (DecodeOptions(max_new_tokens=32), True),
}
"""Ways to answer."""


def config_of(run: Path) -> PhotosConfig:
    """The configuration that a run wrote down."""
    told = json.loads((run / "run.json").read_text(encoding="utf-8"))["config"]
    places = ("photos", "out", "labelled", "start_from", "weights", "sprites")
    values = {field.name: told[field.name] for field in fields(PhotosConfig) if field.name in told}
    return PhotosConfig(**{k: Path(v) if k in places and v is not None else v for k, v in values.items()})


def changed(config: PhotosConfig, run: Path, name: str, steps: int, out: Path) -> Path:
    """The folder of the model that one change leads to."""
    folder = out / folder_name(name)
    change = CHANGES[name]
    other = replace(config, **{"rounds": 1, **change}, out=folder, speak_steps=steps, eval_every=10**6)
    folder.mkdir(parents=True, exist_ok=True)
    alike = all(getattr(other, key) == getattr(config, key) for key in SEEN_ALIKE) and name != GIVEN
    if not alike:  # it sees anew, as long as the run did
        other = replace(other, see_steps=config.see_steps * config.rounds)
    if not (folder / BEGUN).exists():
        for part in KEPT:
            if (run / part).exists() and not (part == "processor" and other.eyes != config.eyes):
                copy(run / part, folder / part)
        if other.eyes == config.eyes and other.image_size != config.image_size:
            resize_processor(folder / "processor", other)
        labels = config.photos / "detections.jsonl" if name == GIVEN else run / f"labels-{config.rounds - 1}.jsonl"
        shutil.copy(labels, folder / "labels-0.jsonl")
        if alike:
            seeing = run / f"see-{config.rounds}" / FINISHED
            if other.image_size != config.image_size:
                seeing = resized_seeing(seeing, other)
            for number in range(1, other.rounds + 1):  # a second round labels anew, and sees no longer than the others
                (folder / f"see-{number}").mkdir(exist_ok=True)
                shutil.copy(seeing, folder / f"see-{number}" / FINISHED)
        (folder / BEGUN).touch()
    return train(other)


def resize_processor(folder: Path, config: PhotosConfig) -> None:
    """Make a processor in place one of the configuration's size; its tokens stay."""
    tokenizer = GroundingProcessor.from_pretrained(folder).tokenizer
    grid = config.image_size // 32
    GroundingProcessor(GroundingImageProcessor(config.image_size), tokenizer, image_tokens=grid * grid).save_pretrained(
        folder
    )


def resized_seeing(finished: Path, config: PhotosConfig) -> Path:
    """A file in the configuration's folder: what `finished` has learned, in a model of another picture size."""
    model = PhotoRun(config).build()
    learned, fits = load_file(finished), model.state_dict()
    place = learned["model.vision.first.position"]
    sides = [math.isqrt(table.shape[1]) for table in (place, fits["model.vision.first.position"])]
    table = place.unflatten(1, (sides[0], sides[0])).permute(0, 3, 1, 2)
    table = F.interpolate(table, size=(sides[1], sides[1]), mode="bicubic", align_corners=False)
    learned["model.vision.first.position"] = table.flatten(2).transpose(1, 2)
    for name, tensor in learned.items():
        if tensor.shape == fits[name].shape:  # the decoder's table of positions stays as the model's start resized it
            fits[name] = tensor
    file = config.out / "seeing.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in fits.items()}, file)
    return file


def folder_name(name: str) -> str:
    """A change's name, without blanks."""
    return "-".join(word.replace("'", "").strip(",") for word in name.lower().split())


def copy(source: Path, target: Path) -> None:
    """A file or a folder."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def load(folder: Path) -> tuple[GroundingForConditionalGeneration, GroundingProcessor]:
    """A finished model, in float32."""
    import torch

    model = GroundingForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), GroundingProcessor.from_pretrained(folder)


def asked(config: PhotosConfig, size: int) -> list[PhotoPicture]:
    """The validation's questions, on pictures of `size` px."""
    assert config.labelled is not None
    options = PhotoRun(config).options(size=size)
    return validation_pictures(config.labelled / "images", read_labels(config.labelled / "boxes.jsonl"), options)


def shown(figure: Figure | None) -> str:
    """Percent with its interval."""
    if figure is None or figure.value is None:
        return "-"
    low = "" if figure.low is None or figure.high is None else f" ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
    return f"{100 * figure.value:.1f}{low}"


def measured(name: str, figures: Callable[[], dict[str, Figure]], out: Path) -> list[str]:
    """The cells of one row, kept in a file."""
    file = out / "rows" / f"{folder_name(name)}.json"
    if not file.is_file():
        found = figures()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([shown(found.get(key)) for key in (*COLUMNS, ABSENT)]))
    cells: list[str] = json.loads(file.read_text())
    return cells


def asked_before(file: Path, now: dict[str, Any]) -> None:
    """Writes down what the rows of a folder are of; ends the program where they are of something else."""
    if file.is_file() and (before := json.loads(file.read_text(encoding="utf-8"))) != now:
        raise SystemExit(
            f"the rows in {file.parent} are of {before}, and {now} is asked for: give --out another folder"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(now), encoding="utf-8")


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a finished run of grounding train photos")
    parser.add_argument("--steps", type=int, default=600, help="steps of asking after each change")
    parser.add_argument("--only", nargs="*", choices=CHANGES, metavar="NAME", help="nothing: only ways to answer")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    config = config_of(args.run)
    if config.labelled is None:
        raise SystemExit("the run has no labelled photographs to be measured on")
    asked_before(args.out / "asked.json", {"run": str(args.run.resolve()), "steps": args.steps})
    pictures: dict[int, list[PhotoPicture]] = {}

    def figures(folder: Path, options: DecodeOptions, *, flips: bool) -> dict[str, Figure]:
        model, processor = load(folder)
        size = int(model.config.image_size)
        pictures[size] = pictures.get(size) or asked(config, size)
        return validate(model, processor, pictures[size], options, flips=flips)

    rows: list[tuple[str, list[str]]] = []
    for name in [name for name in CHANGES if args.only is None or name in args.only]:

        def trained(name: str = name) -> dict[str, Figure]:
            folder = changed(config, args.run, name, args.steps, args.out)
            return figures(folder, DecodeOptions(max_new_tokens=32), flips=False)

        rows.append((name, measured(name, trained, args.out)))
    split = len(rows)
    for name, (options, flips) in ANSWERED.items():

        def answered(options: DecodeOptions = options, flips: bool = flips) -> dict[str, Figure]:
            return figures(args.run / "model", options, flips=flips)

        rows.append((name, measured(name, answered, args.out)))
    headings = (*COLUMNS.values(), "absent names left alone")
    title = (
        f"%, photographs with true boxes; {args.steps:,} steps of asking after each change, then the whole run's model"
    )
    table = Table(title=title)
    for heading in ("", *headings):
        table.add_column(heading, justify="right" if heading else "left")
    for number, (name, cells) in enumerate(rows, 1):
        table.add_row(name, *cells, end_section=number == split)
    Console(width=150).print(table)
    lines = ["| % | " + " | ".join(headings) + " |", "|---|" + "---|" * len(headings)]
    lines += ["| " + " | ".join((name, *cells)) + " |" for name, cells in rows]
    (args.out / "ablations.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
