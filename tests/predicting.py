"""A small data set, models that answer from a script or fail on purpose, and `grounding` as a process to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from grounding.backends import PREFIXES, Backend
from grounding.backends.base import Question
from grounding.backends.scripted import Scripted, open_script
from grounding.data.opening import open_dataset
from grounding.data.pictures import Picture
from grounding.errors import BackendError

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
PICTURES, PHRASES = 10, 3


def write_data(folder: Path, pictures: int = PICTURES, phrases: int = PHRASES) -> Path:
    """A data set in our own jsonl, and script.jsonl with an answer to each phrase; a picture's phrases stand apart."""
    colors = ("red", "green", "blue", "white", "black")
    (folder / "pictures").mkdir(parents=True)
    for number in range(pictures):
        Image.new("RGB", (60 + number, 40), colors[number % 5]).save(folder / "pictures" / f"{number}.png")
    lines, answers = [], []
    for phrase in range(phrases):
        for number in range(pictures):
            asked = f"thing {phrase} of {number}"
            row = {"id": f"{number}-{phrase}", "image": f"pictures/{number}.png", "phrase": asked}
            lines.append(row | {"box": [1, 2, 30 + phrase, 20], "width": 60 + number, "height": 40})
            text = "none" if number % 4 == 3 else f"<loc{phrase:04}><loc{number:04}><loc0768><loc1023>"
            answers.append({"phrase": asked, "answer": text})
    (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "script.jsonl").write_text("".join(json.dumps(line) + "\n" for line in answers))
    return folder / "data.jsonl"


def data(folder: Path):
    """The data set that `write_data` wrote."""
    return open_dataset(folder / "data.jsonl")


def rows(path: Path) -> list[dict]:
    """All lines of a file of predictions, the header first, without what no two runs share."""
    return [without_seconds(json.loads(line)) for line in path.read_text().splitlines()]


def without_seconds(row: dict) -> dict:
    return {name: value for name, value in row.items() if name != "seconds"}


class Moody(Scripted):
    """A script that fails whenever any of the questions has words that `bad` names; `calls` holds what was asked."""

    def __init__(self, folder: Path, bad: tuple[str, ...] = (), error: Exception | None = None) -> None:
        lines = [json.loads(line) for line in (folder / "script.jsonl").read_text().splitlines()]
        super().__init__([(Question("locate", line["phrase"]), line["answer"]) for line in lines], name="moody")
        self.bad, self.error = bad, error or BackendError("it is in a mood")
        self.calls: list[list[str]] = []

    def _generate(self, requests):
        asked = [request.question.phrase for request in requests]
        self.calls.append(asked)
        if any(word in phrase for word in self.bad for phrase in asked):
            raise self.error
        return super()._generate(requests)


class Slow(Scripted):
    """A script that takes its time, so that a run can be killed in the middle."""

    def _generate(self, requests):
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0.05")))
        return super()._generate(requests)


@dataclass(frozen=True)
class SlowPicture(Picture):
    """A picture that takes its time to open, wherever it is opened."""

    picture: Picture
    seconds: float

    @property
    def key(self):
        return self.picture.key

    def open(self):
        time.sleep(self.seconds)
        return self.picture.open()


def open_slow(path: str, **options):
    """Opens `slow:FILE`, which is called what `scripted:FILE` is called, as it answers the same."""
    script = open_script(path, **options)
    script.__class__ = Slow
    return script


def command(*arguments: object, launcher: tuple[str, ...] = ()) -> list[str]:
    """`grounding` with these arguments, in which slow:FILE is a model's name too."""
    start = launcher or (sys.executable,)
    return [*start, "-m", "tests.predicting", *map(str, arguments)]


def run(*arguments: object, launcher: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    environment = {**ENVIRONMENT, **variables}
    line = command(*arguments, launcher=launcher)
    return subprocess.run(line, capture_output=True, text=True, timeout=120, env=environment, cwd=ROOT, check=False)


def start(*arguments: object, catch: bool = False, **variables: str) -> subprocess.Popen[bytes]:
    """Starts the command; its output goes nowhere, or with `catch` where it can be read."""
    where = subprocess.PIPE if catch else subprocess.DEVNULL
    environment = {**ENVIRONMENT, **variables}
    return subprocess.Popen(command(*arguments), env=environment, cwd=ROOT, stdout=where, stderr=where)


def lines_in(path: Path) -> int:
    """How many whole lines the file has; 0 where there is none."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(what, seconds: float = 60.0) -> None:
    """Waits until `what()` is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


if __name__ == "__main__":
    PREFIXES["slow"] = Backend("slow:FILE", "tests.predicting:open_slow", "a script that takes its time")
    from grounding.cli import main
    from grounding.predict import processes

    processes.STALE_SECONDS = float(os.environ.get("STALE_SECONDS", processes.STALE_SECONDS))
    sys.exit(main())
