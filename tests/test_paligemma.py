"""PaliGemma's texts: prompts, real answers, readers that disagree, and mask codes."""

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.paligemma import mask_codes
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import canvases, regions

CODEC = get_codec("paligemma")
CANVAS = Canvas.identity(1023, 1023)  # a bin is a pixel
BOX = "<loc0010><loc0020><loc0030><loc0040>"
CODES = "".join(f"<seg{code:03d}>" for code in range(112, 128))

# mlx-vlm, examples/object_detection.ipynb (MIT): paligemma-3b-mix-224, "detect cat", a picture of two cats
TWO_CATS = "<loc0046><loc0538><loc0795><loc1022> cat ; <loc0110><loc0000><loc1022><loc0512> cat"


def test_prompts_are_the_familys():
    ask = CODEC.prompt
    assert ask("locate", "the cat") == "detect the cat"
    assert ask("detect", names=["cat", "dog"]) == "detect cat ; dog"
    assert ask("segment", "cat") == "segment cat"
    assert ask("caption") == "caption en"
    assert ask("answer", "how many?") == "answer en how many?"
    assert ask("describe", box=(20, 10, 40, 30), canvas=CANVAS) == f"caption {BOX}"
    with pytest.raises(InputError, match="not points"):
        ask("describe", point=(1, 2), canvas=CANVAS)
    with pytest.raises(PromptError, match="semicolon"):
        ask("locate", "cat ; dog")


@pytest.mark.parametrize("task", ["locate", "detect"])
def test_a_real_answer_is_read_y_before_x(task):
    decoded = CODEC.decode(TWO_CATS, CANVAS, task=task)
    assert [region.box for region in decoded.regions] == [(538, 46, 1022, 795), (0, 110, 512, 1022)]
    assert [region.label for region in decoded.regions] == ["cat", "cat"]
    assert not decoded.problems


def test_the_recorded_answer_has_the_bins_that_its_source_gives():
    row = json.loads((Path(__file__).parent / "cases" / "paligemma.jsonl").read_text())
    decoded = get_codec("paligemma").decode(row["raw"], Canvas.identity(1023, 1023), task="detect")
    assert [region.label for region in decoded.regions] == [truth["label"] for truth in row["expected"]]
    for region, truth in zip(decoded.regions, row["expected"], strict=True):
        assert region.box == pytest.approx(truth["bbox_loc_xyxy"])
    assert not decoded.problems


def test_readers_that_disagree_are_chosen_by_name():
    text = "<loc0000><loc0000><loc1023><loc1023> cat"
    canvas = Canvas.identity(1024, 2048)
    assert CODEC.decode(text, canvas).regions[0].box == (0, 0, 1024, 2048)
    assert get_codec("paligemma", "official").decode(text, canvas).regions[0].box == (0, 0, 1024, 2048)
    assert get_codec("paligemma", "supervision").decode(text, canvas).regions[0].box == (0, 0, 1023, 2046)


def test_supervisions_reading_is_supervisions():
    sv = pytest.importorskip("supervision")
    theirs = sv.Detections.from_vlm(sv.VLM.PALIGEMMA, TWO_CATS, resolution_wh=(640, 480))
    ours = get_codec("paligemma", "supervision").decode(TWO_CATS, Canvas.identity(640, 480), task="detect")
    assert [region.box for region in ours.regions] == [pytest.approx(box, abs=1e-3) for box in theirs.xyxy.tolist()]


def test_an_empty_answer_means_nothing_there():
    for text in ("", "\n", "<eos>"):
        decoded = CODEC.decode(text, CANVAS, task="detect")
        assert decoded.regions == ()
        assert decoded.problems == ()
    assert CODEC.encode("detect", canvas=CANVAS) == ""


def test_the_token_outside_the_vocabulary_is_read_and_reported():
    decoded = CODEC.decode("<loc0000><loc0000><loc1024><loc1024> cat", CANVAS)
    assert decoded.regions[0].box == (0, 0, 1023, 1023)
    assert [problem.kind for problem in decoded.problems] == ["out_of_range"] * 2


@given(st.data(), canvases)
def test_boxes_survive_a_round_trip_within_half_a_bin(data, canvas):
    given_regions = data.draw(regions(canvas))
    text = CODEC.encode("detect", regions=given_regions, canvas=canvas)
    decoded = CODEC.decode(text, canvas, task="detect")
    assert not decoded.problems
    for region, truth in zip(decoded.regions, given_regions, strict=True):
        assert region.label == truth.label
        assert region.box[0::2] == pytest.approx(truth.box[0::2], abs=0.5 / 1023 * canvas.width + 1e-9)
        assert region.box[1::2] == pytest.approx(truth.box[1::2], abs=0.5 / 1023 * canvas.height + 1e-9)


def test_mask_codes_stay_with_their_box():
    text = f"{BOX}{CODES} cat ; {TWO_CATS}"
    decoded = CODEC.decode(text, CANVAS, task="segment")
    assert not decoded.problems
    assert [region.label for region in decoded.regions] == ["cat"] * 3
    assert text[slice(*decoded.regions[0].span)] == f"{BOX}{CODES} cat"
    assert mask_codes(text, decoded.regions[0]) == tuple(range(112, 128))
    assert mask_codes(text, decoded.regions[1]) == ()


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        (f"{BOX}{CODES[:-8]} cat", 1, ["malformed"]),
        (f"{BOX}{CODES[:-8]}", 1, ["truncated"]),
        (f"{BOX}{CODES[:-3]}", 1, ["truncated", "truncated"]),
        (f"{BOX}{CODES[:-8]}<seg900> cat", 1, ["out_of_range"]),
        (f"cat {CODES[:8]}", 0, ["prose", "malformed"]),
        (f"{BOX}{CODES}", 1, []),
    ],
)
def test_broken_mask_codes_leave_the_box(text, found, problems):
    decoded = CODEC.decode(text, CANVAS, task="segment")
    assert len(decoded.regions) == found
    assert [problem.kind for problem in decoded.problems] == problems
    assert not decoded.regions or not problems or mask_codes(text, decoded.regions[0]) == ()


def test_words_are_words():
    for task in ("caption", "answer", "describe"):
        decoded = CODEC.decode("two cats; asleep", CANVAS, task=task)
        assert (decoded.text, decoded.regions, decoded.problems) == ("two cats; asleep", (), ())
        assert CODEC.encode(task, text="two cats", canvas=CANVAS) == "two cats"


def test_what_the_family_can_not_write_is_refused():
    with pytest.raises(InputError, match="codes"):
        CODEC.encode("segment", regions=[Region((0, 0, 1, 1), label="cat")], canvas=CANVAS)
    with pytest.raises(InputError, match="label"):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1))], canvas=CANVAS)
    with pytest.raises(InputError, match="no grammar"):
        CODEC.grammar("caption")


def test_its_grammar_takes_what_it_writes():
    grammar = CODEC.grammar("detect", names=["cat"])
    assert grammar.accepts(TWO_CATS)
    assert grammar.accepts("")
    assert not grammar.accepts("none")
    assert not grammar.accepts(BOX)
