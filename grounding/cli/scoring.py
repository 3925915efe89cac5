"""The command `grounding score`: a file of predictions, measured."""

from __future__ import annotations

from grounding.cli.arguments import Commands


def add_scoring(commands: Commands) -> None:
    """Adds the commands of this file."""
