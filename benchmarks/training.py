"""Training samples a second: a picture's phrases in one row, against a row for each phrase; and the rows of a recipe.

`python benchmarks/training.py [--pictures N]`. The first two learn what patches show besides.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from timing import print_table, take_turns

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.reading import ready
from grounding.data.lessons.sources import SceneSource
from grounding.model import GroundingForConditionalGeneration
from grounding.training.config import TrainingConfig
from grounding.training.label_logits import logits_at
from grounding.training.lesson_rows import IGNORE, LessonCollator
from grounding.training.losses import token_losses
from grounding.training.trainer import SceneRun

MOST = 448
"""Tokens of a lesson."""


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        run = SceneRun(TrainingConfig(out=Path(folder)))
    model = run.build_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    from grounding.training.collator import SceneStream

    pictures = list(SceneStream(run.mixture, 70_000_000, args.pictures))
    together = run.held_out(pictures)
    alone = [replace(picture, samples=(sample,)) for picture in pictures for sample in picture.samples]
    groups = [run.held_out(alone[at : at + args.pictures]) for at in range(0, len(alone), args.pictures)]

    def step(batches: list[dict[str, torch.Tensor]]) -> None:
        for batch in batches:
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(**batch)["loss"]
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    mixture = Mixture([(1.0, SceneSource(phrases=run.config.phrases))])
    drawn = [ready(mixture, position) for position in range(args.pictures)]
    lessons = [one.lesson for one in drawn]
    collators = {
        "a recipe's rows": LessonCollator(run.processor, MOST),
        "a recipe's rows, shared": LessonCollator(run.processor, MOST, pack=2 * MOST),
    }
    language: GroundingForConditionalGeneration = model.model
    first, bins = int(language.config.location_token_id or 0), language.config.num_locations

    def recipe_step(collator: LessonCollator) -> None:
        batch = collator.tensors([row for one in drawn for row in collator.prepare(one.lesson, one.images)])
        labels = batch.pop("labels")
        places = labels != IGNORE
        with torch.autocast("cpu", torch.bfloat16):
            logits = logits_at(language, language, batch, places)
        text, distance = token_losses(logits, labels[places], first, bins, 4.0)
        (text.mean() + distance.mean()).backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds = take_turns(
        {
            "one row a picture": lambda: step([together]),
            "one row a phrase": lambda: step(groups),
            **{name: partial(recipe_step, collator) for name, collator in collators.items()},
        },
        args.rounds,
    )
    asked = sum(len(lesson.turns) for lesson in lessons)
    per = {name: asked if name in collators else len(alone) for name in seconds}
    print_table(f"{args.pictures} pictures, {len(alone)} phrases, a recipe's {asked}", seconds, per=per)


if __name__ == "__main__":
    main()
