"""Owns the boards that a run reports to besides its own files: TensorBoard, and Weights & Biases."""

from __future__ import annotations

import importlib
import importlib.util
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from grounding.errors import MissingExtraError
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.recipe_files import plain


class Board(Protocol):
    """Where figures and pictures of a stage go."""

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a step, by their names on the board."""

    def show(self, step: int, picture: Image.Image) -> None:
        """A sheet of predictions."""

    def close(self) -> None:
        """Writes what is left."""


class TensorBoard:
    """Event files in OUT/tensorboard/STAGE: `tensorboard --logdir OUT/tensorboard` shows them."""

    def __init__(self, recipe: Recipe, stage: StageRecipe) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(recipe.out / "tensorboard" / stage.name))

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def show(self, step: int, picture: Image.Image) -> None:
        import numpy as np

        array = np.asarray(picture)
        self.writer.add_image("predictions", array, step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run of its own for each stage, grouped by the run's folder; gone on with where the stage is gone on with.

    The account, project and mode are those of wandb's own environment (WANDB_PROJECT, WANDB_MODE=offline ...).
    """

    def __init__(self, recipe: Recipe, stage: StageRecipe) -> None:
        wandb: Any = importlib.import_module("wandb")
        recipe.out.mkdir(parents=True, exist_ok=True)
        name = recipe.out.resolve().name
        self.run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "grounding"),
            dir=str(recipe.out),
            group=name,
            name=f"{name}/{stage.name}",
            id=self._id(recipe.out / stage.name / "wandb.id"),
            resume="allow",
            config={**plain(recipe), "stage": stage.name, "out": name},
        )

    def _id(self, path: Path) -> str:
        """The stage's run, the same each time that the stage goes on."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(secrets.token_hex(4))
        return path.read_text()

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def show(self, step: int, picture: Image.Image) -> None:
        wandb: Any = importlib.import_module("wandb")
        self.run.log({"predictions": wandb.Image(picture)}, step=step)

    def close(self) -> None:
        self.run.finish()


BOARDS: dict[str, tuple[str, type[TensorBoard] | type[WeightsAndBiases]]] = {
    "tensorboard": ("tensorboard", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
}
"""What `report_to` names to the package it needs and what reports there."""


def check_boards(recipe: Recipe) -> None:
    """Raises MissingExtraError where a package is not installed that the recipe reports by."""
    for name in recipe.report_to:
        if name in BOARDS and importlib.util.find_spec(BOARDS[name][0]) is None:
            raise MissingExtraError(
                f"report_to names {name}, and the package {BOARDS[name][0]} is not installed: pip install "
                f"{BOARDS[name][0]}, or leave it out with --set report_to=[none]"
            )


def open_boards(recipe: Recipe, stage: StageRecipe) -> list[Board]:
    """The boards that a recipe reports to."""
    check_boards(recipe)
    return [BOARDS[name][1](recipe, stage) for name in recipe.report_to if name in BOARDS]


def board_names(values: Mapping[str, Any]) -> dict[str, float]:
    """Entries of the log as they are called on a board: in groups, numbers alone."""
    named = {}
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for called in ("held_out", "trained_on"):
            if key.startswith(f"{called}_"):
                rest = key.removeprefix(f"{called}_")
                kind = rest.removeprefix("right_")
                named[f"{called} by kind/{kind}" if rest != kind else f"{called}/{rest}"] = float(value)
                break
        else:
            named[f"training/{key}"] = float(value)
    return named
