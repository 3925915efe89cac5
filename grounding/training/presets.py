"""Owns PRESETS: recipes by name, as plain values that a recipe's own go over."""

from __future__ import annotations

from typing import Any

from grounding.errors import ConfigError

PRESETS: dict[str, dict[str, Any]] = {}
"""Name to values."""


def preset_values(name: str) -> dict[str, Any]:
    """Raises ConfigError for a name that is not in PRESETS."""
    if name not in PRESETS:
        raise ConfigError(f"no preset named {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
