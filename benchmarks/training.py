"""Training samples a second: a picture's phrases in one row, against a row for each phrase.

`python benchmarks/training.py [--pictures N]`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from timing import print_table, take_turns

from grounding.training.config import TrainingConfig
from grounding.training.trainer import SceneRun


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

    seconds = take_turns(
        {"one row a picture": lambda: step([together]), "one row a phrase": lambda: step(groups)}, args.rounds
    )
    print_table(f"{args.pictures} pictures, {len(alone)} phrases", seconds, per=dict.fromkeys(seconds, len(alone)))


if __name__ == "__main__":
    main()
