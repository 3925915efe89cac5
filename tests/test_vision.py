"""From pixels to patch features: row by row, without class tokens, of any encoder, saved and trained in our model."""

import pytest
import torch
from transformers import CLIPVisionConfig, SiglipVisionConfig

from grounding.errors import ConfigError, InputError
from grounding.model import GroundingConfig, GroundingForConditionalGeneration, GroundingVisionConfig
from grounding.model.vision import (
    build_vision,
    feature_grid,
    feature_shapes,
    patch_features,
    vision_width,
)
from tests.tiny_encoders import CASES, CLIP, ENCODERS, SHAPE, brightened, timm

TEXT = {**SHAPE, "num_hidden_layers": 1, "vocab_size": 200, "num_locations": 64, "max_position_embeddings": 640}


def built(name):
    torch.manual_seed(0)
    config = ENCODERS[name].build()
    return build_vision(config).eval(), GroundingConfig(vision_config=config).image_size


def looking_straight(model):
    """Convolutions that look at their centre alone, of weights that agree, so that nothing spreads or vanishes."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and max(module.kernel_size) > 1:
            middle = module.weight.data[:, :, module.kernel_size[0] // 2, module.kernel_size[1] // 2].abs()
            module.weight.data.zero_()[:, :, module.kernel_size[0] // 2, module.kernel_size[1] // 2] = middle
        elif isinstance(module, torch.nn.Conv2d):
            module.weight.data.abs_()
    return model


# ---- any encoder


@pytest.mark.parametrize(("name", "number"), CASES)
def test_an_encoder_gives_as_many_patches_of_the_width_it_says(name, number):
    model, size = built(name)
    encoder = ENCODERS[name]
    layer, side, width = encoder.layers[number], encoder.sides[number], encoder.widths[number]
    features = patch_features(model, torch.randn(2, 3, size, size), layer)
    assert features.shape == (2, side * side, width)
    assert vision_width(model, layer) == width
    assert features.isfinite().all()


@pytest.mark.parametrize(("name", "number"), [case for case in CASES if not ENCODERS[case.values[0]].convolutional])
def test_a_bright_patch_changes_its_own_feature_most(name, number):
    model, size = built(name)
    layer, side = ENCODERS[name].layers[number], ENCODERS[name].sides[number]
    pixels = 0.1 * torch.randn(1, 3, size, size)
    before = patch_features(model, pixels, layer)
    for row, column in [(0, 1), (1, 0), (side - 1, side - 2), (side // 2, side - 1)]:
        after = patch_features(model, brightened(pixels, side, row, column), layer)
        assert int((after - before)[0].norm(dim=1).argmax()) == row * side + column


@pytest.mark.parametrize("layer", [-1, -2, -3])
def test_an_efficientnets_features_stand_row_by_row_at_each_stage(layer):
    model, _ = built("efficientnet-lite0")
    looking_straight(model)
    pixels = torch.zeros(1, 3, 96, 96)
    before = patch_features(model, pixels, layer)
    side = int(before.shape[1] ** 0.5)
    assert side == {-1: 3, -2: 6, -3: 12}[layer]  # strides 32, 16 and 8
    for row, column in [(0, 1), (1, 0), (side - 1, side - 2)]:
        after = patch_features(model, brightened(pixels, side, row, column), layer)
        assert (after - before)[0].abs().sum(1).nonzero()[:, 0].tolist() == [row * side + column]


@pytest.mark.parametrize("name", ["timm swin", "resnet", "efficientnet-lite0"])
def test_grids_of_channels_become_rows_of_features(name):
    model, size = built(name)
    pixels = torch.randn(2, 3, size, size)
    features, grid = patch_features(model, pixels), model(pixels).last_hidden_state
    second = grid[:, 0, 1] if name == "timm swin" else grid[:, :, 0, 1]  # swin's channels stand last
    assert torch.equal(features[:, 1], second)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_picture_is_seen_the_same_alone_and_in_a_batch(name):
    model, size = built(name)
    pixels = torch.randn(2, 3, size, size)
    together = patch_features(model, pixels)
    for number in range(2):
        assert torch.allclose(patch_features(model, pixels[number : number + 1])[0], together[number], atol=1e-4)


def test_a_class_token_is_left_out():
    model, size = built("clip")
    pixels = torch.randn(1, 3, size, size)
    whole = model(pixels).last_hidden_state
    assert whole.shape[1] == 17
    assert torch.equal(patch_features(model, pixels), whole[:, 1:])


def test_class_and_register_tokens_are_left_out():
    for name, leading in [("dinov2 with registers", 4), ("dinov3", 5)]:
        model, size = built(name)
        pixels = torch.randn(1, 3, size, size)
        whole = model(pixels).last_hidden_state
        assert whole.shape[1] == 16 + leading
        assert torch.equal(patch_features(model, pixels), whole[:, leading:])


def test_llava_takes_576_features_of_the_layer_before_the_last():
    torch.manual_seed(0)
    model = build_vision(CLIPVisionConfig(**SHAPE, image_size=336, patch_size=14)).eval()
    pixels = torch.randn(1, 3, 336, 336)
    want = model(pixels, output_hidden_states=True).hidden_states
    assert len(want) == SHAPE["num_hidden_layers"] + 1
    features = patch_features(model, pixels, -2)
    assert features.shape == (1, 576, 32)
    assert torch.equal(features, want[-2][:, 1:])
    last = model.encoder.layers[-1]
    last.mlp.fc2.weight.data.normal_()  # the last block and what is after it have no part in it
    assert torch.equal(patch_features(model, pixels, -2), features)
    assert not torch.equal(patch_features(model, pixels), want[-1][:, 1:])


def test_several_layers_stand_side_by_side_at_the_first_ones_grid():
    model, size = built("siglip")
    pixels = torch.randn(1, 3, size, size)
    both = patch_features(model, pixels, [-2, -1])
    assert torch.equal(both, torch.cat([patch_features(model, pixels, -2), patch_features(model, pixels, -1)], 2))
    model, size = built("efficientnet-lite0")
    pixels = torch.randn(1, 3, 64, 64)
    both, coarse = patch_features(model, pixels, [-2, -1]), patch_features(model, pixels, -1)
    assert torch.equal(both[..., :112], patch_features(model, pixels, -2))
    grown = both[0, :, 112:].reshape(4, 4, 1280)
    for row, column in [(0, 0), (0, 1), (1, 0), (1, 1)]:  # a corner cell lies beyond the coarse centres: as its nearest
        assert torch.allclose(grown[3 * row, 3 * column], coarse[0, 2 * row + column], atol=1e-5)


# ---- in our model


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_trains_in_our_model_and_comes_back_equal(name, tmp_path):
    encoder = ENCODERS[name]
    torch.manual_seed(0)
    layer = encoder.layers[-1]
    config = GroundingConfig(
        vision_config=encoder.build(), text_config=TEXT, num_locations=64, vision_feature_layer=layer
    )
    model = GroundingForConditionalGeneration(config)
    size = config.image_size
    count = encoder.sides[-1] ** 2
    text = torch.cat([torch.full((2, count), config.image_token_id), torch.randint(10, 90, (2, 4))], 1)
    labels = torch.full_like(text, -100)
    labels[:, -1] = 7
    pixels = torch.randn(2, 3, size, size)
    model.train()(input_ids=text, pixel_values=pixels, labels=labels).loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)
    first = next(iter(model.vision.parameters()), model.projector.weight)
    assert first.grad is not None
    assert first.grad.abs().sum() > 0
    model.eval().save_pretrained(tmp_path)
    again = GroundingForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert again.config.vision_feature_layer == layer
    with torch.no_grad():
        want, got = (each(input_ids=text, pixel_values=pixels).logits for each in (model, again))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)  # kinds of attention may differ in the last bit


@pytest.mark.parametrize("name", ["clip", "siglip 2 naflex", "dinov3", "eva-02", "two side by side", "qwen2.5-vl"])
def test_an_encoder_of_half_precision_takes_pixels_of_whole(name):
    model, size = built(name)
    features = patch_features(model.to(torch.bfloat16), torch.randn(1, 3, size, size))
    assert features.dtype == torch.bfloat16


# ---- what is refused


def test_an_encoder_that_does_not_say_its_width_is_refused():
    model = build_vision(SiglipVisionConfig(**SHAPE, image_size=32, patch_size=8))
    model.config = type("Config", (), {})()
    with pytest.raises(ConfigError, match="set hidden_size"):
        vision_width(model)


@pytest.mark.parametrize("name", ["ours", "raw patches", "two side by side", "qwen2-vl"])
def test_an_encoder_that_has_its_output_alone_gives_no_other_layer(name):
    model, _ = built(name)
    with pytest.raises(ConfigError, match="vision_feature_layer is -2"):
        vision_width(model, -2)


def test_no_layer_at_all_is_refused():
    with pytest.raises(ConfigError, match="empty list"):
        vision_width(build_vision(CLIP), [])


def test_a_timm_encoder_that_gives_a_list_is_refused():
    with pytest.raises(ConfigError, match="features_only"):
        build_vision(timm("efficientnet_lite0", 64, features_only=True))


def test_an_encoder_of_squares_is_given_no_patches():
    model, _ = built("clip")
    with pytest.raises(InputError, match=r"\(1, 4, 588\).*clip_vision_model sees squares"):
        patch_features(model, torch.zeros(1, 4, 588), -1, torch.tensor([[2, 2]]))


# ---- grids


def test_features_have_the_patches_grid_but_where_a_tower_merges_them():
    qwen = ENCODERS["qwen2-vl"].build()
    assert feature_grid(CLIP, 5, 7) == (5, 7)
    assert feature_grid(qwen, 6, 8) == (3, 4)
    shapes = torch.tensor([[6, 8], [2, 4]])
    assert feature_shapes(CLIP, shapes) is shapes
    assert feature_shapes(qwen, None) is None
    assert feature_shapes(qwen, shapes).tolist() == [[3, 4], [1, 2]]
    with pytest.raises(InputError, match="5 x 8 patches cannot be merged by 2"):
        feature_grid(qwen, 5, 8)


def test_the_square_an_encoder_sees_is_known():
    sizes = {name: GroundingConfig(vision_config=encoder.build()).image_size for name, encoder in ENCODERS.items()}
    assert sizes["siglip 2 naflex"] == 48  # 36 positions, a square of 6 patches of 8 px
    assert (sizes["two side by side"], sizes["raw patches"], sizes["eva-02"]) == (56, 60, 56)
    assert GroundingConfig(vision_config=GroundingVisionConfig(image_size=96)).image_size == 96
