"""What the README shows runs: its Python in one go, its commands in order, with the output it promises."""

import doctest
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from grounding.backends import WEIGHTS
from grounding.cli import main
from grounding.training.recipe_files import load_recipe

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "config.json").is_file(), reason="this copy holds no weights; `make test` of a release does"
)


def commands():
    """(command, promised output or "") of every line that the README shows after a `$`."""
    for language, text in BLOCKS:
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                yield line, output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A place that looks like the clone's root, to write into; what one command leaves there the next one finds."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "docs").symlink_to(ROOT / "docs")
    return folder


@pytest.fixture
def clone(place, monkeypatch):
    """That place, to work in."""
    monkeypatch.chdir(place)


@needs_weights
def test_python_of_the_readme_runs(clone, capsys):
    code = "\n".join(text for language, text in BLOCKS if language == "python")
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    out = capsys.readouterr().out
    for promised in re.findall(r"print\(\w+\)  # (.*)", code):
        assert promised in out


@pytest.mark.parametrize(("line", "promised"), list(commands()), ids=lambda value: value if "\n" not in value else "")
def test_command_of_the_readme_runs(clone, capsys, line, promised):
    program, *arguments = shlex.split(line)
    run = main
    if program == "python":
        flag, module, *arguments = arguments
        assert flag == "-m"
        run = import_module(module).main
    else:
        assert program == "grounding"
    if not (WEIGHTS / "config.json").is_file():
        pytest.skip("this copy holds no weights")
    assert run(arguments) == 0
    out = capsys.readouterr().out
    if promised:
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(promised, out, flags), out


def test_every_block_is_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} <= {"python", "console", "yaml", ""}


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "yaml"])
def test_recipes_can_be_read(text, tmp_path):
    (tmp_path / "my-recipe.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "my-recipe.yaml")
    assert [stage.name for stage in recipe.stages] == ["align", "ground"]
    assert len(recipe.data) == 2


def test_every_target_it_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


@needs_weights
def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_map_names_what_is_there():
    (place,) = (text for language, text in BLOCKS if not language and text.startswith("grounding/"))
    named = set(re.findall(r"\b([a-z_]+\.py)\b", place))
    there = {path.name for room in ("grounding", "app", "eval") for path in (ROOT / room).rglob("*.py")}
    assert named <= there
    for room in re.findall(r"^  ([a-z]+)/", place, re.MULTILINE):
        assert (ROOT / "grounding" / room).is_dir()
