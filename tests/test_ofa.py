"""OFA's texts: prompts as its data is prepared, boxes with labels behind them, the size that its bins count."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import LABELS, canvases
from tests.tagged import cut_up, distinct, hold_boxes, hold_promises, hold_when_cut, junk

CODEC = get_codec("ofa")
CANVAS = Canvas.identity(999, 999)  # a bin is a pixel
BOX = "<bin_10> <bin_20> <bin_30> <bin_40>"
READ = (10.0, 20.0, 30.0, 40.0)
JUNK = ("<bin_1>", "<bin_999>", "<bin_1000>", "<bin_1200>", "<bin_99999>", "<bin_07>", "<BIN_5>", "<bin_\uff11>")
JUNK += ("<bin_", "<bin_x>", "cat", "red car", " ")


def test_prompts_are_prepared_as_in_training():
    ask = CODEC.prompt
    assert ask("locate", "A grey-haired Man!") == ' which region does the text " a grey haired man! " describe?'
    assert ask("detect") == ask("detect", names=["cat"]) == " what are the objects in the image?"
    assert ask("caption") == " what does the image describe?"
    assert ask("answer", "What color is it?") == " what color is it?"
    place = ask("describe", box=(10, 20, 30, 40), canvas=CANVAS)
    assert place == f"  what does the region describe? region: {BOX}"
    with pytest.raises(PromptError, match="markup"):
        ask("locate", "a <bin_1>")
    with pytest.raises(PromptError, match="empty"):
        ask("locate", "?!...")
    with pytest.raises(PromptError, match="give box"):
        ask("describe", point=(1, 2), canvas=CANVAS)


def test_bins_count_512_pixels_of_the_input():
    text = "<bin_0> <bin_0> <bin_999> <bin_999>"
    for size in (None, (512, 512)):
        canvas = CODEC.canvas(640, 480, input_size=size)
        assert CODEC.decode(text, canvas).regions[0].box == (0, 0, 640, 480)
    half = CODEC.canvas(640, 480, input_size=(256, 256))
    assert CODEC.encode("locate", regions=[Region((0, 0, 640, 480))], canvas=half) == text.replace("999", "500")
    decoded = CODEC.decode(text, half)
    assert decoded.regions[0].box == (0, 0, 640, 480)
    assert [problem.kind for problem in decoded.problems] == ["out_of_range"]
    with pytest.raises(InputError):
        CODEC.canvas(640, 480, input_size=(0, 0))


@settings(max_examples=50)
@given(st.data(), canvases, st.sampled_from(["locate", "detect"]))
def test_boxes_survive_a_round_trip(data, canvas, task):
    truth = data.draw(distinct(CODEC, canvas, labelled=task == "detect"))
    decoded = CODEC.decode(CODEC.encode(task, regions=truth, canvas=canvas), canvas, task=task)
    assert not decoded.problems or not truth
    assert [region.label for region in decoded.regions] == [region.label for region in truth]
    hold_boxes(decoded.regions, truth, canvas, 1 / 999)


@pytest.mark.parametrize(
    ("task", "text", "found", "problems"),
    [
        ("locate", BOX, [(None, READ)], []),
        ("locate", f"<s> {BOX}</s><pad>", [(None, READ)], []),
        ("locate", BOX.replace(" ", ""), [(None, READ)], []),
        ("locate", BOX.replace(" ", ", "), [(None, READ)], []),
        ("locate", "<bin_１０><BIN_020><bin30><bin_40>", [(None, READ)], []),
        ("locate", f"{BOX} {BOX}", [(None, READ)], ["duplicate"]),
        ("locate", "<bin_30> <bin_40> <bin_10> <bin_20>", [(None, READ)], ["inverted"]),
        ("locate", f"the cat {BOX}", [(None, READ)], ["prose"]),
        ("locate", "I see no cat", [], ["prose"]),
        ("locate", "", [], ["truncated"]),
        ("locate", "</s>", [], ["truncated"]),
        ("locate", "<bin_1> <bin_2> <bin_3>", [], ["truncated"]),
        ("locate", "<bin_1> <bin_2> <bin_3> <bi", [], ["truncated"]),
        ("locate", "<bin_1> <bin_2> <bin_3></s>", [], ["malformed"]),
        ("locate", "<bin_1> <bin_2> <bin_x> <bin_4>", [], ["malformed"]),
        ("locate", "<bin_1> <bin_2> <bin_99999> <bin_4>", [], ["out_of_range"]),
        ("locate", "<bin_1> <bin_2> <bin_1000> <bin_4>", [(None, (1, 2, 999, 4))], ["out_of_range"]),
        ("detect", f"{BOX} man's red hat {BOX} dog, brown", [("man's red hat", READ), ("dog, brown", READ)], []),
        ("detect", f"{BOX}猫; a\r\n{BOX}猫</s>", [("猫; a", READ), ("猫", READ)], []),
        ("detect", f"{BOX} {BOX} cat", [(None, READ), ("cat", READ)], ["malformed"]),
        ("detect", BOX, [(None, READ)], ["truncated"]),
        ("detect", f"hello {BOX} cat", [("cat", READ)], ["prose"]),
        ("detect", f"{BOX} <foo> cat", [(None, READ)], ["malformed", "unknown_token", "prose"]),
        ("detect", f"{BOX} cat <bin_3> dog", [("cat", READ)], ["malformed", "prose"]),
        ("detect", f"{BOX} cat <bin_3", [("cat", READ)], ["truncated"]),
        ("detect", "", [], ["truncated"]),
    ],
)
def test_answers_in_boxes(task, text, found, problems):
    decoded = hold_promises(CODEC, task, CANVAS, text)
    assert [(region.label, region.box) for region in decoded.regions] == found
    assert [problem.kind for problem in decoded.problems] == problems
    hold_when_cut(CODEC, task, CANVAS, list(text))


def test_a_label_belongs_to_its_boxs_span():
    text = f"{BOX} red hat {BOX} dog"
    regions = CODEC.decode(text, CANVAS, task="detect").regions
    assert [text[slice(*region.span)] for region in regions] == [f"{BOX} red hat", f"{BOX} dog"]


def test_words_are_words():
    for task in ("caption", "answer", "describe"):
        decoded = CODEC.decode("<s> two cats, asleep; one dog</s>", CANVAS, task=task)
        assert (decoded.text, decoded.regions, decoded.problems) == ("two cats, asleep; one dog", (), ())
        assert CODEC.encode(task, text="two cats", canvas=CANVAS) == "two cats"
        with pytest.raises(InputError, match="give text"):
            CODEC.encode(task, canvas=CANVAS)


@pytest.mark.parametrize("label", [None, "", " ", ",", "a<b"])
def test_a_label_that_would_not_come_back_is_refused(label):
    with pytest.raises(InputError):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1), label=label)], canvas=CANVAS)


TASKS = st.sampled_from(CODEC.tasks)


@st.composite
def answers(draw, task, canvas):
    if task not in ("locate", "detect"):
        return CODEC.encode(task, text=draw(st.sampled_from(LABELS)), canvas=canvas)
    return CODEC.encode(task, regions=draw(distinct(CODEC, canvas)), canvas=canvas)


@settings(max_examples=60)
@given(st.data(), TASKS, canvases)
def test_reading_keeps_its_promises_however_the_text_is_broken_and_cut(data, task, canvas):
    pieces = data.draw(cut_up(answers(task, canvas) | junk(JUNK)))
    hold_promises(CODEC, task, canvas, "".join(pieces))
    hold_when_cut(CODEC, task, canvas, pieces)
