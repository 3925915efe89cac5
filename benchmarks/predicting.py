"""Pictures a second of `grounding predict`: pictures opened ahead or not, and one process or two.

`python benchmarks/predicting.py [--model DIR] [--pictures N] [--rounds N]`. Nothing is asserted: the figures are the
machine's. The pictures are drawn scenes in files of a photograph's size, as decoding is what is opened ahead.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from timing import print_table, take_turns

import grounding
from grounding.backends.base import Question
from grounding.backends.scripted import Scripted
from grounding.data.opening import open_dataset
from grounding.data.scenes.generate import PictureOptions, draw_picture
from grounding.data.scenes.scene import SceneOptions, training_options
from grounding.predict import predict

FIRST_SEED = 60_000_000
SECONDS_A_QUESTION = 0.01
"""What a model of a few billion parameters takes on a large GPU, in batches."""


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a model; the shipped one if left out")
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--width", type=int, default=1600, help="of the files, px")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = draw(Path(folder), args.pictures, args.width)
        dataset = open_dataset(path)
        out = Path(folder) / "out.jsonl"
        print(f"{len(dataset)} questions about {args.pictures} pictures, {args.width} px wide")
        beside_a_gpu(args, dataset, out)
        in_one_process(args, dataset, out)
        in_processes(args, path, out)


def draw(folder: Path, pictures: int, width: int) -> Path:
    """A data set of drawn scenes, enlarged to `width`, as JPEG files."""
    options = PictureOptions(training_options(SceneOptions(things=(3, 7))), 4, {"attribute": 1.0})
    with (folder / "data.jsonl").open("w") as lines:
        for number in range(pictures):
            drawn = draw_picture(FIRST_SEED + number, options)
            small = Image.fromarray(drawn.image)
            large = small.resize((width, round(small.height * width / small.width)), Image.Resampling.BICUBIC)
            large.save(folder / f"{number}.jpg", quality=92)
            size = {"width": large.width, "height": large.height}
            for place, sample in enumerate(drawn.samples):
                row = {
                    "id": f"{number}-{place}",
                    "image": f"{number}.jpg",
                    "phrase": sample.phrase,
                    "boxes": [],
                    **size,
                }
                lines.write(json.dumps(row) + "\n")
    return folder / "data.jsonl"


def in_one_process(args: argparse.Namespace, dataset, out: Path) -> None:  # type: ignore[no-untyped-def]
    """Prints what opening ahead gains, and what the file costs beside asking alone."""
    model = grounding.load(args.model)

    def run(ahead: int) -> None:
        out.unlink(missing_ok=True)
        predict(dataset, model, out, ahead=ahead, batch=16)

    def ask_alone() -> None:
        opened = {sample.picture.key: sample.open() for sample in dataset}
        pairs = [(opened[sample.picture.key], sample.phrase) for sample in dataset]
        for start in range(0, len(pairs), 16):
            model.ground_many(pairs[start : start + 16])

    rivals = {
        "opened when needed": lambda: run(0),
        "opened a chunk ahead": lambda: run(1),
        "opened two ahead": lambda: run(2),
        "asked without a file": ask_alone,
    }
    seconds = take_turns(rivals, args.rounds)
    print_table("one process, loaded model", seconds, per=dict.fromkeys(seconds, args.pictures))
    print("  (a second: pictures)")
    ratios = [a / b for a, b in zip(seconds["opened when needed"], seconds["opened a chunk ahead"], strict=True)]
    print(f"  without opening ahead it takes {statistics.median(ratios):.2f} times as long (median of paired ratios)")


class Elsewhere(Scripted):
    """A model that computes on a GPU or a server, as far as this machine's cores see it: they wait."""

    def _generate(self, requests):  # type: ignore[no-untyped-def]
        time.sleep(SECONDS_A_QUESTION * len(requests))
        return super()._generate(requests)


def beside_a_gpu(args: argparse.Namespace, dataset, out: Path) -> None:  # type: ignore[no-untyped-def]
    """Prints what opening ahead gains where the model leaves the cores alone."""
    model = Elsewhere([(Question("locate"), "none")])

    def run(ahead: int) -> None:
        out.unlink(missing_ok=True)
        predict(dataset, model, out, ahead=ahead, batch=16)

    rivals = {"opened when needed": lambda: run(0), "opened a chunk ahead": lambda: run(1)}
    seconds = take_turns(rivals, args.rounds)
    print_table(f"a model elsewhere, {1000 * SECONDS_A_QUESTION:.0f} ms a question", seconds)
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(f"  without opening ahead it takes {statistics.median(ratios):.2f} times as long (median of paired ratios)")


def in_processes(args: argparse.Namespace, path: Path, out: Path) -> None:
    """Prints whole commands, with the loading of the model in each process."""
    command = ["-m", "grounding", "predict", str(path), "--out", str(out), "--batch", "16", "--restart"]
    command += ["--model", args.model] if args.model else []
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(start: list[str]) -> None:
        subprocess.run([*start, *command], check=True, capture_output=True, env=environment)

    rivals = {"one process": lambda: run([sys.executable]), "two, torchrun": lambda: run(torchrun)}
    seconds = take_turns(rivals, max(3, args.rounds // 2), 0)
    print_table("whole commands, a thread each", seconds, per=dict.fromkeys(seconds, args.pictures))


if __name__ == "__main__":
    main()
