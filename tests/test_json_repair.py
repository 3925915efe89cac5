"""Reading JSON as models write it: what comes out of broken texts, where it stood, in pieces, and in how much time."""

import json
import time

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs.json_repair import JSONReader
from grounding.codecs.json_structure import Pairs
from grounding.result import PROBLEM_KINDS
from tests.strategies import broken, cut

A, B = '{"box": [1, 2, 3, 4], "label": "a"}', '{"box": [5, 6, 7, 8], "label": "b"}'
PIECES = (
    *(A, B, *"[]{}(),:;\"'\\`/\n <>=", '\\"', "\\u4e2d", "\\ud83d", "```", "```json\n", "\r\n", "\ufeff"),
    *("<think>", "</think>", "<answer>", "</answer>", "<|im_end|>", "<|box_start|>", "//", "/*", "*/", "#"),
    *(
        '"box": ',
        "label",
        '"label": ',
        "'label': ",
        "1",
        "-2.5",
        "１２",
        "，",
        "：",
        "｛",
        "］",
        "“",
        "”",
        "猫",
        "\x00",
    ),
    *("None", "true", "[1, 2, 3, 4]", "(1, 2)", "man's hat", "see [below]", "{so}", "猫", "\U0001f600"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40)


def read(*pieces: str) -> tuple[list, JSONReader]:
    reader = JSONReader()
    found = [one for piece in pieces for one in reader.feed(piece)]
    return found + reader.close(), reader


def objects(text: str) -> list[dict]:
    return [dict(one.value) for one in read(text)[0] if one.mark == "{"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # around it
        (f"[{A}]", [{"box": [1, 2, 3, 4], "label": "a"}]),
        (A, [{"box": [1, 2, 3, 4], "label": "a"}]),
        (f"```json\n[{A}]\n```", [{"box": [1, 2, 3, 4], "label": "a"}]),
        (f"```\r\n[{A}]", [{"box": [1, 2, 3, 4], "label": "a"}]),
        (f"Here [see {{below}}]: [{A}] so.", [{"box": [1, 2, 3, 4], "label": "a"}]),
        ("nothing at all", []),
        ("", []),
        # commas and colons
        ('[{"a": 1,}, ]', [{"a": 1}]),
        ('[{"a": 1 "b": 2} {"c": 3}]', [{"a": 1, "b": 2}, {"c": 3}]),
        ('{"a": [1 2 3]}', [{"a": [1, 2, 3]}]),
        ('{"a" 1, "b"}', [{"a": 1, "": "b"}]),
        # Python, and other ways to write values
        ("{'a': 'x', b: y z, \"c\": None}", [{"a": "x", "b": "y z", "c": None}]),
        ('{"a": True, "b": false, "c": (1, 2)}', [{"a": True, "b": False, "c": [1, 2]}]),
        ('{"a": 1e3, "b": -.5, "c": +7, "d": 12px}', [{"a": 1000.0, "b": -0.5, "c": 7, "d": "12px"}]),
        ('{"a": plate/dish /* so, */, // b: 2\n "c": 3 # d\n}', [{"a": "plate/dish", "c": 3}]),
        ('｛"a"：［１２，３．５］｝', [{"a": [12, 3.5]}]),
        ("{“a”: “b”}", [{"a": "b"}]),
        # quotes inside of strings, around objects, and missing
        ('{"label": "man"s hat, "big" one"}', [{"label": 'man"s hat, "big" one'}]),
        ('{"label": "the "stop", red", "a": 1}', [{"label": 'the "stop", red', "a": 1}]),
        ("{'label': 'man's hat', 'a': 1}", [{"label": "man's hat", "a": 1}]),
        ('{"a": cat", "b": 1}', [{"a": "cat", "b": 1}]),
        ('["{"a": [1, 2], "b": "c"}"]', [{"a": [1, 2], "b": "c"}]),
        ('["{\\"a\\": 1, \\"b\\": \\"c d\\"}"]', [{"a": 1, "b": "c d"}]),
        ('{"a": "x, "b": 1}', [{"a": "x", "b": 1}]),
        ('[{"a": "x}, {"b": 1}]', [{"a": "x"}, {"b": 1}]),
        ('{"a": "x\n}', [{"a": "x"}]),
        ('{"a": "\\u4e2d\\ud83d\\ude00\\n\\/\\q\\ud83d"}', [{"a": "中\U0001f600\n/\\q\ufffd"}]),
        # brackets
        ('[{"a": 1, {"b": 2}]', [{"a": 1}, {"b": 2}]),
        ('[{"a": [1, 2}, {"b": 2]', [{"a": [1, 2]}, {"b": 2}]),
        ('[{ {"a": 1}]', [{"a": 1}]),
        ('["a": [1, 2], "b": 3]', [{"a": [1, 2], "b": 3}]),
        ('{"a": {"b": 1}}', [{"b": 1}, {"a": [("b", 1)]}]),
        # cut: half of a number would be another number
        ('{"a": "x', [{"a": "x"}]),
        ('{"a": "x}]\n```</s>', [{"a": "x"}]),
        ('{"a": [1, 23', [{"a": [1]}]),
    ],
)
def test_what_comes_out_of_broken_json(text, expected):
    assert objects(text) == expected


