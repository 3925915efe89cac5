"""Parts as if they had been trained before, small enough for tests, each in a folder: encoders, a language model."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from grounding.model.tokenization import train_tokenizer
from tests import tiny

WORDS = 700
"""Tokens of the language model's own tokenizer, in which boxes are no tokens."""


def save_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP encoder of 56 px in 4 x 4 patches, with an image processor that names its normalization."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
    CLIPVisionModel(CLIPVisionConfig(**shape, image_size=56, patch_size=14)).save_pretrained(folder)
    CLIPImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.1, 0.2, 0.3]).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path) -> Path:
    """A tokenizer of words, without any token for boxes or pictures."""
    samples = [sample for picture in tiny.pictures(40) for sample in picture.samples]
    words = train_tokenizer((sample.phrase for sample in samples), WORDS, marks=(), places=())
    words.save_pretrained(folder)
    return folder


def save_language(folder: Path, seed: int = 0, **changes) -> Path:
    """A Llama of two layers with that tokenizer; its head is not its embedding table unless `changes` say so."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(
        **{**shape, "num_key_value_heads": 1, "vocab_size": WORDS, "tie_word_embeddings": False, **changes},
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return save_tokenizer(folder)
