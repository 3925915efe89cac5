"""Fuyu's places: numbers of a box as tokens of their own, in prompts and in answers."""

import pytest
import torch

from grounding.backends.fuyu_places import hold_places, put_numbers, spell
from grounding.errors import BackendError
from grounding.images import Canvas
from tests.tiny_families import fuyu_tokenizer

CANVAS = Canvas.squash(200, 100, 120, 60)


@pytest.fixture(scope="module")
def tokenizer():
    return fuyu_tokenizer()


def ids_of(tokenizer, *tokens):
    return [tokenizer.convert_tokens_to_ids(token) for token in tokens]


def test_numbers_of_a_prompt_are_halved_pixels_of_the_scaled_picture():
    prompt, numbers = hold_places("What is in <box>20, 40, 100, 200</box>?", CANVAS)
    assert prompt == "What is in <0x00><0x02><0x02><0x02><0x02><0x01>?"
    assert numbers == ["6", "12", "30", "60"]


def test_prompt_without_a_box_stays():
    assert hold_places("a cat", CANVAS) == ("a cat", [])


def test_numbers_become_tokens_where_places_were_held(tokenizer):
    row = torch.tensor(tokenizer("a <0x00><0x02><0x02><0x02><0x02><0x01>", add_special_tokens=False).input_ids)
    put_numbers(tokenizer, row, ["6", "12", "30", "60"])
    assert tokenizer.convert_ids_to_tokens(row.tolist())[-6:] == ["<0x00>", "6", "12", "30", "60", "<0x01>"]


def test_number_that_no_token_is_for_is_an_error(tokenizer):
    row = torch.tensor(tokenizer("<0x00><0x02><0x02><0x02><0x02><0x01>", add_special_tokens=False).input_ids)
    with pytest.raises(BackendError, match="no tokens for the numbers 6, 12, 30, 6000 of a box"):
        put_numbers(tokenizer, row, ["6", "12", "30", "6000"])


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        # recorded: transformers, tests/models/fuyu/test_modeling_fuyu.py, which decodes it as 194213202244
        (["<0x00>", "194", "213", "202", "244", "<0x01>"], "<box>194, 213, 202, 244</box>"),
        (["▁a", "▁big", "<0x00>", "6", "12", "30", "60", "<0x01>", "▁dog"], "a big<box>6, 12, 30, 60</box>dog"),
        (["<0x02>", "6", "12", "<0x03>"], "<point>6, 12</point>"),
        (["<0x00>", "6", "12"], "<box>6, 12"),
        (["▁a", "▁dog"], "a dog"),
        ([], ""),
    ],
)
def test_numbers_of_an_answer_are_parted_by_commas(tokenizer, tokens, text):
    assert spell(tokenizer, ids_of(tokenizer, *tokens)) == text
