"""Names and boxes in tags of their own: broken answers of Rex-Omni and LocateAnything, and reading in pieces."""

import time

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.base import BLANK
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.result import PROBLEM_KINDS, Region
from tests.strategies import broken, canvases, cut, labels, regions

CANVAS = Canvas.identity(1000, 1000)  # LocateAnything's bins are pixels of it
BOX = "<box><100><200><300><400></box>"
PIXELS = (100, 200, 300, 400)
FAMILIES = {"rex-omni": ("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>")}
FAMILIES["locateanything"] = ("<ref>", "</ref>", "<box>", "</box>")
TASKS = ("locate", "detect", "point", "ocr")
JUNK = (
    *("<100>", "<999>", "<1000>", "<99999>", "<-3>", "<1.5>", "<１２>", "<3", "<", ">", "<loc0001>", "<unk>"),
    *("None", "none.", ", ", "，", ";", "\r\n", " ", "cat", "<think>hm</think>", "<|im_end|>", "</s>", "猫", "\x00"),
)


@pytest.mark.parametrize(
    ("text", "found", "problems"),
    [
        (f"<ref>man's red hat</ref>{BOX}", [("man's red hat", PIXELS)], []),
        (f"<ref> dog, brown\r\n</ref> {BOX}\r\n", [("dog, brown", PIXELS)], []),
        (f"<ref>a <b> c < d; e</ref>{BOX}", [("a <b> c < d; e", PIXELS)], []),
        (f"<ref>犬</ref>{BOX}<box>none</box>", [("犬", PIXELS)], []),
        (f"<ref>a</ref>{BOX}<|im_end|></s>", [("a", PIXELS)], []),
        ("<ref>a</ref><box>\n<100>, <200>\n<300>,<400></box>", [("a", PIXELS)], []),
        ("<ref>a</ref><box><１００><200><300><400></box>", [("a", PIXELS)], []),
        ("<ref>a</ref><box><100><200><300></box>", [], ["malformed"]),
        ("<ref>a</ref><box><100><200><x><400></box>", [], ["malformed", "unknown_token"]),
        ("<ref>a</ref><box><100><200> and <300><400></box>", [], ["malformed", "malformed"]),
        ("<ref>a</ref><box></box>", [], ["malformed"]),
        ("<ref>a</ref><box>[100, 200]</box>", [], ["malformed"]),
        ("<ref>a</ref><box><300><200><100><400></box>", [("a", PIXELS)], ["inverted"]),
        ("<ref>a</ref><box><100><200><300><99999></box>", [], ["out_of_range"]),
        ("<ref>a</ref><box><100><200><300><1003></box>", [("a", (100, 200, 300, 1000))], ["out_of_range"]),
        (f"<ref>a</ref>{BOX * 40}", [("a", PIXELS)], ["duplicate"] * 39),
        (f"<ref>a</ref>{BOX}<ref>b</ref>{BOX}", [("a", PIXELS), ("b", PIXELS)], []),
        (f"<ref>a</ref>{BOX}<box><500><600>", [("a", PIXELS)], ["truncated"]),
        (f"<ref>a</ref>{BOX}<box><500><6", [("a", PIXELS)], ["truncated"]),
        ("<ref>a</ref><box><100><200><300><400></bo", [("a", PIXELS)], ["truncated"]),
        ("<ref>a</ref><box><100><200><300><400>", [("a", PIXELS)], ["truncated"]),
        (f"<ref>a</ref>{BOX}<ref>b</re", [("a", PIXELS)], ["truncated"]),
        (f"<ref>a</ref>{BOX}<ref>b</ref>", [("a", PIXELS)], ["truncated"]),
        (f"<ref>a</ref>{BOX}<re", [("a", PIXELS)], ["truncated"]),
        (f"<ref>a</ref><ref>b</ref>{BOX}", [("b", PIXELS)], ["malformed"]),
        (f"<ref>a<ref>b</ref>{BOX}", [("b", PIXELS)], ["malformed", "malformed"]),
        (f"<ref>a{BOX}", [("a", PIXELS)], ["malformed"]),
        (f"a</ref>{BOX}", [(None, PIXELS)], ["prose", "malformed", "malformed"]),
        (BOX, [(None, PIXELS)], ["malformed"]),
        ("<ref>a</ref><100><200><300><400>", [("a", PIXELS)], ["malformed"]),
        (f"<think>where?</think> Here [it] is: <ref>a</ref>{BOX}", [("a", PIXELS)], ["prose"]),
        (f"<ref>a</ref>{BOX}<loc0001>", [("a", PIXELS)], ["unknown_token"]),
        ("I can not see that.", [], ["prose"]),
        ("None", [], []),
        (f"None <ref>a</ref>{BOX}", [("a", PIXELS)], ["malformed"]),
        ("<ref>a</ref><box>None</box>", [], []),
        ("<ref>a</ref><box>None</box><ref>b</ref><box>No", [], ["truncated", "malformed"]),
        ("", [], ["truncated"]),
        ("<|im_end|>", [], ["truncated"]),
    ],
)
def test_broken_answers_give_what_can_be_read_and_name_the_rest(text, found, problems):
    decoded = get_codec("locateanything").decode(text, CANVAS, task="detect")
    assert [region.label for region in decoded.regions] == [label for label, _ in found]
    assert all(box in (None, region.box) for region, (_, box) in zip(decoded.regions, found, strict=True))
    assert sorted(problem.kind for problem in decoded.problems) == sorted(problems)


