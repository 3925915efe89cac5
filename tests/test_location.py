"""Our model's texts: what is asked, what is written, what broken answers are read as, and when a stream speaks."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.location import TOKENS
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region
from tests.strategies import boxes, canvases, labels, outlines, regions, spanned

CODEC = get_codec("location")
CANVAS = Canvas.identity(1023, 1023)  # a bin is a pixel
A, B = "<loc0010><loc0020><loc0030><loc0040>", "<loc0100><loc0200><loc0300><loc0400>"
BOX_A, BOX_B = (20.0, 10.0, 40.0, 30.0), (200.0, 100.0, 400.0, 300.0)


def read(text, task="locate"):
    return CODEC.decode(text, CANVAS, task=task)


def found(text, task="locate"):
    """Boxes with labels, and problems with what they point at."""
    decoded = read(text, task)
    boxes = [(tuple(round(value, 6) for value in region.box), region.label) for region in decoded.regions]
    return boxes, [(problem.kind, text[slice(*problem.span)]) for problem in decoded.problems]


# ---- asking


def test_prompts_are_the_designed_ones():
    ask = CODEC.prompt
    assert ask("locate", " the  red star ") == "locate the red star"
    assert ask("detect", names=["star", "blue ring"]) == "detect star ; blue ring"
    assert ask("describe", box=BOX_A, canvas=CANVAS) == f"describe {A}"
    assert ask("describe", point=(20, 10), canvas=CANVAS) == "describe <loc0010><loc0020>"
    assert ask("caption") == "caption"
    assert ask("count", "red circles") == "count red circles"
    assert ask("segment", "the cup") == "segment the cup"
    assert ask("answer", "what is left of the cup?") == "answer what is left of the cup?"


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("locate", {}),
        ("count", {"phrase": " "}),
        ("detect", {}),
        ("detect", {"names": ["a", ""]}),
        ("describe", {"canvas": CANVAS}),
        ("describe", {"box": BOX_A, "point": (1, 2), "canvas": CANVAS}),
        ("describe", {"box": BOX_A}),
    ],
)
def test_a_question_without_its_parts_is_refused(task, arguments):
    with pytest.raises(PromptError):
        CODEC.prompt(task, **arguments)


# ---- writing


def test_answers_are_written_as_designed():
    star, ring = Region(BOX_A, label="red star"), Region(BOX_B, label="ring")
    write = CODEC.encode
    assert write("locate", regions=[star, ring], canvas=CANVAS) == f"{A} ; {B}"
    assert write("detect", regions=[star, ring], canvas=CANVAS) == f"{A} red star ; {B} ring"
    assert write("count", regions=[star, ring], canvas=CANVAS) == f"2 : {A} ; {B}"
    assert [write(task, canvas=CANVAS) for task in ("locate", "detect", "segment", "count")] == ["none"] * 3 + ["0"]
    assert write("describe", text="a red star", canvas=CANVAS) == "a red star"
    assert write("describe", regions=[star], canvas=CANVAS) == f"{A} red star"
    shown = [Region(BOX_A, span=(2, 10)), Region(BOX_B, span=(2, 10)), Region(BOX_B, label="ring")]
    text = "a red star on a ring."
    assert write("caption", text=text, regions=shown, canvas=CANVAS) == (
        f"a <p>red star</p>{A}{B} on a <p>ring</p>{B}."
    )
    assert write("answer", text=text, regions=shown, canvas=CANVAS) == f"a red star{A}{B} on a ring{B}."
    outline = Mask.from_polygons([[(20, 10), (40, 10), (40, 30)]], 1023, 1023)
    assert write("segment", regions=[Region(BOX_A, mask=outline)], canvas=CANVAS) == (
        "<loc0010><loc0020><loc0010><loc0040><loc0030><loc0040>"
    )


def test_the_shown_example_is_written_and_read_so():
    region = Region((0.0, 120.0, 640.0, 360.0), label="cat")
    canvas = Canvas.identity(640, 480)
    text = CODEC.encode("detect", regions=[region], canvas=canvas)
    assert text == "<loc0256><loc0000><loc0767><loc1023> cat"
    (back,) = CODEC.decode(text, canvas, task="detect").regions
    assert back.box == pytest.approx(region.box, abs=0.5 * 640 / 1023)


@pytest.mark.parametrize("label", [None, " ", "a ; b", "a\nb", "a <b>"])
def test_a_label_that_would_not_be_read_back_is_refused(label):
    with pytest.raises(InputError):
        CODEC.encode("detect", regions=[Region(BOX_A, label=label)], canvas=CANVAS)


def test_what_can_not_be_written_is_refused():
    with pytest.raises(InputError, match="mask"):
        CODEC.encode("segment", regions=[Region(BOX_A)], canvas=CANVAS)
    with pytest.raises(InputError, match="span"):
        CODEC.encode("caption", text="a star", regions=[Region(BOX_A)], canvas=CANVAS)
    shown = [Region(BOX_A, span=(0, 4)), Region(BOX_B, span=(2, 6))]
    with pytest.raises(InputError, match="overlap"):
        CODEC.encode("caption", text="a star", regions=shown, canvas=CANVAS)
    with pytest.raises(InputError, match="words"):
        CODEC.encode("describe", canvas=CANVAS)


# ---- round trips


@settings(max_examples=500)
@given(st.data(), canvases)
def test_any_box_survives_a_round_trip_within_half_a_bin(data, canvas):
    region = Region(data.draw(boxes(canvas)))
    decoded = CODEC.decode(CODEC.encode("locate", regions=[region], canvas=canvas), canvas)
    assert not decoded.problems
    half = [0.5 / 1023 * side * (1 + 1e-9) + 1e-9 for side in (canvas.width, canvas.height) * 2]
    assert all(abs(a - b) <= h for a, b, h in zip(decoded.regions[0].box, region.box, half, strict=True))


@given(st.data(), canvases, st.sampled_from(["locate", "detect", "count"]))
def test_a_list_of_boxes_survives_a_round_trip(data, canvas, task):
    given_regions = data.draw(regions(canvas))
    text = CODEC.encode(task, regions=given_regions, canvas=canvas)
    decoded = CODEC.decode(text, canvas, task=task)
    assert not decoded.problems
    assert decoded.count == (len(given_regions) if task == "count" else None)
    assert [region.label for region in decoded.regions] == [
        region.label if task == "detect" else None for region in given_regions
    ]
    for region, item in zip(decoded.regions, text.removeprefix(f"{len(given_regions)} : ").split(" ; "), strict=False):
        assert text[slice(*region.span)] == item
    assert CODEC.encode(task, regions=[*decoded.regions], canvas=canvas) == text


@given(st.data(), canvases, st.sampled_from(["caption", "answer"]))
def test_words_and_what_they_show_survive_a_round_trip(data, canvas, task):
    text, shown = data.draw(spanned(canvas))
    decoded = CODEC.decode(CODEC.encode(task, text=text, regions=shown, canvas=canvas), canvas, task=task)
    assert not decoded.problems
    assert decoded.text == text
    if task == "caption":
        assert [region.span for region in decoded.regions] == [region.span for region in shown]
        assert [region.label for region in decoded.regions] == [text[slice(*region.span)] for region in shown]
    else:
        assert [region.span[1] for region in decoded.regions] == [region.span[1] for region in shown]


@given(st.data(), canvases)
def test_outlines_survive_a_round_trip(data, canvas):
    given_regions = data.draw(outlines(canvas))
    text = CODEC.encode("segment", regions=given_regions, canvas=canvas)
    decoded = CODEC.decode(text, canvas, task="segment")
    assert {problem.kind for problem in decoded.problems} <= {"duplicate"}
    assert all(region.mask is not None for region in decoded.regions)
    if not decoded.problems:
        assert CODEC.encode("segment", regions=decoded.regions, canvas=canvas) == text


@given(labels, st.booleans(), canvases, st.data())
def test_a_description_survives_a_round_trip(words, with_box, canvas, data):
    shown = [Region(data.draw(boxes(canvas)))] if with_box else []
    decoded = CODEC.decode(CODEC.encode("describe", text=words, regions=shown, canvas=canvas), canvas, task="describe")
    assert decoded.text == words
    assert not decoded.problems
    assert [region.label for region in decoded.regions] == [words] * with_box


# ---- reading what models really write


@pytest.mark.parametrize(
    ("text", "boxes_read", "problems"),
    [
        (f"{A} man's red hat ; {B} dog, brown", [(BOX_A, "man's red hat"), (BOX_B, "dog, brown")], []),
        (f"{A}cat;{B}dog", [(BOX_A, "cat"), (BOX_B, "dog")], []),
        (f"{A} cat\r\n{B} dog\r\n", [(BOX_A, "cat"), (BOX_B, "dog")], []),
        (f"{A} cat ;\n", [(BOX_A, "cat")], [("truncated", ";")]),
        (f"{A} cat, {B} dog", [(BOX_A, "cat"), (BOX_B, "dog")], []),
        (f"{A} 猫 ； {B} звезда", [(BOX_A, "猫"), (BOX_B, "звезда")], []),
        (f"{A} cat<eos>", [(BOX_A, "cat")], []),
        ("<loc００１０><loc20><LOC0030>, <loc00040> cat", [(BOX_A, "cat")], []),
        ("none", [], []),
        (" None.\n", [], []),
        ("", [], [("truncated", "")]),
        (A, [(BOX_A, None)], [("truncated", A)]),
        (f"{A}<eos>", [(BOX_A, None)], [("malformed", A)]),
        (f"{A}{B} dog", [(BOX_A, None), (BOX_B, "dog")], [("malformed", A)]),
        (f"{A} cat ; {B} d", [(BOX_A, "cat"), (BOX_B, "d")], []),
        (f"{A} cat ; ", [(BOX_A, "cat")], [("truncated", ";")]),
        (f"{A} cat ; {B[:-4]}", [(BOX_A, "cat")], [("truncated", B[:-4])]),
        (f"{A} cat ; {B[:27]}", [(BOX_A, "cat")], [("truncated", B[:27])]),
        (f"{A} cat ; <l", [(BOX_A, "cat")], [("truncated", "<l")]),
        (f"{A[:27]} cat ; {B} dog", [(BOX_B, "dog")], [("malformed", A[:27]), ("prose", "cat")]),
        (f"{A[:27]}<eos>", [], [("malformed", A[:27])]),
        (f"{A} cat ; {A} cat ; {A} dog", [(BOX_A, "cat"), (BOX_A, "dog")], [("duplicate", f"{A} cat")]),
        (
            "<loc0030><loc0020><loc0010><loc0040> cat",
            [(BOX_A, "cat")],
            [("inverted", A.replace("10", "xx").replace("30", "10").replace("xx", "30"))],
        ),
        (
            "<loc0010><loc0020><loc0030><loc1024> cat",
            [((20.0, 10.0, 1023.0, 30.0), "cat")],
            [("out_of_range", "<loc1024>")],
        ),
        (
            "<loc0010><loc0020><loc0030><loc99999> cat",
            [],
            [("malformed", "<loc0010><loc0020><loc0030><loc99999>"), ("out_of_range", "<loc99999>"), ("prose", "cat")],
        ),
        (
            "<loc0010><loc_20><loc0030><loc0040> cat",
            [],
            [("malformed", "<loc0010><loc_20><loc0030><loc0040>"), ("unknown_token", "<loc_20>"), ("prose", "cat")],
        ),
        (f"{A} cat <unk>", [(BOX_A, "cat")], [("unknown_token", "<unk>")]),
        (f"Sure! Here it is:\n{A} cat", [(BOX_A, "cat")], [("prose", "Sure! Here it is:")]),
        ("I see no cat; sorry.\nReally.", [], [("prose", "I see no cat; sorry.\nReally.")]),
        (f"none ; {A} cat", [(BOX_A, "cat")], [("malformed", "none")]),
    ],
)
def test_labelled_boxes_are_read_as_far_as_they_can_be(text, boxes_read, problems):
    assert found(text, "detect") == (boxes_read, problems)


def test_forty_times_the_same_box_is_one_box_and_every_repetition_is_named():
    boxes_read, problems = found(" ; ".join([A] * 40))
    assert boxes_read == [(BOX_A, None)]
    assert problems == [("duplicate", A)] * 39


def test_words_behind_a_located_box_are_named_not_taken_for_a_label():
    assert found(f"{A} cat") == ([(BOX_A, None)], [("prose", "cat")])


@pytest.mark.parametrize(
    ("text", "count", "boxes_read", "problems"),
    [
        (f"2 : {A} ; {B}", 2, 2, []),
        (f"２：{A};{B}", 2, 2, []),
        ("0", 0, 0, []),
        ("3", 3, 0, ["truncated"]),
        (f"3 : {A} ; {B}", 3, 2, ["truncated"]),
        (f"1 : {A} ; {B}", 1, 2, ["malformed"]),
        (f"2 : {A} ; {A}", 2, 1, ["duplicate"]),
        (f"{A} ; {B}", None, 2, ["malformed"]),
        (f"many : {A}", None, 1, ["malformed", "prose"]),
        ("9" * 5000, None, 0, ["prose"]),
        ("", None, 0, ["malformed"]),
    ],
)
def test_a_count_is_read_beside_its_boxes(text, count, boxes_read, problems):
    decoded = read(text, "count")
    assert (decoded.count, len(decoded.regions)) == (count, boxes_read)
    assert [problem.kind for problem in decoded.problems] == problems


@pytest.mark.parametrize(
    ("text", "corners", "problems"),
    [
        ("<loc0001><loc0002>" * 2 + "<loc0003><loc0004>", [3], []),
        ("<loc0001><loc0002><loc0003>" * 2 + " ; " + "<loc0001><loc0002>" * 4, [3, 4], []),
        ("<loc0001>" * 7, [3], ["truncated"]),
        ("<loc0001>" * 7 + " ; " + "<loc0002>" * 6, [3, 3], ["malformed"]),
        (A + " ; " + "<loc0002>" * 6, [3], ["malformed"]),
        (A, [], ["truncated"]),
        ("none", [], []),
        ("<loc0001>" * 6 + " ; " + "<loc0001>" * 6, [3], ["duplicate"]),
        ("<loc0001><loc9999>" * 3, [], ["malformed"] + ["out_of_range"] * 3),
        ("<loc0001>" * 6 + " cup", [3], ["prose"]),
    ],
)
def test_outlines_are_read_as_far_as_they_can_be(text, corners, problems):
    decoded = read(text, "segment")
    assert [len(region.mask.polygons[0]) for region in decoded.regions] == corners
    assert [problem.kind for problem in decoded.problems] == problems


@pytest.mark.parametrize(
    ("text", "words", "spans", "problems"),
    [
        (f"a <p>star</p>{A} and <p>a ring</p>{B}{A}.", "a star and a ring.", ["star", "a ring", "a ring"], []),
        (f"a <p> star </p> {A} and", "a  star  and", ["star"], []),
        (f"<p>man's hat, red</p>{A}", "man's hat, red", ["man's hat, red"], []),
        (f"a <p>star</p>{A}{A}", "a star", ["star"], [("duplicate", A)]),
        (f"a <p>star</p>{A} left of <p>a star</p>{A}", "a star left of a star", ["star", "a star"], []),
        (f"a <p>star</p> here {A}", "a star here", [None], [("malformed", "<p>star</p>"), ("malformed", A)]),
        (f"a <p>star {A}", "a star", ["star"], [("malformed", "<p>star ")]),
        (f"a <p>b <p>star</p>{A}", "a b star", ["star"], [("malformed", "<p>b <p>")]),
        ("a star</p> there", "a star there", [], [("malformed", "</p>")]),
        ("a <p>star</p>", "a star", [], [("truncated", "<p>star</p>")]),
        ("a <p>sta", "a sta", [], [("truncated", "<p>sta")]),
        (f"a <p>star</p>{A[:20]}", "a star", [], [("truncated", "<p>star</p>"), ("truncated", A[:20])]),
        (f"a <p>star</p>{A[:27]} on", "a star on", [], [("malformed", "<p>star</p>"), ("malformed", A[:27])]),
        ("a <p>star</", "a star", [], [("truncated", "<p>star</"), ("truncated", "</")]),
        ("", "", [], [("truncated", "")]),
        ("one; two\r\nthree < four", "one; two\r\nthree < four", [], []),
    ],
)
def test_a_caption_becomes_clean_words_with_spans(text, words, spans, problems):
    decoded = read(text, "caption")
    assert decoded.text == words
    assert [region.span and words[slice(*region.span)] for region in decoded.regions] == spans
    assert [region.label for region in decoded.regions] == spans
    assert [(problem.kind, text[slice(*problem.span)]) for problem in decoded.problems] == problems


def test_an_answers_box_shows_the_words_since_the_one_before():
    decoded = read(f"yes, the star{A} and the ring{B}{A}.", "answer")
    assert decoded.text == "yes, the star and the ring."
    assert [decoded.text[slice(*region.span)] for region in decoded.regions] == [
        "yes, the star",
        "and the ring",
        "and the ring",
    ]


def test_a_descriptions_box_is_labelled_with_the_words_behind_it():
    decoded = read(f"{A} a red star", "describe")
    assert [(region.box, region.label, region.span) for region in decoded.regions] == [(BOX_A, "a red star", (0, 10))]
    assert decoded.text == "a red star"
    assert read("a red star", "describe").regions == ()
    assert [problem.kind for problem in read(A, "describe").problems] == ["truncated"]


# ---- streaming


def moments(text, task):
    """After how many characters each region came; None for those that only the end completed."""
    stream = CODEC.stream(CANVAS, task=task)
    times = [place for place, character in enumerate(text, 1) for _ in stream.feed(character)]
    return times + [None] * (len(stream.close().regions) - len(times))


def test_a_region_comes_as_soon_as_it_is_complete():
    assert moments(f"{A} ; {B}", "locate") == [36, 75]
    assert moments(f"2 : {A} ; {B}", "count") == [40, 79]
    assert moments(f"{A} cat ; {B} dog", "detect") == [42, None]
    assert moments(f"{A} cat\n{B} dog ;", "detect") == [41, 83]
    assert moments(f"a <p>star</p>{A}{B} on", "caption") == [49, 85]
    assert moments(f"star{A} on", "answer") == [40]
    assert moments(f"{A[:18] * 3} ; {B[:18] * 3}", "segment") == [56, None]
    assert moments(f"{A} a star", "describe") == [None]


def test_there_are_1024_tokens_in_order():
    assert len(TOKENS) == 1024
    assert (TOKENS[0], TOKENS[52], TOKENS[1023]) == ("<loc0000>", "<loc0052>", "<loc1023>")
