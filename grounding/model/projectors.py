"""Owns what carries patch features into the language model's width: a table of kinds, to which more can be added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from grounding.errors import ConfigError


def linear(width_in: int, width_out: int) -> nn.Module:
    """One linear layer, as the first LLaVA had."""
    return nn.Linear(width_in, width_out)


def mlp(width_in: int, width_out: int) -> nn.Module:
    """Two linear layers with a GELU between, as LLaVA-1.5 has."""
    return nn.Sequential(nn.Linear(width_in, width_out), nn.GELU(), nn.Linear(width_out, width_out))


PROJECTORS: dict[str, Callable[..., nn.Module]] = {"linear": linear, "mlp": mlp}
"""Name to builder: (width of the patch features, width of the language model, **options) -> module."""


def build_projector(name: str, width_in: int, width_out: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Raises ConfigError for a name that is not in PROJECTORS."""
    if name not in PROJECTORS:
        raise ConfigError(f"no projector named {name!r}; known: {', '.join(PROJECTORS)}")
    return PROJECTORS[name](width_in, width_out, **(options or {}))


def project(projector: nn.Module, patches: Tensor, spatial_shapes: Tensor | None = None) -> Tensor:
    """(V, N', D) image tokens of (V, N, width) patch features, row by row.

    `spatial_shapes` (V, 2): rows and columns of each view where they are not one square grid of N.
    """
    features: Tensor = projector(patches)
    return features
