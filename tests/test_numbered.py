"""Coordinates that are numbered tags: spellings, what ends a run, what is reported, and words with boxes among them."""

import re

import pytest

from grounding.codecs.collect import Collector
from grounding.codecs.numbered import NumberStream, WordsStream, spellings
from grounding.images import Canvas

CANVAS = Canvas.identity(9, 9)


class NineStream(WordsStream):
    """A family of ten bins, <n0> to <n9>."""

    bins = spellings("<n{}>", 10)
    odd = re.compile(r"<n_?(\d+)>", re.IGNORECASE)
    beginning = "<n"
    tags = ("<n",)


def read(text, *, labelled=False):
    stream = NineStream(Collector(CANVAS, lambda bin_: bin_ / 9, 9), labelled=labelled)
    stream.feed(text)
    return stream.close()


def test_spellings_are_all_the_numbers():
    assert spellings("<n{:02d}>", 3) == {"<n00>": 0, "<n01>": 1, "<n02>": 2}


@pytest.mark.parametrize("box", ["<n1><n2><n3><n4>", "<n1> <n2>, <n3>\r\n<n4>", "<N1><n_2><n03><n４>"])
def test_a_box_is_four_coordinates_however_they_are_spelled(box):
    decoded = read(f"a cat {box}", labelled=True)
    (region,) = decoded.regions
    assert (region.box, region.label, region.span, decoded.text) == ((1, 2, 3, 4), "a cat", (0, 5), "a cat")
    assert not decoded.problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a<n1><n2><n3>b", [("malformed", "<n1><n2><n3>")]),
        ("a<n1><n2><n3></s>", [("malformed", "<n1><n2><n3>")]),
        ("a<n1><n2><n3>", [("truncated", "<n1><n2><n3>")]),
        ("a<n1><n2><n", [("truncated", "<n1><n2><n")]),
        ("a<n1><n2><n3><nx>", [("malformed", "<n1><n2><n3><nx>")]),
        ("a<what>b", [("unknown_token", "<what>")]),
        ("", [("truncated", "")]),
    ],
)
def test_what_can_not_be_read_is_reported_with_its_place(text, problems):
    decoded = read(text)
    assert [(problem.kind, text[slice(*problem.span)]) for problem in decoded.problems] == problems
    assert not decoded.regions


def test_words_keep_what_is_no_markup():
    assert read(" <s>1 < 2; a <b c> d</s> ").text == "1 < 2; a <b c> d"


def test_a_box_before_any_words_shows_none():
    (region,) = read("<n1><n2><n3><n4> cat").regions
    assert (region.label, region.span) == (None, None)


def test_a_family_must_say_what_its_tags_mean():
    with pytest.raises(TypeError, match="abstract"):
        NumberStream(Collector(CANVAS))
