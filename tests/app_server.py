"""A running demo for the tests: one process for all of them, ended when Python ends."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCENE = ROOT / "docs" / "examples" / "scene.png"
HOSTILE = '<img src=x onerror="document.title=1">'
SCRIPT = (
    {"phrase": "the red star", "answer": "<loc0100><loc0100><loc0300><loc0300>"},
    {"task": "caption", "answer": "Somewhere, something."},
    {"phrase": "broken", "answer": "the box is <loc0100><loc0200> or so"},
    {"task": "detect", "names": [HOSTILE], "answer": f"<loc0100><loc0100><loc0300><loc0300> {HOSTILE}"},
    {
        "task": "detect",
        "names": ["many"],
        "answer": " ; ".join(
            f"<loc{y:04d}><loc{x:04d}><loc{y + 120:04d}><loc{x + 90:04d}> many"
            for y in range(60, 900, 200)
            for x in range(40, 950, 130)
        ),
    },
)
"""What the second model answers."""


def launched(*arguments: str) -> str:
    """The address of a demo that was started with these arguments; skips where Gradio is not installed."""
    return _address(*_begun(*arguments))


def _begun(*arguments: str) -> tuple[subprocess.Popen, IO[str]]:
    """A process on its way, and what it says to its operator."""
    pytest.importorskip("gradio")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # as long as the process
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "--port", "0", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
    )  # fmt: skip
    atexit.register(_end, process)
    return process, log


def _address(process: subprocess.Popen, log: IO[str]) -> str:
    """Where it answers, once it does."""
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        process.wait(10)
        log.seek(0)
        raise AssertionError(f"the demo did not start: {line} {log.read()[-2000:]}")
    for _ in range(200):  # it says its address a moment before it answers
        try:
            urllib.request.urlopen(f"{found[0]}/page/mark.svg", timeout=20).read()
            return found[0]
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the demo does not answer")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


@functools.cache
def running() -> str:
    """The address of the demo that most tests share: the shipped model, and a scripted one as the second."""
    folder = tempfile.mkdtemp()
    script = Path(folder) / "second.jsonl"
    script.write_text("".join(json.dumps(line) + "\n" for line in SCRIPT))
    started = _begun("--model", "grounding-photos", "--model", f"scripted:{script}", "--workers", "2")
    _strict()  # most of a start is imports: the two do them side by side
    return _address(*started)


@functools.cache
def strict() -> str:
    """A demo with a password, one worker and room for one question."""
    return _address(*_strict())


@functools.cache
def _strict() -> tuple[subprocess.Popen, IO[str]]:
    return _begun("--auth", "ada:secret", "--workers", "1", "--queue", "1", "--max-megapixels", "2")
