"""Projectors: a table of kinds, each from the encoder's width to the language model's."""

import pytest
import torch

from grounding.errors import ConfigError
from grounding.model.projectors import PROJECTORS, build_projector


@pytest.mark.parametrize("name", PROJECTORS)
def test_every_projector_keeps_the_places_and_changes_the_width(name):
    projector = build_projector(name, 6, 10)
    features = torch.randn(2, 5, 6)
    out = projector(features)
    assert out.shape == (2, 5, 10)
    assert torch.allclose(projector(features[:, 3:4]), out[:, 3:4], atol=1e-6)


def test_an_unknown_projector_is_refused_and_the_known_are_named():
    with pytest.raises(ConfigError, match="'resampler'; known: linear, mlp"):
        build_projector("resampler", 6, 10)


def test_a_kind_can_be_added_to_the_table(monkeypatch):
    monkeypatch.setitem(PROJECTORS, "none", lambda width_in, width_out: torch.nn.Identity())
    assert isinstance(build_projector("none", 6, 6), torch.nn.Identity)
