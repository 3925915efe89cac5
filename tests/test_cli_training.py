"""`grounding train` on the command line: recipes, presets, settings, and what it says when they are wrong."""

import subprocess
import sys

import pytest

from grounding.cli import main
from grounding.training.presets import preset_names
from grounding.training.recipe_files import load_recipe, open_recipe


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_names_every_preset_with_what_it_is(capsys):
    assert main(["train", "list"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in rows] == sorted([*preset_names(), "photos"])
    assert all(len(about) > 40 for _, about in rows)


def test_a_preset_is_shown_changed_and_trained_from_the_file_it_was_shown_to(place, capsys):
    assert main(["train", "llava", "--show", "--set", "stages.align.steps=7", "--out", "runs/mine"]) == 0
    (place / "mine.yaml").write_text(capsys.readouterr().out)
    recipe = load_recipe(place / "mine.yaml")
    assert recipe == open_recipe("llava", ["stages.align.steps=7"], out="runs/mine")


def test_data_pictures_and_model_have_flags_of_their_own(place, capsys):
    line = "train qwen2.5-vl-finetune --data a.json --data b.jsonl --images pictures --model mine --show"
    assert main(line.split()) == 0
    (place / "mine.yaml").write_text(capsys.readouterr().out)
    recipe = load_recipe(place / "mine.yaml")
    assert [(part.source, part.images) for part in recipe.data] == [("a.json", "pictures"), ("b.jsonl", "pictures")]
    assert recipe.model.checkpoint == "mine"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("llva", "no preset 'llva', and no file of that name; did you mean 'llava'?"),
        ("missing.yaml", "missing.yaml can't be read: No such file"),
        ("llava --set stages.algin.steps=3", "stages has no entry 'algin'; it has 3: align, instruct, ground"),
        ("llava --set seed=a", "the preset llava: seed is 'a'; it must be a whole number"),
        ("scenes.yaml --set seed", "scenes.yaml can't be read"),
        ("llava --images here", "--images goes with --data"),
        ("paligemma-finetune", "nothing to learn from in the stage 'finetune'"),
        ("llava --data mine.jsonl", "the stage 'align' has data of its own, which --data does not replace"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_is_trained(place, capsys, line, says):
    assert main(["train", *line.split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith("grounding: ")
    assert said.count("\n") == 1
    assert says in said
    assert not list(place.iterdir())


def test_help_and_list_import_nothing_heavy():
    code = (
        "import sys; from grounding.cli import main; main(['train', 'list']); main(['train', '--help']);"
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "grounding train recipe.yaml --set" in done.stdout
