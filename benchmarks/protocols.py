"""What one file of predictions scores under each protocol: drawn answers on which evaluators disagree.

`python benchmarks/protocols.py` prints the table of docs/protocols.md; with files of predictions, theirs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grounding.data.predictions import Header, Prediction, Predictions, read_predictions
from grounding.metrics.protocols import PROTOCOLS
from grounding.result import Grounding, Region
from grounding.score import score_all_protocols

QUESTIONS = 5_000
SIDE = 1000
Boxes = NDArray[np.float64]


def large(rng: np.random.Generator) -> Boxes:
    """Boxes of 20 to 300 pixels, anywhere."""
    corner, sides = rng.uniform(100, 600, (QUESTIONS, 2)), rng.uniform(20, 300, (QUESTIONS, 2))
    return np.hstack([corner, corner + sides])


def tiny(rng: np.random.Generator) -> Boxes:
    """Boxes of 1 to 8 whole pixels."""
    corner, sides = rng.integers(100, 600, (QUESTIONS, 2)), rng.integers(1, 9, (QUESTIONS, 2))
    return np.hstack([corner, corner + sides]).astype(np.float64)


def moved(boxes: Boxes, rng: np.random.Generator, sigma: float, whole: bool = False) -> Boxes:
    """The boxes moved by a normal of `sigma` of their sides; `whole`: by whole pixels."""
    shift = rng.normal(0, sigma, (len(boxes), 2)) * (boxes[:, 2:] - boxes[:, :2])
    return boxes + np.tile(np.round(shift) if whole else shift, 2)


def predictions(name: str, truth: Boxes, *answers: Boxes) -> Predictions:
    """A question a box, each about a picture of its own, answered with one box out of each of `answers`, in order."""

    def grounding(*boxes: NDArray[np.float64]) -> Grounding:
        return Grounding("it", tuple(Region(tuple(box)) for box in boxes), "", SIDE, SIDE)

    rows = tuple(
        Prediction(str(number), f"{number}.png", grounding(true), grounding(*found))
        for number, (true, *found) in enumerate(zip(truth.tolist(), *(part.tolist() for part in answers), strict=True))
    )
    return Predictions(Header(name, "rec", len(rows), "drawn"), rows)


def _boxes_of_one_pixel_up(rng: np.random.Generator) -> tuple[Boxes, ...]:
    truth = tiny(rng)
    return truth, moved(truth, rng, 0.2, whole=True)


def _moved_by(sigma: float) -> Callable[[np.random.Generator], tuple[Boxes, ...]]:
    def made(rng: np.random.Generator) -> tuple[Boxes, ...]:
        truth = large(rng)
        return truth, moved(truth, rng, sigma)

    return made


def _three_boxes(rng: np.random.Generator) -> tuple[Boxes, ...]:
    truth = large(rng)
    return truth, *(moved(truth, rng, 0.3) for _ in range(3))


DRAWN: Mapping[str, Callable[[np.random.Generator], tuple[Boxes, ...]]] = {
    "moved by 0.1 of the sides": _moved_by(0.1),
    "moved by 0.3 of the sides": _moved_by(0.3),
    "1 to 8 whole pixels, moved by 0.2": _boxes_of_one_pixel_up,
    "three boxes, each moved by 0.3": _three_boxes,
}


def table(files: Mapping[str, Predictions]) -> str:
    """Markdown: a line a file, a column a protocol, the headline in per cent."""
    lines = ["| predictions | " + " | ".join(f"`{name}`" for name in PROTOCOLS) + " |"]
    lines.append("|---|" + "--:|" * len(PROTOCOLS))
    for name, file in files.items():
        scores = score_all_protocols(file)
        values = [one.figures[one.headline].value or 0.0 for one in scores.values()]
        lines.append(f"| {name} | " + " | ".join(f"{100 * value:.1f}" for value in values) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description="What one file of predictions scores under each protocol.")
    parser.add_argument("predictions", nargs="*", type=Path, help="files of predictions (default: drawn answers)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.predictions:
        files = {f"{(file := read_predictions(path)).header.dataset}, {path.name}": file for path in args.predictions}
    else:
        files = {name: predictions(name, *make(np.random.default_rng(args.seed))) for name, make in DRAWN.items()}
    sys.stdout.write(table(files) + "\n")


if __name__ == "__main__":
    main()
