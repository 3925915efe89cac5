"""The house rules that a machine can hold: what an import costs, who may import whom, that versions and names agree."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import grounding

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "grounding").rglob("*.py"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def seconds_of_import(module: str) -> float:
    """Processor time, the least of five fresh interpreters: what it takes on a machine that does nothing else."""
    code = f"import time; start = time.process_time(); import {module}; print(time.process_time() - start)"
    return min(float(run(sys.executable, "-c", code).stdout) for _ in range(5))


def test_import_takes_under_a_tenth_of_a_second():
    assert seconds_of_import("grounding") < 0.1


def test_import_needs_neither_torch_nor_numpy():
    heavy = "torch transformers numpy PIL cv2 supervision rich"
    code = f"import sys, grounding, grounding.cli; print([name for name in '{heavy}'.split() if name in sys.modules])"
    assert run(sys.executable, "-c", code).stdout.strip() == "[]"


def test_texts_and_results_need_no_torch():
    code = "import sys; from grounding import Grounding, get_codec, open_image, load; get_codec('location')"
    assert run(sys.executable, "-c", f"{code}; print('torch' in sys.modules)").stdout.strip() == "False"


def test_imports_run_one_way():
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout


def test_every_public_name_loads():
    for name in grounding.__all__:
        assert getattr(grounding, name) is not None


def test_public_names_are_the_same_for_people_and_type_checkers():
    tree = ast.parse((ROOT / "grounding" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(grounding.__all__) - {"__version__"}


def test_unknown_public_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'lode'; public names: .*\bload\b"):
        grounding.lode  # noqa: B018


def test_version_is_the_same_everywhere():
    assert metadata.version("grounding-vlm") == grounding.__version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == grounding.__version__


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_says_what_it_owns(file):
    docstring = ast.get_docstring(ast.parse(file.read_text()))
    assert docstring
    assert len(docstring.splitlines()[0]) > 20


def test_ci_runs_what_contributing_promises():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    promised = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    called = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    assert called <= promised <= targets


def test_constraints_hold_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
