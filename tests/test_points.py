"""Molmo's and Molmo 2's texts: prompts, real answers, attributes in any form, counts, words around points."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import PROBLEM_KINDS, Region
from tests.strategies import boxes, broken, canvases, cut, labels, regions, spanned

CODECS = {name: get_codec(name) for name in ("molmo", "molmo2")}
MOLMO, MOLMO2 = CODECS.values()
CANVAS = Canvas.identity(1000, 1000)  # a tenth of a percent is a pixel
TASKS = MOLMO.tasks
JUNK = (
    *("<point", "<points ", 'x="1"', " y='2'", ' x1="3"', ' y1="4"', ' alt="a"', " alt='b's'", ' coords="1 1 100 200"'),
    *(">", "/>", "<", '"', "'", "=", "</point>", "</points>", "<poi", "</po", "<b>", "<loc0001>", "<|im_end|>"),
    *("There are none.", "3", "total of 2", "cat", "猫", " ", "\r\n", "<think>", "１２", ";", "\t", "\x00"),
)

# allenai/Molmo2-8B, written for "curb ramp" (a public test of its answers' reading)
CURB_RAMPS = '<points coords="1 1 308 305 2 752 377">curb ramp</points>'


def read(text, task="point", codec=MOLMO):
    decoded = codec.decode(text, CANVAS, task=task)
    points = [(region.label, tuple(round(value, 6) for value in region.point)) for region in decoded.regions]
    return points, [problem.kind for problem in decoded.problems]


def test_prompts_are_the_familys():
    for codec in CODECS.values():
        please = "Please say 'There are none.' if it is not in the image."
        assert codec.prompt("point", "the cat") == f"Point to the cat\n{please}"
        assert codec.prompt("locate", "the cat") == f"Point to the cat\n{please}"
        assert codec.prompt("detect", names=["cat", "dog"]) == f"Point to cat, dog\n{please}"
        assert codec.prompt("count", "cups") == "How many cups are there?"
        assert codec.prompt("caption") == "Describe this image."
        assert codec.prompt("answer", "What is  this?") == "What is this?"
        with pytest.raises(PromptError, match="markup"):
            codec.prompt("point", "a </points>")


@pytest.mark.parametrize(
    "case", [json.loads(line) for line in (Path(__file__).parent / "cases" / "molmo.jsonl").read_text().splitlines()]
)
def test_recorded_answers_are_read_as_recorded(case):
    width, height = case["image_size"]
    decoded = MOLMO.decode(case["raw"], Canvas.identity(width, height), task="point")
    expected = [(x / 100 * width, y / 100 * height) for x, y in case["expected"]["points_percent"]]
    assert [region.point for region in decoded.regions] == [pytest.approx(point) for point in expected]
    assert {region.label for region in decoded.regions} == {
        "cup, left speaker, keyboard, monitor, mouse, right speaker"
    }
    assert not decoded.problems


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize(
    ("text", "points"),
    [
        ('<point x="52.3" y="61.0" alt="the cat">the cat</point>', [("the cat", (523, 610))]),
        ('<point alt="the cat" y="61.0" x="52.3">the cat</point>', [("the cat", (523, 610))]),
        ("<point x='52.3' y='61.0' alt='man's red hat'>hat</point>", [("man's red hat", (523, 610))]),
        ('<point x="52.3" y="61.0" alt="5" disk, small">disk</point>', [('5" disk, small', (523, 610))]),
        ('<point x="52.3" y="61.0" alt="a > b">a > b</point>', [("a > b", (523, 610))]),
        ('<point x="52.3" y="61.0">dog, brown</point>', [("dog, brown", (523, 610))]),
        ('<point x="52.3" y="61.0" alt="">犬</point>', [("犬", (523, 610))]),
        ("<point x=52.3 y=61.0>a</point>", [("a", (523, 610))]),
        ('<POINT X = "52.3"\r\n Y = "61.0" >a</POINT>', [("a", (523, 610))]),
        ("<point x=“52.3” y=“61”>a</point>", [("a", (523, 610))]),
        ('<point x="５２.３" y="６１">a</point>', [("a", (523, 610))]),
        ('<point x="1" y="2" alt="a"/><|endoftext|>', [("a", (10, 20))]),
        ('Sure: <point x="1" y="2" alt="a">a</point>, [here].', [("a", (10, 20))]),
        ('<points y2="4" x1="1" x2="3" y1="2" alt="a">a</points>', [("a", (30, 40)), ("a", (10, 20))]),
        ('<points x="1" y="2" x="3" y="4">a</points>', [("a", (10, 20)), ("a", (30, 40))]),
        (CURB_RAMPS, [("curb ramp", (308, 305)), ("curb ramp", (752, 377))]),
        ('<points coords="1 1 073 160" alt="boats">the boats</points>', [("boats", (73, 160))]),
        ("<points alt='a' coords='1 1 000 1000'/>", [("a", (0, 1000))]),
        ('<points coords="1 1 073 160;2 2 500 600">a</points>', [("a", (73, 160)), ("a", (500, 600))]),
        ('<tracks coords="0.0 1 100 200\t0.5 1 110 210">a</tracks>', [("a", (100, 200)), ("a", (110, 210))]),
        ('<points coords="1 308 305 2 752 377">a</points>', [("a", (308, 305)), ("a", (752, 377))]),
        ('<points coords="500 250">a</points>', [("a", (500, 250))]),
        ("There are none.", []),
        (" there are none", []),
    ],
)
def test_points_are_read_in_any_form(codec, text, points):
    assert read(text, "detect", codec) == (points, [])


@pytest.mark.parametrize(
    ("text", "points", "problems"),
    [
        ("", [], ["truncated"]),
        ("I see a cat [there].", [], ["prose"]),
        ('<point x="52.3">a</point>', [], ["malformed"]),
        ('<point x="52.3" y="much">a</point>', [], ["malformed"]),
        ("<point>a</point>", [], ["malformed"]),
        ('<points x1="1" y1="2" x2="3" alt="a">a</points>', [("a", (10, 20))], ["malformed"]),
        ('<points coords="1 1 100 200 2 300">a</points>', [("a", (100, 200))], ["malformed"]),
        ('<points coords="1 1 one 200">a</points>', [], ["malformed"]),
        ('<point x="152.3" y="5">a</point>', [], ["out_of_range"]),
        ('<point x="99999" y="5">a</point>', [], ["out_of_range"]),
        ('<point x="101" y="5">a</point>', [("a", (1000, 50))], ["out_of_range"]),
        ('<point x="1" y="2">a</point>' * 3, [("a", (10, 20))], ["duplicate"] * 2),
        ('<point x="1" y="2"></point>', [(None, (10, 20))], ["malformed"]),
        ('<points x1="1" y1="2" x2="3" y2="4', [(None, (10, 20))], ["truncated", "malformed"]),
        ('<points x1="1" y1="2" alt="a', [(None, (10, 20))], ["truncated", "malformed"]),
        ('<points coords="1 1 100 200 2 300 40', [(None, (100, 200))], ["truncated", "malformed"]),
        ('<point x="1" y="2" alt="a">a</poi', [("a", (10, 20))], ["truncated"]),
        ('<point x="1" y="2">a ca', [("a ca", (10, 20))], ["truncated"]),
        ('<point x="1" y="2" alt="a">a</point> <poi', [("a", (10, 20))], ["truncated"]),
        (
            '<point x="1 y="2" alt="a>b</point><point x="3" y="4">c</point>',
            [("a", (10, 20)), ("c", (30, 40))],
            ["malformed"],
        ),
        ('<point x="1" y="2">a<point x="3" y="4">b</point>', [("a", (10, 20)), ("b", (30, 40))], ["malformed"]),
        ('<point x="1" y="2">a</point></point>', [("a", (10, 20))], ["malformed"]),
        ('<loc0001> <point x="1" y="2">a</point>', [("a", (10, 20))], ["unknown_token"]),
        ('There are none. <point x="1" y="2">a</point>', [("a", (10, 20))], ["malformed"]),
    ],
)
def test_broken_answers_give_what_can_be_read_and_name_the_rest(text, points, problems):
    assert read(text, "detect") == (points, problems)


@pytest.mark.parametrize(
    ("text", "count", "found", "problems"),
    [
        ('Counting the <points x1="1" y1="2" x2="3" y2="4" alt="a">a</points> shows a total of 2.', 2, 2, []),
        ('There are 2 <points coords="1 1 100 200 2 300 400">a</points>.', 2, 2, []),
        ("There are none.", 0, 0, []),
        ("5", 5, 0, []),
        ("１２", 12, 0, []),
        ('Counting the <point x="1" y="2" alt="a">a</point> shows a total of 3.', 3, 1, ["truncated"]),
        (
            'Counting the <points x1="1" y1="2" x2="3" y2="4" alt="a">a</points> shows a total of 1.',
            1,
            2,
            ["malformed"],
        ),
        ('<point x="1" y="2" alt="a">a</point>', None, 1, ["malformed"]),
        ("Quite a few.", None, 0, ["prose"]),
        ("", None, 0, ["truncated"]),
    ],
)
def test_counts_are_compared_with_the_points(text, count, found, problems):
    decoded = MOLMO.decode(text, CANVAS, task="count")
    assert (decoded.count, len(decoded.regions)) == (count, found)
    assert [problem.kind for problem in decoded.problems] == problems


def test_answers_in_words_keep_their_words():
    text = ' Look:  <point x="1" y="2" alt="the cat"> a cat</point> < dog.<|im_end|>\n'
    for task in ("answer", "caption"):
        decoded = MOLMO.decode(text, CANVAS, task=task)
        assert decoded.text == "Look:   a cat < dog."
        (region,) = decoded.regions
        assert decoded.text[slice(*region.span)] == "a cat"
        assert region.label == "the cat"
        assert not decoded.problems
    decoded = MOLMO.decode('<point x="1" y="2">  cats</point>', CANVAS, task="answer")
    assert (decoded.text, decoded.regions[0].span) == ("cats", (0, 4))
    assert [problem.kind for problem in MOLMO.decode("", CANVAS, task="answer").problems] == ["truncated"]


def test_answers_are_written_as_in_training():
    cat = Region((523, 610, 523, 610), label="cat", point=(523, 610))
    cats, dog = [cat, Region((10, 10, 30, 30), label="cat")], Region((0, 0, 2000, 0), label='5" dog')
    write, write2 = MOLMO.encode, MOLMO2.encode
    assert write("point", regions=[cat], canvas=CANVAS) == '<point x="52.3" y="61.0" alt="cat">cat</point>'
    assert write("detect", regions=[*cats, dog], canvas=CANVAS) == (
        '<points x1="52.3" y1="61.0" x2="2.0" y2="2.0" alt="cat">cat</points> <point x="100.0" y="0.0">5" dog</point>'
    )
    assert write2("point", regions=cats, canvas=CANVAS) == '<points coords="1 1 523 610 2 020 020">cat</points>'
    assert write2("count", regions=cats, canvas=CANVAS) == (
        'Counting the <points coords="1 1 523 610 2 020 020">cat</points> shows a total of 2.'
    )
    assert write("answer", text="A cat.", regions=[cat], canvas=CANVAS) == (
        'A <point x="52.3" y="61.0" alt="cat">cat</point>.'
    )
    for task in ("point", "locate", "detect", "count"):
        assert write(task, canvas=CANVAS) == "There are none."
        decoded = MOLMO.decode("There are none.", CANVAS, task=task)
        assert (decoded.regions, decoded.problems) == ((), ())


def test_what_can_not_be_written_is_refused():
    with pytest.raises(InputError, match="label"):
        MOLMO.encode("point", regions=[Region((0, 0, 1, 1))], canvas=CANVAS)
    with pytest.raises(InputError, match="markup"):
        MOLMO.encode("point", regions=[Region((0, 0, 1, 1), label="a < b")], canvas=CANVAS)
    with pytest.raises(InputError, match="span"):
        MOLMO.encode("answer", text="a cat", regions=[Region((0, 0, 1, 1))], canvas=CANVAS)
    both = [Region((0, 0, 1, 1), span=(0, 3)), Region((0, 0, 1, 1), span=(2, 5))]
    with pytest.raises(InputError, match="overlap"):
        MOLMO.encode("answer", text="a cat", regions=both, canvas=CANVAS)


def test_a_point_is_given_as_soon_as_its_name_is_whole():
    stream = MOLMO.stream(CANVAS, task="point")
    assert stream.feed('<points x1="1" y1="2" x2="3" y2="4" alt="a"') == ()
    assert len(stream.feed(">")) == 2
    assert stream.feed('a</points><point x="5" y="6">b') == ()
    assert len(stream.feed("</point>")) == 1
    assert stream.yielded == len(stream.close().regions) == 3


def near(found, truth, canvas):
    assert found.point[0] == pytest.approx(truth.center[0], abs=0.5 / 1000 * canvas.width + 1e-9)
    assert found.point[1] == pytest.approx(truth.center[1], abs=0.5 / 1000 * canvas.height + 1e-9)


@settings(max_examples=60)
@given(st.data(), canvases, st.sampled_from(tuple(CODECS)), st.sampled_from(("point", "detect", "count")))
def test_points_survive_a_round_trip_within_half_a_bin(data, canvas, name, task):
    label = data.draw(labels)
    truths = [Region(data.draw(boxes(canvas)), label=label), *data.draw(regions(canvas))]
    codec = CODECS[name]
    decoded = codec.decode(codec.encode(task, regions=truths, canvas=canvas), canvas, task=task)
    assume(all(problem.kind != "duplicate" for problem in decoded.problems))  # two boxes with the same middle
    assert not decoded.problems
    for found, truth in zip(decoded.regions, truths, strict=True):
        assert found.label == truth.label
        near(found, truth, canvas)


@settings(max_examples=60)
@given(st.data(), canvases, st.sampled_from(tuple(CODECS)))
def test_words_and_what_they_show_survive_a_round_trip(data, canvas, name):
    text, truths = data.draw(spanned(canvas))
    decoded = CODECS[name].decode(
        CODECS[name].encode("answer", text=text, regions=truths, canvas=canvas), canvas, task="answer"
    )
    assert decoded.text == text
    assert not decoded.problems
    for found, truth in zip(decoded.regions, truths, strict=True):
        assert found.span == truth.span
        near(found, truth, canvas)


@st.composite
def texts(draw, codec, task, canvas):
    """An answer as the family writes it, after a few accidents; or junk in any order."""
    if draw(st.booleans()):
        return draw(st.lists(st.sampled_from(JUNK), max_size=16).map("".join))
    if task in ("caption", "answer"):
        text, truths = draw(spanned(canvas))
        return draw(broken(st.just(codec.encode(task, text=text, regions=truths, canvas=canvas))))
    return draw(broken(st.just(codec.encode(task, regions=draw(regions(canvas)), canvas=canvas))))


@settings(max_examples=60)
@given(st.data(), canvases, st.sampled_from(tuple(CODECS)), st.sampled_from(TASKS))
def test_any_text_is_read_without_raising_and_however_it_was_cut(data, canvas, name, task):
    codec = CODECS[name]
    text = data.draw(texts(codec, task, canvas))
    whole = codec.decode(text, canvas, task=task)
    stream = codec.stream(canvas, task=task)
    early = [region for piece in data.draw(cut(st.just(text))) for region in stream.feed(piece)]
    assert tuple(early) == whole.regions[: stream.yielded]
    assert stream.close() == whole
    words = text if whole.text is None else whole.text
    for region in whole.regions:
        x, y = region.point
        assert region.box == (x, y, x, y)
        assert 0 <= x <= canvas.width
        assert 0 <= y <= canvas.height
        assert region.span is None or 0 <= region.span[0] < region.span[1] <= len(words)
    for problem in whole.problems:
        assert problem.kind in PROBLEM_KINDS
        assert 0 <= problem.span[0] <= problem.span[1] <= len(text)
    if not whole.regions and whole.text is None and whole.count is None and "none" not in text.lower():
        assert whole.problems
