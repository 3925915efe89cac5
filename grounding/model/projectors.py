"""Owns what carries patch features into the language model's width: a table of kinds, to which more can be added.

Shapes: V views, N patches of a view (row by row), M tokens that come of them, W width of the patches, D width of the
language model. Views that keep their shape have rows and columns of their own, `spatial_shapes` (V, 2); their patches
stand first and what fills a view up to N is of no meaning, before a projector as behind it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization

from grounding.errors import ConfigError
from grounding.model.blocks import attend
from grounding.model.configuration import check_heads


def linear(width_in: int, width_out: int) -> nn.Module:
    """One linear layer, as the first LLaVA had."""
    return nn.Linear(width_in, width_out)


def mlp(width_in: int, width_out: int, depth: int = 2) -> nn.Module:
    """`depth` linear layers with GELUs between; two, as LLaVA-1.5 has."""
    at_least_one("mlp", depth=depth)
    layers: list[nn.Module] = [nn.Linear(width_in, width_out)]
    for _ in range(depth - 1):
        layers += [nn.GELU(), nn.Linear(width_out, width_out)]
    return nn.Sequential(*layers)


class PixelShuffle(nn.Module):
    """`factor` x `factor` patches side by side in one token, then an MLP, as InternVL-1.5 and Idefics3 do.

    A grid that does not divide is filled up with zeros below and on the right: its last tokens stand for what is left.
    """

    sees_shapes: ClassVar[bool] = True

    def __init__(self, width_in: int, width_out: int, factor: int = 2, depth: int = 2) -> None:
        super().__init__()
        at_least_one("pixel_shuffle", factor=factor)
        self.factor = factor
        self.norm = nn.LayerNorm(width_in * factor**2)
        self.mlp = mlp(width_in * factor**2, width_out, depth)

    def forward(self, patches: Tensor, spatial_shapes: Tensor | None = None) -> Tensor:
        """(V, N, W) -> (V, M, D); M is the most of any view. Raises ConfigError where N is no square and no shape."""
        views, count, width = patches.shape
        factor = self.factor
        if spatial_shapes is None:
            side = math.isqrt(count)
            if side * side != count:
                raise ConfigError(
                    f"pixel_shuffle needs a grid and {count} patches are none: give spatial_shapes, or take another "
                    "projector"
                )
            grid = patches.view(views, side, side, width)
            missing = -side % factor
            if missing:
                grid = F.pad(grid, (0, 0, 0, missing, 0, missing))
            cells = (side + missing) // factor
            grid = grid.view(views, cells, factor, cells, factor, width)
            merged = grid.transpose(2, 3).reshape(views, cells * cells, factor * factor * width)
        else:
            places = shuffled_places(spatial_shapes.to(patches.device), factor)
            filled = F.pad(patches, (0, 0, 0, 1))  # the place behind the last patch holds zeros
            places = torch.where(places < 0, count, places)
            index = places.flatten(1)[..., None].expand(-1, -1, width)
            merged = filled.gather(1, index).view(views, places.shape[1], factor * factor * width)
        projected: Tensor = self.mlp(self.norm(merged))
        return projected


def shuffled_places(spatial_shapes: Tensor, factor: int) -> Tensor:
    """(V, M, factor * factor) which patches of its view each token joins, row by row; -1 where there is none."""
    rows, columns = spatial_shapes[:, 0, None, None], spatial_shapes[:, 1, None, None]
    across = (columns + factor - 1) // factor
    tokens = across * ((rows + factor - 1) // factor)
    number = torch.arange(int(tokens.max()), device=spatial_shapes.device)[None, :, None]
    inside = torch.arange(factor * factor, device=spatial_shapes.device)[None, None]
    row = number // across * factor + inside // factor
    column = number % across * factor + inside % factor
    return torch.where((row < rows) & (column < columns), row * columns + column, -1)


class ResamplerLayer(nn.Module):
    """Latents look at the patches and at themselves, then pass two linear layers; each step around a skip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.patch_norm = nn.LayerNorm(width)
        self.latent_norm = nn.LayerNorm(width)
        self.queries = nn.Linear(width, width, bias=False)
        self.keys_values = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)

    def forward(self, latents: Tensor, patches: Tensor, bias: Tensor | None = None) -> Tensor:
        """(V, M, W) latents, (V, N, W) patches, `bias` (V, 1, 1, N + M) added to the scores -> (V, M, W)."""
        own = self.latent_norm(latents)
        queries = self.queries(own).unflatten(2, (self.heads, -1)).transpose(1, 2)
        seen = self.keys_values(torch.cat([self.patch_norm(patches), own], 1)).unflatten(2, (2, self.heads, -1))
        keys, values = seen.permute(2, 0, 3, 1, 4)
        mixed = attend(queries, keys, values, None if bias is None else bias.to(queries.dtype))
        latents = latents + self.out(mixed.transpose(1, 2).flatten(2))
        projected: Tensor = self.mlp_out(F.relu(self.mlp_in(self.mlp_norm(latents))).square())
        return latents + projected


