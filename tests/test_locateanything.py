"""LocateAnything's texts: prompts, answers as in its guide to training data, and round trips."""

import pytest
from hypothesis import assume, given, settings, strategies as st

from grounding.codecs import get_codec
from grounding.errors import ConfigError, InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import boxes, canvases, regions

CODEC = get_codec("locateanything")
CANVAS = Canvas.identity(1000, 500)

# NVlabs/Eagle, Embodied/document/DATA_PREPARATION.md
DETECTED = (
    "<ref>car</ref><box><120><200><450><500></box><ref>person</ref><box><50><100><200><600></box>"
    "<ref>person</ref><box><300><150><420><580></box>"
)
GROUNDED = "<ref>people wearing hats</ref><box><100><50><300><400></box><box><500><80><700><450></box>"


def test_prompts_are_the_familys():
    ask = CODEC.prompt
    assert ask("detect", names=["car", "dog, brown"]) == (
        "Locate all the instances that matches the following description: car</c>dog, brown."
    )
    assert ask("locate", "people wearing hats") == (
        "Locate all the instances that match the following description: people wearing hats."
    )
    assert ask("point", "the settings icon") == "Point to: the settings icon."
    assert ask("ocr") == "Detect all the text in box format."
    assert ask("ocr", "STOP") == "Please locate the text referred as STOP."
    for words in ("a</c>b", "<box>", "<12>", "<image-1>"):
        with pytest.raises(PromptError, match="markup"):
            ask("locate", words)


def test_examples_of_its_guide_are_read_and_written():
    decoded = CODEC.decode(DETECTED, CANVAS, task="detect")
    assert [(region.label, region.box) for region in decoded.regions] == [
        ("car", (120, 100, 450, 250)),
        ("person", (50, 50, 200, 300)),
        ("person", (300, 75, 420, 290)),
    ]
    assert not decoded.problems
    assert CODEC.encode("detect", regions=decoded.regions, canvas=CANVAS) == DETECTED
    decoded = CODEC.decode(GROUNDED, CANVAS)
    assert [region.label for region in decoded.regions] == ["people wearing hats"] * 2
    assert CODEC.encode("locate", regions=decoded.regions, canvas=CANVAS) == GROUNDED


def test_a_point_needs_no_name():
    (region,) = CODEC.decode("<box><950><30></box>", CANVAS, task="point").regions
    assert (region.point, region.label) == ((950, 15), None)
    assert CODEC.encode("point", regions=[region], canvas=CANVAS) == "<box><950><30></box>"
    assert CODEC.encode("point", regions=[region], text="it", canvas=CANVAS) == "<ref>it</ref><box><950><30></box>"


@pytest.mark.parametrize("text", ["<box>none</box>", "<box>None</box>", "<ref>cat</ref><box>none</box>", "none"])
def test_none_means_nothing_there(text):
    for task in CODEC.tasks:
        decoded = CODEC.decode(text, CANVAS, task=task)
        assert (decoded.regions, decoded.problems) == ((), ())
        assert CODEC.encode(task, canvas=CANVAS) == "<box>none</box>"


@settings(max_examples=60)
@given(st.data(), canvases, st.sampled_from(("locate", "detect", "ocr")))
def test_boxes_survive_a_round_trip_within_half_a_bin(data, canvas, task):
    truths = [*data.draw(regions(canvas)), Region(data.draw(boxes(canvas)), label="last")]
    decoded = CODEC.decode(CODEC.encode(task, regions=truths, canvas=canvas), canvas, task=task)
    assume(all(problem.kind != "duplicate" for problem in decoded.problems))  # two boxes in the same bins
    assert not decoded.problems
    for region, truth in zip(decoded.regions, truths, strict=True):
        assert region.label == truth.label
        assert region.box[0::2] == pytest.approx(truth.box[0::2], abs=0.5 / 1000 * canvas.width + 1e-9)
        assert region.box[1::2] == pytest.approx(truth.box[1::2], abs=0.5 / 1000 * canvas.height + 1e-9)


def test_what_can_not_be_written_is_refused():
    nameless = Region((0, 0, 1, 1))
    with pytest.raises(InputError, match="label"):
        CODEC.encode("detect", regions=[nameless], canvas=CANVAS)
    with pytest.raises(InputError, match="label"):
        CODEC.encode("locate", regions=[Region((0, 0, 1, 1), label="a"), nameless], canvas=CANVAS)
    with pytest.raises(InputError, match="markup"):
        CODEC.encode("detect", regions=[Region((0, 0, 1, 1), label="</ref>")], canvas=CANVAS)
    with pytest.raises(ConfigError, match="no rounding 'banker'"):
        get_codec("locateanything", "banker")
