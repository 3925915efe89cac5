"""docs/location-tokens.md says what the code does: its Python runs in order, and its table has the benchmark's rows."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.tiny_languages import causal

ROOT = Path(__file__).resolve().parents[1]
DOC = (ROOT / "docs" / "location-tokens.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("kind", ["llama", "tied qwen3"])
def test_python_of_the_page_runs(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, tokenizer = causal(kind)
    model.save_pretrained("my-model")
    tokenizer.save_pretrained("my-model")
    exec(compile(CODE, "location-tokens.md", "exec"), {"__name__": "location_tokens"})
    out = capsys.readouterr().out
    promised = re.findall(r"print\(.*\)  # (.*)", CODE)
    assert len(promised) == 3
    for line in promised:
        assert line in out


def test_its_table_has_the_rows_of_the_benchmark():
    spec = spec_from_file_location("location_tokens_table", ROOT / "benchmarks" / "location_tokens.py")
    benchmark = module_from_spec(spec)
    sys.modules[spec.name] = benchmark  # dataclasses look their module up
    spec.loader.exec_module(benchmark)
    said = {True: "yes", False: "no"}
    rows = re.findall(r"^\| (random|mean|fourier) \| (yes|no) \| (yes|no) \| (\S+) \| (\S+) \|$", DOC, re.MULTILINE)
    assert [row[:3] for row in rows] == [(way.start, said[way.learn], said[way.soft]) for way in benchmark.WAYS]
    figures = {row[:3]: tuple(map(float, row[3:])) for row in rows}
    assert max(figures["random", "no", "no"]) < 0.1  # what the page says of the first line
    assert min(figures["fourier", "no", "no"]) > 0.5
    plain = {start: min(figures[start, "yes", "no"]) for start in benchmark.STARTS}
    assert max(plain, key=plain.get) == "fourier"


def test_every_name_and_file_it_mentions_is_there():
    for path in re.findall(r"python (benchmarks/\w+\.py)", DOC):
        assert (ROOT / path).is_file()
    for name in re.findall(r"`(?:train: \[([^\]]*)\])`", DOC):
        from grounding.training.recipe import PARTS

        assert {part.strip() for part in name.split(",")} <= set(PARTS)
