"""Reading at once: what it reads is what the stream reads, to the last bit, and typical answers are read by it."""

import copy
import dataclasses
import pickle

import pytest
from hypothesis import example, given, settings, strategies as st

from grounding.codecs import CODECS, get_codec
from grounding.codecs.base import AT_ONCE, Codec
from grounding.codecs.deepseek import STOP
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.result import Region, _trusted_region
from tests.strategies import LABELS, boxes, broken

FAMILIES = ("paligemma", "florence-2", "qwen2.5-vl", "qwen3-vl", "gemini", "deepseek-vl2")
READERS = [(name, rounding) for name in FAMILIES for rounding in get_codec(name).rules]
JSON_KEYS = {"qwen2.5-vl": "bbox_2d", "qwen3-vl": "bbox_2d", "gemini": "box_2d"}
ROOMY = Canvas.squash(777, 333, 1100, 1050)
"""A canvas with room for most numbers that are drawn, so that many texts are read at once."""
STREAM_ONLY = ("florence-2", "transformers")
"""A rounding that cuts to whole pixels, so that boxes may fall together: never read at once."""


def check(codec, text, canvas, task="detect"):
    """Decoding is the stream fed whole: the same values, and floats where it has floats."""
    stream = codec.stream(canvas, task=task)
    fed = stream.feed(text)
    whole = stream.close()
    decoded = codec.decode(text, canvas, task=task)
    assert decoded == whole
    assert repr(decoded) == repr(whole)
    assert decoded.regions[: len(fed)] == fed
    at_once = codec.at_once(text, canvas) if codec.at_once and task in AT_ONCE else None
    assert at_once is None or at_once == whole
    return at_once


# ---- what is drawn


@st.composite
def canvases(draw):
    """Of all kinds: plain, stretched by odd factors, padded, and some that no family makes."""
    width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    wide, high = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    kind = draw(st.sampled_from(("identity", "squash", "squash", "center", "corner", "odd")))
    if kind == "identity":
        return Canvas.identity(width, height)
    if kind == "squash":
        return Canvas.squash(width, height, wide, high)
    if kind == "odd":
        scales = st.floats(0.01, 100)
        return Canvas(width, height, wide, high, draw(scales), draw(scales), draw(st.integers(0, 1)))
    return Canvas.pad(width, height, (wide, high), where=kind)


ODD_LABELS = (
    *LABELS,
    *("", " ", "cat ", " cat", "\tcat", "cat\n", "cat,", ", cat", "a, b", "a ; b", "a;b", "a；b", "a\r\nb"),
    *('say "hi"', '\\"hi\\"', "a\\u00e9b", "back\\\\slash", "a\\nb", "\\ud83d", "{", "}", "a{b}c", "[1, 2, 3, 4]"),
    *("<b>", "a < b", "a > b", "</s>", "<loc0001>", "<think>", "</think>", "<|im_end|>", "<|/ref|>", "```", "//", "'"),
    *('", "label": "dog', '"}, {"x": "', "No object detected.", "none", "null", "\x00", "\x0b", "\x0c", "\x1f", "\x7f"),
    *("\u200b", "\ufeff", "\u2028", "\x85", "\xa0cat", "\u3000cat", "😀", "\ud800", "nose " * 40),
)
usual_labels = st.sampled_from(("cat", "dog", "man's hat", "猫"))
labels = usual_labels | usual_labels | usual_labels | st.sampled_from(ODD_LABELS) | st.text(max_size=6)
plain_numbers = st.integers(0, 1023).map(str)
odd_numbers = st.sampled_from(
    (
        *("-1", "-0", "+5", "00", "007", "0", "999", "1000", "1001", "1023", "1024", "1100", "1101", "4095", "4096"),
        *("99999", "1" * 30, "1" * 400, "1.0", "12.5", "0.5", "1e2", "1E-3", "1e999", "NaN", "Infinity", "-Infinity"),
        *("null", "true", '"5"', "", " 5", "5 ", "[5]", "１２", "٣", "5_0", "0x10", "²", "x"),
    )
)


