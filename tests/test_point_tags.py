"""Finding tags of points: whatever the pieces, every character comes out once, and in time."""

import time

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.point_tags import PointLexer
from grounding.images import Canvas
from tests.strategies import cut

SIGNS = (
    "<point",
    "<points",
    "<tracks",
    "</point>",
    "</pointer>",
    "<b>",
    " x",
    "=",
    '"',
    "'",
    "1",
    ">",
    "/",
    "<",
    " ",
    "é",
)


class Recorder(PointLexer):
    """What was found, in the order of the text."""

    def __init__(self):
        super().__init__()
        self.found = []

    def feed(self, piece):
        self._read(piece)
        return ()

    def close(self):
        return None

    def _on_words(self, words, start):
        if self.found and self.found[-1][0] == "words":
            self.found[-1] = ("words", self.found[-1][1], start + len(words))
        else:
            self.found.append(("words", start, start + len(words)))

    def _on_open(self, body, start, end, *, broken):
        self.found.append(("broken" if broken else "open", start, end, body))

    def _on_close(self, start, end):
        self.found.append(("close", start, end))

    def _on_other(self, tag, start, end):
        self.found.append(("other", start, end))


def lex(pieces):
    lexer = Recorder()
    for piece in pieces:
        lexer.feed(piece)
    return lexer


def test_tags_and_words_are_told_apart():
    text = "1 < 2 <point x=\"3\" alt='a > b'>it</point><b></s>"
    kinds = [(found[0], text[found[1] : found[2]]) for found in lex([text]).found]
    assert kinds == [
        ("words", "1 < 2 "),
        ("open", "<point x=\"3\" alt='a > b'>"),
        ("words", "it"),
        ("close", "</point>"),
        ("other", "<b>"),
        ("other", "</s>"),
    ]


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('<point x="1" y="2">', ' x="1" y="2"'),
        ("<points  coords = '1' />", "  coords = '1' /"),
        ('<point alt="it\'s">', ' alt="it\'s"'),
        ("<point alt='it's'>", " alt='it's'"),
        ("<point x=1>", " x=1"),
        ("<point>", ""),
    ],
)
def test_what_a_tag_holds(text, body):
    for pieces in ([text], list(text)):
        assert lex(pieces).found == [("open", 0, len(text), body)]


@settings(max_examples=60)
@given(cut(st.lists(st.sampled_from(SIGNS), max_size=24).map("".join)))
def test_nothing_is_lost_and_pieces_make_no_difference(pieces):
    text, in_pieces = "".join(pieces), lex(pieces)
    whole = lex([text])
    place = 0
    for _, start, end, *_ in whole.found:
        assert start == place
        place = end
    place_left = whole._body_start if whole._in_tag else whole._position
    assert place == place_left

    def done(lexer):
        return [found for found in lexer.found if found[0] != "words"]

    assert done(in_pieces) == done(whole)
    assert in_pieces._position + len(in_pieces._held) == whole._position + len(whole._held) == len(text)


@pytest.mark.parametrize(
    "text", ["<", "<point ", '<point x="', "<point x=", "='", '"', "<points x1=' <", '<point x="1" y="2">', "a ", "= "]
)
def test_reading_takes_time_in_proportion_to_the_text(text):
    for task in ("point", "answer"):
        for head in ("", "<point "):
            stream = get_codec("molmo").stream(Canvas.identity(640, 480), task=task)
            start = time.process_time()
            for character in head + text * (5_000 // len(text)):
                stream.feed(character)
            stream.close()
            get_codec("molmo").decode(head + text * (5_000 // len(text)), Canvas.identity(9, 9), task=task)
            assert time.process_time() - start < 3
