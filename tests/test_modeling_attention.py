"""Parts that are there already keep the kind of attention they were built with."""

from __future__ import annotations

import warnings

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from grounding.model import GroundingConfig, GroundingForConditionalGeneration

SMALL = {
    "vocab_size": 1200,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
VISION = {
    "model_type": "grounding_vision",
    "image_size": 32,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
}


def joined(language: LlamaForCausalLM) -> GroundingForConditionalGeneration:
    config = GroundingConfig(vision_config=VISION, text_config=language.config, num_locations=0)
    return GroundingForConditionalGeneration(config, language=language)


def test_a_language_model_keeps_its_attention_when_it_is_joined(tmp_path) -> None:
    for attention in ("sdpa", "eager"):
        language = LlamaForCausalLM._from_config(LlamaConfig(**SMALL), attn_implementation=attention)
        model = joined(language)
        assert model.language.config._attn_implementation == attention
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model(input_ids=torch.tensor([[1, 5, 6]]))
    model.save_pretrained(tmp_path)
    again = GroundingForConditionalGeneration.from_pretrained(tmp_path)
    assert again.language.config._attn_implementation == "sdpa"  # a loaded one takes transformers' default
    asked = GroundingForConditionalGeneration.from_pretrained(tmp_path, attn_implementation="eager")
    assert asked.language.config._attn_implementation == "eager"
