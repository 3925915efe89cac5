"""Trainings small enough for tests: the model of tests/tiny.py, and lessons about coloured boxes without end.

`python -m tests.tiny_training OUT [KEY=VALUE ...]` runs one in processes of its own, under a launcher or without.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.sources import Source
from grounding.data.pictures import FilePicture, HeldPicture
from grounding.data.sample import Sample
from grounding.errors import GroundingError
from grounding.result import Grounding, Region
from tests import tiny

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 230), "yellow": (230, 220, 40)}
VALUES = {
    "data": [{"source": "boxes"}],
    "stages": [{"name": "ground", "steps": 4, "lr": 1e-3}],
    "batch_size": 4,
    "most_tokens": 200,
    "workers": 0,
    "bf16": False,
    "log_every": 1,
    "save_every": 2,
    "eval_every": 1000,
    "eval_lessons": 0,
    "report_to": ["none"],
}
"""Values of a recipe of four steps."""
SIGLIP = {
    "model_type": "siglip_vision_model", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": tiny.SIZE, "patch_size": 16,
}  # fmt: skip
"""An encoder that sees each picture by itself. Ours has batch norms, which see what comes in one pass."""
LLAMA = {
    "model_type": "llama", "vocab_size": tiny.VOCAB, "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "tie_word_embeddings": False,
}  # fmt: skip
"""A language model of another family, its head a table of its own."""


class Boxes(Source):
    """Lesson n has one to three questions about a picture of coloured boxes; those in `bad` have no picture."""

    name = "boxes"

    def __init__(self, bad: tuple[int, ...] = (), turns: int = 3) -> None:
        self.bad, self.turns = bad, turns
        self.asked: list[int] = []

    def lesson(self, ordinal: int) -> Lesson:
        self.asked.append(ordinal)
        rng = np.random.default_rng(ordinal)
        image = Image.new("RGB", (int(rng.integers(64, 130)), int(rng.integers(64, 130))), (128, 128, 128))
        names = [str(name) for name in rng.permutation(list(COLOURS))[: rng.integers(1, self.turns + 1)]]
        samples = []
        for name in names:
            left, top = (int(rng.integers(0, side - 40)) for side in image.size)
            box = (left, top, left + int(rng.integers(12, 40)), top + int(rng.integers(12, 40)))
            ImageDraw.Draw(image).rectangle(box, fill=COLOURS[name])
            region = Region(tuple(map(float, box)), label=name)
            samples.append((name, Grounding(f"the {name} square", (region,), "", *image.size, task="locate")))
        picture = (
            FilePicture(Path(f"nowhere-{ordinal}.png"))
            if ordinal in self.bad
            else HeldPicture(image, f"boxes-{ordinal}")
        )
        turns = [Sample(picture, truth.phrase, truth, id=f"{ordinal}-{name}") for name, truth in samples]
        return Lesson(f"boxes-{ordinal}", (picture,), tuple(turns), source=self.name)


def talk(ordinal: int) -> Lesson:
    """A conversation in words about one picture."""
    picture = Boxes().lesson(ordinal).pictures[0]
    turns = (Words("answer which colour is the square", "red"), Words("count the square", "one"))
    return Lesson(f"talk-{ordinal}", (picture,), turns, sequential=True)


def values(out: Path, **changes):
    """Values of a recipe in `out`; those of a lone stage may be given as `stage`."""
    stage = changes.pop("stage", {})
    made = {**VALUES, "out": str(out), **changes}
    made["stages"] = [{**one, **stage} for one in made["stages"]]
    return made


@contextmanager
def small(source: Source | None = None, **options):
    """Within, trainings have the tiny model and learn from coloured boxes. `options`: of the model's configuration."""
    from grounding.training import running

    def build(recipe, _):
        return tiny.model(recipe.seed, **options).train(), tiny.processor()

    def mixture(_, recipe):
        return Mixture([(1.0, source or Boxes())], recipe.seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "build", build)
        patch.setattr(running, "open_mixture", mixture)
        yield


def run(out: Path, source: Source | None = None, options: dict | None = None, **changes) -> Path:
    """A training into `out`."""
    from grounding.training.recipe_files import recipe_of
    from grounding.training.running import train_recipe

    with small(source, **(options or {})):
        return train_recipe(recipe_of(values(out, **changes)))


def together(out: Path, processes: int = 2, **changes) -> None:
    """The same training in several forked processes; raises where one of them fails."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    context = multiprocessing.get_context("fork")  # all modules are here already
    started = [context.Process(target=_one_of, args=(n, processes, port, out, changes)) for n in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    codes = [process.exitcode for process in started]
    assert codes == [0] * processes, f"the processes ended with {codes}"


def _one_of(number: int, processes: int, port: int, out: Path, changes: dict) -> None:
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    place = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} | {k: str(v) for k, v in place.items()}
    run(out, **changes)
    torch.distributed.destroy_process_group()
    os._exit(0)


def losses(out: Path, stage: str = "ground", key: str = "loss") -> list[float]:
    """The loss, or another figure, of each line of a stage's log that has it."""
    lines = [json.loads(line) for line in (out / stage / "log.jsonl").read_text().splitlines()]
    return [line[key] for line in lines if key in line]


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]), **{key: json.loads(value) for key, value in (one.split("=", 1) for one in sys.argv[2:])})
    except GroundingError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
