"""Owns presets: recipes by name, each a YAML file of this package, that a recipe's own values go over."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any

from grounding.errors import ConfigError

FOLDER = Path(__file__).parent / "recipes"


@lru_cache(maxsize=1)
def preset_names() -> tuple[str, ...]:
    """Names of all presets, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def preset_values(name: str) -> dict[str, Any]:
    """What a preset says, as plain values; a fresh copy. Raises ConfigError for a name that no preset has."""
    from grounding.training.recipe_files import read_values

    if name not in preset_names():
        close = difflib.get_close_matches(name, preset_names(), 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(preset_names())}"
        raise ConfigError(f"no preset named {name!r}; {hint}")
    return read_values(FOLDER / f"{name}.yaml")
