"""Embeddings of the whole model: tied or not, they are the language model's, through files and new tokens."""

import pytest
import torch
from transformers import AutoModelForImageTextToText

from grounding.errors import ConfigError
from tests import foreign_decoders, tiny

TEXT = torch.tensor([[3] * tiny.TOKENS + [1, 70, 71, 1500]])
FAMILY = pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3", "gpt2", "phi"])
TIED = pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])


def built(name, tied=None, **changes):
    return foreign_decoders.model(name, text=None if tied is None else {"tie_word_embeddings": tied}, **changes)


def logits(model):
    pixels = torch.randn(1, 3, tiny.SIZE, tiny.SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model(input_ids=TEXT, pixel_values=pixels).logits


def is_tied(model):
    return model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()


@FAMILY
@TIED
@pytest.mark.parametrize("fusion", ["concatenation", "cross_attention"])
def test_a_saved_model_comes_back_tied_as_it_was(name, tied, fusion, tmp_path):
    if fusion == "cross_attention":
        model = built(name, tied, fusion=fusion, fusion_options={"every": 1})
        ids = TEXT[:, tiny.TOKENS - 1 :]
    else:
        model, ids = built(name, tied), TEXT
    assert model.config.tie_word_embeddings == tied
    assert is_tied(model) == tied
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert is_tied(again) == tied
    pixels = torch.randn(1, 3, tiny.SIZE, tiny.SIZE)
    with torch.no_grad():
        assert torch.equal(*(part(input_ids=ids, pixel_values=pixels).logits for part in (again, model)))


@FAMILY
@TIED
def test_new_tokens_come_behind_all_others_and_stay_through_files(name, tied, tmp_path):
    model = built(name, tied)
    before, first = logits(model), model.config.location_token_id
    embeddings = model.resize_token_embeddings(tiny.VOCAB + 24)
    assert embeddings is model.get_input_embeddings()
    assert embeddings.weight.shape == model.get_output_embeddings().weight.shape == (tiny.VOCAB + 24, 32)
    assert is_tied(model) == tied
    config = model.config
    assert {config.text_config.vocab_size, model.language.config.vocab_size, model.vocab_size} == {tiny.VOCAB + 24}
    assert config.location_token_id == first
    after = logits(model)
    assert after.shape[2] == tiny.VOCAB + 24
    assert torch.allclose(after[..., : tiny.VOCAB], before, atol=1e-5)
    loss = model(
        input_ids=torch.tensor([[1, tiny.VOCAB + 5, tiny.VOCAB + 23]]), labels=torch.tensor([[tiny.VOCAB + 5, 7, -100]])
    ).loss
    loss.backward()
    assert loss.isfinite()
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert torch.equal(logits(again), after)
    assert (is_tied(again), again.config.location_token_id) == (tied, first)


def test_a_table_can_be_padded_to_a_round_number():
    model = built("llama")
    assert model.resize_token_embeddings(tiny.VOCAB + 1, pad_to_multiple_of=64).weight.shape[0] == 1664
    assert model.config.text_config.vocab_size == 1664


def test_embeddings_and_head_can_be_put_in_the_place_of_others():
    model = built("llama", tied=False)
    table, head = torch.nn.Embedding(tiny.VOCAB, 32), torch.nn.Linear(32, tiny.VOCAB, bias=False)
    model.set_input_embeddings(table)
    model.set_output_embeddings(head)
    assert model.get_input_embeddings() is table is model.language.get_input_embeddings()
    assert model.get_output_embeddings() is head is model.language.get_output_embeddings()
    model.tie_weights()
    assert not is_tied(model)


def test_a_tied_head_follows_embeddings_that_are_put_in():
    model = built("llama", tied=True)
    table = torch.nn.Embedding(tiny.VOCAB, 32)
    model.set_input_embeddings(table)
    model.tie_weights()
    assert is_tied(model)


def test_our_own_vocabulary_ends_with_the_locations_and_stays():
    model = tiny.model()
    assert model.resize_token_embeddings(tiny.VOCAB) is model.get_input_embeddings()
    with pytest.raises(ConfigError, match="has 1600 tokens, the location tokens last, and can't have 1601"):
        model.resize_token_embeddings(tiny.VOCAB + 1)
