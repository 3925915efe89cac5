"""What families that talk about boxes share: prompts, labels that read back, round trips, boxes among words."""

import pytest
from hypothesis import given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.collect import Frame
from grounding.errors import ConfigError, InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import CASES, FAMILIES, canvas_for
from tests.strategies import LABELS, WORDS, boxes, spanned

STEPS = {"qwen-vl": 999, "deepseek-vl2": 999, "llava-1.5": 100}
"""Numbers along a side; 1000 where it is not one of these."""
SHORT = ("cogvlm", "ferret")
"""Families whose numbers end one step before the far edge."""


def half_steps(name, canvas):
    """Half of what lies between two numbers that can be written, in pixels: x, y, x, y."""
    frame = Frame(canvas)
    steps = (canvas.model_width / 2, canvas.model_height / 2) if name == "fuyu" else (STEPS.get(name, 1000),) * 2
    return (frame.scale_x / steps[0] / 2, frame.scale_y / steps[1] / 2) * 2


@settings(max_examples=60)
@given(st.data(), st.sampled_from(FAMILIES), st.integers(1, 8000), st.integers(1, 8000))
def test_any_box_survives_a_round_trip_within_half_a_step(data, name, width, height):
    codec = get_codec(name)
    canvas = canvas_for(codec, width, height)
    region = Region(data.draw(boxes(canvas)), label=data.draw(st.sampled_from(LABELS)))
    task = data.draw(st.sampled_from(["locate", "detect"]))
    decoded = codec.decode(codec.encode(task, regions=[region], canvas=canvas), canvas, task=task)
    assert not decoded.problems
    (back,) = decoded.regions
    edges = (canvas.width, canvas.height) * 2
    for read, true, half, edge in zip(back.box, region.box, half_steps(name, canvas), edges, strict=True):
        off = 1 if name in SHORT and true > edge - 2 * half else 0  # the far edge has no number of its own there
        assert abs(read - true) <= half * (1 + 2 * off) + 1e-6
    if task == "detect" or codec.surface.named:
        assert back.label == region.label


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (1000, 1000), (1, 1), (8000, 3)])
def test_the_whole_picture_and_its_corners_can_be_written(name, width, height):
    codec = get_codec(name)
    canvas = canvas_for(codec, width, height)
    for box in [(0, 0, width, height), (0, 0, 0, 0), (width, height, width, height)]:
        decoded = codec.decode(codec.encode("locate", regions=[Region(box)], canvas=canvas), canvas)
        assert not decoded.problems
        wide, high = (2 * half + 1e-6 for half in half_steps(name, canvas)[:2])
        assert decoded.regions[0].box[::2] == pytest.approx(box[::2], abs=wide)
        assert decoded.regions[0].box[1::2] == pytest.approx(box[1::2], abs=high)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_list_reads_back_with_its_labels_in_order(name):
    codec = get_codec(name)
    canvas = canvas_for(codec, 1000, 1000)
    given = [
        Region((100, 100, 200, 200), label="dog"),
        Region((300, 300, 400, 400), label="dog"),
        Region((500, 500, 600, 600), label="man's red hat"),
        Region((100, 100, 200, 200), label="dog, brown"),
        Region((700, 700, 800, 800), label="\u732b"),
    ]
    decoded = codec.decode(codec.encode("detect", regions=given, canvas=canvas), canvas, task="detect")
    assert not decoded.problems
    assert [region.label for region in decoded.regions] == [region.label for region in given]
    for region, truth in zip(decoded.regions, given, strict=True):
        assert region.box == pytest.approx(truth.box, abs=2)


@settings(max_examples=60)
@given(st.data(), st.sampled_from([case for case in CASES if case[1] in ("caption", "answer", "describe")]))
def test_words_with_boxes_among_them_read_back(data, case):
    name, task = case
    codec = get_codec(name)
    canvas = canvas_for(codec, 640, 480)
    text, shown = data.draw(spanned(canvas))
    decoded = codec.decode(codec.encode(task, text=text, regions=shown, canvas=canvas), canvas, task=task)
    assert decoded.text == text
    assert len(decoded.regions) + sum(problem.kind == "duplicate" for problem in decoded.problems) == len(shown)
    if codec.surface.named:
        assert sorted(region.span for region in decoded.regions) == sorted(region.span for region in shown)


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_found_has_no_form_of_its_own(name):
    codec = get_codec(name)
    assert codec.encode("locate", canvas=Canvas.identity(10, 10)) == ""


@pytest.mark.parametrize(("name", "task"), CASES)
def test_every_task_has_its_prompt(name, task):
    codec = get_codec(name)
    canvas = canvas_for(codec, 640, 480)
    prompt = codec.prompt(task, "the red cup", names=["cup", "dog"], box=(1, 2, 3, 4), canvas=canvas)
    assert "{" not in prompt
    if task in ("locate", "point", "answer"):
        assert "the red cup" in prompt
    if task == "detect":
        assert "cup" in prompt
        assert "dog" in prompt


@pytest.mark.parametrize("name", FAMILIES)
def test_questions_that_can_not_be_asked_are_refused(name):
    codec = get_codec(name)
    for arguments in ({"task": "locate"}, {"task": "locate", "phrase": "a <box> b"}, {"task": "detect", "names": []}):
        with pytest.raises(PromptError):
            codec.prompt(**arguments)
    if "describe" in codec.tasks:
        with pytest.raises(PromptError, match="not points"):
            codec.prompt("describe", point=(1, 2), canvas=Canvas.identity(10, 10))
        with pytest.raises(PromptError, match="size"):
            codec.prompt("describe", box=(1, 2, 3, 4))
    for call in (lambda: codec.prompt("fly", "a"), lambda: codec.decode("", Canvas.identity(1, 1), task="fly")):
        with pytest.raises(InputError, match="fly"):
            call()
    with pytest.raises(ConfigError, match="no rounding 'banker'"):
        get_codec(name, "banker")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("qwen-vl", "a <b>"),
        ("internvl", " "),
        ("cogvlm", "a\nb"),
        ("cogvlm", "dog:"),
        ("ferret", "- dog"),
        ("llava-1.5", "room [12"),
        ("glm-4.5v", "gate (3)"),
        ("cogvlm", None),
    ],
)
def test_a_label_that_would_not_be_read_back_is_refused(name, label):
    codec = get_codec(name)
    with pytest.raises(InputError, match=r"label|words"):
        codec.encode("detect", regions=[Region((0, 0, 1, 1), label=label)], canvas=Canvas.identity(10, 10))


def test_what_can_not_be_written_is_refused():
    write, canvas = get_codec("qwen-vl").encode, Canvas.identity(10, 10)
    box = (0, 0, 1, 1)
    with pytest.raises(InputError, match="some regions"):
        write("locate", regions=[Region(box, label="a"), Region(box)], canvas=canvas)
    with pytest.raises(InputError, match="overlap"):
        write("caption", text="a red dog", regions=[Region(box, span=(0, 5)), Region(box, span=(2, 9))], canvas=canvas)
    with pytest.raises(InputError, match="span"):
        write("caption", text="a dog", regions=[Region(box, span=(0, 9))], canvas=canvas)
    for text in ("a <b> c", "gate (3, 4)"):
        with pytest.raises(InputError, match="words"):
            write("caption", text=text, canvas=canvas)
    assert write("caption", text=WORDS[0], canvas=canvas) == WORDS[0]
