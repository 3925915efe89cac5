"""Where strings and bare words end in broken JSON, and what they say."""

import json
import math

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs.json_strings import bare_value, bare_word, ends_at_line, ends_string, forgotten_end, unescaped


@pytest.mark.parametrize(
    ("after", "ends"),
    [
        ("}", True),
        (" ]", True),
        (', "box": [1', True),
        (",\n  label: 'x'", True),
        (",}", True),
        (', {"', True),
        (' "box": [1', True),  # a comma was forgotten
        ("\n```", True),
        ("", True),
        (" " * 100 + "so", True),  # nobody writes that: it is not looked at so far
        ("s hat", False),
        (', red", "a": 1', False),
        (': so", "a": 1', False),
        (' and "that"', False),
        (")", False),
    ],
)
def test_a_quote_ends_a_string_where_what_follows_can_follow_it(after, ends):
    assert ends_string(f'"{after}', 1, True, in_object=True, in_tuple=False) is ends


def test_with_too_little_text_nobody_can_tell():
    for after in ("", " ", ",", ', "', ', "bo', ', "box"', ', "box" ', ' "box"', "`", "/"):
        assert ends_string(f'"{after}', 1, False, in_object=True, in_tuple=False) is None
    assert ends_at_line("\n  ", 1, False) is None
    assert ends_at_line("\n  }", 1, False) is True
    assert ends_at_line("\n more", 1, False) is False


@pytest.mark.parametrize(
    ("string", "less", "brace"),
    [("a cat, ", 2, 0), ("a cat}, {", 4, 1), ("a cat {", 2, 1), ("a cat", 0, 0), ("a, cat", 0, 0)],
)
def test_a_forgotten_end_is_found_before_the_next_key(string, less, brace):
    assert forgotten_end([string]) == (less, brace)
    assert forgotten_end(list(string)) == (less, brace)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_escapes_say_what_json_says(text):
    for ascii_ in (True, False):
        assert unescaped(json.dumps(text, ensure_ascii=ascii_)[1:-1]) == json.loads(json.dumps(text))


@pytest.mark.parametrize(
    ("escaped", "text"),
    [("\\q\\alpha", "\\q\\alpha"), ("\\'", "'"), ("\\ud83d", "\ufffd"), ("\\ude00a", "\ufffda"), ("\\u12", "\\u12")],
)
def test_odd_escapes_stay_and_halves_of_characters_are_marked(escaped, text):
    assert unescaped(escaped) == text


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *[("12", 12), ("-0.5", -0.5), ("+7", 7), (".5", 0.5), ("1e3", 1000.0), ("１２．５", 12.5), ("−3", -3)],
        *[("true", True), ("False", False), ("null", None), ("None", None), ("-Infinity", -math.inf)],
        *[("12px", "12px"), ("one", "one"), ("1.2.3", "1.2.3"), ("9" * 400, math.inf)],
    ],
)
def test_bare_words_are_numbers_constants_or_words(word, value):
    assert bare_value(word) == value
    assert type(bare_value(word)) is type(value)


def test_a_bare_word_loses_comments_and_half_a_pair_of_quotes():
    assert bare_word([' a cat" ']) == "a cat"
    assert bare_word(["12 # px"]) == "12"
