"""What a person sees of a run: counts, speed and time left; a line now and then where nobody watches."""

import io
import os
import pty
import subprocess
import sys

import pytest

from grounding.predict import progress as library
from grounding.predict.progress import BarProgress, LineProgress, ShownProgress, clock, shown
from tests.predicting import ENVIRONMENT, ROOT, command, write_data


class Clock:
    """Time that a test moves on."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(library.time, "monotonic", lambda: self.now)


@pytest.fixture
def clocked(monkeypatch):
    return Clock(monkeypatch)


def test_speed_is_that_of_the_last_half_minute(clocked):
    progress = ShownProgress(io.StringIO())
    progress.begin(1000, 100)
    assert (progress.rates(), progress.seconds_left()) == ((0.0, 0.0), None)
    for _ in range(10):
        clocked.now += 10
        progress.step(20, 5, 0)
    assert progress.rates() == (2.0, 0.5)
    assert progress.seconds_left() == 350.0
    for _ in range(4):
        clocked.now += 10
        progress.step(40, 5, 0)
    assert progress.rates() == (4.0, 0.5)


def test_in_a_pipe_a_line_every_ten_seconds(clocked):
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.begin(5657, 1000)
    for _ in range(25):
        clocked.now += 1
        progress.step(32, 8, 1)
    assert stream.getvalue().splitlines() == [
        "1,320 of 5,657 questions, 32 questions/s, 8.0 pictures/s, 2 min left, 10 failed",
        "1,640 of 5,657 questions, 32 questions/s, 8.0 pictures/s, 2 min left, 20 failed",
    ]


def test_of_a_stream_nobody_knows_how_long_it_takes(clocked):
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.begin(None)
    clocked.now += 20
    progress.step(32, 8, 0)
    assert stream.getvalue() == "32 questions, 1.6 questions/s, 0.4 pictures/s\n"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (48, "48 s"), (720, "12 min"), (5990, "1 h 40 min"), (11_100, "3 h 05 min")]
)
def test_time_left_is_short(seconds, said):
    assert clock(seconds) == said


@pytest.mark.parametrize(("columns", "said"), [(120, "4 of 10 questions"), (80, "4 of 10 ")])
def test_a_terminal_gets_a_bar_and_a_pipe_lines(monkeypatch, columns, said):
    monkeypatch.setenv("COLUMNS", str(columns))

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert type(shown(io.StringIO())) is LineProgress
    with shown(Terminal()) as progress:
        assert type(progress) is BarProgress
        progress.begin(10)
        progress.say("3 of 10 pictures are not there [such as this]")
        progress.step(4, 2, 1)
    text = progress._stream.getvalue()
    for part in (said, "40%", "1 failed", "pictures are not there [such as this]"):
        assert part in text


def test_in_a_real_terminal_the_bar_ends_at_all_questions(tmp_path):
    write_data(tmp_path)
    line = command("predict", tmp_path / "data.jsonl", "--model", f"slow:{tmp_path}/script.jsonl", "--batch", 3)
    ours, theirs = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "110"}
    process = subprocess.Popen(
        [*line, "--out", str(tmp_path / "out.jsonl")],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
        text=True,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    text = seen.decode()
    assert "30 of 30 questions" in text
    assert "100%" in text
    assert "questions/s" in text
    assert "out.jsonl: 30 answered, 0 failed, 6 found nothing there, 0 unreadable" in output


def test_only_ours_reaches_standard_error_meanwhile(tmp_path):
    code = """
import os, sys
from grounding.predict.progress import only_ours
with only_ours() as stream:
    os.write(2, b"noise from below\\n")
    print("noise", file=sys.stderr)
    print("ours", file=stream)
print("afterwards", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "ours\nafterwards\n"