@st.composite
def quads(draw):
    """Four numbers as written: mostly a good box, now and then one with an edge that is not."""
    low, high = draw(st.integers(1, 500)), draw(st.integers(1, 500))
    four = [low, high, low + draw(st.integers(-1, 450)), high + draw(st.integers(-1, 450))]
    four = [str(number) for number in four]
    if draw(st.integers(0, 9)) == 0:
        four[draw(st.integers(0, 3))] = draw(odd_numbers | plain_numbers)
    if draw(st.integers(0, 19)) == 0:
        four = four[: draw(st.integers(0, 3))] if draw(st.booleans()) else [*four, "7"]
    return four


def mostly(usual, *others):
    return st.integers(0, 15).flatmap(lambda number: st.sampled_from(others) if number == 0 else st.just(usual))


@st.composite
def objects(draw, key):
    numbers = draw(mostly(", ", ",", " , ", "，", ",\n")).join(draw(quads()))
    place = f'"{key}": [{numbers}]'
    name = f'"label": "{draw(labels)}"'
    return draw(
        mostly(
            f"{{{place}, {name}}}",
            *(f"{{{name}, {place}}}", f"{{{place}}}", f"{{{place},{name}}}", f"{{ {place}, {name} }}"),
            *(f'{{{place}, {name}, "score": 0.5}}', f"{{{place}, {name}, {name}}}", f"{{{place}, {place}, {name}}}"),
            *(f'{{"thing": {{{place}, {name}}}}}', f'{{{place}, {name}, "in": {{{place}}}}}', f"{{{place}, {name}"),
            *(f"{place}, {name}}}", f'{{"{key}": [[{numbers}]], {name}}}', f'{{{place}, "label": null}}'),
            *(f'{{{place}, "label": ["a", "b"]}}', f'{{{place}, "label": 7}}', "{}", "[]", "", f"[{numbers}]"),
            *(f"{{{place}, {name}}}".replace('"', "'"), f"{{{place}, {name}}}x", f'{{{place}, "Label": "cat"}}'),
        )
    )


@st.composite
def near_json(draw, key):
    items = draw(st.lists(objects(key), min_size=1, max_size=4))
    if draw(st.integers(0, 9)) == 0:
        items.append(draw(st.sampled_from(items)))
    between = draw(mostly(",\n\t", ",\n  ", ", ", ",", " ,", ",,", "", "\n", ";", ", x", "},{", ",\u00a0"))
    head = draw(
        mostly("```json\n[\n\t", "[", "[\n", "```\n[", "", " [", "Here: [", "[[", "{[", "```JSON\n[", "[,", "\ufeff[")
    )
    tail = draw(
        mostly("\n]\n```", "]", "\n]", "]\n", "", "]]", "```", "]\n```\nDone.", ",]", "]<|im_end|>", "}", "] }")
    )
    text = head + between.join(items) + tail
    if draw(st.integers(0, 5)) == 0:  # one separator that differs
        text = text.replace(between, draw(st.sampled_from((", ", ",\n", " ", ",}", "{,"))), 1)
    return text


@st.composite
def near_locations(draw):
    items = []
    for _ in range(draw(st.integers(1, 4))):
        form = draw(mostly("<loc{:0>4}>", "<loc{}>", "<LOC{:0>4}>", "<loc_{}>", "<loc{:0>5}>"))
        items.append("".join(map(form.format, draw(quads()))) + draw(mostly(" ", "", "  ", ", ")) + draw(labels))
    items += draw(mostly([], [items[0]], [items[-1]], [""]))
    return draw(mostly(" ; ", ";", " ;", "; ", "\n", " ;  ", " ; ; ")).join(items)


@st.composite
def near_numbered(draw):
    items = []
    for _ in range(draw(st.integers(1, 4))):
        form = draw(mostly("<loc_{}>", "<loc{}>", "<loc_{:0>3}>", "<loc_{}> "))
        items.append(draw(st.just("") | labels) + "".join(map(form.format, draw(quads()))))
    items += draw(mostly([], [items[0]], [items[-1]], [""]))
    head = draw(st.sampled_from(("", "</s><s>", "<s>"))) + draw(mostly("", "</s>", "<pad>", "<s>", " "))
    tail = draw(st.sampled_from(("", "</s>"))) + draw(mostly("", "</s>", "<pad>", "dog", "<loc_5>", "<s>"))
    return head + "".join(items) + tail


