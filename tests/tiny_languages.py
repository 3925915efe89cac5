"""Causal language models of transformers' own kinds, small enough for tests, and a tokenizer for them."""

from __future__ import annotations

from functools import lru_cache

import torch
import transformers as hf

from tests import tiny
from tests.tiny_tools import TEXT, trained

PADDED = 24
"""Rows that the tables have beyond the tokenizer's tokens, as Qwen's have."""
KINDS = {
    "llama": {"tie_word_embeddings": False},
    "tied llama": {"tie_word_embeddings": True},
    "qwen3": {"tie_word_embeddings": False},
    "tied qwen3": {"tie_word_embeddings": True},
    "gemma": {},
    "gemma3_text": {},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "phi": {},  # its head is its own and has a bias
}


@lru_cache(maxsize=1)
def _saved_tokenizer() -> str:
    return trained(hf.Qwen2Tokenizer).backend_tokenizer.to_str()


def tokenizer() -> hf.PreTrainedTokenizerFast:
    """A fresh one each time, since tests add tokens."""
    from tokenizers import Tokenizer

    return hf.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_saved_tokenizer()), eos_token="<|endoftext|>"
    )


def causal(kind: str, **changes):
    """A model of this kind with random weights of one seed, a random bias where its head has one; and a tokenizer."""
    words = tokenizer()
    shape = {**TEXT, "num_hidden_layers": 2, "vocab_size": len(words) + PADDED, "initializer_range": 0.1}
    ids = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": words.eos_token_id}
    config = hf.AutoConfig.for_model(kind.removeprefix("tied "), **{**shape, **KINDS[kind], **ids, **changes})
    torch.manual_seed(0)
    model = hf.AutoModelForCausalLM.from_config(config).eval()
    if (bias := getattr(model.get_output_embeddings(), "bias", None)) is not None:
        torch.nn.init.normal_(bias)
    return model, words


def joined(kind: str):
    """Our model with a decoder of this kind, and its processor."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"num_key_value_heads": 2, "head_dim": 16, "vocab_size": tiny.VOCAB, "initializer_range": 0.1}
    settings = KINDS[kind] | ({"n_embd": 32} if kind == "gpt2" else {})
    model = tiny.model(text_config={"model_type": kind.removeprefix("tied "), **shape, **settings})
    return model, tiny.processor()
