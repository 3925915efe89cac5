"""docs/families.md says what the code does: a row for each family, its prompt, its readings, and what they cost."""

import re
from pathlib import Path

import numpy as np
import pytest

from grounding.backends.detector_families import FAMILIES as DETECTORS
from grounding.backends.families import BY_TYPE
from grounding.boxes import iou_pairs
from grounding.codecs import CODECS, get_codec
from grounding.result import Region
from tests.tiny_families import MAKERS

ROOT = Path(__file__).resolve().parents[1]
DOC = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")


def table(first_heading, second_heading):
    """The rows of the one table that begins with these headings, each a list of its cells."""
    (body,) = re.findall(
        rf"^\| {re.escape(first_heading)} \| {re.escape(second_heading)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)",
        DOC,
        re.MULTILINE,
    )
    return [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body.splitlines()
    ]


FAMILIES = table("name", "tasks")
ROWS = {row[0]: row for row in FAMILIES}
READINGS = [(name, rounding) for name in CODECS for rounding in get_codec(name).rules if len(get_codec(name).rules) > 1]
COSTS = {(name, rounding.strip("`")): figures for name, rounding, _, *figures in table("name", "reading")}
each = pytest.mark.parametrize("name", CODECS)


def canvas_of(name, width=640, height=480):
    """The family's canvas; Fuyu's for a picture that its processor scales down."""
    codec = get_codec(name)
    if name == "fuyu":
        return codec.canvas(2560, 1920, input_size=(1440, 1080))
    return codec.canvas(width, height, input_size=(width, height) if name == "qwen2.5-vl" else None)


def test_every_family_has_one_row_in_the_order_of_the_table():
    assert [row[0] for row in FAMILIES] == list(CODECS)
    assert {len(row) for row in FAMILIES} == {6}


@each
def test_tasks_are_the_codecs(name):
    assert tuple(ROWS[name][1].split(", ")) == get_codec(name).tasks


@each
def test_prompt_is_the_codecs(name):
    codec = get_codec(name)
    task = "locate" if "locate" in codec.tasks else codec.tasks[0]
    prompt = codec.prompt(task, "the red cup", canvas=canvas_of(name))
    assert "⏎" not in prompt
    assert "`" not in prompt
    assert ROWS[name][2] == f"`{prompt}`".replace("\n", "⏎")


@each
def test_every_reading_is_named_the_default_first(name):
    rules = list(get_codec(name).rules)
    assert re.findall(r"`(\w+)`", ROWS[name][3].split(" as `")[0]) == (rules if len(rules) > 1 else [])


@each
def test_every_family_is_checked_by_what_is_there(name):
    checked = ROWS[name][5]
    # a few makers stand for a family by the tokens that their checkpoint carries
    by_tokens = {"with boxes": "deepseek-vl2", "with bins": "rex-omni"}
    tiny = {by_tokens.get(maker.partition(" ")[2]) or BY_TYPE[maker].codec for maker in MAKERS}
    assert (checked.startswith(("tiny checkpoint", "both"))) == (name in tiny)
    cases = [path.name for path in (ROOT / "tests" / "cases").glob("*.jsonl") if path.stem == name]
    assert re.findall(r"[\w.-]+\.jsonl", checked) == cases
    for path in re.findall(r"tests/\w+\.py", checked):
        assert (ROOT / path).is_file()
    if not cases and "tests/" not in checked:
        assert "recorded" not in checked
        assert not checked.startswith("both")


def test_every_detector_has_one_row_with_its_thresholds():
    rows = table("name", "`model_type`")
    assert [(row[0], row[1]) for row in rows] == [(family.title, f"`{kind}`") for kind, family in DETECTORS.items()]
    for row, family in zip(rows, DETECTORS.values(), strict=True):
        assert dict(re.findall(r"`(\w+)` ([\d.]+)", row[2])) == {
            key: str(value) for key, value in family.thresholds.items()
        }


def test_every_reading_of_families_with_several_has_its_cost():
    assert list(COSTS) == READINGS


@pytest.mark.parametrize(("name", "rounding"), READINGS)
def test_cost_of_a_reading_is_as_written(name, rounding):
    writer, reader, canvas = get_codec(name), get_codec(name, rounding), canvas_of(name)
    size = np.array([2560.0, 1920.0] if name == "fuyu" else [640.0, 480.0])
    for side, figure in zip((8, 32, 64), COSTS[name, rounding], strict=True):
        corners = np.random.default_rng(0).uniform(0, 1, (2000, 2)) * (size - side)
        truth = np.concatenate([corners, corners + side], axis=1)
        read = []
        for box in truth.tolist():
            text = writer.encode("locate", regions=[Region(tuple(box), label="cup")], text="cup", canvas=canvas)
            read.append(reader.decode(text, canvas).regions[0].box)
        assert iou_pairs(truth, np.array(read)).mean() == pytest.approx(float(figure), abs=0.001)


def test_python_of_the_page_runs(capsys):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL))
    exec(compile(code, "families.md", "exec"), {"__name__": "families"})
    out = capsys.readouterr().out
    promised = re.findall(r"print\(.*\)  # (.*)", code)
    assert len(promised) == 2
    for line in promised:
        assert line in out


def test_every_file_it_names_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", DOC):
        assert (ROOT / "docs" / target).exists(), target
    for path in re.findall(r"`((?:tests|grounding)/[\w./]*)`", DOC):
        assert (ROOT / path).exists(), path