@st.composite
def near_references(draw):
    items = []
    for _ in range(draw(st.integers(1, 4))):
        numbers = draw(mostly(", ", ",", " ,")).join(draw(quads()))
        name, box = f"<|ref|>{draw(labels)}<|/ref|>", f"<|det|>[[{numbers}]]<|/det|>"
        items.append(draw(mostly(name + box, name, box, f"{name} {box}", name + box * 2, f"a {name}{box}", box + name)))
    items += draw(mostly([], [items[0]], [items[-1]], [""]))
    tail = draw(st.sampled_from(("", STOP))) + draw(mostly("", STOP, " ", "<|det|>", "."))
    return draw(mostly("", " ", "\n", ", ", STOP)).join(items) + tail


def near(name):
    """Texts that look like the family's usual answers, and often are."""
    if name in JSON_KEYS:
        return near_json(JSON_KEYS[name])
    return {"paligemma": near_locations, "florence-2": near_numbered, "deepseek-vl2": near_references}[name]()


@st.composite
def written(draw, codec, canvas):
    """An answer as the codec writes it."""
    names = st.sampled_from([label for label in LABELS if label != "none"])
    shown = [Region(draw(boxes(canvas)), label=draw(names)) for _ in range(draw(st.integers(1, 6)))]
    return codec.encode("detect", regions=shown, canvas=canvas)


# ---- the same as the stream


@pytest.mark.parametrize(("name", "rounding"), READERS)
@settings(max_examples=60)
@given(st.data())
def test_an_encoded_answer_is_read_as_the_stream_reads_it(name, rounding, data):
    codec, canvas = get_codec(name, rounding), data.draw(canvases())
    text = data.draw(written(codec, canvas))
    for task in AT_ONCE:
        check(codec, text, canvas, task)


@pytest.mark.parametrize(("name", "rounding"), READERS)
@settings(max_examples=60)
@given(st.data())
def test_a_broken_answer_is_read_as_the_stream_reads_it(name, rounding, data):
    codec, canvas = get_codec(name, rounding), data.draw(canvases())
    check(codec, data.draw(broken(written(codec, canvas))), canvas, data.draw(st.sampled_from(codec.tasks)))


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=300)
@given(st.data())
def test_a_nearly_usual_answer_is_read_as_the_stream_reads_it(name, data):
    codec, canvas = get_codec(name), data.draw(st.just(ROOMY) | canvases())
    check(codec, data.draw(near(name)), canvas, data.draw(st.sampled_from(AT_ONCE)))


@pytest.mark.parametrize("name", JSON_KEYS)
@given(st.lists(st.sampled_from((",", "},{", "}, {", " ", "\n", "x", "]", "[", "{", "}", '"')), max_size=3))
@example([",", " "])
def test_what_stands_between_objects_is_never_passed_over(name, between):
    """Two gaps of the same total length as usual ones, or with a brace in them, are not taken for them."""
    one, two, three = (f'{{"{JSON_KEYS[name]}": [{n}, 2, 30, 40], "label": "cat"}}' for n in (1, 3, 5))
    gap = "".join(between)
    for text in (f"[{one},{two}{gap}{three}]", f"[{one}{gap}{two},{three}]", f"[{one}{gap}{two}{gap}{three}]"):
        check(get_codec(name), text, Canvas.identity(100, 100))


# ---- what is read at once, and what is not


@pytest.mark.parametrize(("name", "rounding"), READERS)
@pytest.mark.parametrize("count", [1, 5, 20])
@pytest.mark.parametrize("size", [(1000, 800), (640, 480), (333, 777)])
def test_typical_answers_are_read_at_once(name, rounding, count, size):
    codec = get_codec(name, rounding)
    canvas = codec.canvas(*size, input_size=size)
    shown = [Region((n, 2 * n, 90 + 11 * n, 80 + 13 * n), label=LABELS[n % 5]) for n in range(count)]
    at_once = check(codec, codec.encode("detect", regions=shown, canvas=canvas), canvas)
    if (name, rounding) == STREAM_ONLY:
        assert at_once is None
    else:
        assert at_once is not None
        assert len(at_once.regions) == count


