"""From pixels to patch features: row by row, without class tokens, of our encoder and of any other."""

import pytest
import torch
from transformers import AutoModel, CLIPVisionConfig, Dinov2Config, ResNetConfig, SiglipVisionConfig

from grounding.errors import ConfigError
from grounding.model import GroundingVisionConfig, GroundingVisionModel
from grounding.model.vision import build_vision, grid_features, patch_features, vision_width

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
OURS = GroundingVisionConfig(**SHAPE, image_size=64, stem_channels=[8, 16])
PATCHES = {"image_size": 32, "patch_size": 8}
OTHERS = {
    "siglip": SiglipVisionConfig(**SHAPE, **PATCHES),
    "clip": CLIPVisionConfig(**SHAPE, **PATCHES),
    "dinov2": Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=32, patch_size=8
    ),
    "resnet": ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"),
}


def timm(architecture, **options):
    pytest.importorskip("timm", reason="timm is not installed")
    from transformers import TimmWrapperConfig

    return TimmWrapperConfig(architecture=architecture, model_args=options, do_pooling=False)


@pytest.fixture
def ours():
    torch.manual_seed(0)
    return GroundingVisionModel(OURS).eval()


# ---- ours


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


# ---- any other


@pytest.mark.parametrize("layer", [-1, -2])
@pytest.mark.parametrize("name", OTHERS)
def test_other_encoders_give_their_patches_alone_in_order(name, layer):
    torch.manual_seed(0)
    model = build_vision(OTHERS[name]).eval()
    features = patch_features(model, torch.randn(2, 3, 32, 32), layer)
    side = {"resnet": 4 if layer == -1 else 8}.get(name, 4)
    assert features.shape == (2, side * side, vision_width(model, layer))
    assert features.isfinite().all()


def test_a_class_token_is_left_out():
    torch.manual_seed(0)
    model = build_vision(OTHERS["clip"]).eval()
    pixels = torch.randn(1, 3, 32, 32)
    whole = model(pixels).last_hidden_state
    assert whole.shape[1] == 17
    assert torch.equal(patch_features(model, pixels), whole[:, 1:])


def test_the_last_block_can_be_left_out_as_llava_does():
    torch.manual_seed(0)
    model = build_vision(OTHERS["siglip"]).eval()
    pixels = torch.randn(1, 3, 32, 32)
    want = model(pixels, output_hidden_states=True).hidden_states[-2]
    assert torch.equal(patch_features(model, pixels, -2), want)


@pytest.mark.parametrize("layer", [-1, -2])
@pytest.mark.parametrize(
    ("architecture", "options", "sides"),
    [
        ("resnet10t", {}, (2, 4)),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 2}, (4, 4)),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "embed_dim": 24, "depths": (1, 1, 1, 1)}, (2, 4)),
    ],
)
def test_timm_encoders_give_their_patches_row_by_row(architecture, options, sides, layer):
    model = build_vision(timm(architecture, **options)).eval()
    pixels = torch.randn(2, 3, 64, 64)
    features = patch_features(model, pixels, layer)
    side = sides[0] if layer == -1 else sides[1]
    assert features.shape == (2, side * side, vision_width(model, layer))
    if layer == -1 and architecture == "resnet10t":
        assert torch.equal(features[:, 1], model(pixels).last_hidden_state[:, :, 0, 1])
    if layer == -1 and architecture.startswith("swin"):
        assert torch.equal(features[:, 1], model(pixels).last_hidden_state[:, 0, 1])
    if layer == -1 and architecture.startswith("vit"):
        assert torch.equal(features, model(pixels).last_hidden_state[:, 1:])


def test_an_encoder_that_does_not_say_its_width_is_refused():
    model = build_vision(OTHERS["siglip"])
    model.config = type("Config", (), {})()
    with pytest.raises(ConfigError, match="set hidden_size"):
        vision_width(model)
