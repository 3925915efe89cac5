"""Patches know their place: each has other coordinates, in views of any shape, and what is behind them stays."""

import pytest
import torch

from grounding.errors import ConfigError
from grounding.model.coordinates import append_coordinates
from tests import tiny


def test_features_and_coordinates_are_as_large_as_each_other_and_every_place_has_coordinates_of_its_own():
    patches = 30 * torch.randn(2, 36, 5)
    told = append_coordinates(patches, 16)
    assert told.shape == (2, 36, 21)
    ratio = told[..., :5] / patches
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio))  # each patch's features, at another scale
    assert told[..., :5].square().mean().item() == pytest.approx(1, rel=1e-3)
    assert told[..., 5:].square().mean().item() == pytest.approx(1, rel=1e-3)
    assert torch.equal(told[0, :, 5:], told[1, :, 5:])
    apart = torch.cdist(told[0, :, 5:], told[0, :, 5:]) + 9 * torch.eye(36)
    assert apart.min() > 0.1


def test_a_patch_says_the_same_of_its_row_whatever_its_column():
    told = append_coordinates(torch.zeros(1, 16, 0), 8).view(4, 4, 8)
    down, across = [0, 1, 4, 5], [2, 3, 6, 7]
    assert torch.allclose(told[2, :, down], told[2, :1, down].expand(4, -1))
    assert torch.allclose(told[:, 1, across], told[:1, 1, across].expand(4, -1))


def test_views_of_other_shapes_count_their_own_rows_and_columns():
    shapes = torch.tensor([[2, 3], [3, 1]])
    told = append_coordinates(torch.zeros(2, 6, 0), 8, shapes)
    wide, tall = (append_coordinates(torch.zeros(1, int(s.prod()), 0), 8, s[None])[0] for s in shapes)
    assert torch.equal(told[0], wide)
    assert torch.equal(told[1, :3], tall)


def test_channels_that_four_does_not_divide_are_refused():
    with pytest.raises(ConfigError, match="patch_coordinates is 6"):
        tiny.config(patch_coordinates=6)


def test_features_without_a_grid_are_refused():
    with pytest.raises(ConfigError, match="5 patches are none"):
        append_coordinates(torch.zeros(1, 5, 2), 8)


def test_a_model_with_coordinates_is_built_and_comes_back(tmp_path):
    model = tiny.model(patch_coordinates=16)
    assert model.projector.in_features == tiny.WIDTH + 16
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    pixels = torch.randn(2, 3, tiny.SIZE, tiny.SIZE)
    assert torch.equal(again.image_features(pixels), model.image_features(pixels))
    flat = torch.zeros(1, 3, tiny.SIZE, tiny.SIZE)
    assert (again.image_features(flat).std(1) > 0).any()
