"""docs/training-data.md says what the code does: forms, options, augmentations; its examples are read and run."""

import doctest
import inspect
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from grounding.cli import main
from grounding.data.augment import AUGMENTATIONS
from grounding.data.lessons.hub import open_hub_lessons
from grounding.data.lessons.mixture import BLOCK
from grounding.data.lessons.opening import FORMS, open_data, open_rows
from grounding.data.lessons.reading import FIRST
from grounding.data.lessons.shards import open_shards

ROOT = Path(__file__).resolve().parents[1]
DOC = (ROOT / "docs" / "training-data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
FILES = re.findall(
    r"`(\w+\.jsonl?)`[^`\n]*:\n\n```jsonl?\n(.*?)^```$",
    re.sub(r"\[datasets\]\([^)]*\)\)", "datasets", DOC),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDING_CACHE", str(tmp_path / "cache"))
    Image.effect_noise((100, 80), 60).convert("RGB").save("a.jpg")
    Image.effect_noise((100, 80), 60).convert("RGB").resize((128, 96)).save("b.jpg")
    for name, text in FILES:
        Path(name).write_text(text)
    return tmp_path


def table(heading):
    """The rows of the table whose first column has this heading, each a list of its cells."""
    (body,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", DOC, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]


def test_every_form_has_its_row_with_its_options():
    rows = {re.match(r"`(\w+)", row[0])[1]: row for row in table("source")}
    assert set(FORMS) <= set(rows)
    openers = {
        "llava": open_rows,
        "shards": open_shards,
        "hub": open_hub_lessons,
        "coco": open_data,
        "flickr30k": open_data,
    }
    for name, opener in openers.items():
        known = set(inspect.signature(opener).parameters)
        assert set(re.findall(r"`(\w+)`", rows[name][2])) - {"shards"} <= known
    wanted = set(inspect.signature(open_shards).parameters) - {"kind", "pattern", "root", "images", "seed"}
    assert set(re.findall(r"`(\w+)`", rows["shards"][2])) == wanted


def test_every_augmentation_has_its_row_with_its_number():
    rows = table("name")
    assert [row[0].strip("`") for row in rows] == list(AUGMENTATIONS)
    for row, known in zip(rows, AUGMENTATIONS.values(), strict=True):
        assert float(row[2].rpartition(" ")[2]) == known.usual


def test_numbers_are_those_of_the_code():
    assert f"{BLOCK:,} lessons" in DOC
    assert FIRST == 1000
    assert "a thousand lessons" in DOC


def test_its_examples_run_in_their_order_and_print_what_they_promise(desk, capsys):
    assert {name for name, _ in FILES} == {"chat.json", "sheep.jsonl", "cups.jsonl"}
    names = {"__name__": "training-data"}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, "training-data.md", "exec"), names)
            promised = re.findall(r"(?:^print\(.*\)  # |^# )(.*)$", text, re.MULTILINE)
            assert capsys.readouterr().out.splitlines() == promised
        elif language == "console":
            run_commands(text, capsys)


def run_commands(text, capsys):
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, promised = part.partition("\n")
        program, *arguments = shlex.split(line)
        assert program == "grounding"
        assert main(arguments) == 0
        out = capsys.readouterr().out
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(promised, out, flags), out


def test_every_block_is_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} == {"python", "console", "json", "jsonl"}
