"""Predictions for the tests of reports: drawn pictures with coloured things, and answers that go wrong in every way."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw

from grounding import Grounding, Mask, Region
from grounding.data.predictions import Header, Prediction, Predictions
from grounding.result import Problem

COLORS = {"red": "#c0392b", "blue": "#2e6da4", "green": "#3c8d4f", "yellow": "#d9b23c", "white": "#f2f2f2"}
THINGS = ("cup", "lamp", "box", "stone", "leaf")
SIZE = (320, 240)


def things_of(number):
    """Three coloured boxes of a picture, each with its words: the same for the same number."""
    rng = random.Random(number)
    colors = rng.sample(sorted(COLORS), 3)
    made = []
    for place, color in enumerate(colors):
        left, top = 15 + 100 * place + rng.randint(0, 20), rng.randint(20, 120)
        made.append((color, rng.choice(THINGS), (left, top, left + rng.randint(25, 70), top + rng.randint(25, 90))))
    return made


def picture_of(number):
    """The picture of that number, px as its boxes are."""
    image = Image.new("RGB", SIZE, "#8d9a86")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 150, *SIZE), fill="#6f6a5e")
    for color, _, box in things_of(number):
        pen.rectangle(box, fill=COLORS[color])
    return image


def open_picture(row):
    """What write_report takes to open pictures with."""
    return picture_of(int(row.picture.removeprefix("drawn/").removesuffix(".png")))


def moved(box, by):
    """The box, moved to the right and down by that share of its sides."""
    x1, y1, x2, y2 = box
    dx, dy = by * (x2 - x1), by * (y2 - y1)
    return (x1 + dx, y1 + dy, x2 + dx, y2 + dy)


def rec_row(number, place, seed=0, skill=0.7, scored=True):
    """One question about one thing, with an answer that is right as often as `skill` says."""
    things = things_of(number)
    color, thing, box = things[place]
    phrase = f"the {color} {thing}" + (" on the left" if place == 0 else " next to the others" if place == 2 else "")
    truth = Grounding(phrase, (Region(box),), "", *SIZE)
    rng = random.Random(f"{seed} {number} {place}")
    score = round(rng.uniform(0.2, 1), 3)
    chance, problems, regions, text = rng.random(), (), (), None
    if chance < skill:
        regions = (Region(moved(box, rng.uniform(0, 0.15)), thing, score if scored else None),)
    elif chance < skill + 0.12:
        regions = (Region(moved(box, rng.uniform(0.35, 0.6)), thing, score if scored else None),)
    elif chance < skill + 0.2:
        regions = (Region(things[(place + 1) % 3][2], thing, score if scored else None),)
    elif chance < skill + 0.24:
        text = "none"
    elif chance < skill + 0.27:
        text, problems = "I see a room with things.", (Problem("prose", "there is no place in it"),)
    else:
        error = "the picture has 3 x 3 pixels"
        return Prediction(f"{number}-{place}", f"drawn/{number}.png", truth, None, error, kind=_kind(place))
    if text is None:
        text = " ".join(f"<loc{round(edge):04d}>" for edge in regions[0].box) + f" {thing}"
    answer = Grounding(phrase, regions, text, *SIZE, problems=problems, model="tiny", seconds=0.012)
    return Prediction(f"{number}-{place}", f"drawn/{number}.png", truth, answer, kind=_kind(place))


def _kind(place):
    return ("place", "attribute", "relation")[place]


def rec(pictures=30, seed=0, skill=0.7, scored=True, model="tiny", **header):
    """A file of questions about one thing each, three to a picture."""
    rows = tuple(rec_row(number, place, seed, skill, scored) for number in range(pictures) for place in range(3))
    return Predictions(header_of("rec", len(rows), model, **header), rows)


def header_of(scoring, samples, model="tiny", **more):
    """A header with everything in it."""
    values = {
        "expected": samples + 2,
        "fingerprint": "0123456789abcdef",
        "source": "drawn for a test",
        "notes": (f"drawn:test has {samples + 2:,} expressions as published; {samples:,} were found here",),
        "codec": "location",
        "rounding": "center",
        "prompt": "detect the red cup",
        "seed": 7,
        "options": {"batch": 32, "dtype": "float32"},
        "versions": {"python": "3.11.2", "grounding": "1.0", "torch": "2.15.0"},
    }
    return Header("drawn:test", scoring, samples, model, **{**values, **more})


def of_scoring(scoring, pictures=16, skill=0.7):
    """A file of predictions that is measured as `scoring`, with scores where such models give them."""
    make = {
        "rec": _one_box,
        "phrases": _one_box,
        "generalized": _several_boxes,
        "detection": _all_boxes,
        "segmentation": _masks,
        "pointing": _points,
        "counting": _counts,
        "absent": _nothing_there,
    }[scoring]
    rows = tuple(row for number in range(pictures) for row in make(number, random.Random(f"{scoring} {number}"), skill))
    meta = {"categories": list(THINGS)} if scoring == "detection" else {}
    return Predictions(header_of(scoring, len(rows), meta=meta), rows)


def _row(number, name, phrase, truth, found, task="locate", text=None, **more):
    truth = Grounding(phrase, tuple(truth), "", *SIZE, task=task)
    written = text or ("; ".join(f"{region.label} {region.box}" for region in found) or "none")
    answer = Grounding(phrase, tuple(found), written, *SIZE, task=task, model="tiny", seconds=0.02)
    return Prediction(f"{number}-{name}", f"drawn/{number}.png", truth, answer, **more)


def _one_box(number, rng, skill):
    return [rec_row(number, place, skill=skill) for place in range(3)]


def _found(things, rng, skill):
    """Regions with scores for most of the things, a few loose, sometimes one too many."""
    found = []
    for _, thing, box in things:
        chance = rng.random()
        if chance < skill:
            found.append(Region(moved(box, rng.uniform(0, 0.12)), thing, round(rng.uniform(0.6, 1), 3)))
        elif chance < skill + 0.15:
            found.append(Region(moved(box, 0.5), thing, round(rng.uniform(0.3, 0.8), 3)))
    if rng.random() < 0.2:
        found.append(Region((130, 170, 190, 220), rng.choice(THINGS), 0.31))
    return found


def _several_boxes(number, rng, skill):
    things = things_of(number)
    for name, some in (("all", things), ("two", things[:2]), ("none", [])):
        truth = [Region(box) for _, _, box in some]
        yield _row(number, name, f"the {name} coloured things", truth, _found(some, rng, skill), kind=name)


def _all_boxes(number, rng, skill):
    things = things_of(number)
    truth = [Region(box, thing) for _, thing, box in things]
    crowd = (Region((5, 190, 120, 235), THINGS[0]),) if number % 4 == 0 else ()
    found = _found(things, rng, skill)
    yield _row(number, "all", "", truth, found, task="detect", names=THINGS, crowd=crowd)


def _round_mask(box):
    """The ellipse in a box, as pixels."""
    picture = Image.new("1", SIZE)
    ImageDraw.Draw(picture).ellipse(box, fill=1)
    return Mask.from_array(np.asarray(picture))


def _masks(number, rng, skill):
    for place, (color, thing, box) in enumerate(things_of(number)):
        by = rng.uniform(0, 0.1) if rng.random() < skill else rng.uniform(0.3, 0.9)
        at = moved(box, by)
        truth, found = Region(box, mask=_round_mask(box)), Region(at, thing, 0.9, mask=_round_mask(at))
        yield _row(number, place, f"the {color} {thing}", [truth], [found], task="segment")


def _points(number, rng, skill):
    for place, (color, thing, box) in enumerate(things_of(number)):
        by = rng.uniform(-0.3, 0.3) if rng.random() < skill else 1.2
        x, y = Region(moved(box, by)).center
        yield _row(number, place, f"the {color} {thing}", [Region(box)], [Region((x, y, x, y), thing, point=(x, y))])


def _counts(number, rng, skill):
    things = things_of(number)
    for name, some in (("things", things), ("left things", things[:1])):
        found = _found(some, rng, skill) + ([Region((10, 10, 20, 20))] * rng.choice((0, 0, 0, 2, 7)))
        truth = [Region(box) for _, _, box in some]
        yield _row(number, name.split()[0], name, truth, found, task="count", kind=str(len(some)))


def _nothing_there(number, rng, skill):
    for place in range(2):
        found = [] if rng.random() < skill else [Region((40, 40, 90, 90), "whale", round(rng.random(), 3))]
        yield _row(number, place, f"the {rng.choice(('purple', 'orange'))} whale", [], found)
