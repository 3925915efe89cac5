"""Which bracket closes what, while it is read: the stack below the reader."""

from grounding.codecs.json_repair import JSONReader


def spans(text: str) -> list[str]:
    reader = JSONReader()
    return [text[one.start : one.end] for one in [*reader.feed(text), *reader.close()]]


def test_a_bracket_closes_what_is_open_inside_of_its_pair():
    assert spans('[{"a": [1, (2}, 3]') == ['{"a": [1, (2}']
    assert spans('{"a": {"b": [1}}') == ['{"b": [1}', '{"a": {"b": [1}}']


def test_a_bracket_without_a_pair_is_left_out():
    assert spans('[{"a": 1}}}]') == ['{"a": 1}']
    assert spans('{"a": 1]), "b": 2}') == ['{"a": 1]), "b": 2}']


def test_a_brace_where_a_key_comes_begins_the_next_object():
    assert spans('[{"a": 1, {"b": 2}]') == ['{"a": 1, ', '{"b": 2}']


def test_what_is_open_when_the_text_ends_is_given_as_it_is():
    reader = JSONReader()
    text = '[{"a": 1, "b": [2, 3'
    found = [*reader.feed(text), *reader.close()]
    assert [(one.value, one.whole, one.end) for one in found] == [([("a", 1), ("b", [2])], False, len(text))]
    assert reader.structures == [(0, len(text))]
