"""docs/protocols.md says what the code does: names, sources, errors, groups, and the table that a benchmark prints."""

import importlib.util
import re
from pathlib import Path

import pytest

from grounding.data.dataset import SCORINGS
from grounding.metrics.errors import ERRORS
from grounding.metrics.protocols import PROTOCOLS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "protocols.md").read_text()


def lines_of(first):
    """The cells of the table whose head begins so."""
    start = TEXT.index(f"| {first} |")
    rows = [line for line in TEXT[start:].split("\n\n")[0].splitlines()[2:] if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_protocol_stands_there_with_its_files():
    table = {row[0].split("`")[1]: row[2] for row in lines_of("name")}
    assert list(table) == list(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        for file in re.findall(r"[\w/]+\.(?:py|ipynb)", protocol.source):
            assert file in table[name], file


def test_every_scoring_and_error_stands_there():
    assert [row[0].split("`")[1] for row in lines_of("scoring")] == list(SCORINGS)
    assert set(ERRORS) == {name for row in lines_of("error") for name in row[0].split(", ")}


@pytest.mark.slow
def test_the_table_of_drawn_answers_is_what_the_benchmark_prints():
    spec = importlib.util.spec_from_file_location("protocols_benchmark", ROOT / "benchmarks" / "protocols.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    import numpy as np

    files = {
        name: benchmark.predictions(name, *make(np.random.default_rng(0))) for name, make in benchmark.DRAWN.items()
    }
    assert benchmark.table(files) in TEXT
