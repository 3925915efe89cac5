"""Any causal language model: what can stand behind pictures is built, what cannot is refused before it does harm."""

import pytest
from transformers import (
    BloomConfig,
    FalconConfig,
    Gemma3Config,
    JambaConfig,
    Llama4TextConfig,
    MambaConfig,
    MptConfig,
    Qwen3NextConfig,
    SiglipVisionConfig,
    T5Config,
)

from grounding.errors import ConfigError
from grounding.model.causal_models import build_causal_model, decoder_blocks
from tests import foreign_decoders, tiny

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 50}


@pytest.mark.parametrize("name", foreign_decoders.FAMILIES)
def test_families_are_built_and_their_blocks_found(name):
    model = build_causal_model(foreign_decoders.family(name))
    blocks = decoder_blocks(model)
    assert len(blocks) == 2
    assert len({type(block) for block in blocks}) == 1


def test_our_own_blocks_are_found():
    model = tiny.model().language
    assert decoder_blocks(model) is model.blocks


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: BloomConfig(hidden_size=32, n_layer=1, n_head=2, vocab_size=50), "'bloom' takes no position_ids"),
        (lambda: MptConfig(d_model=32, n_layers=1, n_heads=2, vocab_size=50), "'mpt' "),
        (lambda: FalconConfig(**TINY, alibi=True), "'falcon' counts places from its mask"),
        (lambda: MambaConfig(**TINY), "'mamba' "),
        (lambda: JambaConfig(**TINY, intermediate_size=32, num_experts=1), "'jamba' "),
        (lambda: Qwen3NextConfig(**TINY), "'qwen3_next' has layers of linear_attention; only full_attention"),
        (lambda: Llama4TextConfig(**TINY), "'llama4_text' has layers of chunked_attention"),
        (lambda: T5Config(d_model=32, num_layers=1, num_heads=2, vocab_size=50), "'t5' is an encoder with a decoder"),
        (lambda: Gemma3Config(), "'gemma3' is not the configuration of a language model: name its text_config"),
        (lambda: SiglipVisionConfig(hidden_size=32), "no causal language model of 'siglip_vision_model'"),
    ],
)
def test_what_cannot_stand_behind_pictures_is_refused_by_name(config, message):
    with pytest.raises(ConfigError, match=message):
        build_causal_model(config())
