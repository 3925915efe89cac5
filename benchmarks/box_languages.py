"""Three ways to write a box, taught to the same decoder on the same drawn scenes in the same order: which one learns?

`python benchmarks/box_languages.py [--steps N] [--questions N] [--out FOLDER]` prints the table of
docs/box-languages.md. The shipped encoder stays frozen, so that all that is learned is to speak.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

import grounding
from grounding.data.opening import open_dataset
from grounding.metrics import rec
from grounding.metrics.base import Case
from grounding.metrics.intervals import ratio_figures
from grounding.training.recipe_files import recipe_of
from grounding.training.running import train_recipe

WEIGHTS = Path(grounding.__file__).parent / "weights"
SKILLS = {"attribute": 1.0, "place": 0.5, "relation": 0.5, "ordinal": 0.3, "all": 0.3, "absent": 0.3}
THINGS = [2, 4]
"""In a picture: few, so that a run of minutes tells the languages apart."""
LANGUAGES: dict[str, dict[str, Any]] = {
    "location tokens": {"model": {"codec": "location", "vocab_size": 3072}},
    "patch indices (Kosmos-2)": {"model": {"codec": "kosmos-2", "vocab_size": 3072}},
    "decimals (Shikra)": {"model": {"codec": "shikra", "vocab_size": 2048}},
    "location tokens, plain targets": {
        "model": {"codec": "location", "vocab_size": 3072},
        "location_sigma": 0.0,
        "expectation_weight": 0.0,
    },
}
"""What each row changes; words have 2,048 tokens everywhere, boxes' own tokens come on top."""
DECODER = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
}
"""The same for all: a plain decoder, to which the tokens of boxes are rows of a table, as its words are."""


@dataclass
class Taught:
    """What one language came to."""

    figures: dict[str, Any]
    tokens: float
    training: float
    """Pictures a second."""
    answering: float
    """Seconds an answer."""


def recipe_values(args: argparse.Namespace, changes: dict[str, Any], out: Path) -> dict[str, Any]:
    """The recipe of one row."""
    return {
        "out": str(out),
        "data": [{"source": "scenes", "options": {"skills": SKILLS, "things": THINGS}}],
        "batch_size": args.batch,
        "most_turns": 8,
        "most_tokens": 196 + 400,
        "location_sigma": 4.0,
        "expectation_weight": 2.0,
        "optimizer": "muon",
        "weight_decay": 0.02,
        "workers": args.workers,
        "log_every": max(5, args.steps // 10),
        "eval_every": 10**9,
        "save_every": 500,
        "keep": 1,
        "report_to": [],
        **{key: value for key, value in changes.items() if key != "model"},
        "model": {
            "vision": str(WEIGHTS),
            "projector": "linear",
            "language_config": DECODER,
            **changes["model"],
        },
        "stages": [
            {
                "name": "speak",
                "steps": args.steps,
                "train": ["projector", "language", "embeddings"],
                "lr": 2e-3,
                "part_lr": {"projector": 1e-3, "embeddings": 1e-3},
                "warmup": 0.1,
                "schedule": "wsd",
                "decay": 0.3,
            }
        ],
    }


def teach(args: argparse.Namespace, changes: dict[str, Any], out: Path) -> Taught:
    """Trains one row, or takes it as it lies there, and asks it."""
    folder = train_recipe(recipe_of(recipe_values(args, changes, out)))
    model = grounding.load(folder)
    samples = list(open_dataset("scenes:one-box", n=args.questions, things=THINGS))
    # every answer is written by plain greedy search: windows around coordinates and grammars are location tokens' alone
    answers = []
    start = time.perf_counter()
    for chunk in chunks(samples, 64):
        answers += model.ground_many([(sample.open(), sample.phrase) for sample in chunk])
    answering = (time.perf_counter() - start) / len(samples)
    cases = [
        Case(id=sample.id, picture=sample.picture.key, truth=sample.truth, answer=answer)
        for sample, answer in zip(samples, answers, strict=True)
    ]
    measured = rec.measure(cases)
    figures = ratio_figures(measured.figures, [case.picture for case in cases])
    return Taught(figures, tokens_of_a_box(model, samples), pictures_a_second(out), answering)


def pictures_a_second(out: Path) -> float:
    """The median over the entries of a run's log, so that pauses between resumed parts don't count."""
    entries = [json.loads(line) for line in (out / "speak" / "log.jsonl").read_text().splitlines()]
    return median(entry["lessons_per_second"] for entry in entries if "lessons_per_second" in entry)


def tokens_of_a_box(model: Any, samples: list[Any]) -> float:
    """Tokens of the true answer of one box, its end included: the mean."""
    processor = model.processor
    texts = [
        processor.codec_object.encode(
            "locate", regions=sample.truth.regions, text=sample.phrase, canvas=processor.canvas(*sample.size)
        )
        for sample in samples
    ]
    lengths = [len(ids) for ids in processor.encode_answers(texts)]
    return sum(lengths) / len(lengths)


def chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    """The items, `size` at a time."""
    for at in range(0, len(items), size):
        yield items[at : at + size]


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500, help="optimizer steps of each language")
    parser.add_argument("--batch", type=int, default=16, help="pictures a step, up to eight phrases of each")
    parser.add_argument("--questions", type=int, default=600, help="held-out questions")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw pictures")
    parser.add_argument("--only", nargs="*", help=f"of {', '.join(LANGUAGES)}")
    parser.add_argument("--out", type=Path, help="keep the runs here; those that are finished are not trained again")
    args = parser.parse_args()
    table = Table(title=f"{args.steps:,} steps of {args.batch} pictures, {args.questions} held-out questions")
    for name in ("", "acc@0.5", "acc@0.75", "acc@0.9", "mean IoU", "tokens", "pictures/s", "an answer"):
        table.add_column(name, justify="left" if not name else "right")
    with TemporaryDirectory() as temporary:
        for name, changes in LANGUAGES.items():
            if args.only and name not in args.only:
                continue
            slug = "-".join(word.strip("(),") for word in name.lower().split())
            taught = teach(args, changes, (args.out or Path(temporary)) / slug)
            shown = [
                f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
                for figure in (taught.figures[key] for key in ("acc@0.5", "acc@0.75", "acc@0.9", "mean IoU"))
            ]
            table.add_row(
                name, *shown, f"{taught.tokens:.1f}", f"{taught.training:.1f}", f"{1000 * taught.answering:.0f} ms"
            )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
