"""Our small encoder: a token stands for 16 px, row by row, and a saved one comes back equal."""

import pytest
import torch
from transformers import AutoModel

from grounding.errors import ConfigError
from grounding.model import GroundingVisionConfig, GroundingVisionModel
from grounding.model.grid_vit import grid_features
from grounding.model.vision import vision_width

OURS = GroundingVisionConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=64,
    stem_channels=[8, 16],
)


@pytest.fixture
def ours():
    torch.manual_seed(0)
    return GroundingVisionModel(OURS).eval()


def test_a_token_stands_for_16_pixels_row_by_row(ours):
    with torch.no_grad():
        for stage in ours.stem:  # kernels that look at their centre alone, so that nothing spreads
            stage.conv.weight.zero_()[:, :, 1, 1] = 1.0
        ours.position.zero_()
    ours.blocks, ours.norm = torch.nn.ModuleList(), torch.nn.Identity()
    pixels = torch.zeros(1, 3, 64, 64)
    pixels[0, :, 32:48, 16:32] = 1.0  # the third row and second column of patches
    features = ours(pixels).last_hidden_state
    assert features.shape == (1, 16, 32)
    assert features[0].abs().sum(1).nonzero()[:, 0].tolist() == [2 * 4 + 1]


def test_a_picture_is_seen_the_same_alone_and_in_a_batch(ours):
    pixels = torch.randn(3, 3, 64, 64)
    together = ours(pixels).last_hidden_state
    for number in range(3):
        assert torch.allclose(ours(pixels[number : number + 1]).last_hidden_state[0], together[number], atol=1e-5)


def test_positions_start_as_waves_that_tell_every_cell_apart():
    features = grid_features(14, 256)
    assert features.shape == (1, 196, 256)
    distances = torch.cdist(features[0], features[0])
    assert distances.fill_diagonal_(9).min() > 0.05
    model = GroundingVisionModel(OURS)
    assert torch.allclose(model.position, grid_features(4, 32))


def test_a_saved_encoder_comes_back_equal(ours, tmp_path):
    pixels = torch.randn(2, 3, 64, 64)
    ours.train()
    ours(torch.randn(4, 3, 64, 64))  # so that its running means are not those it started with
    ours.eval().save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert isinstance(again, GroundingVisionModel)
    assert torch.equal(again(pixels).last_hidden_state, ours(pixels).last_hidden_state)


def test_our_encoder_gives_its_output_and_no_other_layer(ours):
    assert vision_width(ours) == 32
    with pytest.raises(ConfigError, match="vision_feature_layer is -2"):
        vision_width(ours, -2)
