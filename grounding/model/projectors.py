"""Owns what carries patch features into the language model's width: a table of kinds, to which more can be added."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from grounding.errors import ConfigError


def linear(width_in: int, width_out: int) -> nn.Module:
    """One linear layer, as the first LLaVA had."""
    return nn.Linear(width_in, width_out)


def mlp(width_in: int, width_out: int) -> nn.Module:
    """Two linear layers with a GELU between, as LLaVA-1.5 has."""
    return nn.Sequential(nn.Linear(width_in, width_out), nn.GELU(), nn.Linear(width_out, width_out))


PROJECTORS: dict[str, Callable[[int, int], nn.Module]] = {"linear": linear, "mlp": mlp}
"""Name to builder: (width of the patch features, width of the language model) -> module over (..., width)."""


def build_projector(name: str, width_in: int, width_out: int) -> nn.Module:
    """Raises ConfigError for a name that is not in PROJECTORS."""
    if name not in PROJECTORS:
        raise ConfigError(f"no projector named {name!r}; known: {', '.join(PROJECTORS)}")
    return PROJECTORS[name](width_in, width_out)
