"""Configurations: any architecture may be named, what can't work is refused in a sentence, files keep everything."""

import json

import pytest
from transformers import AutoConfig, CLIPVisionConfig, LlamaConfig

from grounding.errors import ConfigError
from grounding.model import GroundingConfig, GroundingTextConfig, GroundingVisionConfig


def test_location_tokens_end_the_vocabulary_unless_said_otherwise():
    assert GroundingConfig().location_token_id == 5120 - 1024
    assert GroundingConfig(text_config={"vocab_size": 2000}).location_token_id == 976
    assert GroundingConfig(location_token_id=7).location_token_id == 7


def test_parts_may_be_of_any_architecture_that_transformers_knows():
    config = GroundingConfig(
        vision_config={"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8},
        text_config=LlamaConfig(vocab_size=3000, tie_word_embeddings=False),
    )
    assert isinstance(config.vision_config, CLIPVisionConfig)
    assert config.image_size == 32
    assert config.get_text_config() is config.text_config
    assert config.location_token_id == 3000 - 1024
    assert config.tie_word_embeddings is False


def test_a_saved_configuration_comes_back_whole(tmp_path):
    config = GroundingConfig(
        vision_config={"image_size": 64, "stem_channels": [8, 16]},
        text_config={"model_type": "llama", "vocab_size": 3000, "hidden_size": 32, "num_attention_heads": 2},
        projector="mlp",
        resize="pad",
        num_locations=512,
    )
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(again, GroundingConfig)
    again.name_or_path = config.name_or_path
    assert again.to_dict() == config.to_dict()
    assert (again.vision_config.stem_channels, again.text_config.hidden_size) == ([8, 16], 32)
    assert (again.resize, again.projector, again.num_locations) == ("pad", "mlp", 512)
    assert json.loads((tmp_path / "config.json").read_text())["vision_config"]["model_type"] == "grounding_vision"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GroundingVisionConfig(image_size=100), "image_size 100"),
        (lambda: GroundingVisionConfig(patch_size=8), "patch_size 8"),
        (lambda: GroundingVisionConfig(hidden_size=100, num_attention_heads=3), "hidden_size 100"),
        (lambda: GroundingTextConfig(hidden_size=100, num_attention_heads=3), "3 attention heads"),
        (lambda: GroundingTextConfig(vocab_size=1024), "vocab_size 1024"),
        (lambda: GroundingConfig(resize="crop"), "'crop'"),
        (lambda: GroundingConfig(vision_config={"model_type": "retina"}), "'retina'"),
        (lambda: GroundingConfig(num_locations=512, text_config={"num_locations": 1024}), "num_locations"),
        (lambda: GroundingConfig(text_config={"model_type": "llama", "vocab_size": 1000}), "1000"),
    ],
)
def test_what_can_not_work_is_refused_with_the_value_seen(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_image_size_is_the_side_of_a_square():
    assert GroundingConfig(vision_config={"image_size": 96}).image_size == 96
    clip = CLIPVisionConfig(image_size=[48, 48], patch_size=8)
    assert GroundingConfig(vision_config=clip).image_size == 48
    timm = {"model_type": "timm_wrapper", "architecture": "resnet10t"}
    assert GroundingConfig(vision_config=timm).image_size == 224
    assert GroundingConfig(vision_config={**timm, "image_size": 64}).image_size == 64
    assert GroundingConfig(vision_config={**timm, "model_args": {"img_size": 96}}).image_size == 96
