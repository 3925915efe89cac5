"""The processor that fits a model: sizes, grids, layout, normalization and codec are read from the model."""

import copy

import pytest
import torch
from PIL import Image

from grounding.errors import ConfigError
from grounding.model import GroundingConfig, GroundingForConditionalGeneration
from grounding.model.building import check_fit, normalization, processor_for
from tests import tiny

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def model(vision=None, **changes) -> GroundingForConditionalGeneration:
    torch.manual_seed(0)
    text = {**tiny.SHAPE, "vocab_size": tiny.VOCAB, "num_hidden_layers": 1, "max_position_embeddings": 4096}
    vision = vision or {**tiny.SHAPE, "image_size": 64, "num_hidden_layers": 1, "stem_channels": [16, 32]}
    return GroundingForConditionalGeneration(GroundingConfig(vision_config=vision, text_config=text, **changes)).eval()


def fits(made: GroundingForConditionalGeneration, **options) -> None:
    """Whether forward takes what the processor gives, of pictures of several shapes."""
    processor = processor_for(made, tiny.tokenizer(), **options)
    pictures = [Image.new("RGB", size, "white") for size in ((300, 100), (64, 64), (70, 200))]
    batch = processor(pictures, ["caption", "locate the red star", "caption"])
    assert torch.isfinite(made(**batch).logits).all()
    made.generate(**batch, max_new_tokens=2, pad_token_id=0, do_sample=False)


@pytest.mark.parametrize("resize", ["squash", "pad", "llava_next", "internvl"])
@pytest.mark.parametrize(
    "projector", [{}, {"projector": "pixel_shuffle"}, {"projector": "perceiver", "projector_options": {"heads": 2}}]
)
@pytest.mark.parametrize(
    "vision",
    [
        {"model_type": "clip_vision_model", "image_size": 56, "patch_size": 14, **SMALL},
        {"model_type": "siglip_vision_model", "image_size": 66, "patch_size": 16, **SMALL},
        {"model_type": "grounding_patches", "image_size": 24, "patch_size": 8},
    ],
    ids=["clip", "siglip", "patches"],
)
def test_whatever_encoder_and_projector_the_tensors_fit(resize, projector, vision):
    fits(model(vision, resize=resize, line_ends=resize == "llava_next", **projector))


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize(
    "vision",
    [
        {"model_type": "grounding_patches", "image_size": 64, "patch_size": 8},
        {"model_type": "siglip2_vision_model", "num_patches": 16, "patch_size": 16, **SMALL},
        {
            "model_type": "qwen2_vl_vision",
            "image_size": 56,
            "patch_size": 14,
            "depth": 1,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
        },
    ],
    ids=["patches", "siglip2", "qwen2-vl"],
)
def test_native_pictures_fit_encoders_of_patches(vision, factor):
    made = model(vision, resize="native", projector="pixel_shuffle", projector_options={"factor": factor})
    fits(made, resize_options={"max_patches": 64})
    plan = processor_for(made, tiny.tokenizer()).image_processor.plan
    merged = 2 if vision["model_type"] == "qwen2_vl_vision" else 1
    assert (plan.patch_size, plan.merge) == (vision["patch_size"], merged * factor)


def test_grid_size_codec_and_ends_are_the_model_s():
    made = model(resize="llava_next", line_ends=True, codec="shikra", projector="pixel_shuffle")
    processor = processor_for(made, tiny.tokenizer(), resize_options={"grids": [[2, 1], [1, 2]]})
    pictures = processor.image_processor
    assert (pictures.size, pictures.resize, pictures.grid, pictures.line_ends) == (64, "llava_next", [2, 2], True)
    assert (processor.codec, processor.image_tokens, processor.fusion) == ("shikra", 4, "concatenation")
    assert pictures.plan.grids == ((2, 1), (1, 2))
    assert made.training is False


def test_a_feature_stands_for_the_patches_it_is_made_of():
    """56 px are 3 patches of 16 and 8 px that the encoder does not see; a shuffle by 2 makes 2 features of them."""
    vision = {"model_type": "siglip_vision_model", "image_size": 56, "patch_size": 16, **SMALL}
    places = processor_for(model(vision), tiny.tokenizer()).layout(56, 56).places
    assert places[:3, 2].tolist() == [16, 32, 48]
    places = processor_for(model(vision, projector="pixel_shuffle"), tiny.tokenizer()).layout(56, 56).places
    assert places[:2, 0].tolist() == [0, 32]


def test_latents_stand_for_no_place():
    made = model(projector="perceiver", projector_options={"latents": 6, "heads": 2})
    processor = processor_for(made, tiny.tokenizer())
    assert (processor.image_processor.grid, processor.image_tokens) == ([6, 0], 6)


def test_pictures_are_normalized_as_the_encoder_was_trained():
    clip = model({"model_type": "clip_vision_model", "image_size": 56, "patch_size": 14, **SMALL}, resize="pad")
    pictures = processor_for(clip, tiny.tokenizer()).image_processor
    assert pictures.mean == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert pictures.fill == [123, 117, 104]  # the mean's colour, as LLaVA-1.5 fills its squares
    assert processor_for(model(), tiny.tokenizer()).image_processor.mean == [0.5, 0.5, 0.5]
    told = processor_for(clip, tiny.tokenizer(), mean=(0, 0, 0), std=(1, 1, 1), fill=(9, 9, 9)).image_processor
    assert (told.mean, told.std, told.fill) == ([0, 0, 0], [1, 1, 1], [9, 9, 9])


def test_where_nobody_knows_the_normalization_it_must_be_given():
    config = GroundingConfig(vision_config={"model_type": "vit", **SMALL}).vision_config
    with pytest.raises(ConfigError, match=r"for vit are normalized: give mean= and std="):
        normalization(config)


def test_layers_that_are_frozen_stay_so_while_a_processor_is_made():
    made = model().train()
    made.vision.stem.eval()
    before = [module.training for module in made.modules()]
    processor_for(made, tiny.tokenizer())
    assert [module.training for module in made.modules()] == before


def test_native_needs_an_encoder_of_patches():
    with pytest.raises(ConfigError, match="resize is 'native', and grounding_vision sees squares alone"):
        processor_for(model(resize="native"), tiny.tokenizer())


def test_a_tokenizer_that_does_not_fit_is_refused():
    longer = copy.deepcopy(tiny.tokenizer())
    longer.add_tokens(["<more>"])
    with pytest.raises(ConfigError, match=f"{tiny.VOCAB + 1} tokens and the language model rows for {tiny.VOCAB}"):
        processor_for(model(), longer)
    with pytest.raises(ConfigError, match="image_token_id is 9999 in the model's config"):
        processor_for(model(image_token_id=9999), tiny.tokenizer())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codec": "shikra"}, "codec is 'shikra' for the model and 'location' for its processor"),
        ({"resize": "llava_next"}, "resize is 'llava_next' for the model"),
        ({"line_ends": True}, "line_ends is True for the model and False"),
        ({"fusion": "cross_attention", "fusion_options": {"every": 1}}, "fusion is 'cross_attention' for the model"),
    ],
)
def test_a_processor_of_another_model_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        check_fit(model(**changes), tiny.processor())
