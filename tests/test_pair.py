"""Two encoders side by side: each sees the picture as it was trained to, and their features meet patch by patch."""

import pytest
import torch
from transformers import AutoConfig, AutoModel, CLIPVisionConfig, Dinov2Config

from grounding.errors import ConfigError
from grounding.model import GroundingConfig, GroundingPairConfig, GroundingPairModel
from grounding.model.pair import renormalize
from grounding.model.vision import beside, patch_features, vision_width
from tests.tiny_encoders import CLIP, DINO, timm

CLIP_MEAN, CLIP_STD = [0.481, 0.458, 0.408], [0.269, 0.261, 0.276]
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
DINOV2 = Dinov2Config(**DINO, image_size=42, patch_size=14)


def pair(**changes):
    torch.manual_seed(0)
    options = {"first": CLIP, "second": DINOV2, "first_layer": -2, **changes}
    return GroundingPairModel(GroundingPairConfig(**options)).eval()


def normalized(values, mean, std):
    return (values - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def test_each_encoder_sees_the_picture_normalized_as_it_was_trained_with():
    model = pair(
        first_mean=CLIP_MEAN,
        first_std=CLIP_STD,
        second_mean=IMAGENET_MEAN,
        second_std=IMAGENET_STD,
        second_size=56,
    )
    values = torch.rand(2, 3, 56, 56)
    features = patch_features(model, normalized(values, [0.5] * 3, [0.5] * 3))
    first = patch_features(model.first, normalized(values, CLIP_MEAN, CLIP_STD), -2)
    second = patch_features(model.second, normalized(values, IMAGENET_MEAN, IMAGENET_STD))
    assert features.shape == (2, 16, 64)
    assert torch.allclose(features, torch.cat([first, second], 2), atol=1e-5)


def test_pixels_normalized_alike_are_left_as_they_are():
    pixels = torch.rand(1, 3, 4, 4)
    assert renormalize(pixels, [0.5] * 3, [0.5] * 3, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)) is pixels


def test_the_second_encoder_sees_a_square_of_its_own_size():
    assert pair().config.image_size == 56
    assert pair().config.second_side == 42
    assert pair(second_size=28).config.second_side == 28
    seen = []
    for options, side in [({}, 42), ({"second_size": 28}, 28), ({"second_size": 84}, 84)]:
        model = pair(**options)
        model.second.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
        assert patch_features(model, torch.randn(1, 3, 56, 56)).shape == (1, 16, 64)
        assert seen[-1] == side


@pytest.mark.parametrize("side", [2, 3, 8, 12])
def test_the_second_grid_is_interpolated_so_that_places_agree(side):
    centres = (torch.arange(side) + 0.5) / side
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    others = torch.stack([rows, columns], 2).reshape(1, side * side, 2)  # each feature says where its cell is
    joined = beside([torch.zeros(1, 16, 1), others])[0, :, 1:].reshape(4, 4, 2)
    want = (torch.arange(4) + 0.5) / 4
    inside = slice(1, 3)  # beyond the outermost centres there is nothing to go on
    assert torch.allclose(joined[inside, inside, 0], want[inside, None].expand(2, 2), atol=1e-4)
    assert torch.allclose(joined[inside, inside, 1], want[None, inside].expand(2, 2), atol=1e-4)


def test_an_encoder_of_another_library_may_be_the_second():
    model = pair(second=timm("efficientnet_lite0", 56), second_layer=[-2, -1])
    assert vision_width(model) == 32 + 112 + 1280
    assert patch_features(model, torch.randn(1, 3, 56, 56)).shape == (1, 16, 1424)


def test_a_saved_pair_comes_back_equal(tmp_path):
    model = pair(second_mean=IMAGENET_MEAN, second_std=IMAGENET_STD)
    pixels = torch.randn(1, 3, 56, 56)
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config.first, CLIPVisionConfig)
    assert config.second_mean == IMAGENET_MEAN
    again = AutoModel.from_pretrained(tmp_path).eval()
    assert torch.equal(patch_features(again, pixels), patch_features(model, pixels))


def test_a_pair_may_be_written_as_plain_values():
    vision = {
        "model_type": "grounding_pair",
        "first": {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14},
        "second": {"model_type": "dinov2", "image_size": 518},
        "first_layer": -2,
    }
    config = GroundingConfig(vision_config=vision)
    assert isinstance(config.vision_config.second, Dinov2Config)
    assert (config.image_size, config.vision_config.second_side) == (336, 518)


def test_the_weights_of_both_are_trained():
    model = pair().train()
    patch_features(model, torch.randn(1, 3, 56, 56)).sum().backward()
    for encoder in (model.first, model.second):
        assert next(encoder.parameters()).grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "said"), [({"first_std": [0.5, 0.0, 0.5]}, "first_std"), ({"second_mean": [0.5]}, "second_mean")]
)
def test_a_normalization_that_can_not_be_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        GroundingPairConfig(**options)
