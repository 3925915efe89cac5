"""What the run of `make train-llava-mini` has learned: figures on held-out scenes, and pictures before and after.

`python benchmarks/llava_mini.py --run runs/llava-mini [--questions N] [--out FOLDER]` prints the tables of
docs/llava-mini.md and draws its pictures: the truth in white below the answers of three moments of the run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from grounding.backends.native import Native
from grounding.data.opening import open_dataset
from grounding.data.sample import Sample
from grounding.draw import sheet
from grounding.metrics import rec
from grounding.metrics.base import Case
from grounding.metrics.intervals import ratio_figures
from grounding.model.decode import DecodeOptions
from grounding.result import Grounding
from grounding.training import checkpoints
from grounding.training.building import build
from grounding.training.recipe_files import recipe_of
from grounding.training.running import open_mixture
from grounding.training.same_run import FINISHED, RECIPE

SHOWN = 8
"""Pictures that are drawn."""


def answers_of(model: Any, processor: Any, samples: list[Sample]) -> list[Grounding]:
    """One answer a sample, boxes forced by the grammar as users get them."""
    grounder = Native("llava-mini", model.eval(), processor, DecodeOptions(max_new_tokens=64))
    found: list[Grounding] = []
    for at in range(0, len(samples), 32):
        found += grounder.ground_many([(sample.open(), sample.phrase) for sample in samples[at : at + 32]])
    return found


def figures_of(samples: list[Sample], answers: list[Grounding]) -> dict[str, Any]:
    """acc@0.5, acc@0.75 and mean IoU, with intervals over pictures."""
    cases = [
        Case(id=sample.id, picture=sample.picture.key, truth=sample.truth, answer=answer)
        for sample, answer in zip(samples, answers, strict=True)
    ]
    return dict(ratio_figures(rec.measure(cases).figures, [case.picture for case in cases]))


def drawn(samples: list[Sample], answers: list[Grounding]) -> Image.Image:
    """The first pictures with answer and truth."""
    chosen = list(zip(samples, answers, strict=True))[:SHOWN]
    items = [(sample.open(), answer, sample.phrase) for sample, answer in chosen]
    return sheet(items, 4, truths=[sample.truth for sample, _ in chosen])


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/llava-mini"))
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--out", type=Path, help="draw pictures into this folder")
    args = parser.parse_args()
    recipe = recipe_of(json.loads((args.run / RECIPE).read_text()))
    model, processor = build(recipe, open_mixture(recipe.data, recipe))
    seen = {key: value for key, value in recipe.data[0].options.items() if key in ("style", "things")}
    samples = {kind: list(open_dataset(f"scenes:{kind}", n=args.questions, **seen)) for kind in ("attribute", "place")}
    table = Table(title=f"{args.questions} held-out questions of each kind")
    for name in ("after the stage", "kind", "acc@0.5", "acc@0.75", "mean IoU"):
        table.add_column(name, justify="left" if name in ("after the stage", "kind") else "right")
    for stage in recipe.stages:
        checkpoints.load_weights(model, args.run / stage.name / FINISHED / checkpoints.WEIGHTS)
        for kind, asked in samples.items():
            answers = answers_of(model, processor, asked)
            shown = [
                f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
                for figure in (figures_of(asked, answers)[key] for key in ("acc@0.5", "acc@0.75", "mean IoU"))
            ]
            table.add_row(stage.name, kind, *shown)
            if args.out and kind == "attribute":
                args.out.mkdir(parents=True, exist_ok=True)
                drawn(asked, answers).save(args.out / f"llava-mini-{stage.name}.png")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
