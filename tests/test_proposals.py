"""What a detector's boxes are told as: which token hears of them, in which order, and what of them."""

from __future__ import annotations

import math

import pytest
import torch

from grounding.errors import ConfigError
from grounding.model.configuration import GroundingNanoVisionConfig
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.model.proposals import FAINT, MIDDLES, SLOTS, edge_waves, told_boxes, told_width
from grounding.model.vision import vision_width

CLASSES, GRID = 3, 4
WIDTH = told_width(CLASSES) // SLOTS


def told(*found: tuple[float, int, tuple[float, float, float, float]], most: int = 60) -> torch.Tensor:
    """(G, G, slots, width) of boxes of one picture given as score, class, box."""
    logits = torch.full((1, len(found), CLASSES), -9.0)
    for row, (score, name, _) in enumerate(found):
        logits[0, row, name] = torch.logit(torch.tensor(score))
    boxes = torch.tensor([[box for *_, box in found]])
    return told_boxes(logits, boxes, GRID, most).view(GRID, GRID, SLOTS, WIDTH)


def test_a_box_is_told_to_the_token_in_its_middle() -> None:
    box = (0.55, 0.1, 0.85, 0.3)
    features = told((0.9, 1, box))
    heard = features[:, :, :MIDDLES].abs().sum((2, 3)).nonzero().tolist()
    assert heard == [[0, 2]]  # row, column
    one = features[0, 2, 0]
    assert one[0] == 1
    assert one[1 : 1 + CLASSES].argmax() == 1
    assert one[1 : 1 + CLASSES].tolist() == pytest.approx([0, math.log(0.9 / 0.1) - FAINT, 0], abs=1e-3)
    edges = one[1 + CLASSES :].view(4, -1)
    assert torch.allclose(edges, edge_waves(torch.tensor(box)))
    assert edges[:, -1].tolist() == pytest.approx([2 * edge - 1 for edge in box], abs=1e-6)


def test_the_surer_of_one_place_comes_first_and_a_third_is_not_told() -> None:
    near = [(0.5, 0, (0.3, 0.3, 0.45, 0.45)), (0.9, 2, (0.0, 0.0, 0.7, 0.7)), (0.3, 1, (0.2, 0.35, 0.6, 0.4))]
    place = told(*near)[1, 1, :MIDDLES]
    assert place[:, 1 : 1 + CLASSES].argmax(1).tolist() == [2, 0]


def test_what_lies_on_a_surer_box_or_is_hardly_seen_is_not_told() -> None:
    features = told((0.9, 0, (0.1, 0.1, 0.5, 0.5)), (0.8, 1, (0.1, 0.1, 0.5, 0.52)), (0.05, 2, (0.7, 0.7, 0.9, 0.9)))
    assert features[:, :, :MIDDLES, 0].sum() == 1


def test_only_the_surest_of_each_picture_are_told() -> None:
    found = [(0.9 - 0.1 * n, 0, (0.25 * n, 0.0, 0.25 * n + 0.2, 0.2)) for n in range(4)]
    features = told(*found, most=2)
    assert features[0, :, 0, 0].tolist() == [1, 1, 0, 0]


def test_pictures_are_told_apart() -> None:
    logits = torch.tensor([[[3.0, -9, -9]], [[-9, 3.0, -9]]])
    boxes = torch.tensor([[[0.0, 0.0, 0.2, 0.2]], [[0.8, 0.8, 1.0, 1.0]]])
    features = told_boxes(logits, boxes, GRID, 5).view(2, GRID, GRID, SLOTS, WIDTH)
    assert features[..., 0, 0].nonzero().tolist() == [[0, 0, 0], [1, 3, 3]]


def test_every_token_is_told_of_what_covers_it() -> None:
    large, small = (0.9, 0, (0.0, 0.0, 1.0, 0.9)), (0.5, 1, (0.5, 0.5, 0.75, 0.75))
    faint = (0.1, 2, (0.0, 0.0, 0.5, 0.5))
    covering = told(large, small, faint)[:, :, MIDDLES]
    kinds = torch.where(covering[..., 0] > 0, covering[..., 1 : 1 + CLASSES].argmax(2), -1)
    assert kinds.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    edges = covering[0, 0, 1 + CLASSES :].view(4, -1)
    assert torch.allclose(edges, edge_waves(torch.tensor(large[2])))
    assert not told((0.9, 0, (0.3, 0.3, 0.7, 0.7)))[0, :, MIDDLES].any()
    nothing = told_boxes(torch.full((2, 3, CLASSES), -9.0), torch.zeros(2, 3, 4), GRID, 5)
    assert not nothing.any()


def test_the_encoder_hears_of_its_own_boxes() -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    model = GroundingNanoVisionModel(GroundingNanoVisionConfig(image_size=64, proposals=5, **shape))
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    before = model(pixels).last_hidden_state
    assert before.shape == (2, 4, 32 + told_width(80))
    assert vision_width(model) == before.shape[2]
    names, boxes = model.published_boxes(pixels)
    assert torch.equal(before[..., 32:], told_boxes(names, boxes, 2, 5))  # as it is, behind the blocks
    with torch.no_grad():
        model.told.weight.zero_()
    after = model(pixels).last_hidden_state
    assert not torch.allclose(after[..., :32], before[..., :32])  # and before them
    assert torch.equal(after[..., 32:], before[..., 32:])
    with pytest.raises(ConfigError, match="proposals is -1"):
        GroundingNanoVisionConfig(image_size=64, proposals=-1, **shape)
