"""The command `grounding predict`: a data set asked of a model, into a file."""

from __future__ import annotations

from grounding.cli.arguments import Commands


def add_predicting(commands: Commands) -> None:
    """Adds the commands of this file."""
