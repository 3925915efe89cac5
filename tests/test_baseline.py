"""Baselines answer every question with one box, through the door of all models, and say that they are not sure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import grounding
from grounding.backends import backends, known_names
from grounding.boxes import iou, xywh_to_xyxy
from grounding.cli import main
from grounding.errors import ConfigError, InputError, UnknownModelError

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
PICTURE = Image.new("RGB", (200, 80))


@pytest.mark.parametrize(
    ("name", "options", "box"),
    [
        ("whole", {}, (0, 0, 200, 80)),
        ("center", {}, (50, 20, 150, 60)),
        ("center", {"width": 0.65, "height": 0.8}, (35, 8, 165, 72)),
        ("center", {"height": 1}, (50, 0, 150, 80)),
    ],
)
def test_every_phrase_gets_the_same_box_without_a_score(name, options, box):
    model = grounding.load(f"baseline:{name}", **options)
    answers = model.ground_many([(PICTURE, "the cat"), (PICTURE, "nothing at all")])
    for answer in answers:
        (region,) = answer.regions
        assert region.box == pytest.approx(box)
        assert region.score is None
        assert not answer.problems
    assert answers[0].phrase == "the cat"


def test_detect_gives_each_name_the_box_and_segment_its_pixels():
    model = grounding.load("baseline:center")
    found = model.detect(PICTURE, ["cat", "dog"])
    assert found.labels == ("cat", "dog")
    assert found.regions[0].box == found.regions[1].box
    (region,) = model.segment(PICTURE, "the cat").regions
    assert region.mask.area == 100 * 40
    assert model.count(PICTURE, "cats").count == 1


def test_the_name_says_which_box_it_is():
    assert grounding.load("baseline:whole").ground(PICTURE, "x").model == "baseline:whole"
    assert grounding.load("baseline:center", width=0.5).name == "baseline:center"
    assert grounding.load("baseline:center", width=0.65, height=0.8).name == "baseline:center 0.65 x 0.8"


def test_what_one_box_cannot_answer_is_refused():
    with pytest.raises(InputError, match="baseline:whole knows no task 'caption'"):
        grounding.load("baseline:whole").caption(PICTURE)


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("middle", {}, UnknownModelError, "no baseline named 'middle'; known: whole, center, nouns"),
        ("", {}, UnknownModelError, "no baseline named ''"),
        ("whole", {"width": 0.5}, ConfigError, "options of baseline:center"),
        ("center", {"width": 0}, ConfigError, "width is 0; it is a share"),
        ("center", {"height": 1.5}, ConfigError, "height is 1.5"),
        ("center", {"height": "half"}, ConfigError, "height is 'half'"),
    ],
)
def test_bad_options_are_named(name, options, error, says):
    with pytest.raises(error, match=says):
        grounding.load(f"baseline:{name}", **options)


def test_baselines_are_listed_among_the_models(capsys):
    assert "baseline:whole | baseline:center | baseline:nouns" in known_names()
    assert any(backend.form.startswith("baseline:") for backend in backends())
    assert main(["models"]) == 0
    assert "baseline:whole | baseline:center | baseline:nouns" in capsys.readouterr().out


def test_the_command_line_asks_a_baseline(tmp_path, capsys):
    PICTURE.save(tmp_path / "picture.png")
    assert main(["ground", str(tmp_path / "picture.png"), "the cat", "--model", "baseline:whole", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["regions"][0]["box"] == [0, 0, 200, 80]


@pytest.mark.skipif(
    not (DATA / "refcoco").is_dir(), reason=f"no RefCOCO at {DATA}: set GROUNDING_SHARED_DATA to the folder of refcoco/"
)
@pytest.mark.parametrize(
    ("name", "options", "lowest", "highest"),
    [
        ("whole", {}, 0.056, 0.075),
        ("center", {}, 0.035, 0.054),
        ("center", {"width": 0.65, "height": 0.8}, 0.08, 0.115),
    ],
)
def test_accuracy_on_refcoco_is_what_the_docstring_says(name, options, lowest, highest):
    share = grounding.load(f"baseline:{name}", **options).share
    box = [(1 - share[0]) / 2, (1 - share[1]) / 2, (1 + share[0]) / 2, (1 + share[1]) / 2]
    for file in sorted((DATA / "refcoco").glob("*.json")):
        rows = json.loads(file.read_text())
        sides = np.array([[row["width"], row["height"]] * 2 for row in rows])
        boxes = xywh_to_xyxy([row["bbox"] for row in rows]) / sides
        expressions = [len(row["sents"]) if isinstance(row["sents"], list) else 1 for row in rows]
        assert lowest < np.average(iou(boxes, [box])[:, 0] >= 0.5, weights=expressions) < highest
