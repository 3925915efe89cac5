"""docs/datasets.md says what the code does: names, counts, keys, kinds of problems; its examples are read and run."""

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from grounding.cli import main
from grounding.data.coco import EXPECTED as COCO
from grounding.data.convert import FORMATS
from grounding.data.dataset import PROBLEM_KINDS, SCORINGS
from grounding.data.flickr30k import EXPECTED as FLICKR
from grounding.data.hub import KNOWN
from grounding.data.jsonl import FORMAT, read_jsonl
from grounding.data.opening import READERS
from grounding.data.referring.splits import SPLITS
from grounding.data.sample_lines import TASKS
from grounding.data.toloka import EXPECTED as TOLOKA

ROOT = Path(__file__).resolve().parents[1]
DOC = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
JSONL = [text for language, text in BLOCKS if language == "jsonl"]


def table(heading):
    """The rows of the table whose first column has this heading, each a list of its cells."""
    (body,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", DOC, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]


NAMES = table("name")


@pytest.fixture
def kitchens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, size in (("a", (100, 80)), ("b", (60, 48))):
        Image.effect_noise(size, 60).convert("RGB").save(tmp_path / f"{name}.jpg")
    (tmp_path / "cups.jsonl").write_text(JSONL[0])
    return tmp_path


def test_every_reader_has_its_row():
    assert {re.match(r"`([a-z0-9+-]+):", row[0])[1] for row in NAMES} | {"coco-absent"} == set(READERS)


@pytest.mark.parametrize("name", [name for row in NAMES for name in re.findall(r"`([\w+-]+:\w+)`", row[0])])
def test_counts_are_those_of_the_code(name):
    kind, split = name.split(":")
    counts = {"flickr30k": FLICKR, "coco": COCO, "toloka": TOLOKA}.get(kind)
    if counts is None:
        counts = {split: entry.expressions for split, entry in SPLITS.get(kind, {}).items()}
    (row,) = (row for row in NAMES if f"`{name}`" in row[0])
    if kind in SPLITS or counts:
        stated = [int(count.replace(",", "")) for count in re.findall(r"[\d,]{4,}", row[2])]
        names = [entry.split(":")[1] for entry in re.findall(r"`([\w+-]+:\w+)`", row[0])]
        assert counts[split] == (stated[names.index(split)] if stated else None)


def test_what_is_said_of_the_hub_is_what_the_code_says():
    for (repository, split), known in KNOWN.items():
        if known.note:
            (number,) = re.findall(r"its ([\d,]+) objects", known.note)
            assert number in DOC or split == "test", f"{repository}:{split}"
    assert f"{KNOWN['moondream/refcoco-m', 'validation'].expected:,} expressions" in DOC


def test_every_kind_of_problem_is_explained_in_its_order():
    assert [row[0].strip("`") for row in table("kind")] == list(PROBLEM_KINDS)


def test_every_scoring_task_and_format_is_named():
    for name in (*SCORINGS, *TASKS, *FORMATS):
        assert f"`{name}`" in DOC


@pytest.mark.parametrize("text", JSONL, ids=range(len(JSONL)))
def test_every_example_of_a_file_is_read_without_a_problem(kitchens, text):
    (kitchens / "example.jsonl").write_text(text)
    dataset = read_jsonl(kitchens / "example.jsonl")
    assert dataset.problems == ()
    assert len(dataset) == sum(FORMAT not in line for line in text.splitlines())


def test_the_table_has_every_key_that_is_read_and_no_other():
    stated = {key for row in table("key") for key in re.findall(r"`(\w+)`", row[0])}
    source = (ROOT / "grounding" / "data" / "sample_lines.py").read_text()
    read = set(re.findall(r"""(?:row|data)(?:\.get\(|\[)"(\w+)\"""", source))
    read |= set(re.findall(r'"(\w+)" in row', source)) | set(re.findall(r'^    \("(\w+)", ', source, re.MULTILINE))
    assert stated == read


def test_keys_of_the_header_are_named():
    (sentence,) = re.findall(r"Its keys: (.*)", DOC)
    for key in ("name", "scoring", "expected", "source", "notes", "meta"):
        assert f"`{key}`" in sentence
    assert json.loads(JSONL[1].splitlines()[0])["format"] == FORMAT


def test_its_python_runs_and_prints_what_it_promises(kitchens, capsys):
    (code,) = (text for language, text in BLOCKS if language == "python")
    exec(compile(code, "datasets.md", "exec"), {"__name__": "datasets"})
    promised = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == promised


def test_its_commands_run_and_print_what_it_promises(kitchens, capsys):
    (text,) = (text for language, text in BLOCKS if language == "console")
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, promised = part.partition("\n")
        program, *arguments = shlex.split(line)
        assert program == "grounding"
        assert main(arguments) == 0
        out = capsys.readouterr().out
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(promised, out, flags), out


def test_every_block_is_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} == {"python", "console", "jsonl"}
