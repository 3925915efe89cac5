"""The shared block: a prefix that sees itself alone, a cache that changes nothing, and a start that is not too loud."""

import pytest
import torch
from torch.nn import functional as F
from transformers.cache_utils import DynamicCache

from grounding.model.blocks import Attention, Block, Norm, attend, init_linear


@pytest.fixture
def block():
    torch.manual_seed(0)
    return Block(32, 64, 4, layer=0, depth=2).eval()


def causal(length, start=0):
    places = torch.arange(length)
    visible = places[None] <= places[start:, None]
    return torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)[None, None]


def test_attend_is_softmax_attention():
    torch.manual_seed(0)
    queries, keys, values = (torch.randn(2, 3, length, 8) for length in (5, 7, 7))
    bias = torch.randn(2, 1, 5, 7)
    want = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    assert torch.allclose(attend(queries, keys, values, bias), want, atol=1e-6)
    want = F.scaled_dot_product_attention(queries, keys, values)
    assert torch.allclose(attend(queries, keys, values, None), want, atol=1e-6)


def test_the_prefix_sees_itself_and_nothing_else(block):
    x = torch.randn(2, 9, 32)
    other = x.clone()
    other[:, 4:] *= -1
    before, after = block(x, causal(9, 4), prefix=4), block(other, causal(9, 4), prefix=4)
    assert torch.equal(before[:, :4], after[:, :4])
    assert torch.allclose(before[:, :4], block(x[:, :4]), atol=1e-6)
    changed = x.clone()
    changed[:, 3] *= -1
    assert not torch.allclose(block(changed, causal(9, 4), prefix=4)[:, 0], before[:, 0], atol=1e-3)


def test_with_a_cache_the_steps_equal_the_whole(block):
    x = torch.randn(2, 9, 32)
    whole = block(x, causal(9, 4), prefix=4)
    cache = DynamicCache()
    parts = [block(x[:, :4], None, cache, prefix=4)]
    parts += [block(x[:, at : at + 1], None, cache) for at in range(4, 9)]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


def test_queries_and_keys_are_normalized_so_that_scores_stay_bounded():
    torch.manual_seed(0)
    attention = Attention(32, 4)
    cache = DynamicCache()
    attention(1000 * torch.randn(1, 6, 32), cache=cache)
    assert cache.layers[0].keys.norm(dim=-1).max() <= 8**0.5 + 1e-3


def test_norm_has_a_scale_and_no_shift_and_keeps_the_precision():
    norm = Norm(16)
    x = torch.randn(3, 16)
    assert torch.allclose(norm(x), F.layer_norm(x, (16,)), atol=1e-6)
    assert norm(x.bfloat16()).dtype == torch.bfloat16
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


def test_layers_that_write_to_a_deep_skip_start_smaller():
    torch.manual_seed(0)
    block = Block(128, 256, 4, depth=8)
    for layer in (block.attention.qkv, block.attention.out, block.mlp_out):
        init_linear(layer)
    plain, out, narrow = (
        layer.weight.std().item() for layer in (block.attention.qkv, block.attention.out, block.mlp_out)
    )
    assert plain == pytest.approx(128**-0.5, rel=0.1)
    assert out == pytest.approx(128**-0.5 / 4, rel=0.1)
    assert narrow == pytest.approx(256**-0.5 / 4, rel=0.1)
