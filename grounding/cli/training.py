"""The commands `grounding train`, by a recipe's file or a preset, and `grounding export`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grounding.cli.arguments import Commands
from grounding.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from grounding.training.recipe import Recipe

EXAMPLES = """\
  grounding train list                                    every preset, with what it is
  grounding train llava --show > recipe.yaml              a preset's whole recipe, each setting explained
  grounding train recipe.yaml --set stages.0.steps=100    a recipe of your own, one setting changed
  grounding train paligemma-finetune --data my.json --images pictures --out runs/mine
  grounding train photos --help                           a small model for photographs, by flags
  grounding train scenes --help                           that of the model it starts from
"""
OWN = {
    "scenes": ("train our model from scratch on drawn scenes, or go on", "grounding.training.config:TrainingConfig"),
    "photos": (
        "train our model on photographs with weak labels and on drawn scenes, or go on",
        "grounding.training.photos.config:PhotosConfig",
    ),
}
"""Trainings of our own model, which have commands of their own, by flags: what each is, and where its settings are."""
RECIPE_FLAGS = ("--show", "--set", "--plan", "--data", "--model", "--images")
"""By which a preset of the same name is meant instead."""


def add_training(commands: Commands, arguments: Sequence[str]) -> None:
    """Adds the commands of this file; flags out of a dataclass only where `arguments` name their command."""
    _add_export(commands)
    named = arguments[1] if len(arguments) > 1 and arguments[0] == "train" else ""
    if named in OWN and not any(word.partition("=")[0] in RECIPE_FLAGS for word in arguments):
        from grounding.flags import add_flags

        about, where = OWN[named]
        training = commands.group("train", "train models")
        own = training.add(named, about, _scenes if named == "scenes" else _photos)
        add_flags(own, _settings(where))  # the settings' module is read for this command alone
        return
    train = commands.add(
        "train",
        "train models",
        _train,
        usage="grounding train RECIPE [options]",
        epilog=f"examples:\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("recipe", metavar="RECIPE", help="a YAML file, a preset's name, or `list`")
    train.add_argument("--data", action="append", metavar="SOURCE", help="learn from this; may be given several times")
    train.add_argument("--images", metavar="DIR", help="where the pictures of --data lie")
    train.add_argument("--model", metavar="MODEL", help="go on with this finished model: a folder or a hub's name")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY.PATH=VALUE",
        help="change one setting, such as stages.0.steps=100; may be given several times",
    )
    train.add_argument("--out", metavar="DIR", help="folder of the run; a run found there is gone on with")
    train.add_argument("--show", action="store_true", help="print the whole recipe as YAML and train nothing")
    train.add_argument(
        "--plan",
        type=int,
        metavar="GPUS",
        help="say what memory and time it takes on so many GPUs (H100, 80 GB), and train nothing",
    )


def _add_export(commands: Commands) -> None:
    export = commands.add("export", "write a trained model, with its card, for others to load", _export)
    export.add_argument("source", metavar="RUN_OR_MODEL", help="a run's folder, or a model's")
    export.add_argument("out", metavar="OUT", help="the folder to write, whole or not at all")
    export.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="type of the weights")
    export.add_argument(
        "--licence",
        "--license",
        metavar="NAME",
        help="of the weights, such as apache-2.0 (default: that of the parts they came from, where it is known)",
    )
    export.add_argument(
        "--scores",
        action="append",
        default=[],
        metavar="JSON",
        help="what `grounding score --out` wrote, for the card; may be given several times",
    )
    export.add_argument("--force", action="store_true", help="replace what OUT holds")
    export.add_argument("--push", metavar="OWNER/NAME", help="then upload it to this repository of the hub (HF_TOKEN)")
    export.add_argument("--public", action="store_true", help="with --push: for all to see (default: private)")


def _export(args: argparse.Namespace) -> None:
    """Writes a trained model for others, and uploads it where that is asked for."""
    if args.public and not args.push:
        raise ConfigError("--public goes with --push")
    if args.push:
        from grounding.training.pushing import check_push

        check_push(args.push)  # before gigabytes are written
    _check_accelerate()
    from grounding.training.exporting import export

    out = export(
        args.source,
        args.out,
        dtype=args.dtype,
        licence=args.licence,
        scores=args.scores,
        name=args.push,
        force=args.force,
    )
    print(f"the export lies in {out}")
    if args.push:
        from grounding.training.pushing import push

        print(f"pushed to {push(out, args.push, public=args.public)}")


def _train(args: argparse.Namespace) -> None:
    """Trains by a recipe, or shows what there is."""
    if args.recipe == "list":
        _list()
        return
    from grounding.training.recipe_files import open_recipe

    if args.images and not args.data:
        raise ConfigError("--images goes with --data; for a recipe's own data: --set data.0.images=DIR")
    data = [{"source": source, **({"images": args.images} if args.images else {})} for source in args.data or ()]
    settings = [*([f"model.checkpoint={args.model}"] if args.model else []), *args.settings]
    recipe = open_recipe(args.recipe, settings, out=args.out, data=data or None)
    if args.show:
        from grounding.training.recipe_shown import show_recipe

        show_recipe(recipe)
        return
    recipe.check_complete()
    if data and (own := [stage.name for stage in recipe.stages if stage.data]):
        raise ConfigError(
            f"the stage {own[0]!r} has data of its own, which --data does not replace: --set stages.{own[0]}.data=[]"
        )
    _check_accelerate()
    if args.plan is not None:
        _plan(recipe, args.plan)
        return
    from grounding.training.running import train_recipe

    folder = train_recipe(recipe)
    if os.environ.get("RANK", "0") == "0":  # of several processes, one tells
        print(f"the model lies in {folder}")


def _plan(recipe: Recipe, gpus: int) -> None:
    """Says what a recipe takes."""
    from grounding.training.planning import Machine
    from grounding.training.recipe_plan import plan_recipe, plans_text

    if gpus < 1:
        raise ConfigError(f"--plan is {gpus}; it is a number of GPUs, 1 or more")
    machine = Machine(gpus=gpus)
    print(plans_text(plan_recipe(recipe, machine), machine))


def _list() -> None:
    """Prints every preset with what it is: a table, or tab-separated in a pipe."""
    from grounding.training.presets import preset_names, preset_values

    told = {name: " ".join(str(preset_values(name).get("about", "")).split()) for name in preset_names()}
    photos = f"{OWN['photos'][0].capitalize()}; by flags: `grounding train photos --help`."
    rows = sorted((told | {"photos": photos}).items())
    if not sys.stdout.isatty():
        for name, about in rows:
            print(f"{name}\t{about}")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=False, show_lines=False)
    table.add_column("preset", style="bold", no_wrap=True)
    table.add_column("what it is", overflow="fold", max_width=96)
    for number, row in enumerate(rows):
        table.add_row(*row, end_section=number == len(rows) - 1)
        if number < len(rows) - 1:
            table.add_row("", "")
    console = Console(highlight=False)
    console.print(table)
    console.print("  [dim]grounding train NAME --show prints the whole recipe; --data names your own pictures[/dim]\n")


def _scenes(args: argparse.Namespace) -> None:
    """Trains our model on drawn scenes."""
    from grounding.flags import from_flags
    from grounding.training.config import TrainingConfig

    config = from_flags(TrainingConfig, args)
    _check_accelerate()
    from grounding.training.trainer import train

    print(f"the model lies in {train(config)}")


def _photos(args: argparse.Namespace) -> None:
    """Trains our model on photographs."""
    from grounding.flags import from_flags

    config = from_flags(_settings(OWN["photos"][1]), args)
    _check_accelerate()
    from grounding.training.photos.trainer import train

    print(f"the model lies in {train(config)}")


def _settings(where: str) -> type[Any]:
    """The dataclass that "MODULE:CLASS" names."""
    module, _, name = where.partition(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _check_accelerate() -> None:
    from importlib.util import find_spec

    if find_spec("accelerate") is None:
        raise MissingExtraError("training needs accelerate: pip install 'grounding-vlm[train]'")
