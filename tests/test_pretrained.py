"""Pretrained parts: every weight comes from the checkpoint, with its normalization of pixels, or the loading fails."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2_5_VLConfig,
    Siglip2Config,
    SiglipConfig,
)

from grounding.errors import CheckpointError, ConfigError, MissingExtraError
from grounding.model import GroundingConfig, GroundingImageProcessor
from grounding.model.building import CLIP, HALF, IMAGENET
from grounding.model.packaged import smollm2_file
from grounding.model.pretrained import join_pair, load_language, load_vision
from grounding.model.vision import build_vision, patch_features
from tests import tiny
from tests.tiny_encoders import DINO, SHAPE, TOWER
from tests.tiny_gguf import write_gguf

TEXT = {**SHAPE, "vocab_size": 99, "max_position_embeddings": 16}
LLAMA = {**SHAPE, "num_hidden_layers": 2, "num_key_value_heads": 1, "vocab_size": 260, "max_position_embeddings": 64}


def saved(model, folder):
    model.eval().save_pretrained(folder)
    return model


def clip(folder):
    torch.manual_seed(0)
    vision = {**SHAPE, "image_size": 56, "patch_size": 14}
    return saved(CLIPModel(CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=16)), folder)


def dinov2(folder):
    torch.manual_seed(1)
    return saved(AutoModel.from_config(Dinov2Config(**DINO, image_size=42, patch_size=14)), folder)


# ---- vision


def test_of_clip_the_vision_tower_alone_is_taken(tmp_path):
    whole = clip(tmp_path)
    CLIPImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.1, 0.2, 0.3]).save_pretrained(tmp_path)
    part = load_vision(tmp_path)
    pixels = torch.randn(1, 3, 56, 56)
    want = whole.vision_model(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    assert torch.equal(patch_features(part.model, pixels, -2), want)
    assert (part.mean, part.std) == ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    assert part.config.model_type == "clip_vision_model"
    assert not any("text" in name for name in part.model.state_dict())


@pytest.mark.parametrize(
    ("config", "kind", "known"),
    [
        (
            lambda: SiglipConfig(text_config=TEXT, vision_config={**SHAPE, "image_size": 48, "patch_size": 8}),
            "siglip_vision_model",
            HALF,
        ),
        (
            lambda: Siglip2Config(text_config=TEXT, vision_config={**SHAPE, "num_patches": 36, "patch_size": 8}),
            "siglip2_vision_model",
            HALF,
        ),
        (lambda: Dinov2Config(**DINO, image_size=42, patch_size=14), "dinov2", IMAGENET),
        (
            lambda: Qwen2_5_VLConfig(
                text_config={
                    **LLAMA,
                    "model_type": "qwen2_5_vl_text",
                    "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4},
                },
                vision_config={**TOWER, "fullatt_block_indexes": [1]},
            ),
            "qwen2_5_vl_vision",
            CLIP,
        ),
    ],
    ids=["siglip", "siglip 2 naflex", "dinov2", "qwen2.5-vl"],
)
def test_other_checkpoints_give_their_encoder_and_the_normalization_of_their_kind(config, kind, known, tmp_path):
    torch.manual_seed(0)
    whole = saved(AutoModel.from_config(config()), tmp_path)
    part = load_vision(tmp_path)
    assert (part.config.model_type, part.mean, part.std) == (kind, *known)
    tower = next((getattr(whole, name) for name in ("vision_model", "visual") if hasattr(whole, name)), whole)
    want = tower.state_dict()
    assert all(torch.equal(tensor, want[name]) for name, tensor in part.model.state_dict().items())
    rebuilt = build_vision(GroundingConfig(vision_config=part.config).vision_config)
    rebuilt.load_state_dict(part.model.state_dict())  # what our model builds of the configuration has the same weights


def test_of_our_own_model_the_encoder_is_taken(tmp_path):
    whole = saved(tiny.model(), tmp_path)
    tiny.processor().save_pretrained(tmp_path)
    part = load_vision(tmp_path)
    pixels = torch.randn(1, 3, tiny.SIZE, tiny.SIZE)
    assert torch.equal(patch_features(part.model, pixels), patch_features(whole.vision, pixels))
    assert (part.mean, part.std) == HALF


def test_a_normalization_that_is_given_is_taken(tmp_path):
    dinov2(tmp_path)
    part = load_vision(tmp_path, mean=[0.1, 0.2, 0.3], std=[0.4, 0.4, 0.4])
    assert (part.mean, part.std) == ((0.1, 0.2, 0.3), (0.4, 0.4, 0.4))
    with pytest.raises(ConfigError, match=r"mean is \[0.5\]"):
        load_vision(tmp_path, mean=[0.5])


def test_the_image_processor_takes_the_normalization(tmp_path):
    dinov2(tmp_path)
    part = load_vision(tmp_path)
    processor = GroundingImageProcessor(42, mean=part.mean, std=part.std)
    seen = processor(tiny.image(0))["pixel_values"]
    plain = GroundingImageProcessor(42, mean=(0, 0, 0), std=(1, 1, 1))(tiny.image(0))["pixel_values"]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
    assert torch.allclose(seen, (plain - mean) / std, atol=1e-5)


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path):
    clip(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    lost = next(name for name in tensors if "vision_model" in name and "fc1.weight" in name)
    del tensors[lost]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"no weights for 1 of the encoder's tensors, such as .*fc1.weight"):
        load_vision(tmp_path)


def test_a_language_model_is_no_vision_encoder(tmp_path):
    saved(LlamaForCausalLM(LlamaConfig(**LLAMA)), tmp_path)
    with pytest.raises(ConfigError, match="llama, which sees no pictures"):
        load_vision(tmp_path)


def test_an_encoder_of_no_known_normalization_must_be_told_it(tmp_path):
    from transformers import ResNetConfig

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    saved(AutoModel.from_config(config), tmp_path)
    with pytest.raises(ConfigError, match="give mean= and std="):
        load_vision(tmp_path)
    assert load_vision(tmp_path, mean=HALF[0], std=HALF[1]).mean == HALF[0]


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="can't be loaded"):
        load_vision(tmp_path)
    with pytest.raises(CheckpointError, match="can't be loaded"):
        load_language(tmp_path)


# ---- timm


def test_an_encoder_of_timm_comes_with_its_weights_and_normalization(tmp_path):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    name, options = "eva02_tiny_patch14_224", {"depth": 2, "img_size": 56}
    whole = timm.create_model(name, num_classes=0, **options).eval()
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    part = load_vision(f"timm:{name}", weights=tmp_path / "weights.safetensors", **options)
    pixels = torch.randn(1, 3, 56, 56)
    assert torch.equal(patch_features(part.model, pixels), whole.forward_features(pixels)[:, 1:])
    assert (part.mean, part.std) == CLIP  # what timm says of this one
    assert part.config.image_size == 56
    part.model.save_pretrained(tmp_path / "saved")
    again = load_vision(tmp_path / "saved")
    assert (again.mean, again.std, again.config.image_size) == (*CLIP, 56)
    assert torch.equal(patch_features(again.model, pixels), patch_features(part.model, pixels))


def test_weights_that_do_not_fill_a_network_of_timm_are_refused(tmp_path):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    tensors = timm.create_model("resnet10t").state_dict()
    torch.save(tensors, tmp_path / "whole.pth")
    part = load_vision("timm:resnet10t", weights=tmp_path / "whole.pth")
    assert torch.equal(part.model.timm_model.conv1[0].weight, tensors["conv1.0.weight"])
    del tensors["layer1.0.bn2.weight"]
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(
        CheckpointError, match=r"timm gives no weights of 'resnet10t' \(RuntimeError.*layer1.0.bn2.weight"
    ):
        load_vision("timm:resnet10t", weights=tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"FileNotFoundError"):
        load_vision("timm:resnet10t", weights=tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="Unknown model"):
        load_vision("timm:no_such_network")


def test_options_of_timm_go_to_no_other_encoder(tmp_path):
    dinov2(tmp_path)
    with pytest.raises(ConfigError, match="takes no img_size"):
        load_vision(tmp_path, img_size=84)
    with pytest.raises(ConfigError, match="efficientnet-lite0 takes no weights: only encoders of timm do"):
        load_vision("efficientnet-lite0", weights=tmp_path / "mine.pth")


# ---- two


def test_two_pretrained_encoders_stand_side_by_side(tmp_path):
    clip(tmp_path / "clip")
    dinov2(tmp_path / "dinov2")
    first, second = load_vision(tmp_path / "clip"), load_vision(tmp_path / "dinov2")
    pair = join_pair(first, second, first_layer=-2, second_size=56)
    assert (pair.mean, pair.std) == HALF
    values = torch.rand(1, 3, 56, 56)
    one, two = (
        patch_features(
            part.model, (values - torch.tensor(part.mean).view(3, 1, 1)) / torch.tensor(part.std).view(3, 1, 1), layer
        )
        for part, layer in ((first, -2), (second, -1))
    )
    assert torch.allclose(patch_features(pair.model, values * 2 - 1), torch.cat([one, two], 2), atol=1e-5)
    plain = join_pair(first, second, first_layer=-2, second_size=56, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    assert (plain.mean, plain.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert torch.allclose(patch_features(plain.model, values), torch.cat([one, two], 2), atol=1e-5)
    saved(plain.model, tmp_path / "pair")
    again = load_vision(tmp_path / "pair")
    assert (again.mean, again.std) == (plain.mean, plain.std)


# ---- language


def llama(folder):
    torch.manual_seed(0)
    model = saved(LlamaForCausalLM(LlamaConfig(**{**LLAMA, "vocab_size": tiny.VOCAB})), folder)
    tiny.tokenizer().save_pretrained(folder)
    return model


def test_a_language_model_comes_with_its_words(tmp_path):
    whole = llama(tmp_path)
    model, tokenizer = load_language(tmp_path)
    ids = tokenizer("locate the red star", return_tensors="pt")["input_ids"]
    assert torch.equal(ids, tiny.tokenizer()("locate the red star", return_tensors="pt")["input_ids"])
    assert torch.equal(model(ids).logits, whole(ids).logits)
    assert model.dtype == torch.float32


def test_a_language_model_that_lacks_weights_is_refused(tmp_path):
    llama(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"such as model.norm.weight"):
        load_language(tmp_path)


@pytest.mark.parametrize("tied", [False, True])
def test_a_gguf_file_gives_the_model_it_was_written_of(tmp_path, tied):
    torch.manual_seed(0)
    config = LlamaConfig(**LLAMA, tie_word_embeddings=tied)
    whole = LlamaForCausalLM(config).eval()
    words = ["<|start|>", "<|end|>", *byte_words(), "Ġr", "Ġre"]
    write_gguf(whole, words, ["Ġ r", "Ġr e"], tmp_path / "tiny.gguf", skip_head=tied)
    model, tokenizer = load_language(tmp_path / "tiny.gguf")
    ids = tokenizer("a red cup", return_tensors="pt")["input_ids"]
    assert tokenizer.decode(ids[0]) == "a red cup"
    assert torch.allclose(model(ids).logits, whole(ids).logits, atol=1e-5)
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    model.save_pretrained(tmp_path / "saved")  # what it was packed in is forgotten: it can be trained and loaded
    tokenizer.save_pretrained(tmp_path / "saved")
    assert "quantization_config" not in json.loads((tmp_path / "saved" / "config.json").read_text())
    assert not getattr(model, "is_quantized", False)
    again, same = load_language(tmp_path / "saved")
    assert torch.equal(again(ids).logits, model(ids).logits)
    assert same("a red cup")["input_ids"] == ids[0].tolist()


def byte_words():
    """GPT-2's 256 signs for bytes."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [*map(chr, shown), *(chr(256 + number) for number in range(len(hidden)))]


@pytest.mark.slow
def test_smollm2_speaks():
    try:
        smollm2_file()
    except MissingExtraError as error:
        pytest.skip(str(error))
    model, tokenizer = load_language("smollm2")
    assert sum(weight.numel() for weight in model.parameters()) == 134_515_008
    said = {"The capital of France is": "Paris", "Once upon a time, there was a little": "girl"}
    for text, word in said.items():
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            wrote = tokenizer.decode(model.generate(ids, max_new_tokens=4, do_sample=False)[0, ids.shape[1] :])
        assert word in wrote
