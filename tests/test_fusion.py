"""Who sees whom, written out; and image features in the places of image tokens."""

import pytest
import torch

from grounding.errors import ConfigError
from grounding.model.blocks import as_bias
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT, Concatenation, build_fusion, visibility
from tests import tiny

ROLES = {".": PAD, "i": IMAGE, "p": PROMPT, "a": ANSWER}


def table(roles, segments=None, start=0, causal=False):
    """Rows of 1 and 0, as text."""
    values = torch.tensor([[ROLES[letter] for letter in roles]])
    numbers = None if segments is None else torch.tensor([[int(digit) for digit in segments]])
    visible = visibility(values, numbers, start, causal)[0, 0]
    return ["".join("1" if seen else "-" for seen in row) for row in visible.tolist()]


def test_image_sees_image_prompt_sees_itself_whole_answer_is_causal():
    assert table("iippaa") == [
        "11----",
        "11----",
        "1111--",
        "1111--",
        "11111-",
        "111111",
    ]


def test_padding_sees_itself_alone_and_is_seen_by_nobody():
    assert table(".ipa.") == [
        "1----",
        "-1---",
        "-11--",
        "-111-",
        "----1",
    ]


def test_phrases_in_one_row_do_not_see_each_other():
    assert table("ipapa", "00011") == [
        "1----",
        "11---",
        "111--",
        "1--1-",
        "1--11",
    ]


def test_rows_may_begin_behind_the_image():
    assert table("iipa", start=2) == table("iipa")[2:]
    assert table("iipap", "00001", start=2) == table("iipap", "00001")[2:]


def test_no_row_is_empty_whatever_the_roles():
    roles = torch.randint(0, 4, (64, 12), generator=torch.Generator().manual_seed(0))
    seen = visibility(roles, roles)
    assert seen.any(3).all()
    assert seen.diagonal(dim1=2, dim2=3).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_bias_is_zero_or_the_lowest_number_and_stays_finite(dtype):
    bias = as_bias(torch.tensor([True, False]), dtype)
    assert bias.tolist() == [0.0, torch.finfo(dtype).min]
    assert torch.softmax(bias, 0).tolist() == [1.0, 0.0]


def test_features_take_the_places_of_image_tokens_in_order():
    embeddings = torch.zeros(2, 4, 3)
    features = torch.arange(1, 13, dtype=torch.float32).view(2, 2, 3)
    places = torch.tensor([[True, True, False, False], [False, True, True, False]])
    out = Concatenation(None, 3)(embeddings, features, places)
    assert torch.equal(out[0, :2], features[0])
    assert torch.equal(out[1, 1:3], features[1])
    assert not out[0, 2:].any()
    assert not out[1, [0, 3]].any()


def test_features_take_the_precision_of_the_embeddings():
    places = torch.tensor([[True, False]])
    out = Concatenation(None, 3)(torch.zeros(1, 2, 3, dtype=torch.bfloat16), torch.ones(1, 1, 3), places)
    assert out.dtype == torch.bfloat16


def test_an_answer_sees_no_picture_that_comes_after_it():
    assert table("ipai") == ["1--1", "11-1", "111-", "1--1"]


def test_in_causal_attention_nothing_sees_what_comes_later():
    assert table("piia.", causal=True) == [
        "1----",
        "11---",
        "111--",
        "1111-",
        "----1",
    ]
    assert table("ipap", "0011", causal=True) == ["1---", "11--", "1-1-", "1-11"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cross", {}, "'cross'; known: concatenation, cross_attention"),
        ("concatenation", {"every": 2}, "'concatenation' has no option 'every'; it takes none"),
        ("cross_attention", {"evry": 2}, "has no option 'evry'; it takes every, heads, hidden, look"),
        ("cross_attention", {"every": 3}, "every=3; the language model has 2 blocks"),
        ("cross_attention", {"every": 1, "look": "first"}, "look='first'; known: last, all"),
        ("cross_attention", {"every": 1, "heads": 3}, "64 does not divide among 3"),
    ],
)
def test_a_fusion_that_cannot_be_built_is_refused_with_what_can(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_fusion(name, tiny.model().language, 64, options)
