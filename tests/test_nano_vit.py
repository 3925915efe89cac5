"""The encoder for photographs with NanoDet's convolutions: its files, its boxes, its tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from grounding.errors import CheckpointError, ConfigError
from grounding.model.configuration import GroundingNanoVisionConfig
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.model.packaged import read_nanodet
from grounding.model.vision import patch_features
from tests.photos_tiny import write_nanodet

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}


def test_every_convolution_gets_its_own_weights(tmp_path: Path) -> None:
    network = write_nanodet(tmp_path)
    model = GroundingNanoVisionModel(GroundingNanoVisionConfig(image_size=64, **TINY))
    model.network.load_published(read_nanodet(tmp_path))
    for ours, theirs in zip(model.network.convolutions(), network.convolutions(), strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="human-models"):
        read_nanodet(tmp_path)
    write_nanodet(tmp_path)
    told = json.loads((tmp_path / "nanodet.json").read_text())
    told["weightsManifest"][0]["weights"] = told["weightsManifest"][0]["weights"][:9]
    (tmp_path / "nanodet.json").write_text(json.dumps(told))
    model = GroundingNanoVisionModel(GroundingNanoVisionConfig(image_size=64, **TINY))
    with pytest.raises(CheckpointError, match="8 tensors, and NanoDet has 68"):
        model.network.load_published(read_nanodet(tmp_path))
    with pytest.raises(ConfigError, match="multiple of 32"):
        GroundingNanoVisionConfig(image_size=240)


def test_a_token_stands_for_its_own_pixels() -> None:
    torch.manual_seed(0)
    model = GroundingNanoVisionModel(GroundingNanoVisionConfig(image_size=256, **{**TINY, "num_hidden_layers": 0}))
    plain = torch.zeros(1, 3, 256, 256)
    marked = plain.clone()
    marked[:, :, 192:224, 64:96] = 1.0  # row 6, column 2 of 8
    with torch.no_grad():
        moved = (patch_features(model, marked) - patch_features(model, plain)).norm(dim=2).view(8, 8)
    place = int(moved.argmax())
    assert abs(place // 8 - 6) <= 1
    assert abs(place % 8 - 2) <= 1


def test_published_boxes_lie_where_their_cells_do() -> None:
    torch.manual_seed(0)
    model = GroundingNanoVisionModel(GroundingNanoVisionConfig(image_size=64, **TINY))
    names, boxes = model.published_boxes(torch.zeros(2, 3, 64, 64))
    cells = 8 * 8 + 4 * 4 + 2 * 2
    assert names.shape == (2, cells, 80)
    assert boxes.shape == (2, cells, 4)
    assert (boxes[..., :2] <= boxes[..., 2:]).all()
