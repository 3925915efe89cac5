"""docs/llava-mini.md: its stages are the preset's, its commands and pictures are there."""

import re
from pathlib import Path

from PIL import Image

from grounding.training.recipe_files import recipe_of

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "llava-mini.md").read_text(encoding="utf-8")


def test_the_stages_are_the_preset_s() -> None:
    recipe = recipe_of({"preset": "llava-mini"})
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", TEXT, re.MULTILINE)
    assert [(name, int(steps.replace(",", ""))) for name, steps in rows] == [(s.name, s.steps) for s in recipe.stages]


def test_the_pictures_are_there_and_large_enough_to_be_looked_at() -> None:
    named = re.findall(r"!\[[^\]]+\]\(([\w./-]+)\)", TEXT)
    assert len(named) == 3
    for name in named:
        with Image.open(ROOT / "docs" / name) as image:
            assert min(image.size) >= 300


def test_the_commands_are_there() -> None:
    (target,) = re.findall(r"^    make ([\w-]+)$", TEXT, re.MULTILINE)
    assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    python (\S+) (.*)$", TEXT, re.MULTILINE)
    flags = set(re.findall(r'"(--[\w-]+)"', (ROOT / command[0]).read_text(encoding="utf-8")))
    assert set(re.findall(r"--[\w-]+", command[1])) <= flags
