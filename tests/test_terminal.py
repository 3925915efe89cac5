"""What a person sees in a terminal, as text: rich renders into a string of a fixed width."""

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from grounding import Grounding, Problem, Region
from grounding.terminal import plain, render

STAR = Region((10.0, 20.0, 52.25, 77.0), label=None, score=0.834)
RING = Region((100.0, 20.0, 152.0, 77.0), label="ring")


def answer(regions=(), **changes):
    values = {"phrase": "the red star", "text": "", "width": 320, "height": 240, "model": "tiny", "seconds": 0.0412}
    return Grounding(regions=tuple(regions), **{**values, **changes})


def rendered(*answers, width=80, drawn_to=None, color=False):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=color, color_system="truecolor" if color else None)
    render(answers, console, source="scene.png", drawn_to=drawn_to)
    return stream.getvalue()


def test_region_shows_its_edges_and_a_bar_as_long_as_its_score():
    text = rendered(answer([STAR]))
    assert "the red star" in text
    assert " ".join(text.split()).count("10.0 20.0 52.2 77.0 ━━━━━━━━╸─ 0.83") == 1


def test_region_without_a_score_shows_none():
    both = rendered(answer([STAR, RING]))
    assert both.count("━") == 8
    assert both.count(" – ") == 1
    assert "score" not in rendered(answer([RING]))


def test_name_is_not_repeated_where_it_is_the_phrase():
    assert rendered(answer([STAR])).count("the red star") == 1
    assert rendered(answer([STAR, RING])).count("the red star") == 2


def test_nothing_there_is_said_in_words():
    assert "Nothing there for “a purple whale”" in rendered(answer(phrase="a purple whale"))
    assert "Nothing there for “star” or “ring”" in rendered(answer(phrase="star ; ring", task="detect"))


def test_footer_tells_picture_time_and_model():
    assert "scene.png, 320 × 240 px · 41 ms · tiny" in rendered(answer([STAR]))
    assert "82 ms for 2 phrases" in rendered(answer([STAR]), answer())


def test_footer_tells_where_the_picture_was_drawn():
    assert "drawn to out/answer.png" in rendered(answer([STAR]), drawn_to="out/answer.png")


def test_caption_colours_its_words_as_the_picture_does():
    from grounding.draw import PALETTE

    caption = answer([Region((1, 2, 3, 4), span=(2, 10))], task="caption", phrase="", text="a red star on white")
    red, green, blue = (int(PALETTE[0][at : at + 2], 16) for at in (1, 3, 5))
    assert f"38;2;{red};{green};{blue}mred star\x1b" in rendered(caption, color=True)


def test_problem_of_the_models_text_is_told():
    text = rendered(answer([STAR], problems=(Problem("truncated", "a box with 2 of 4 coordinates"),)))
    assert "! the model's text is truncated: a box with 2 of 4 coordinates" in text


def test_words_of_a_model_are_no_markup_here():
    text = rendered(answer([Region((1, 2, 3, 4), label="[bold]star[/bold]")], phrase="[red]x[/red]"))
    assert "[bold]star[/bold]" in text
    assert "[red]x[/red]" in text


def test_control_characters_do_not_reach_the_terminal():
    evil = answer([Region((1, 2, 3, 4), label="star\x1b[2J")], task="describe", phrase="", text="star\x1b[2J")
    assert "\x1b" not in rendered(evil)
    assert "\x1b" not in plain(evil)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_lines_stay_within_the_terminal(width):
    text = rendered(answer([STAR, RING], phrase="a fairly long phrase that says what to look for"), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_plain_line_has_edges_score_and_label():
    assert plain(answer([STAR, RING])).splitlines() == [
        "10.0 20.0 52.2 77.0\t0.834\tthe red star",
        "100.0 20.0 152.0 77.0\t-\tring",
    ]


def test_terminal_gets_the_designed_form(tmp_path):
    from PIL import Image

    Image.new("RGB", (200, 100)).save(tmp_path / "scene.png")
    (tmp_path / "script.jsonl").write_text('{"phrase": "a star", "answer": "none"}')
    master, slave = pty.openpty()
    line = [sys.executable, "-m", "grounding", "ground", "scene.png", "a star", "--model", "scripted:script.jsonl"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(
        line, stdout=slave, stderr=subprocess.PIPE, cwd=tmp_path, timeout=60, env=environment, check=False
    )
    os.close(slave)
    seen = re.sub(r"\x1b\[[0-9;]*m", "", os.read(master, 10_000).decode())
    os.close(master)
    assert done.returncode == 0, done.stderr
    assert "Nothing there for “a star”" in seen
    assert "scene.png, 200 × 100 px" in seen
