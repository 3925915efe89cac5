"""Tokens and money: counted as servers tell them, priced as the caller says, unknown where nobody knows."""

import json

import pytest

from grounding.backends.endpoint_usage import AnswerUsage, Price, Usage, cost_of, count_tokens, price_of
from grounding.errors import ConfigError


def used(given, written, cost):
    return AnswerUsage("locate", "cup", "m", given, written, None, cost, 0.5, "stop")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, (10, 5, None)),
        ({"prompt_tokens": 10, "completion_tokens": 5}, (10, 5, None)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, (10, 30, None)),  # hidden thinking
        ({"prompt_tokens": 10, "total_tokens": 40}, (10, 30, None)),
        ({"prompt_tokens": 10, "total_tokens": 10}, (10, None, None)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}, (10, 5, 8)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": None}, (10, 5, None)),
        ({"prompt_tokens": "10", "completion_tokens": True, "total_tokens": -1}, (None, None, None)),
        ({}, (None, None, None)),
        (None, (None, None, None)),
        ("many", (None, None, None)),
    ],
)
def test_tokens_are_those_that_the_server_tells(usage, tokens):
    assert count_tokens(usage) == tokens


def test_cost_is_by_the_million():
    assert cost_of(Price(2, 10), 1000, 100, None) == pytest.approx(0.003)
    assert cost_of(Price(2, 10), 1000, 100, 500) == pytest.approx(0.003)
    assert cost_of(Price(2, 10, 0.5), 1000, 100, 500) == pytest.approx(0.00225)
    assert cost_of(Price(0, 0), 1000, 100, None) == 0


@pytest.mark.parametrize(("price", "tokens"), [(None, (1, 1)), (Price(1, 1), (None, 1)), (Price(1, 1), (1, None))])
def test_cost_that_nobody_knows_is_none(price, tokens):
    assert cost_of(price, *tokens, None) is None


def test_price_is_looked_up_by_the_models_name():
    table = {"gpt-4o": (2.5, 10), "mini": [0.15, 0.6, 0.075]}
    assert price_of("gpt-4o", table) == Price(2.5, 10.0)
    assert price_of("mini", table) == Price(0.15, 0.6, 0.075)
    assert price_of("another", table) is None
    assert price_of("gpt-4o", None) is None


@pytest.mark.parametrize("row", [(1,), (1, 2, 3, 4), ("a", "b"), 5, (1, -1), (1, float("inf"))])
def test_price_that_cannot_be_read_is_refused(row):
    with pytest.raises(ConfigError, match="give what a million tokens cost"):
        price_of("m", {"m": row})


def test_totals_are_of_what_is_known_and_an_unknown_cost_makes_the_total_unknown():
    known = Usage((used(10, 5, 0.1), used(20, 7, 0.2)))
    assert (known.input_tokens, known.output_tokens) == (30, 12)
    assert known.cost == pytest.approx(0.3)
    some = Usage((used(10, 5, 0.1), used(None, None, None)))
    assert (some.input_tokens, some.cost) == (10, None)
    assert Usage(()).cost == 0


def test_usage_is_plain_json():
    data = json.loads(json.dumps(Usage((used(10, 5, 0.1),)).to_json()))
    assert (data["input_tokens"], data["cost"], data["answers"][0]["phrase"]) == (10, 0.1, "cup")