class PerceiverResampler(nn.Module):
    """`latents` learned vectors gather what the patches hold, whatever their number, as in Flamingo (section 3.1.1).

    The patches already know their place from the encoder, so none is added here. Idefics2 resamples likewise.
    """

    sees_shapes: ClassVar[bool] = True

    def __init__(self, width_in: int, width_out: int, latents: int = 64, depth: int = 3, heads: int = 8) -> None:
        super().__init__()
        at_least_one("perceiver", latents=latents, depth=depth, heads=heads)
        check_heads(width_in, heads)
        self.latents = nn.Parameter(torch.empty(latents, width_in))
        self.layers = nn.ModuleList(ResamplerLayer(width_in, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width_in)
        self.out = nn.Linear(width_in, width_out)
        self.start_weights()

    def start_weights(self) -> None:
        """Give the latents their first values."""
        initialization.normal_(self.latents, std=0.02)

    def forward(self, patches: Tensor, spatial_shapes: Tensor | None = None) -> Tensor:
        """(V, N, W) -> (V, latents, D)."""
        latents = self.latents.to(patches.dtype).expand(len(patches), -1, -1)
        bias = None
        if spatial_shapes is not None:
            counts = spatial_shapes.to(patches.device).prod(1)
            filling = torch.arange(patches.shape[1], device=patches.device) >= counts[:, None]
            bias = torch.zeros(filling.shape, dtype=patches.dtype, device=patches.device)
            bias.masked_fill_(filling, torch.finfo(patches.dtype).min)
            bias = F.pad(bias, (0, latents.shape[1]))[:, None, None]
            patches = patches.masked_fill(filling[..., None], 0)  # what is of no meaning may not even be a number
        for layer in self.layers:
            latents = layer(latents, patches, bias)
        projected: Tensor = self.out(self.norm(latents))
        return projected


PROJECTORS: dict[str, Callable[..., nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "pixel_shuffle": PixelShuffle,
    "perceiver": PerceiverResampler,
}
"""Name to builder: (width of the patch features, width of the language model, **options) -> module. A module with
`sees_shapes` is called with the patches and `spatial_shapes`, any other with the patches alone."""


def build_projector(name: str, width_in: int, width_out: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Raises ConfigError for a name that is not in PROJECTORS, and for options which that projector doesn't take."""
    return pick_projector(name, options)(width_in, width_out, **(options or {}))


def pick_projector(name: str, options: Mapping[str, Any] | None = None) -> Callable[..., nn.Module]:
    """The builder of that name, once it is known to take these options. Raises ConfigError as build_projector does."""
    if name not in PROJECTORS:
        raise ConfigError(f"no projector named {name!r}; known: {', '.join(PROJECTORS)}")
    builder = PROJECTORS[name]
    known = list(inspect.signature(builder).parameters)[2:]
    for option in options or {}:
        if option not in known:
            raise ConfigError(
                f"the projector {name!r} has no option {option!r}; it takes {', '.join(known) or 'none'}: change "
                "projector_options"
            )
    return builder


def project(projector: nn.Module, patches: Tensor, spatial_shapes: Tensor | None = None) -> Tensor:
    """(V, M, D) image tokens of (V, N, W) patch features, row by row.

    `spatial_shapes` (V, 2): rows and columns of each view where they are not one square grid of N.
    """
    shaped = getattr(projector, "sees_shapes", False)
    features: Tensor = projector(patches, spatial_shapes) if shaped else projector(patches)
    return features


def projected_grid(name: str, options: Mapping[str, Any] | None, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of the image tokens that a projector makes of so many of patches; (latents, 0) for latents.

    Each token stands for `projected_stride` patches down and across, the last of a row or column for what is left;
    latents stand for no place. Raises ConfigError as build_projector does.
    """
    builder = pick_projector(name, options)
    if builder is PerceiverResampler:
        return int(option(builder, options, "latents")), 0
    stride = projected_stride(name, options)
    return -(-rows // stride), -(-columns // stride)


def projected_stride(name: str, options: Mapping[str, Any] | None) -> int:
    """How many patches a token stands for, down as across: 1, or the factor of a pixel shuffle."""
    builder = pick_projector(name, options)
    return int(option(builder, options, "factor")) if builder is PixelShuffle else 1


def option(builder: Callable[..., nn.Module], options: Mapping[str, Any] | None, name: str) -> Any:
    """The value of an option, or what the builder takes where it isn't given."""
    return (options or {}).get(name, inspect.signature(builder).parameters[name].default)


def at_least_one(projector: str, **values: int) -> None:
    """Raises ConfigError for a number under 1."""
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"{name} of the projector {projector!r} is {value}; it must be 1 or more")
