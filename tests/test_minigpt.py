"""MiniGPT-v2's texts: prompts, boxes in braces, phrases with boxes behind them, two readers, and broken text."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import canvases, spanned
from tests.tagged import cut_up, distinct, hold_boxes, hold_promises, hold_when_cut, junk

CODEC = get_codec("minigpt-v2")
CANVAS = Canvas.identity(100, 100)  # a bin is a pixel
BOX = "{<25><40><33><60>}"
READ = (25.5, 40.5, 33.5, 60.5)
SOFAS = "<p>sofas</p> {<57><49><70><72>}<delim>{<26><48><43><71>}"
JUNK = (
    "<25>",
    "<100>",
    "<101>",
    "<120>",
    "<99999>",
    "<07>",
    "<-3>",
    "<\uff11>",
    "<2",
    "{<",
    "<x>",
    "{",
    "}",
    "｛",
    "｝",
)
JUNK += ("<p>", "</p>", "<delim>", "<unk>", BOX, BOX[:-1], BOX[1:], " a dog", "{room}")


def pixels(*bins):
    return pytest.approx(tuple(bin_ + 0.5 for bin_ in bins))


# ---- asking


def test_prompts_are_the_familys():
    ask = CODEC.prompt
    assert ask("locate", "the world cup") == "[refer] give me the location of the world cup"
    assert ask("detect", names=["sofas"]) == "[detection] sofas"
    assert ask("detect", names=["sofas", "a lamp"]) == "[detection] sofas, a lamp"
    assert ask("caption") == "[grounding] please describe this image in details"
    assert ask("answer", "what color is it?") == "[vqa] what color is it?"
    place = ask("describe", box=(4.2, 50, 30.9, 65), canvas=CANVAS)
    assert place == "[identify] what object is in this location {<4><50><30><65>}"
    for words in ("[refer] a", "a <p>", "a{<1><2><3><4>}"):
        with pytest.raises(PromptError, match="markup"):
            ask("locate", words)
    with pytest.raises(PromptError, match="comma"):
        ask("detect", names=["a, b"])
    with pytest.raises(PromptError, match="give box"):
        ask("describe", point=(1, 1), canvas=CANVAS)


# ---- writing and reading back


@settings(max_examples=50)
@given(st.data(), canvases, st.sampled_from(["locate", "detect"]), st.sampled_from(["middle", "official"]))
def test_boxes_survive_a_round_trip(data, canvas, task, rounding):
    codec = get_codec("minigpt-v2", rounding)
    truth = data.draw(distinct(codec, canvas, labelled=task == "detect"))
    decoded = codec.decode(codec.encode(task, regions=truth, canvas=canvas), canvas, task=task)
    assert not decoded.problems or not truth
    assert [region.label for region in decoded.regions] == [region.label for region in truth]
    hold_boxes(decoded.regions, truth, canvas, 0.01 if rounding == "middle" else 0.02)


def test_it_cuts_as_its_data_does_and_its_own_reader_reads_the_lower_end():
    assert CODEC.encode("locate", regions=[Region((25.9, 40.1, 99.9, 100))], canvas=CANVAS) == "{<25><40><99><100>}"
    assert CODEC.decode("{<25><40><99><100>}", CANVAS).regions[0].box == pytest.approx((25.5, 40.5, 99.5, 100))
    official = get_codec("minigpt-v2", "official").decode("{<25><40><99><100>}", CANVAS)
    assert official.regions[0].box == pytest.approx((25, 40, 99, 100))


@settings(max_examples=40)
@given(st.data(), canvases)
def test_phrases_survive_a_round_trip(data, canvas):
    text, shown = data.draw(spanned(canvas))
    decoded = CODEC.decode(CODEC.encode("caption", text=text, regions=shown, canvas=canvas), canvas, task="caption")
    assert not decoded.problems
    assert decoded.text == text
    spans = [region.span for region in sorted(shown, key=lambda region: region.span)]
    assert [region.span for region in decoded.regions] == spans


def test_boxes_of_a_label_are_joined():
    boxes = (57.5, 49.5, 70.5, 72.5), (26.5, 48.5, 43.5, 71.5)
    truth = [Region(box, label="sofas") for box in boxes]
    assert CODEC.encode("detect", regions=truth, canvas=CANVAS) == SOFAS
    assert CODEC.encode("locate", regions=truth, canvas=CANVAS) == SOFAS.removeprefix("<p>sofas</p> ")


@pytest.mark.parametrize("label", [None, " ", ",", "a<b"])
def test_a_label_that_would_not_come_back_is_refused(label):
    with pytest.raises(InputError):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1), label=label)], canvas=CANVAS)


# ---- reading


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        (BOX, [(None, READ)], []),
        (f"{BOX}</s>", [(None, READ)], []),
        ("{ <25> <40>, <33>\r\n<60> }", [(None, READ)], []),
        ("｛<２５><40><33><060>｝", [(None, READ)], []),
        ("{<25><unk><40><33><60>}", [(None, READ)], []),
        (SOFAS, [("sofas", pixels(57, 49, 70, 72)), ("sofas", pixels(26, 48, 43, 71))], []),
        (f"<p>man's hat</p>{BOX} and <p>dog, brown</p> {BOX}", [("man's hat", READ), ("dog, brown", READ)], []),
        (f"Here: {BOX} [see below]", [(None, READ)], []),
        (f"<p>猫</p> {BOX}<delim>{BOX}", [("猫", READ)], ["duplicate"]),
        (BOX[1:-1], [(None, READ)], []),
        (BOX[:-1], [(None, READ)], ["truncated"]),
        ("{<33><60><25><40>}", [(None, READ)], ["inverted"]),
        ("{<25><40><33>}", [], ["malformed"]),
        ("{<25><40><33><60><7>}", [], ["malformed"]),
        ("{<25><40><33>", [], ["truncated"]),
        ("{<25><40><3", [], ["truncated"]),
        ("{", [], ["truncated"]),
        ("{<25><40>{<25><40><33><60>}", [(None, READ)], ["malformed"]),
        ("{<25><40><99999><60>}", [], ["out_of_range"]),
        ("{<25><40><101><60>}", [(None, (25.5, 40.5, 100, 60.5))], ["out_of_range"]),
        ("{<-1><40><33><60>}", [(None, (0.5, 40.5, 33.5, 60.5))], ["out_of_range"]),
        ("<p>a dog</p>", [], ["truncated"]),
        (f"<p>a dog {BOX}", [("a dog", READ)], ["malformed"]),
        (f"<foo>{BOX}", [(None, READ)], ["unknown_token"]),
        ("a {room} with no dog", [], ["prose"]),
        ("", [], ["truncated"]),
    ],
)
def test_answers_with_boxes(text, found, problems):
    for task in ("locate", "detect"):
        decoded = hold_promises(CODEC, task, CANVAS, text)
        assert [(region.label, region.box) for region in decoded.regions] == found
        assert [problem.kind for problem in decoded.problems] == problems
        hold_when_cut(CODEC, task, CANVAS, list(text))


def test_captions_lose_their_markup_alone():
    text = f"A <p>wooden table</p> {BOX} in a {{room}}, and <p>two sofas</p> {BOX}<delim>{{<1><2><3><4>}}."
    decoded = CODEC.decode(text, CANVAS, task="caption")
    assert decoded.text == "A wooden table in a {room}, and two sofas."
    assert [decoded.text[slice(*region.span)] for region in decoded.regions] == [
        "wooden table",
        "two sofas",
        "two sofas",
    ]
    assert not decoded.problems
    hold_when_cut(CODEC, "caption", CANVAS, list(text))


def test_spans_reach_from_the_phrase_to_the_closing_brace():
    regions = CODEC.decode(SOFAS, CANVAS, task="detect").regions
    assert [SOFAS[slice(*region.span)] for region in regions] == [
        "<p>sofas</p> {<57><49><70><72>}",
        "{<26><48><43><71>}",
    ]


def test_a_region_is_given_with_its_closing_brace():
    stream = CODEC.stream(CANVAS)
    assert not stream.feed(BOX[:-1])
    assert len(stream.feed("}")) == 1


TASKS = st.sampled_from(CODEC.tasks)


@st.composite
def answers(draw, task, canvas):
    if task in ("locate", "detect"):
        return CODEC.encode(task, regions=draw(distinct(CODEC, canvas)), canvas=canvas)
    text, shown = draw(spanned(canvas))
    return CODEC.encode(task, text=text, regions=shown, canvas=canvas)


@settings(max_examples=60)
@given(st.data(), TASKS, canvases)
def test_reading_keeps_its_promises_however_the_text_is_broken_and_cut(data, task, canvas):
    pieces = data.draw(cut_up(answers(task, canvas) | junk(JUNK)))
    hold_promises(CODEC, task, canvas, "".join(pieces))
    hold_when_cut(CODEC, task, canvas, pieces)
