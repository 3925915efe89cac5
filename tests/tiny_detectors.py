"""Detectors small enough for tests: each family's own classes, random weights, words written here; no downloads."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    DetrImageProcessor,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    OmDetTurboConfig,
    OmDetTurboForObjectDetection,
    OmDetTurboProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
)

FAMILIES = ("grounding-dino", "mm-grounding-dino", "owlv2", "omdet-turbo")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ["the", "red", "blue", "star", "ring", "cup", "left", "of", "a", "mushroom"]
SWIN = {
    "model_type": "swin",
    "image_size": 64,
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 1, 1],
    "window_size": 2,
    "out_indices": [2, 3, 4],
}
"""A backbone of transformers itself: the default of some families is one of timm, with its weights to be had."""


def save(family: str, directory: Path) -> Path:
    """A checkpoint of the family as `save_pretrained` writes it, with random weights of one seed."""
    torch.manual_seed(0)
    model, processor = MAKERS[family](family)
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def bert_tokenizer() -> BertTokenizer:
    """Words, letters, and the ids that the model's code counts on: [CLS] 101, [SEP] 102, full stop 1012, `?` 1029."""
    vocab = {f"[unused{place}]": place for place in range(1200)}
    fixed = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1010: ",", 1012: ".", 1029: "?"}
    fixed[1011] = "-"
    pieces = [*WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    fixed |= {1100 + number: piece for number, piece in enumerate(dict.fromkeys(pieces))}
    for place, token in fixed.items():
        del vocab[f"[unused{place}]"]
        vocab[token] = place
    return BertTokenizer(vocab=vocab)


def clip_tokenizer(length: int) -> CLIPTokenizer:
    """Letters alone; the end's id is the highest, as the model's code counts on."""
    tokens = ["!", *LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=[], pad_token="!", model_max_length=length)


def _grounding_dino(family: str):
    text = {
        "model_type": "bert",
        "vocab_size": 1200,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    shape = {
        "backbone_config": SWIN,
        "text_config": text,
        "d_model": 32,
        "num_queries": 5,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
    }
    if family == "grounding-dino":
        model = GroundingDinoForObjectDetection(GroundingDinoConfig(**shape))
    else:
        model = MMGroundingDinoForObjectDetection(MMGroundingDinoConfig(**shape))
    images = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 192})
    return model, GroundingDinoProcessor(images, bert_tokenizer())


def _owlv2(family: str):
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = clip_tokenizer(16)
    size = len(tokenizer)
    text = {**shape, "vocab_size": size, "bos_token_id": size - 2, "eos_token_id": size - 1}
    config = Owlv2Config(
        text_config=text, vision_config={**shape, "image_size": 64, "patch_size": 16}, projection_dim=16
    )
    return Owlv2ForObjectDetection(config), Owlv2Processor(
        Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer
    )


def _omdet_turbo(family: str):
    tokenizer = clip_tokenizer(77)
    size = len(tokenizer)
    text = {
        "model_type": "clip_text_model",
        "vocab_size": size,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "bos_token_id": size - 2,
        "eos_token_id": size - 1,
    }
    config = OmDetTurboConfig(
        backbone_config=SWIN,
        text_config=text,
        apply_layernorm_after_vision_backbone=False,  # that is for the backbone of timm, whose features end in channels
        image_size=64,
        text_projection_in_dim=16,
        text_projection_out_dim=16,
        task_encoder_hidden_dim=16,
        class_embed_dim=16,
        num_queries=5,
        encoder_hidden_dim=32,
        vision_features_channels=[32, 32, 32],
        encoder_in_channels=[16, 32, 64],
        encoder_attention_heads=2,
        encoder_dim_feedforward=16,
        decoder_hidden_dim=32,
        decoder_num_heads=2,
        decoder_num_layers=1,
        decoder_dim_feedforward=16,
    )
    images = DetrImageProcessor(size={"height": 64, "width": 64}, do_pad=False)
    return OmDetTurboForObjectDetection(config), OmDetTurboProcessor(images, tokenizer)


MAKERS = {
    "grounding-dino": _grounding_dino,
    "mm-grounding-dino": _grounding_dino,
    "owlv2": _owlv2,
    "omdet-turbo": _omdet_turbo,
}
