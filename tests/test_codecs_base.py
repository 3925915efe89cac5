"""What all codecs promise: the table of names, prompts that can't be misread, reading in pieces, and never raising."""

import re
import time

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import CODECS, get_codec
from grounding.codecs.base import TagLexer, clean_names, clean_words
from grounding.errors import ConfigError, InputError, PromptError, UnknownCodecError
from grounding.images import Canvas
from grounding.result import PROBLEM_KINDS
from tests.strategies import JUNK, answers, broken, canvases, cut

OWN_TAGS = ("location", "paligemma")
"""Families whose answers `strategies` can draw for every task; what holds for all of them is in test_families."""
CASES = [(name, task) for name in OWN_TAGS for task in get_codec(name).tasks]
any_text = st.text(max_size=60) | st.lists(st.sampled_from(JUNK), max_size=12).map("".join)


@st.composite
def questions(draw):
    """A codec, a task, a picture and an answer that may be broken."""
    name, task = draw(st.sampled_from(CASES))
    codec, canvas = get_codec(name), draw(canvases)
    return codec, task, canvas, draw(broken(answers(codec, task, canvas)) | any_text)


def test_an_unknown_codec_is_answered_with_the_known_ones():
    with pytest.raises(UnknownCodecError, match=r"no codec named 'yolo'; known: location, paligemma"):
        get_codec("yolo")


def test_an_unknown_rounding_is_refused_by_every_codec():
    for name in CODECS:
        with pytest.raises(ConfigError, match="no rounding 'banker'"):
            get_codec(name, "banker")


def test_a_codec_is_made_once():
    assert get_codec("location") is get_codec("location")
    assert get_codec("paligemma", "supervision") is not get_codec("paligemma")


@pytest.mark.parametrize("name", CODECS)
def test_an_unknown_task_is_the_callers_mistake(name):
    codec, canvas = get_codec(name), Canvas.identity(10, 10)
    for call in (
        lambda: codec.prompt("fly", "a"),
        lambda: codec.encode("fly", canvas=canvas),
        lambda: codec.decode("", canvas, task="fly"),
        lambda: codec.grammar("fly"),
    ):
        with pytest.raises(InputError, match=f"{name} .* 'fly'"):
            call()


@pytest.mark.parametrize("words", ["", "  \n", None, 7])
def test_a_phrase_must_say_something(words):
    with pytest.raises(PromptError):
        clean_words(words, "phrase")


@pytest.mark.parametrize("words", ["<loc0001>", "a <image> b", "x</p>", "<EOS>"])
def test_markup_in_a_phrase_is_refused(words):
    with pytest.raises(PromptError, match="markup"):
        clean_words(words, "phrase")


def test_a_phrase_keeps_all_but_its_spare_blanks():
    assert clean_words("  man's\tred \n hat, a < b ", "phrase") == "man's red hat, a < b"


def test_names_are_taken_once_each_and_can_not_hold_the_separator():
    assert clean_names(["star", " ring ", "star"]) == ("star", "ring")
    assert clean_names("star") == ("star",)
    with pytest.raises(PromptError, match="at least one"):
        clean_names([])
    with pytest.raises(PromptError, match="semicolon"):
        clean_names(["star ; ring"])


@given(cut(any_text))
def test_the_lexer_loses_nothing_and_cuts_the_same_however_the_text_arrives(pieces):
    def lexemes(pieces):
        lexer = TagLexer()
        found = [lexeme for piece in pieces for lexeme in lexer.feed(piece)]
        held = lexer.close()
        return [*found, held] if held else found

    text = "".join(pieces)
    found = lexemes(pieces)
    assert "".join(lexeme for lexeme, _ in found) == text
    assert all(text[start : start + len(lexeme)] == lexeme for lexeme, start in found)
    tags = [lexeme for lexeme in found if lexeme[0][0] == "<"]
    assert tags == [lexeme for lexeme in lexemes([text]) if lexeme[0][0] == "<"]


@settings(max_examples=400)
@given(questions())
def test_decode_never_raises_and_names_what_it_could_not_read(question):
    codec, task, canvas, text = question
    decoded = codec.decode(text, canvas, task=task)
    words = text if decoded.text is None else decoded.text
    for region in decoded.regions:
        x1, y1, x2, y2 = region.box
        assert 0 <= x1 <= x2 <= canvas.width
        assert 0 <= y1 <= y2 <= canvas.height
        assert region.score is None
        assert region.span is None or 0 <= region.span[0] < region.span[1] <= len(words)
    for problem in decoded.problems:
        assert problem.kind in PROBLEM_KINDS
        assert problem.span is not None
        assert 0 <= problem.span[0] <= problem.span[1] <= len(text)


@settings(max_examples=400)
@given(questions(), st.data())
def test_a_stream_says_what_decode_says_however_the_text_was_cut(question, data):
    codec, task, canvas, text = question
    stream = codec.stream(canvas, task=task)
    early = [region for piece in data.draw(cut(st.just(text))) for region in stream.feed(piece)]
    whole = stream.close()
    assert whole == codec.decode(text, canvas, task=task)
    assert tuple(early) == whole.regions[: stream.yielded]


@given(questions())
def test_nothing_is_dropped_in_silence(question):
    """In lists of boxes every character is in a region or a problem, or is one of those that carry nothing."""
    codec, task, canvas, text = question
    decoded = codec.decode(text, canvas, task=task)
    if decoded.text is not None:
        return
    spans = [region.span for region in decoded.regions] + [problem.span for problem in decoded.problems]
    left = list(text)
    for start, end in spans:
        left[start:end] = " " * (end - start)
    rest = "".join(left)
    for stop in ("<eos>", "<bos>", "<pad>", "<s>", "</s>", "none", "NONE", "."):
        rest = rest.replace(stop, " ")
    if decoded.count is not None:
        rest = re.sub(r"\d{1,6} ?[:：]?", " ", rest, count=1)
    assert not rest.strip(" \t\r\n\v\f;；,，")


@pytest.mark.parametrize("text", ["<", "<loc0001>", "a b ", "<p>a", ";", "<loc0001"])
@pytest.mark.parametrize(("name", "task"), CASES)
def test_reading_takes_time_in_proportion_to_the_text(name, task, text):
    stream = get_codec(name).stream(Canvas.identity(640, 480), task=task)
    start = time.process_time()
    for character in text * (20_000 // len(text)):
        stream.feed(character)
    stream.close()
    assert time.process_time() - start < 3  # it takes a tenth of a second; reading anew each time would take minutes
