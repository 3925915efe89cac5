"""Words around boxes: which of them name a box, and what an answer says without its markup."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.names import CleanText, front_label
from grounding.images import Canvas
from tests.chatting import read

A, B = (12.0, 34.0, 56.0, 78.0), (1.0, 2.0, 3.0, 4.0)
BOX_A, BOX_B = "[[12, 34, 56, 78]]", "[[1, 2, 3, 4]]"


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("dog ", "dog"),
        ("man's red hat: ", "man's red hat"),
        (", dog, brown ", "dog, brown"),
        ("Here they are:\n- dog: ", "dog"),
        ("1\r\n\u732b\uff1a", "\u732b"),
        (" ; ", None),
        ("", None),
    ],
)
def test_the_last_line_in_front_of_a_box_is_its_name(words, label):
    assert front_label(words) == label


@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        (f"<ref>dog</ref><box>{BOX_A}</box>", [(A, "dog")], []),
        (f"<ref>dog</ref><box>{BOX_A}</box><box>{BOX_B}</box>", [(A, "dog"), (B, "dog")], []),
        (f"<ref>dog</ref><box>{BOX_A}</box> and <box>{BOX_B}</box>", [(A, "dog"), (B, None)], []),
        (f"<ref>dog</ref> is at <box>{BOX_A}</box>", [(A, "dog")], []),
        (f"<ref>man's red hat, \u732b</ref><box>{BOX_A}</box>", [(A, "man's red hat, \u732b")], []),
        (f"<ref>a <b> c</ref><box>{BOX_A}</box>", [(A, "a <b> c")], []),
        (f"<box>{BOX_A}</box>", [(A, None)], []),
        (f"<ref></ref><box>{BOX_A}</box>", [(A, None)], []),
        (f"<ref>dog<box>{BOX_A}</box>", [(A, "dog")], [("malformed", "<ref>dog")]),
        (f"dog</ref><box>{BOX_A}</box>", [(A, "dog")], [("malformed", "</ref>")]),
        (
            f"<ref>cat</ref><ref>dog</ref><box>{BOX_A}</box>",
            [(A, "dog")],
            [("malformed", "<ref>cat</ref>")],
        ),
        (f"<ref>dog</ref><box>{BOX_A}</box><ref>cat</ref>", [(A, "dog")], [("truncated", "<ref>cat</ref>")]),
        (f"<ref>dog</ref><box>{BOX_A}</box><ref>ca", [(A, "dog")], [("truncated", "<ref>ca")]),
        (f"<ref>dog</ref><box>{BOX_A}</box><re", [(A, "dog")], [("truncated", "<re")]),
        ("<ref>dog</ref><box></box>", [], [("malformed", "<box>")]),
        ("<ref>dog</ref><box>none</box>", [], [("malformed", "<box>"), ("prose", "none")]),
        ("<ref>dog</ref><box>[[1, 2", [], [("truncated", "[1, 2")]),
        (
            f"<ref>dog</ref><box>{BOX_A}</box><ref>dog</ref><box>{BOX_A}</box>",
            [(A, "dog")],
            [("duplicate", f"<ref>dog</ref><box>{BOX_A[:-1]}")],
        ),
        (f"dog{BOX_A}\ncat{BOX_B}", [(A, "dog"), (B, "cat")], []),
        (f"The dog is here: {BOX_A}", [(A, None)], []),
    ],
)
def test_names_in_tags_belong_to_the_boxes_behind_them(text, boxes, problems):
    assert read("internvl", text, "detect") == (boxes, problems)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("dog [12, 34, 56, 78]", [(A, "dog")]),
        ("dog[12, 34, 56, 78]", [(A, "dog")]),
        ("dog [12, 34, 56, 78] [1, 2, 3, 4]", [(A, "dog"), (B, "dog")]),
        ("dog, brown [12, 34, 56, 78], man's red hat [1, 2, 3, 4].", [(A, "dog, brown"), (B, "man's red hat")]),
        ("Here:\n- dog: [12, 34, 56, 78]\n- cat: [1, 2, 3, 4]", [(A, "dog"), (B, "cat")]),
        ("dogs:\n[12, 34, 56, 78]\n[1, 2, 3, 4]", [(A, "dogs"), (B, "dogs")]),
        ("[12, 34, 56, 78]", [(A, None)]),
    ],
)
def test_words_in_front_name_a_box_where_the_family_has_no_tags_for_names(text, boxes):
    assert read("cogvlm", text, "detect") == (boxes, [])
    assert read("cogvlm", text, "locate") == ([(box, None) for box, _ in boxes], [])


@pytest.mark.parametrize(
    ("name", "raw", "text", "shown"),
    [
        ("cogvlm", f"A dog {BOX_A} and a cat {BOX_B}.", "A dog and a cat.", ["A dog", "and a cat"]),
        (
            "cogvlm",
            f"On the left, a dog {BOX_A} sits; a cat {BOX_B}",
            "On the left, a dog sits; a cat",
            ["a dog", "a cat"],
        ),
        ("cogvlm", f"two dogs {BOX_A} {BOX_B} play", "two dogs play", ["two dogs", "two dogs"]),
        ("cogvlm", f"a 3.5 m dog {BOX_A}in grass", "a 3.5 m dog in grass", ["a 3.5 m dog"]),
        ("cogvlm", f"The dog is here: {BOX_A}", "The dog is here:", ["The dog is here"]),
        ("cogvlm", BOX_A, "", [None]),
        ("cogvlm", "no [1] dog (2) [see below]", "no [1] dog (2) [see below]", []),
        (
            "internvl",
            f"A <ref>dog</ref><box>{BOX_A}</box> and <ref>a cat</ref><box>{BOX_B}</box> play",
            "A dog and a cat play",
            ["dog", "a cat"],
        ),
        ("internvl", f"<think>a dog?</think> A dog {BOX_A}.", "A dog.", ["A dog"]),
    ],
)
def test_an_answer_in_words_has_its_words_without_markup(name, raw, text, shown):
    decoded = get_codec(name).decode(raw, Canvas.identity(1000, 1000), task="caption")
    assert decoded.text == text
    assert [region.span and text[slice(*region.span)] for region in decoded.regions] == shown
    assert [region.label for region in decoded.regions] == shown
    assert not decoded.problems


def test_an_answer_in_words_needs_words():
    decoded = get_codec("cogvlm").decode(" ", Canvas.identity(10, 10), task="answer")
    assert [problem.kind for problem in decoded.problems] == ["truncated"]


@settings(max_examples=60)
@given(st.lists(st.text("ab ,.\n", max_size=5), max_size=8))
def test_clean_text_does_not_depend_on_how_it_was_cut(pieces):
    one, other = CleanText(), CleanText()
    for piece in pieces:
        one.add(piece)
    other.add("".join(pieces))
    assert one.whole() == other.whole()
    assert one.take_clause() == other.take_clause()
