"""Florence-2's texts: prompts, recorded answers, readers that disagree, labels, quads, outlines and broken text."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.florence2 import FORMS
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region
from tests.strategies import LABELS, canvases, outlines
from tests.tagged import cut_up, distinct, hold_boxes, hold_promises, hold_when_cut, junk, recorded

CODEC = get_codec("florence-2")
CANVAS = Canvas.identity(1000, 1000)  # a bin is a pixel
JUNK = ("<loc_1>", "<loc_999>", "<loc_1000>", "<loc_1003>", "<loc_99999>", "<loc_07>", "<LOC_5>", "<loc_\uff11>")
JUNK += ("<loc_", "<loc_x>", "<poly>", "</poly>", "<sep>", "<and>", "cat", "red car")
QUAD = (10, 10, 90, 10, 90, 40, 10, 40)


def locs(*bins):
    return "".join(f"<loc_{bin_}>" for bin_ in bins)


BOX = locs(10, 20, 30, 40)


def pixels(*bins):
    return tuple(bin_ + 0.5 for bin_ in bins)


READ = pixels(10, 20, 30, 40)

# ---- recorded answers


@pytest.mark.parametrize("case", recorded("florence-2"), ids=lambda case: case["kind"])
@pytest.mark.parametrize("task", ["locate", "detect"])
def test_recorded_answers_are_read_as_transformers_does(case, task):
    canvas = Canvas.identity(*case["image_size"])
    expected = [
        (tuple(box), item["label"] or None)
        for item in case["expected"]
        for box in item.get("bboxes", [item.get("bbox")])
    ]
    exact = get_codec("florence-2", "transformers").decode(case["raw"], canvas, task=task)
    assert [(region.box, region.label) for region in exact.regions] == expected
    ours = CODEC.decode(case["raw"], canvas, task=task)
    assert [region.box for region in ours.regions] == [pytest.approx(box, abs=0.5) for box, _ in expected]


def test_a_trailing_token_is_reported_and_end_tokens_are_not():
    odd, phrases = recorded("florence-2")
    (problem,) = CODEC.decode(odd["raw"], CANVAS).problems
    assert (problem.kind, odd["raw"][slice(*problem.span)]) == ("malformed", "<loc_577>")
    decoded = CODEC.decode(phrases["raw"], CANVAS)
    assert [problem.kind for problem in decoded.problems] == ["out_of_range"]
    spans = [phrases["raw"][slice(*region.span)] for region in decoded.regions]
    assert spans[0] == "red car<loc_53><loc_334><loc_933><loc_775>"
    assert spans[1] == "<loc_711><loc_203><loc_906><loc_546>"
    assert spans[2] == "sky<loc_0><loc_0><loc_1000><loc_300>"


# ---- asking


def test_prompts_are_the_familys_sentences():
    ask = CODEC.prompt
    assert ask("locate", "a green car") == "Locate a green car in the image."
    assert ask("locate", "a car", form="<CAPTION_TO_PHRASE_GROUNDING>") == "Locate the phrases in the caption: a car"
    assert ask("detect") == "Locate the objects with category name in the image."
    assert ask("detect", names=["car", "dog, brown"]) == "Locate car<and>dog, brown in the image."
    assert ask("detect", form="<DENSE_REGION_CAPTION>") == "Locate the objects in the image, with their descriptions."
    assert ask("detect", form="<REGION_PROPOSAL>") == "Locate the region proposals in the image."
    assert ask("segment", "a car") == "Locate a car in the image with mask"
    assert ask("segment", box=(0, 0, 9, 9), canvas=CANVAS).startswith("What is the polygon mask of region <loc_0>")
    assert ask("caption") == "What does the image describe?"
    assert ask("caption", form="<MORE_DETAILED_CAPTION>") == "Describe with a paragraph what is shown in the image."
    assert ask("ocr") == "What is the text in the image, with regions?"
    place = {"box": (10, 20, 30, 40), "canvas": CANVAS}
    assert ask("describe", **place) == f"What does the region {BOX} describe?"
    assert ask("describe", form="<REGION_TO_CATEGORY>", **place) == f"What is the region {BOX}?"
    assert ask("describe", form="<REGION_TO_OCR>", **place) == f"What text is in the region {BOX}?"
    assert sum(len(forms) for forms in FORMS.values()) == 17


@pytest.mark.parametrize(
    ("task", "options", "says"),
    [
        ("locate", {"phrase": " "}, "empty"),
        ("locate", {"phrase": "a<loc_1>"}, "markup"),
        ("locate", {"phrase": "<OD>"}, "markup"),
        ("describe", {}, "give box"),
        ("caption", {"form": "<OD>"}, "known: <CAPTION>"),
        ("detect", {"form": "<CAPTION_TO_PHRASE_GROUNDING>"}, "empty"),
    ],
)
def test_what_can_not_be_asked_is_said(task, options, says):
    with pytest.raises(PromptError, match=says):
        CODEC.prompt(task, **options)


# ---- writing and reading back


@settings(max_examples=60)
@given(st.data(), canvases, st.sampled_from(["official", "supervision"]))
def test_boxes_survive_a_round_trip(data, canvas, rounding):
    codec = get_codec("florence-2", rounding)
    labelled = data.draw(st.booleans())
    truth = data.draw(distinct(codec, canvas, labelled=labelled))
    decoded = codec.decode(codec.encode("detect", regions=truth, canvas=canvas), canvas, task="detect")
    assert not decoded.problems
    assert [region.label for region in decoded.regions] == [region.label for region in truth]
    hold_boxes(decoded.regions, truth, canvas, 0.001 if rounding == "official" else 0.002)


def test_the_same_label_is_written_once_for_boxes_in_a_row():
    truth = [Region((1, 1, 2, 2), label="a"), Region((3, 3, 4, 4), label="a"), Region((5, 5, 6, 6), label="b")]
    text = CODEC.encode("detect", regions=truth, canvas=CANVAS)
    assert text == f"a{locs(1, 1, 2, 2)}{locs(3, 3, 4, 4)}b{locs(5, 5, 6, 6)}"


@settings(max_examples=30)
@given(st.data(), canvases)
def test_outlines_survive_a_round_trip(data, canvas):
    truth = data.draw(outlines(canvas))
    text = CODEC.encode("segment", regions=truth, canvas=canvas)
    decoded = CODEC.decode(text, canvas, task="segment")
    if {problem.kind for problem in decoded.problems} <= {"duplicate"} and len(decoded.regions) == len(truth):
        hold_boxes(decoded.regions, truth, canvas, 0.001)
    else:
        assert {problem.kind for problem in decoded.problems} <= {"duplicate"}


def test_text_with_four_corners_survives_a_round_trip():
    mask = Mask.from_polygons([[(10, 12), (90, 10), (92, 40), (11, 41)]], 1000, 1000)
    truth = [Region(mask.box, label="STOP; now", mask=mask), Region((100, 100, 200, 120), label="STOP; now")]
    text = CODEC.encode("ocr", regions=truth, canvas=CANVAS)
    assert text.startswith("STOP; now<loc_10><loc_12><loc_90><loc_10><loc_92><loc_40><loc_11><loc_41>STOP; now")
    decoded = CODEC.decode(text, CANVAS, task="ocr")
    assert not decoded.problems
    assert [region.label for region in decoded.regions] == ["STOP; now"] * 2
    hold_boxes(decoded.regions, truth, CANVAS, 0.001)
    assert decoded.regions[0].mask.polygons[0].tolist()[2] == [92.5, 40.5]


@pytest.mark.parametrize("label", ["a<b", ",", "  ，", " "])
def test_a_label_that_would_not_come_back_is_refused(label):
    with pytest.raises(InputError):
        CODEC.encode(
            "detect", regions=[Region((0, 0, 1, 1), label="x"), Region((0, 0, 1, 1), label=label)], canvas=CANVAS
        )


def test_what_is_missing_is_said():
    with pytest.raises(InputError, match="would be read as its box"):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1), label="x"), Region((0, 0, 2, 2))], canvas=CANVAS)
    with pytest.raises(InputError, match="needs a mask"):
        CODEC.encode("segment", regions=[Region((0, 0, 1, 1))], canvas=CANVAS)
    with pytest.raises(InputError, match="give text"):
        CODEC.encode("caption", canvas=CANVAS)


def test_no_bin_beyond_the_vocabulary_is_written():
    assert CODEC.encode("locate", regions=[Region((0, 0, 1000, 1000))], canvas=CANVAS) == locs(0, 0, 999, 999)


# ---- reading


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        (f"cat{BOX}", [("cat", READ)], []),
        (f"</s><s>cat {BOX}</s><pad><pad>", [("cat", READ)], []),
        (f"man's red hat{BOX}", [("man's red hat", READ)], []),
        (f"dog, brown{BOX}", [("dog, brown", READ)], []),
        (
            f"猫{BOX}\r\nкрасная; звезда{BOX}",
            [("猫", READ), ("красная; звезда", READ)],
            [],
        ),
        ("cat<loc_10> <loc_20>,<loc_30> <loc_40>", [("cat", READ)], []),
        ("cat<loc_１０><LOC_020><loc30><loc_40>", [("cat", READ)], []),
        (f"cat{locs(30, 40, 10, 20)}", [("cat", READ)], ["inverted"]),
        (f"cat{BOX * 40}", [("cat", READ)], ["duplicate"] * 39),
        (f"cat{locs(1, 2, 3)}dog{BOX}", [("dog", READ)], ["malformed"]),
        (f"cat{locs(1, 2, 3)}", [], ["truncated"]),
        (f"cat{locs(1, 2, 3)}<loc_5", [], ["truncated"]),
        ("cat<loc_5", [], ["truncated"]),
        ("cat<", [], ["truncated"]),
        (f"cat{BOX}dog", [("cat", READ)], ["truncated"]),
        (f"cat{locs(1, 2, 99999, 4)}", [], ["out_of_range"]),
        (f"cat{locs(1, 2, 1003, 4)}", [("cat", (1.5, 2.5, 1000, 4.5))], ["out_of_range"]),
        ("cat<loc_1><loc_x><loc_3><loc_4>", [], ["malformed"]),
        (f"cat<foo>dog{BOX}", [("dog", READ)], ["malformed", "unknown_token"]),
        (f"cat<and>{BOX}", [("cat", READ)], []),
        ("I see no cat [see below]", [], ["prose"]),
        ("No object detected.", [], []),
        ("</s><s>no object detected</s>", [], []),
        (f"cat{BOX}<and>No object detected.", [("cat", READ)], ["malformed"]),
        ("", [], []),
        ("</s><pad>", [], []),
        (f"cat<poly>{locs(1, 1, 9, 1, 9, 9)}</poly>", [("cat", pixels(1, 1, 9, 9))], []),
    ],
)
def test_answers_in_boxes(text, found, problems):
    for task in ("locate", "detect"):
        decoded = hold_promises(CODEC, task, CANVAS, text)
        assert [(region.label, region.box) for region in decoded.regions] == found
        assert [problem.kind for problem in decoded.problems] == problems
        hold_when_cut(CODEC, task, CANVAS, list(text))


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        (locs(1, 1, 9, 1, 9, 9), [1], []),
        (f"</s><s>{locs(1, 1, 9, 1, 9, 9)}<sep>{locs(20, 20, 30, 20, 30, 30)}</s>", [2], []),
        (f"cat{locs(1, 1, 9, 1, 9, 9)}dog{locs(1, 1, 9, 1, 9, 9)}", [1, 1], []),
        (f"<poly>{locs(1, 1, 9, 1, 9, 9)}</poly><poly>{locs(2, 2, 9, 1, 9, 9)}</poly>", [1, 1], []),
        (f"<poly>{locs(1, 1, 9, 1, 9, 9)}</poly>" * 2, [1], ["duplicate"]),
        (locs(1, 1, 9, 1, 9, 9, 5), [1], ["truncated"]),
        (locs(1, 1, 9, 1, 9), [], ["truncated"]),
        (f"{locs(1, 1, 9, 1)}<sep>{locs(1, 1, 9, 1, 9, 9)}", [1], ["malformed"]),
        (f"<poly>{locs(1, 1, 9, 1, 9, 9)}", [1], ["truncated"]),
        ("<poly></poly>", [], ["malformed"]),
        (f"{locs(1, 1, 9, 1, 9, 9)}</poly>", [1], ["malformed"]),
        (locs(1, 1, 9, 1, 1001, 9), [1], ["out_of_range"]),
        (locs(1, 1, 9, 1, 5000, 9), [], ["out_of_range"]),
        ("nothing to see", [], ["prose"]),
        ("", [], []),
    ],
)
def test_answers_in_outlines(text, found, problems):
    decoded = hold_promises(CODEC, "segment", CANVAS, text)
    assert [len(region.mask.polygons) for region in decoded.regions] == found
    assert [problem.kind for problem in decoded.problems] == problems
    hold_when_cut(CODEC, "segment", CANVAS, list(text))


@pytest.mark.parametrize(
    ("text", "found", "words", "problems"),
    [
        (f"STOP{locs(*QUAD)}10 km/h, max{locs(*QUAD)}", ["STOP", "10 km/h, max"], None, []),
        ("STOP 10 km/h", [], "STOP 10 km/h", []),
        (f"STOP{BOX}GO{locs(*QUAD)}", ["GO"], None, ["malformed"]),
        (f"STOP{BOX}", [], None, ["truncated"]),
        (f"{locs(*QUAD)}", [None], None, []),
    ],
)
def test_text_in_the_picture(text, found, words, problems):
    decoded = hold_promises(CODEC, "ocr", CANVAS, text)
    assert [region.label for region in decoded.regions] == found
    assert [problem.kind for problem in decoded.problems] == problems
    assert decoded.text == words
    hold_when_cut(CODEC, "ocr", CANVAS, list(text))


def test_words_are_words_and_a_described_region_keeps_its_box():
    decoded = CODEC.decode("</s><s>two cats, asleep; one dog</s>", CANVAS, task="caption")
    assert (decoded.text, decoded.regions, decoded.problems) == ("two cats, asleep; one dog", (), ())
    decoded = CODEC.decode(f"</s><s>a red car{BOX}</s>", CANVAS, task="describe")
    (region,) = decoded.regions
    assert (decoded.text, region.label, region.span) == ("a red car", "a red car", (0, 9))
    assert CODEC.encode("describe", regions=[Region((0, 0, 1, 1), label="a car")], canvas=CANVAS) == "a car"
    assert [problem.kind for problem in CODEC.decode("</s>", CANVAS, task="caption").problems] == ["truncated"]


def test_a_region_is_given_with_its_last_coordinate():
    stream = CODEC.stream(CANVAS, task="detect")
    assert not stream.feed("cat<loc_10><loc_20><loc_30><loc_40")
    assert [region.label for region in stream.feed(">")] == ["cat"]


def test_supervision_reads_a_region_as_our_reader_of_its_name():
    sv = pytest.importorskip("supervision")
    text = f"a red car{BOX}"
    theirs = sv.Detections.from_vlm(sv.VLM.FLORENCE_2, {"<REGION_TO_CATEGORY>": text}, resolution_wh=(640, 480))
    ours = get_codec("florence-2", "supervision").decode(text, Canvas.identity(640, 480), task="describe")
    assert ours.regions[0].box == pytest.approx(theirs.xyxy[0].tolist(), abs=1e-3)


# ---- whatever the text

TASKS = st.sampled_from(CODEC.tasks)


@st.composite
def answers(draw, task, canvas):
    if task in ("describe", "caption"):
        return CODEC.encode(task, text=draw(st.sampled_from(LABELS)), canvas=canvas)
    truth = draw(outlines(canvas) if task == "segment" else distinct(CODEC, canvas))
    return f"</s><s>{CODEC.encode(task, regions=truth, canvas=canvas)}</s>"


@settings(max_examples=60)
@given(st.data(), TASKS, canvases)
def test_reading_keeps_its_promises_however_the_text_is_broken_and_cut(data, task, canvas):
    pieces = data.draw(cut_up(answers(task, canvas) | junk(JUNK)))
    hold_promises(CODEC, task, canvas, "".join(pieces))
    hold_when_cut(CODEC, task, canvas, pieces)
