"""Projectors: a table of kinds, each from the encoder's width to the language model's, of squares and of any shapes."""

import math

import pytest
import torch
from torch import nn

from grounding.errors import ConfigError
from grounding.model.projectors import PROJECTORS, build_projector, project, projected_grid, projected_stride

OPTIONS = {"perceiver": {"latents": 5, "depth": 2, "heads": 2}}
SHAPES = torch.tensor([[2, 3], [5, 4], [1, 1], [3, 6]])
"""Rows and columns of views that keep their shape; the most patches are 20."""


def built(name, **options):
    torch.manual_seed(0)
    return build_projector(name, 6, 10, options or OPTIONS.get(name))


def patches(views=2, count=16, seed=1):
    return torch.randn(views, count, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_token_by_token_projectors_keep_the_places_and_change_the_width(name):
    projector, features = built(name), patches()
    out = project(projector, features)
    assert out.shape == (2, 16, 10)
    assert torch.allclose(project(projector, features[:, 3:4]), out[:, 3:4], atol=1e-6)


@pytest.mark.parametrize("name", PROJECTORS)
@pytest.mark.parametrize("side", [1, 3, 4])
def test_a_square_view_gives_as_many_tokens_as_were_counted(name, side):
    rows, columns = projected_grid(name, OPTIONS.get(name), side, side)
    tokens = project(built(name), patches(2, side * side)).shape[1]
    assert tokens == (rows * columns or rows)


@pytest.mark.parametrize("name", PROJECTORS)
def test_views_of_their_own_shapes_get_what_they_get_alone(name):
    """Whatever fills a view up to the longest, and were it no number."""
    projector, features = built(name), patches(len(SHAPES), 20)
    for number, count in enumerate(SHAPES.prod(1).tolist()):
        features[number, count:] = math.nan
    out = project(projector, features, SHAPES)
    for number, (rows, columns) in enumerate(SHAPES.tolist()):
        grid = projected_grid(name, OPTIONS.get(name), rows, columns)
        count = grid[0] * grid[1] or grid[0]
        alone = project(projector, features[number : number + 1, : rows * columns], SHAPES[number : number + 1])
        assert torch.allclose(out[number, :count], alone[0, :count], atol=1e-5)
        assert out[number, :count].isfinite().all()


@pytest.mark.parametrize("name", PROJECTORS)
def test_every_weight_learns(name):
    projector = built(name)
    project(projector, patches(len(SHAPES), 20), SHAPES).square().sum().backward()
    assert [key for key, weight in projector.named_parameters() if weight.grad is None or not weight.grad.any()] == []


# ---- mlp


def test_an_mlp_has_as_many_linear_layers_as_asked():
    def kinds(depth):
        return [type(layer) for layer in built("mlp", depth=depth)]

    assert kinds(1) == [nn.Linear]
    assert kinds(2) == [nn.Linear, nn.GELU, nn.Linear]
    assert kinds(3) == [nn.Linear, nn.GELU, nn.Linear, nn.GELU, nn.Linear]
    assert list(built("mlp").state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


# ---- pixel shuffle


def test_a_shuffled_token_is_made_of_its_own_patches_alone():
    projector, features = built("pixel_shuffle"), patches(1)
    before = project(projector, features)
    other = features.clone()
    other[0, 1 * 4 + 3] += 1  # row 1, column 3: the cell on the right in the first line
    changed = (project(projector, other) - before).abs().amax(2)[0] > 1e-6
    assert changed.tolist() == [False, True, False, False]


def test_shapes_and_a_square_agree():
    projector, features = built("pixel_shuffle", factor=3), patches(2, 25)
    square = project(projector, features)
    assert torch.allclose(project(projector, features, torch.tensor([[5, 5], [5, 5]])), square, atol=1e-6)
    assert square.shape == (2, 4, 10)


def test_a_grid_that_does_not_divide_is_filled_with_zeros_below_and_right():
    projector, features = built("pixel_shuffle"), patches(1, 9).view(1, 3, 3, 6)
    filled = nn.functional.pad(features, (0, 0, 0, 1, 0, 1)).flatten(1, 2)
    assert torch.allclose(project(projector, features.flatten(1, 2)), project(projector, filled), atol=1e-6)


def test_patches_in_no_grid_cannot_be_shuffled():
    with pytest.raises(ConfigError, match="12 patches are none: give spatial_shapes"):
        project(built("pixel_shuffle"), patches(1, 12))


# ---- counting


def test_grids_are_counted_without_a_model():
    assert projected_grid("mlp", None, 14, 9) == (14, 9)
    assert projected_grid("pixel_shuffle", None, 14, 9) == (7, 5)
    assert projected_grid("pixel_shuffle", {"factor": 4}, 14, 9) == (4, 3)
    assert projected_grid("perceiver", None, 14, 9) == (64, 0)
    assert projected_grid("perceiver", {"latents": 32}, 14, 9) == (32, 0)
    assert [projected_stride(name, None) for name in PROJECTORS] == [1, 1, 2, 1]


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resampler", {}, "'resampler'; known: linear, mlp, pixel_shuffle, perceiver"),
        ("linear", {"depth": 2}, "'linear' has no option 'depth'; it takes none"),
        ("perceiver", {"latent": 2}, "has no option 'latent'; it takes latents, depth, heads"),
        ("perceiver", {"heads": 4}, "6 does not divide among 4"),
        ("pixel_shuffle", {"factor": 0}, "factor of the projector 'pixel_shuffle' is 0"),
        ("mlp", {"depth": 0}, "depth of the projector 'mlp' is 0"),
    ],
)
def test_a_projector_that_cannot_be_built_is_refused_with_what_can(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_projector(name, 6, 10, options)


def test_a_kind_can_be_added_to_the_table(monkeypatch):
    monkeypatch.setitem(PROJECTORS, "none", lambda width_in, width_out: nn.Identity())
    assert isinstance(build_projector("none", 6, 6), nn.Identity)
    assert projected_grid("none", None, 3, 4) == (3, 4)
