"""The commands `grounding data convert` and `grounding data show`."""

from __future__ import annotations

from grounding.cli.arguments import Commands


def add_converting(data: Commands) -> None:
    """Adds the commands of this file."""
