"""Kosmos-2's texts: prompts, recorded answers, two readers of thin boxes, phrases and objects, and broken text."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import canvases, spanned
from tests.tagged import cut_up, distinct, hold_promises, hold_when_cut, junk, recorded

CODEC = get_codec("kosmos-2")
CANVAS = Canvas.identity(32, 32)  # a patch is a pixel
MORE = "</delimiter_of_multi_objects/>"


def patches(first, last):
    return f"<patch_index_{first:04d}><patch_index_{last:04d}>"


PAIR = patches(33, 99)  # columns 1 to 3, rows 1 to 3
READ = (1.5, 1.5, 3.5, 3.5)
OBJECT = f"<object>{PAIR}</object>"
JUNK = ("<patch_index_0044>", "<patch_index_0863>", "<patch_index_1024>", "<patch_index_5>", "<patch_index_x>")
JUNK += ("<patch_", "<phrase>", "</phrase>", "<object>", "</object>", MORE, MORE[:-9], "<image>", "</image>")
JUNK += ("<grounding>", " a dog", OBJECT, "</doc>")


# ---- recorded answers


@pytest.mark.parametrize("rounding", ["middle", "official"])
@pytest.mark.parametrize("case", recorded("kosmos-2"), ids=lambda case: case["expected"]["caption"][:20])
def test_recorded_captions_are_read_as_transformers_does(case, rounding):
    expected = case["expected"]
    decoded = get_codec("kosmos-2", rounding).decode(case["raw"], Canvas.identity(1, 1), task="caption")
    assert not decoded.problems
    assert decoded.text == expected["caption"]
    entities = [[region.label, list(region.span), [list(region.box)]] for region in decoded.regions]
    assert entities == expected["entities"]
    assert all(decoded.text[slice(*region.span)] == region.label for region in decoded.regions)


def test_in_locate_spans_count_the_raw_answer():
    raw = recorded("kosmos-2")[0]["raw"]
    regions = CODEC.decode(raw, Canvas.identity(1, 1)).regions
    assert [region.label for region in regions] == ["a snowman", "a fire"]
    assert raw[slice(*regions[1].span)] == "<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911>"


# ---- asking


def test_prompts_are_the_familys():
    ask = CODEC.prompt
    assert ask("locate", "a snowman next to a fire") == "<grounding><phrase> a snowman next to a fire</phrase>"
    assert ask("caption") == "<grounding> An image of"
    assert ask("answer", "What is it?") == "<grounding> Question: What is it? Answer:"
    place = ask("describe", box=(12, 1, 32, 27), canvas=CANVAS)
    assert place == "<grounding><phrase> It</phrase><object><patch_index_0044><patch_index_0863></object> is"
    with pytest.raises(PromptError, match="markup"):
        ask("locate", "a</phrase>")
    with pytest.raises(PromptError, match="give box"):
        ask("describe", point=(1, 1), canvas=CANVAS)
    with pytest.raises(InputError, match="no task 'detect'"):
        ask("detect", names=["cat"])


# ---- writing and reading back


@settings(max_examples=50)
@given(st.data(), canvases)
def test_boxes_survive_a_round_trip_within_half_a_patch_or_one_when_thin(data, canvas):
    truth = data.draw(distinct(CODEC, canvas))
    decoded = CODEC.decode(CODEC.encode("locate", regions=truth, canvas=canvas), canvas)
    assert not decoded.problems
    assert [region.label for region in decoded.regions] == [region.label for region in truth]
    for region, meant in zip(decoded.regions, truth, strict=True):
        for axis, side in ((0, canvas.width), (1, canvas.height)):
            patch = side / 32
            thin = (
                region.box[axis + 2] - region.box[axis] <= patch * 1.001
                and meant.box[axis + 2] - meant.box[axis] <= patch
            )
            assert region.box[axis::2] == pytest.approx(meant.box[axis::2], abs=(1 if thin else 0.5) * patch + 1e-6)


def test_thin_boxes_are_where_the_readers_differ():
    text = f"<object>{patches(33, 36)}</object>"  # one row, columns 1 to 4
    assert CODEC.decode(text, CANVAS).regions[0].box == (1.5, 1, 4.5, 2)
    assert get_codec("kosmos-2", "official").decode(text, CANVAS).regions[0].box == (1, 1, 5, 2)
    one = f"<object>{patches(33, 33)}</object>"
    for rounding in ("middle", "official"):
        assert get_codec("kosmos-2", rounding).decode(one, CANVAS).regions[0].box == (1, 1, 2, 2)


@settings(max_examples=40)
@given(st.data(), canvases)
def test_phrases_survive_a_round_trip(data, canvas):
    text, shown = data.draw(spanned(canvas))
    decoded = CODEC.decode(CODEC.encode("caption", text=text, regions=shown, canvas=canvas), canvas, task="caption")
    assert not decoded.problems
    assert decoded.text == text
    core = [region.span for region in sorted(shown, key=lambda region: region.span)]
    assert [region.span for region in decoded.regions] == core
    assert [region.label for region in decoded.regions] == [text[slice(*span)] for span in core]


def test_boxes_of_a_phrase_share_an_object():
    truth = [
        Region((1, 1, 4, 4), label="two dogs"),
        Region((5, 5, 9, 9), label="two dogs"),
        Region((0, 0, 1, 1), label="it"),
    ]
    text = CODEC.encode("locate", regions=truth, canvas=CANVAS)
    dogs = f"<phrase> two dogs</phrase><object>{PAIR}{MORE}{patches(165, 264)}</object>"
    assert text == f"{dogs}<phrase> it</phrase><object>{patches(0, 0)}</object>"
    decoded = CODEC.decode(text, CANVAS)
    assert [region.label for region in decoded.regions] == ["two dogs", "two dogs", "it"]
    caption = CODEC.encode("caption", text="Two dogs play", regions=[Region((1, 1, 4, 4), span=(0, 8))], canvas=CANVAS)
    assert caption == f"<phrase> Two dogs</phrase>{OBJECT} play"


def test_what_can_not_be_written_is_said():
    box = (0, 0, 1, 1)
    for regions, text, says in (
        ([Region(box, span=(0, 50))], "short", "by its span"),
        ([Region(box, span=(0, 4)), Region(box, span=(2, 6))], "a dog here", "overlap"),
        ([], "a < b", "'<'"),
        ([], " ", "give text"),
    ):
        with pytest.raises(InputError, match=says):
            CODEC.encode("caption", regions=regions, text=text, canvas=CANVAS)
    for label in (",", "a<b"):
        with pytest.raises(InputError):
            CODEC.encode("locate", regions=[Region(box, label=label)], canvas=CANVAS)


# ---- reading


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        (f"<phrase> the dog</phrase>{OBJECT}", [("the dog", READ)], []),
        (f"{OBJECT} is asleep.", [(None, READ)], []),
        (f"<grounding><phrase>man's, hat</phrase> <object> {PAIR} </object></s>", [("man's, hat", READ)], []),
        (
            f"<phrase> 猫</phrase><object>{PAIR}{MORE}{patches(0, 66)}</object>",
            [("猫", READ), ("猫", (0.5, 0.5, 2.5, 2.5))],
            [],
        ),
        (f"<phrase> a</phrase><object>{PAIR}{MORE}{PAIR}</object>", [("a", READ)], ["duplicate"]),
        ("<object><PATCH_INDEX_33><patch_index_００９９></object>", [(None, READ)], []),
        (f"<object>{patches(99, 33)}</object>", [(None, READ)], ["inverted"]),
        (f"<object>{patches(33, 1024)}</object>", [], ["out_of_range"]),
        ("<object><patch_index_x><patch_index_0099></object>", [], ["malformed"]),
        ("<object><patch_index_0033></object>", [], ["malformed"]),
        (f"<phrase> a</phrase><object></object>{OBJECT}", [("a", READ)], ["malformed"]),
        (f"<phrase> a</phrase> b<phrase> c</phrase>{OBJECT}", [("c", READ)], ["malformed"]),
        ("<phrase> a dog</phrase>", [], ["truncated"]),
        ("<phrase> a dog", [], ["truncated"]),
        (f"<phrase> a dog<object>{PAIR}</object>", [("a dog", READ)], ["malformed"]),
        (f"<phrase> a</phrase><object>{PAIR}", [("a", READ)], ["truncated"]),
        ("<phrase> a</phrase><object><patch_index_0033>", [], ["truncated"]),
        ("<phrase> a</phrase><object><patch_index_0033><patch_ind", [], ["truncated"]),
        (f"<phrase> a</phrase>{PAIR}", [("a", READ)], []),
        (f"<foo>{OBJECT}", [(None, READ)], ["unknown_token"]),
        (f"</object>{MORE}{OBJECT}", [(None, READ)], ["malformed", "malformed"]),
        (f"<image> the of and</image><grounding>{OBJECT}", [(None, READ)], []),
        ("I see no dog [see below]", [], ["prose"]),
        ("", [], []),
        ("</s>", [], []),
    ],
)
def test_answers_with_objects(text, found, problems):
    decoded = hold_promises(CODEC, "locate", CANVAS, text)
    assert [(region.label, region.box) for region in decoded.regions] == found
    assert [problem.kind for problem in decoded.problems] == problems
    hold_when_cut(CODEC, "locate", CANVAS, list(text))


@pytest.mark.parametrize(
    ("text", "words", "problems"),
    [
        ("<grounding> An image of a < b and c > d.", "An image of a < b and c > d.", []),
        (f"<image> the of and</image> A dog at{OBJECT} play", "A dog at play", []),
        (" A<phrase> dog</phrase> and a cat", "A dog and a cat", ["malformed"]),
        (" A <b> dog", "A  dog", ["unknown_token"]),
        ("", "", ["truncated"]),
    ],
)
def test_captions_lose_their_markup_alone(text, words, problems):
    decoded = hold_promises(CODEC, "caption", CANVAS, text)
    assert decoded.text == words
    assert [problem.kind for problem in decoded.problems] == problems
    hold_when_cut(CODEC, "caption", CANVAS, list(text))


def test_a_box_without_a_phrase_shows_no_words():
    (region,) = CODEC.decode(f"A wet suit is at {OBJECT} there", CANVAS, task="caption").regions
    assert (region.label, region.span) == (None, None)


def test_a_region_is_given_with_its_second_patch():
    stream = CODEC.stream(CANVAS, task="caption")
    assert not stream.feed("<phrase> a dog</phrase><object><patch_index_0033><patch_index_0099")
    assert [region.label for region in stream.feed(">")] == ["a dog"]


TASKS = st.sampled_from(CODEC.tasks)


@st.composite
def answers(draw, task, canvas):
    if task == "locate":
        return CODEC.encode(task, regions=draw(distinct(CODEC, canvas)), canvas=canvas)
    text, shown = draw(spanned(canvas))
    return CODEC.encode(task, text=text, regions=shown, canvas=canvas)


@settings(max_examples=60)
@given(st.data(), TASKS, canvases)
def test_reading_keeps_its_promises_however_the_text_is_broken_and_cut(data, task, canvas):
    pieces = data.draw(cut_up(answers(task, canvas) | junk(JUNK)))
    hold_promises(CODEC, task, canvas, "".join(pieces))
    hold_when_cut(CODEC, task, canvas, pieces)