def test_repeated_keys_are_all_given():
    ((found,), _) = read('{"a": 1, "a": 2}')
    assert found.value == [("a", 1), ("a", 2)]


def test_lists_outside_of_objects_are_given_by_themselves():
    found, _ = read("[[1, 2, 3, 4], [5, 6]] and (7, 8), not {'a': [9, 9]}")
    assert [(one.value, one.mark) for one in found] == [
        ([1, 2, 3, 4], "["),
        ([5, 6], "["),
        ([7, 8], "("),
        ([("a", [9, 9])], "{"),
    ]


def test_what_is_found_says_where_it_stood():
    text = f'so [{A}, {{"things": [{B}], "n": {{"z": 1}}}}]'
    found, reader = read(text)
    assert [text[one.start : one.end] for one in found] == [A, B, '{"z": 1}', text[text.index('{"things') : -1]]
    assert [(one.outer, one.key) for one in found] == [(0, ""), (1, ""), (1, "n"), (0, "")]
    assert [text[slice(*span)] for span in reader.structures] == [text[3:]]
    assert reader.words == (0, 2)


def test_thinking_is_no_answer():
    found, reader = read(f"<think>maybe {A}, [1, 2, 3, 4]</think><answer>{B}</answer><|im_end|>")
    assert [dict(one.value)["label"] for one in found] == ["b"]
    assert not reader.problems
    assert reader.words is None
    assert [dict(one.value)["label"] for one in read(f"<think>hm <answer>{B}")[0]] == ["b"]
    assert read("hm, well</think>")[1].words is None


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (f"[{A}, {B}", [("truncated", 0)]),
        (f"[{A}", [("truncated", 0)]),
        (f"```json\n[{A}\n```", [("malformed", 8)]),
        (f"<answer>[{A}</answer>", [("malformed", 8)]),
        (f"[{{ {A}]", [("malformed", 1)]),
        (f"<|box_start|>{A}", [("unknown_token", 0)]),
        ("<think>and then", [("truncated", 0)]),
        (f"[{A}, {B}]", []),
    ],
)
def test_what_could_not_be_read_is_reported(text, problems):
    _, reader = read(text)
    assert [(problem.kind, problem.span[0]) for problem in reader.problems if problem.span] == problems


def test_an_object_is_given_with_its_last_brace():
    reader = JSONReader()
    given = [(i, dict(one.value)["label"]) for i, c in enumerate(f"[{A}, {B}]") for one in reader.feed(c)]
    assert given == [(len(A), "a"), (len(A) + 2 + len(B), "b")]


@settings(max_examples=60, deadline=None)
@given(broken(texts), st.data())
def test_it_never_raises_and_reads_the_same_however_the_text_was_cut(text, data):
    found, reader = read(text)
    again, other = read(*data.draw(cut(st.just(text))))
    assert repr(again) == repr(found)  # by its words: nan is not equal to itself
    assert (other.problems, other.words, other.structures) == (reader.problems, reader.words, reader.structures)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(problem.kind in PROBLEM_KINDS for problem in reader.problems)


def pairs(value):
    """The value with every object as Pairs."""
    if isinstance(value, dict):
        return Pairs((key, pairs(item)) for key, item in value.items())
    return [pairs(item) for item in value] if isinstance(value, list) else value


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
things = st.dictionaries(st.text(max_size=6), values, min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(things, st.sampled_from([None, 2, "\t"]), st.booleans(), st.booleans())
def test_sound_json_is_read_as_any_reader_reads_it(thing, indent, ascii_, in_pieces):
    text = json.dumps(thing, indent=indent, ensure_ascii=ascii_)
    found, reader = read(*text) if in_pieces else read(text)
    assert found[-1].value == pairs(thing)
    assert (found[-1].start, found[-1].end) == (0, len(text))
    assert not reader.problems


ENDLESS = (
    *(
        '{"a": "',
        '"',
        "{",
        "[",
        "[[1",
        "}",
        '{"a',
        "<",
        "<think",
        "`",
        '{"a": "b" ',
        '{"a": "b", ',
        '{"a": "\\',
        "(1, ",
    ),
    *("a ", '["{', '{"a": "b\n', '{"a": 1, {', "/*", "[#", '{"a": "b, "c', "[1 2 ", '{"a": b" ', "\n", "[{", "{a: b/"),
)


@pytest.mark.parametrize("text", ENDLESS)
def test_reading_takes_time_in_proportion_to_the_text(text):
    text = text * (8_000 // len(text))
    start = time.process_time()
    read(text)
    read(*text)
    assert time.process_time() - start < 4  # it takes a tenth of a second; reading anew each time would take minutes


DEEP = ('{"a": ' + "[" * 50_000, '{"a": ' + "[" * 3_000 + "]" * 3_000 + "}", '{"a":' * 10_000)


@pytest.mark.parametrize("text", DEEP, ids=len)
def test_nesting_has_no_limit(text):
    found, _ = read(text)
    assert len(found) == text.count("{")
