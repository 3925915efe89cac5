"""Our decoder: location embeddings from coordinates, masks and caches that agree, and the head on what is asked."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from grounding.errors import ConfigError, InputError
from grounding.model import GroundingTextConfig, GroundingTextModel
from grounding.model.language import build_language, coordinate_features, coordinate_table
from tests import tiny

CONFIG = GroundingTextConfig(
    vocab_size=80, num_locations=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    max_position_embeddings=40, initializer_range=0.1,
)  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GroundingTextModel(CONFIG).eval()


@pytest.fixture
def ids():
    return torch.randint(0, 80, (2, 12), generator=torch.Generator().manual_seed(1))


# ---- location embeddings


def test_neighbouring_bins_have_alike_features_and_no_two_are_the_same():
    features = coordinate_features(1024, 32)
    assert features.shape == (1024, 66)
    distances = torch.cdist(features, features)
    assert distances[500].argsort()[:3].sort().values.tolist() == [499, 500, 501]
    assert distances[500, 501] < distances[500, 510] < distances[500, 700]
    assert distances.fill_diagonal_(math.inf).min() > 0.01


def test_the_table_holds_words_first_and_then_the_mapped_locations(model, ids):
    embedding = model.embedding
    table = embedding.weight
    assert table.shape == (80, 32)
    assert torch.equal(table[:16], embedding.words)
    assert torch.allclose(table[16:], embedding.locations(coordinate_features(64, 32)), atol=1e-6)
    assert torch.equal(embedding(ids), table[ids] * 32**0.5)


def test_locations_start_with_the_norm_of_words():
    torch.manual_seed(0)
    embedding = GroundingTextModel(GroundingTextConfig(num_hidden_layers=1)).embedding
    words, locations = embedding.weight.detach().split([4096, 1024])
    assert locations.norm(dim=1).mean().item() == pytest.approx(words.norm(dim=1).mean().item(), rel=0.25)


def test_one_step_of_learning_moves_a_bin_and_its_neighbours(model):
    before = model.embedding.weight.detach().clone()
    model.embedding(torch.tensor([16 + 30])).sum().backward()
    with torch.no_grad():
        model.embedding.locations.weight -= 0.1 * model.embedding.locations.weight.grad
    moved = (model.embedding.weight.detach() - before).norm(dim=1)
    assert moved[16 + 30] > 0
    assert moved[16 + 29] > 0.5 * moved[16 + 30]
    assert moved[:16].max() == 0


def test_features_that_inference_made_first_can_still_be_trained_on():
    with torch.inference_mode():
        coordinate_table(48, 7, torch.device("cpu"), torch.float32)
    weight = torch.randn(4, 16, requires_grad=True)
    torch.nn.functional.linear(coordinate_table(48, 7, torch.device("cpu"), torch.float32), weight).sum().backward()
    assert weight.grad is not None


def test_a_table_made_beforehand_gives_the_same(model, ids):
    table = model.embedding.weight
    hidden = torch.randn(3, 32)
    assert torch.equal(model.embedding(ids, table), model.embedding(ids))
    assert torch.equal(model.head(hidden, table), model.head(hidden))


# ---- masks, positions, caches


def test_without_a_mask_each_token_sees_only_what_came_before(model, ids):
    before = model(ids).logits
    other = ids.clone()
    other[:, 7:] = 3
    after = model(other).logits
    assert torch.allclose(before[:, :7], after[:, :7], atol=1e-5)
    assert not torch.allclose(before[:, 7:], after[:, 7:], atol=1e-2)


def test_steps_with_a_cache_equal_the_whole(model, ids):
    whole = model(ids).logits
    out = model(ids[:, :5], use_cache=True)
    parts = [out.logits]
    for at in range(5, 12):
        out = model(ids[:, at : at + 1], past_key_values=out.past_key_values)
        parts.append(out.logits)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


def test_several_tokens_behind_a_cache_are_causal_among_themselves(model, ids):
    out = model(ids[:, :5], use_cache=True)
    rest = model(ids[:, 5:], past_key_values=out.past_key_values).logits
    assert torch.allclose(rest, model(ids).logits[:, 5:], atol=1e-5)


def test_left_padding_changes_nothing(model, ids):
    padded = torch.cat([torch.zeros(2, 4, dtype=torch.long), ids], 1)
    mask = torch.cat([torch.zeros(2, 4, dtype=torch.long), torch.ones_like(ids)], 1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    out = model(padded, attention_mask=mask, position_ids=positions)
    assert out.logits.isfinite().all()
    assert torch.allclose(out.logits[:, 4:], model(ids).logits, atol=1e-5)


def test_the_prefix_sees_itself_in_both_directions(model):
    x = torch.randn(1, 6, 32)
    other = x.clone()
    other[:, 2] *= -1
    assert not torch.allclose(
        model(inputs_embeds=x, prefix=3).logits[:, 0], model(inputs_embeds=other, prefix=3).logits[:, 0], atol=1e-3
    )
    other = x.clone()
    other[:, 3:] *= -1
    before, after = (model(inputs_embeds=value, prefix=3).logits[:, :3] for value in (x, other))
    assert torch.allclose(before, after, atol=1e-6)


# ---- what comes back


@pytest.mark.parametrize(("keep", "shape"), [(0, 12), (1, 1), (5, 5), (-1, 0), (torch.tensor([0, 3, 11]), 3)])
def test_logits_are_of_the_places_that_are_asked_for(model, ids, keep, shape):
    logits = model(ids, logits_to_keep=keep).logits
    assert logits.shape == (2, shape, 80)
    whole = model(ids).logits
    want = whole[:, keep] if isinstance(keep, torch.Tensor) else whole[:, 12 - shape :]
    assert torch.allclose(logits, want, atol=1e-5)


def test_hidden_states_run_from_the_embeddings_to_the_head(model, ids):
    out = model(ids, output_hidden_states=True)
    assert len(out.hidden_states) == 4
    assert torch.allclose(model.head(out.hidden_states[-1]), out.logits, atol=1e-6)
    assert model(ids).hidden_states is None


def test_autocast_keeps_the_skips_in_half_precision(model, ids):
    with torch.autocast("cpu", torch.bfloat16):
        out = model(ids, output_hidden_states=True)
    assert {state.dtype for state in out.hidden_states} == {torch.bfloat16}
    assert torch.allclose(out.logits.float(), model(ids).logits, atol=0.25)


def test_it_is_a_language_model_of_transformers(model, ids, tmp_path):
    want = model.generate(ids[:, :4], max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0)
    text = ids[:, :4]
    for _ in range(6):
        text = torch.cat([text, model(text).logits[:, -1:].argmax(2)], 1)
    assert torch.equal(want, text)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(ids).logits, model(ids).logits)


def test_checkpointed_blocks_give_the_same_gradients_and_keep_no_cache(model, ids):
    def gradients():
        model.zero_grad()
        model.train()(ids).logits.square().mean().backward()
        return [weight.grad.clone() for weight in model.parameters()]

    plain = gradients()
    tiny.checkpointing(model)
    assert all(torch.allclose(one, other) for one, other in zip(gradients(), plain, strict=True))
    with pytest.raises(InputError, match="keeps no keys and values"):
        model(ids, use_cache=True)
    assert model.eval()(ids, use_cache=True).past_key_values.get_seq_length() == ids.shape[1]


def test_its_vocabulary_ends_with_the_locations_and_stays(model):
    assert model.resize_token_embeddings(80) is model.embedding
    with pytest.raises(ConfigError, match="has 80 tokens, the location tokens last, and can't have 81"):
        model.resize_token_embeddings(81)


def test_any_causal_language_model_can_be_named():
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    assert type(build_language(config)).__name__ == "LlamaForCausalLM"
    assert isinstance(build_language(CONFIG), GroundingTextModel)
