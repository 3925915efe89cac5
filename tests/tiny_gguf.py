"""A GGUF file of a tiny llama, as llama.cpp's converter writes one: names, order of heads and words."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import LlamaForCausalLM

LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(
    model: LlamaForCausalLM, words: list[str], merges: list[str], file: Path, skip_head: bool = False
) -> None:
    """Skips the test where the package gguf is not installed. `skip_head`: as where it is tied to the embeddings."""
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    config = model.config
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([3 if word.startswith("<|") else 1 for word in words])  # 3: control, 1: normal
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(0)
    for name, tensor in model.state_dict().items():
        if skip_head and name.startswith("lm_head"):
            continue
        values = tensor.float().numpy()
        if "q_proj" in name or "k_proj" in name:  # llama.cpp turns neighbouring pairs, transformers the two halves
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            rows, width = values.shape
            values = values.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width).copy()
        writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name: str) -> str:
    """What llama.cpp calls a tensor of transformers' llama."""
    name = name.removesuffix(".weight").removeprefix("model.")
    whole = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
    if name in whole:
        return f"{whole[name]}.weight"
    _, number, layer = name.split(".", 2)
    return f"blk.{number}.{LAYER[layer]}.weight"
