"""The bar of a training: losses, speed and time left; quiet lines where there is no terminal."""

import io
import re

import pytest

from grounding.training import progress
from grounding.training.progress import Progress, clock

LOSSES = {"loss": 2.31412, "text": 1.98, "expectation": 0.1612, "grad_norm": 3.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def now(monkeypatch):
    """The time, as it is set."""
    time = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


def advance(bar, now, steps, seconds=1.0):
    for _ in range(steps):
        now[0] += seconds
        bar.advance(bar.step + 1)


def test_speed_and_time_left_are_those_of_the_last_steps(now):
    bar = Progress("ground", 1000, 32, io.StringIO())
    bar.begin(100)
    assert (bar.speed, bar.left) == (None, "")
    advance(bar, now, 50, 4.0)
    advance(bar, now, 50, 2.0)
    assert bar.speed == 16.0
    assert bar.left == "26:40 left"
    advance(bar, now, 800, 2.0)
    assert bar.left == ""


def test_time_that_is_no_time_of_steps_slows_nothing(now):
    bar = Progress("ground", 1000, 32, io.StringIO())
    bar.begin(0)
    advance(bar, now, 10)
    bar.during("evaluating")
    now[0] += 600
    bar.during("")
    advance(bar, now, 10)
    assert bar.speed == 32.0


def test_a_pipe_gets_a_line_now_and_then_without_escapes(now):
    stream = io.StringIO()
    bar = Progress("ground (2 of 3)", 1000, 32, stream)
    bar.begin(0)
    bar.lose(LOSSES)
    advance(bar, now, 100)
    bar.say("step 100: well")
    bar.end()
    lines = stream.getvalue().splitlines()
    assert lines[1] == (
        "ground (2 of 3) 31/1000  loss 2.314 · words 1.98 · distance 0.1612  32.0 lessons/s  16:09 left"
    )
    assert [re.match(r"ground \(2 of 3\) (\d+)/", line)[1] for line in lines if "/1000" in line] == [
        "1",
        "31",
        "61",
        "91",
        "100",
    ]
    assert lines[-2] == "step 100: well"
    assert "\x1b" not in stream.getvalue()


def test_a_stage_that_goes_on_says_from_where(now):
    stream = io.StringIO()
    Progress("ground", 1000, 32, stream).begin(250)
    assert stream.getvalue() == "ground: goes on behind step 250 of 1000\n"


def test_a_terminal_gets_a_bar_that_ends_as_a_line(now, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    bar = Progress("ground (2 of 3)", 1000, 32, stream)
    bar.begin(0)
    bar.lose(LOSSES)
    advance(bar, now, 10)
    bar.say("step 10: well")
    bar.end()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "step 10: well" in text
    last = [line for line in text.splitlines() if line.strip()][-2:]
    assert re.fullmatch(r"ground \(2 of 3\)  [━╸╺ ]+ +10/1,000  32.0 lessons/s  16:30 left *", last[0])
    assert last[1].strip() == "loss 2.314 · words 1.98 · distance 0.1612"
    assert max(map(len, last)) <= 80
    bar.end()  # a second time does nothing


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0:00"), (41, "0:41"), (725, "12:05"), (11220, "3:07:00")])
def test_times_are_said_as_clocks_say_them(seconds, said):
    assert clock(seconds) == said
