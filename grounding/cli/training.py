"""The commands under `grounding train`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from grounding.cli.arguments import Commands
from grounding.errors import MissingExtraError


def add_training(commands: Commands, arguments: Sequence[str]) -> None:
    """Adds the commands of this file; flags out of a dataclass only where `arguments` name their command."""
    training = commands.group("train", "train models")
    scenes = training.add("scenes", "train our model from scratch on drawn scenes, or go on", _scenes)
    if "train" in arguments:  # the settings' module would be read for every command else
        from grounding.flags import add_flags
        from grounding.training.config import TrainingConfig

        add_flags(scenes, TrainingConfig)


def _scenes(args: argparse.Namespace) -> None:
    """Trains our model on drawn scenes."""
    from importlib.util import find_spec

    from grounding.flags import from_flags
    from grounding.training.config import TrainingConfig

    config = from_flags(TrainingConfig, args)
    if find_spec("accelerate") is None:
        raise MissingExtraError("training needs accelerate: pip install 'grounding-vlm[train]'")
    from grounding.training.trainer import train

    print(f"the model lies in {train(config)}")
