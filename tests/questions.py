"""Cases and files of predictions for the tests of scoring, written out in a line each."""

from __future__ import annotations

import json

from grounding.data.predictions import Header, Prediction, lines_of
from grounding.metrics.base import Case
from grounding.result import Grounding, Problem, Region

WIDTH, HEIGHT = 640, 480
BOX = (10.0, 10.0, 110.0, 110.0)
FAR = (400.0, 300.0, 500.0, 400.0)
HALF = (10.0, 10.0, 110.0, 60.0)  # exactly half of BOX, inside it
LOOSE = (10.0, 10.0, 50.0, 110.0)  # two fifths of it


def grounding(*boxes, scores=(), problems=(), phrase="red cup", task="locate", **more):
    """Boxes, or Regions, as a truth or an answer."""
    scores = scores or [None] * len(boxes)
    regions = [
        box if isinstance(box, Region) else Region(box, score=score) for box, score in zip(boxes, scores, strict=True)
    ]
    noted = tuple(Problem(kind, "as it is") for kind in problems)
    return Grounding(phrase, tuple(regions), "", WIDTH, HEIGHT, problems=noted, task=task, **more)


NONE = grounding()
PROSE = grounding(problems=["prose"])


def case(truth, answer, id="a", picture="one.png", **more):
    """One question; `truth`: a box, a Grounding, or None for nothing there; `answer`: likewise, "failed" for none."""

    def taken(value):
        if value == "failed":
            return None
        if value is None:
            return NONE
        return value if isinstance(value, Grounding) else grounding(value)

    return Case(id, picture, taken(truth), taken(answer), **more)


def cases(*pairs, **more):
    """A case for each (truth, answer), each about a picture of its own."""
    return [case(truth, answer, str(number), f"{number}.png", **more) for number, (truth, answer) in enumerate(pairs)]


def header(samples, **more):
    """A header of so many questions."""
    return Header(**{"dataset": "toy:val", "scoring": "rec", "samples": samples, "model": "toy", **more})


def row(truth, answer, id="a", picture="one.png", **more):
    """A line of predictions, from what `case` takes."""
    made = case(truth, answer, id, picture)
    error = "no answer came" if made.answer is None else None
    return Prediction(id, picture, made.truth, made.answer, error, **more)


def write_predictions(path, rows, tail="", **more):
    """A file of these rows; returns its path."""
    first = json.dumps(header(**{"samples": len(rows), **more}).to_json())
    path.write_text(first + "\n" + "".join(lines_of(rows)) + tail)
    return path
