"""Small language models of other families, of the tests' vocabulary: two blocks, width 32, words far apart."""

from __future__ import annotations

from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PhiConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from tests import tiny

SHAPE = {
    "vocab_size": tiny.VOCAB, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 200, "initializer_range": 0.3,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
MIXED = ["sliding_attention", "full_attention"]
FAMILIES = {
    "llama": lambda **more: LlamaConfig(**{**SHAPE, **more}),
    "smollm": lambda **more: LlamaConfig(**{**SHAPE, "num_key_value_heads": 2, "tie_word_embeddings": True, **more}),
    "smollm3": lambda **more: SmolLM3Config(**{**SHAPE, **more}),
    "qwen2": lambda **more: Qwen2Config(**{**SHAPE, **more}),
    "qwen3": lambda **more: Qwen3Config(**{**SHAPE, "head_dim": 16, **more}),
    "gemma": lambda **more: GemmaConfig(**{**SHAPE, "head_dim": 16, **more}),
    "gemma2": lambda **more: Gemma2Config(**{**SHAPE, "head_dim": 16, "layer_types": MIXED, **more}),
    "gemma3": lambda **more: Gemma3TextConfig(**{**SHAPE, "head_dim": 16, "layer_types": MIXED, **more}),
    "mistral": lambda **more: MistralConfig(**{**SHAPE, **more}),
    "phi": lambda **more: PhiConfig(**{**SHAPE, "num_key_value_heads": 2, **more}),
    "phi3": lambda **more: Phi3Config(**{**SHAPE, **more}),
    "gpt2": lambda **more: GPT2Config(
        **{
            "vocab_size": tiny.VOCAB, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 200,
            "initializer_range": 0.3, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
            "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0, **more,
        }
    ),
}  # fmt: skip
"""Name to maker of a configuration, which takes changes."""


def family(name: str, **changes) -> PreTrainedConfig | None:
    """A configuration of that family; None for "ours", which a model takes for its own decoder."""
    return None if name == "ours" else FAMILIES[name](**changes)


def model(name: str, seed: int = 0, text: dict | None = None, **changes):
    """Our tiny model with that language model; `text`: changes of its configuration."""
    config = family(name, **(text or {}))
    return tiny.model(seed, **({} if config is None else {"text_config": config}), **changes)
