"""Reading numbers in brackets: what counts as numbers, what as words, and that pieces and wholes agree."""

import time

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.brackets import Surface
from grounding.images import Canvas
from grounding.result import PROBLEM_KINDS
from tests.chatting import FAMILIES, questions, read
from tests.strategies import cut

BOX = (12.0, 34.0, 56.0, 78.0)


@settings(max_examples=60)
@given(questions())
def test_reading_never_raises_and_stays_in_the_picture(question):
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
        assert 0 <= problem.span[0] <= problem.span[1] <= len(text)
    if not decoded.regions and not decoded.text and text.strip():
        assert decoded.problems


@settings(max_examples=60)
@given(questions(), st.data())
def test_pieces_say_what_the_whole_says(question, data):
    codec, task, canvas, text = question
    stream = codec.stream(canvas, task=task)
    early = [region for piece in data.draw(cut(st.just(text))) for region in stream.feed(piece)]
    whole = stream.close()
    assert whole == codec.decode(text, canvas, task=task)
    assert tuple(early) == whole.regions[: stream.yielded]


@pytest.mark.parametrize("text", ["<", "[", "[1,", "a ", "1", "<ref>a", "[1,2,3,4]", "(1,2),"])
@pytest.mark.parametrize(("name", "task"), [("qwen2-vl", "answer"), ("internvl", "detect"), ("glm-4.5v", "detect")])
def test_reading_takes_time_in_proportion_to_the_text(name, task, text):
    stream = get_codec(name).stream(Canvas.identity(640, 480), task=task)
    start = time.process_time()
    for character in text * (4_000 // len(text)):
        stream.feed(character)
    stream.close()
    assert time.process_time() - start < 3  # a tenth of a second; reading anew each time would take minutes


@pytest.mark.parametrize("name", ["internvl", "deepseek-vl2", "cogvlm", "ferret", "glm-4.5v"])
@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        ("[12, 34, 56, 78]", 1, []),
        ("[12,34,56,78]", 1, []),
        ("[[12, 34, 56, 78]]", 1, []),
        ("[ 12 , 34 ,\r\n56 , 78 ]", 1, []),
        ("[12 34 56 78]", 1, []),
        ("\uff3b\uff11\uff12\uff0c\uff13\uff14\uff0c\uff15\uff16\uff0c\uff17\uff18\uff3d", 1, []),
        ("It is at [12, 34, 56, 78], I think.", 1, []),
        ("[see below] [12, 34, 56, 78] [1]", 1, []),
        ("<think>[9, 9, 9, 9]?</think>[12, 34, 56, 78]", 1, []),
        ("[12, 34, 56, 78]</s><pad><|im_end|>", 1, []),
        ("[[12, 34, 56, 78]", 1, []),
        ("[56, 78, 12, 34]", 1, [("inverted", "[56, 78, 12, 34]")]),
        ("[12, 34, 56, 78] <unk>", 1, [("unknown_token", "<unk>")]),
        ("[12, 34, 56, 78], ".rstrip() * 40, 1, [("duplicate", "[12, 34, 56, 78]")] * 39),
        ("[12, 34, 56]", 0, [("malformed", "[12, 34, 56]")]),
        ("[[470,]]", 0, [("malformed", "[470,]")]),
        ("[[]]", 0, [("malformed", "[[]]")]),
        ("[12, 34, 56, 99999]", 0, [("out_of_range", "[12, 34, 56, 99999]")]),
        ("[12, 34, 56, 1..2]", 0, [("malformed", "[12, 34, 56, 1..2]")]),
        ("[12, 34, 56, 7", 0, [("truncated", "[12, 34, 56, 7")]),
        ("[12, 34,", 0, [("truncated", "[12, 34,")]),
        ("[[12, 34, 56, 78], [1", 1, [("truncated", "[1")]),
        ("[[12, 34, 56, 78],", 1, [("truncated", ",")]),
        ("[", 0, [("truncated", "[")]),
        ("I see none.", 0, [("prose", "I see none.")]),
        ("see [below]", 0, [("prose", "see [below]")]),
        ("<think>hm", 0, [("truncated", "<think>hm")]),
        ("</think>[12, 34, 56, 78]", 1, [("malformed", "</think>")]),
        ("", 0, [("truncated", "")]),
        ("</s>", 0, [("truncated", "</s>")]),
    ],
)
def test_broken_lists_keep_what_can_be_read(name, text, found, problems):
    boxes, seen = read(name, text, size=(1000, 1000))
    assert len(boxes) == found
    assert seen == problems


@pytest.mark.parametrize("name", FAMILIES)
def test_words_without_boxes_are_prose_where_a_place_was_asked_for(name):
    assert read(name, "There is no dog.") == ([], [("prose", "There is no dog.")])
    assert read(name, "") == ([], [("truncated", "")])


def test_a_box_is_given_as_soon_as_its_bracket_closes():
    stream = get_codec("cogvlm").stream(Canvas.identity(1000, 1000))
    assert stream.feed("[[012,034,056,078") == ()
    (first,) = stream.feed(";")
    assert first.box == BOX
    assert stream.feed("1,2,3,4") == ()
    (second,) = stream.feed("]")
    assert second.box == (1, 2, 3, 4)
    assert stream.close().regions == (first, second)
    assert stream.yielded == 2


def test_well_spelled_boxes_and_odd_ones_are_read_alike():
    for plain, odd in (
        ("<ref>dog</ref><box>[[12, 34, 56, 78]]</box>", "<ref>dog</ref><box>[[12 ,34, 56, 78]]</box>"),
        ("<ref> dog </ref><box>[[12, 34, 56, 78]]</box>", "<ref> dog </ref> <box>[12, 34, 56, 78]</box>"),
    ):
        assert read("internvl", plain) == read("internvl", odd) == ([(BOX, "dog")], [])


def test_a_surface_knows_its_own_tags_and_the_common_ones():
    surface = Surface({"<a>": "ref", "</a>": "/ref"})
    assert surface.named
    assert surface.tags["<a>"] == "ref"
    assert surface.tags["</s>"] == "skip"
    assert not Surface({}).named