USUAL = {
    "paligemma": ["<loc0010><loc0020><loc0030><loc0040> cat", "<loc1023><loc1023><loc1023><loc1023> man's hat, red"],
    "florence-2": ["</s><s>cat<loc_1><loc_2><loc_3><loc_4></s>", "a<loc_1><loc_2><loc_3><loc_4>" + "<loc_5>" * 4],
    "qwen2.5-vl": [
        '[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]',
        '```json\n[{"bbox_2d": [0, 0, 0, 0], "label": "猫"}]',
    ],
    "qwen3-vl": ['```\n[{"bbox_2d": [0, 0, 1000, 1000], "label": "[a]"}]\n```\n'],
    "gemini": ['```json\r\n[\r\n  {"box_2d": [2, 1, 40, 30], "label": "it\'s"}\r\n]\r\n```'],
    "deepseek-vl2": ["<|ref|>a cat.<|/ref|><|det|>[[1, 2, 30, 999]]<|/det|><｜end▁of▁sentence｜>"],
}
UNUSUAL = {
    "paligemma": ["", "none", "<loc0010><loc0020><loc0030><loc1024> cat", "<loc0030><loc0020><loc0010><loc0040> cat"],
    "florence-2": ["", "No object detected.", "cat<loc_1><loc_2><loc_3>", "cat<loc_01><loc_2><loc_3><loc_4>"],
    "qwen2.5-vl": [
        "[]",
        '[{"bbox_2d": [1, 2, 3000, 40], "label": "cat"}]',
        '[{"bbox_2d": [9, 2, 3, 4], "label": "a"}]',
    ],
    "qwen3-vl": ["", '[{"bbox_2d": [1, 2, 30, 1001], "label": "cat"}]', '[{"bbox_2d": [1, 2, 3, 04], "label": "a"}]'],
    "gemini": ['[{"box_2d": [1, 2, 3, 4], "label": "a\\nb"}]', '[{"box_2d": [1, 2, 3, 4], "label": "a\nb"}]'],
    "deepseek-vl2": [
        "",
        "<|ref|>cat<|/ref|><|det|>[[1, 2, 3, 1000]]<|/det|>",
        "<|ref|><|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in USUAL for text in USUAL[name]])
def test_what_models_usually_write_is_read_at_once(name, text):
    at_once = check(get_codec(name), text, Canvas.identity(100, 100))
    assert at_once is not None
    assert at_once.regions


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in UNUSUAL for text in UNUSUAL[name]])
def test_the_unusual_is_left_to_the_stream(name, text):
    assert check(get_codec(name), text, Canvas.identity(100, 100)) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_a_repeated_box_is_left_to_the_stream(name):
    codec, canvas = get_codec(name), Canvas.identity(1000, 800)
    region = Region((10, 20, 300, 400), label="cat")
    text = codec.encode("detect", regions=[region, Region((0, 0, 9, 9), label="dog"), region], canvas=canvas)
    assert check(codec, text, canvas) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_other_tasks_are_left_to_the_stream(name):
    codec, canvas = get_codec(name), Canvas.identity(1000, 800)
    for text in USUAL[name]:
        for task in codec.tasks:
            check(codec, text, canvas, task)
        with pytest.raises(InputError):
            codec.decode(text, canvas, task="dance")


def test_other_families_have_no_such_reader():
    for name in set(CODECS) - set(FAMILIES):
        assert get_codec(name).at_once is Codec.at_once is None


# ---- regions made without a look


def test_a_trusted_region_is_a_region_like_any_other():
    box, span = (1.0, 2.0, 3.0, 4.0), (5, 9)
    trusted, usual = _trusted_region(box, "cat", span), Region(box, label="cat", span=span)
    assert type(trusted) is Region
    assert trusted == usual
    assert hash(trusted) == hash(usual)
    assert repr(trusted) == repr(usual)
    assert dataclasses.asdict(trusted) == dataclasses.asdict(usual)
    assert trusted.to_json() == usual.to_json()
    assert pickle.loads(pickle.dumps(trusted)) == usual
    assert copy.copy(trusted) == copy.deepcopy(trusted) == usual
    assert dataclasses.replace(trusted, label="dog") == Region(box, label="dog", span=span)
    assert (trusted.score, trusted.mask, trusted.point, trusted.area) == (None, None, None, 4.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        trusted.label = "dog"
