"""The command `grounding data fetch`: published data sets, downloaded and checked."""

from __future__ import annotations

from grounding.cli.arguments import Commands


def add_fetching(data: Commands) -> None:
    """Adds the commands of this file."""