def test_spans_cover_the_name_and_the_box():
    text = f" <ref>a</ref>{BOX}{BOX.replace('100', '110')}"
    first, second = get_codec("locateanything").decode(text, CANVAS).regions
    assert text[slice(*first.span)] == f"<ref>a</ref>{BOX}"
    assert text[slice(*second.span)] == BOX.replace("100", "110")


def test_a_box_is_given_as_soon_as_its_end_is_there():
    stream = get_codec("rex-omni").stream(CANVAS)
    name, name_end, box, box_end = FAMILIES["rex-omni"]
    assert stream.feed(f"{name}a{name_end}{box}<1><2><3><4>") == ()
    assert len(stream.feed(",")) == 1
    assert stream.feed(" <5><6><7><8>") == ()
    assert len(stream.feed(box_end)) == 1
    assert stream.yielded == len(stream.close().regions) == 2


@st.composite
def texts(draw, canvas, name, task):
    """An answer as the family writes it, after a few accidents; or junk and tags in any order."""
    if draw(st.booleans()):
        codec = get_codec(name)
        answer = st.just(codec.encode(task, regions=draw(regions(canvas)), text="thing", canvas=canvas))
        return draw(broken(answer))
    pieces = st.sampled_from((*FAMILIES[name], *FAMILIES[name], *JUNK)) | st.integers(0, 999).map("<{}>".format)
    return draw(st.lists(pieces, max_size=14).map("".join))


@settings(max_examples=60)
@given(st.data(), canvases, st.sampled_from(tuple(FAMILIES)), st.sampled_from(TASKS))
def test_any_text_is_read_without_raising_and_however_it_was_cut(data, canvas, name, task):
    text = data.draw(texts(canvas, name, task))
    codec = get_codec(name)
    whole = codec.decode(text, canvas, task=task)
    stream = codec.stream(canvas, task=task)
    early = [region for piece in data.draw(cut(st.just(text))) for region in stream.feed(piece)]
    assert tuple(early) == whole.regions[: stream.yielded]
    assert stream.close() == whole
    for region in whole.regions:
        x1, y1, x2, y2 = region.box
        assert 0 <= x1 <= x2 <= canvas.width
        assert 0 <= y1 <= y2 <= canvas.height
        assert region.score is None
        assert 0 <= region.span[0] < region.span[1] <= len(text)
    for problem in whole.problems:
        assert problem.kind in PROBLEM_KINDS
        assert 0 <= problem.span[0] <= problem.span[1] <= len(text)
    if text.strip() and not whole.regions and "none" not in text.lower():
        assert whole.problems


@settings(max_examples=60)
@given(labels | st.text(st.sampled_from("<>ab ,;1/|'\"\n"), max_size=8), st.sampled_from(tuple(FAMILIES)))
def test_a_label_comes_back_unchanged_or_is_refused(label, name):
    codec = get_codec(name)
    try:
        text = codec.encode("detect", regions=[Region(PIXELS, label=label)], canvas=CANVAS)
    except InputError:
        return
    decoded = codec.decode(text, CANVAS, task="detect")
    assert [region.label for region in decoded.regions] == [label.strip(BLANK)]
    assert not decoded.problems


@pytest.mark.parametrize("text", ["<", "<1>", "<1>,", "a ", "<box>", "<ref>a", "None", "<box><1><2><3><4></box>"])
def test_reading_takes_time_in_proportion_to_the_text(text):
    stream = get_codec("locateanything").stream(CANVAS)
    start = time.process_time()
    for character in text * (8_000 // len(text)):
        stream.feed(character)
    stream.close()
    assert time.process_time() - start < 3
