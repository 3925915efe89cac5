"""What goes into meta can be written to any file again."""

import json
import math

from grounding.data.plain import DEEPEST, plain, rest, writable


def test_any_value_becomes_plain_json():
    value = {"a": (1, 2.5, math.nan), 3: {"b": math.inf}, "c": b"x", "d": {1}, "e": None, "f": True}
    made = plain(value)
    assert made == {"a": [1, 2.5, None], "3": {"b": None}, "c": [120], "d": [1], "e": None, "f": True}
    json.dumps(made, allow_nan=False)


def test_containers_deep_in_others_are_told_of():
    itself = []
    itself.append(itself)
    deep = []
    for _ in range(5_000):
        deep = [deep]
    for value in (itself, deep):
        kept = plain(value)
        for _ in range(DEEPEST + 1):
            (kept,) = kept
        assert kept == "a list too deep in others to be kept"


def test_half_a_surrogate_pair_becomes_a_question_mark():
    assert writable("caf\u00e9 \ud83d") == "café ?"
    assert plain({"\ud83d": ["\ud83d"]}) == {"?": ["?"]}
    assert writable("plain") == "plain"


def test_the_rest_of_a_row_is_what_was_not_used():
    assert rest({"a": 1, "b": (2,)}, ("a",)) == {"b": [2]}
