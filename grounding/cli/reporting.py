"""The command `grounding report`: a page out of a file of predictions."""

from __future__ import annotations

from grounding.cli.arguments import Commands


def add_reporting(commands: Commands) -> None:
    """Adds the commands of this file."""
