"""The encoder for photographs: EfficientNet-Lite's own features, folded norms, one token for 16 pixels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from grounding.errors import CheckpointError, ConfigError
from grounding.model.configuration import GroundingConfig, GroundingLiteVisionConfig
from grounding.model.lite_vit import GroundingLiteVisionModel, stage_shapes
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.packaged import rename_efficientnet_lite0
from grounding.model.vision import patch_features

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}


def published(model: GroundingLiteVisionModel, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors as the published file names them, drawn at random, for every convolution of the model."""
    random = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}

    def add(conv: str, norm: str, shape: torch.Size) -> None:
        fan = shape[1] * shape[2] * shape[3]
        tensors[f"{conv}.weight"] = torch.randn(shape, generator=random) * (2 / fan) ** 0.5
        tensors[f"{norm}.weight"] = 0.5 + torch.rand(shape[0], generator=random)
        tensors[f"{norm}.bias"] = torch.randn(shape[0], generator=random) * 0.1
        tensors[f"{norm}.running_mean"] = torch.randn(shape[0], generator=random) * 0.1
        tensors[f"{norm}.running_var"] = 0.5 + torch.rand(shape[0], generator=random)

    add("_conv_stem", "_bn0", model.stem.conv.weight.shape)
    blocks = [block for stage in model.stages for block in stage.children()]
    for number, block in enumerate(blocks):
        name = f"_blocks.{number}."
        if block.widen is not None:
            add(f"{name}_expand_conv", f"{name}_bn0", block.widen.conv.weight.shape)
        add(f"{name}_depthwise_conv", f"{name}_bn1", block.filter.conv.weight.shape)
        add(f"{name}_project_conv", f"{name}_bn2", block.narrow.conv.weight.shape)
    return tensors


def test_the_convolutions_compute_what_timm_computes() -> None:
    timm = pytest.importorskip("timm")
    model = GroundingLiteVisionModel(GroundingLiteVisionConfig(image_size=96, **TINY)).eval()
    tensors = published(model)
    model.load_published(tensors)
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4)).eval()
    missing, unexpected = theirs.load_state_dict(rename_efficientnet_lite0(tensors), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    pixels = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        for ours, expected in zip(model.pyramid(pixels), theirs(pixels), strict=True):
            assert ours.shape == expected.shape
            torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_variants_have_the_published_widths_and_depths() -> None:
    assert [shape[3:] for shape in stage_shapes("lite0")] == [
        (16, 1),
        (24, 2),
        (40, 2),
        (80, 3),
        (112, 3),
        (192, 4),
        (320, 1),
    ]
    assert [shape[3:] for shape in stage_shapes("lite2")] == [
        (16, 1),
        (24, 3),
        (48, 3),
        (88, 4),
        (120, 4),
        (208, 5),
        (352, 1),
    ]


def test_weights_of_another_variant_are_refused_by_name() -> None:
    small = GroundingLiteVisionModel(GroundingLiteVisionConfig(image_size=64, **TINY))
    large = GroundingLiteVisionModel(GroundingLiteVisionConfig(image_size=64, variant="lite1", **TINY))
    with pytest.raises(CheckpointError, match="lite0"):
        small.load_published(published(large))
    with pytest.raises(CheckpointError, match="lite1"):
        large.load_published(published(small))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="lite9"):
        GroundingLiteVisionConfig(variant="lite9")
    with pytest.raises(ConfigError, match="multiple of 32"):
        GroundingLiteVisionConfig(image_size=240)


def test_a_token_stands_for_its_own_pixels_and_a_picture_for_itself_alone() -> None:
    torch.manual_seed(0)
    model = GroundingLiteVisionModel(GroundingLiteVisionConfig(image_size=128, **{**TINY, "num_hidden_layers": 0}))
    model.load_published(published(model))
    plain = torch.zeros(1, 3, 128, 128)
    marked = plain.clone()
    marked[:, :, 96:112, 32:48] = 1.0  # row 6, column 2 of 8
    with torch.no_grad():
        moved = (patch_features(model, marked) - patch_features(model, plain)).norm(dim=2).view(8, 8)
        both = patch_features(model, torch.cat([plain, marked]))
        torch.testing.assert_close(both[1:], patch_features(model, marked), rtol=1e-4, atol=1e-4)
    place = int(moved.argmax())
    assert abs(place // 8 - 6) <= 1
    assert abs(place % 8 - 2) <= 1


def test_a_whole_model_with_it_is_saved_and_loaded(tmp_path) -> None:
    torch.manual_seed(0)
    config = GroundingConfig(
        vision_config={"model_type": "grounding_lite_vision", "image_size": 64, **TINY},
        text_config={**TINY, "vocab_size": 1100, "num_locations": 1024},
    )
    model = GroundingForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path)
    again = GroundingForConditionalGeneration.from_pretrained(tmp_path).eval()
    pixels = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        features = model.image_features(pixels)
        torch.testing.assert_close(again.image_features(pixels), features)
    assert features.shape == (1, 16, 32)
    loss = F.mse_loss(model.image_features(pixels), torch.zeros(1, 16, 32))
    loss.backward()
    assert model.vision.stem.conv.weight.grad is not None
