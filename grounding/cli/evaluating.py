"""The commands that measure models: predict, score, report."""

from __future__ import annotations

from grounding.cli.arguments import Commands


def add_evaluating(commands: Commands) -> None:
    """Adds the commands of this file."""
