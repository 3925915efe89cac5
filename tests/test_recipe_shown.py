"""A shown recipe: YAML that reads back as itself, with the note of each setting above it."""

import io
from pathlib import Path

import pytest

from grounding.training.presets import preset_names
from grounding.training.recipe import DataRecipe, LoraRecipe, ModelRecipe, Recipe, StageRecipe
from grounding.training.recipe_files import open_recipe, parse, recipe_of
from grounding.training.recipe_shown import recipe_text, show_recipe

ODD = Recipe(
    about="Two sentences: with a colon, and # a hash. " + "Many words follow here so that it is folded. " * 4 + "End.",
    out=Path("runs/with space"),
    model=ModelRecipe(
        vision_config={"model_type": "clip_vision_model", "hidden_size": 1024, "layers": list(range(24)), "on": True},
        prompt_template="USER: {prompt}\nASSISTANT: 'x' \"y\" é",
        vision_feature_layer=(-2, -1),
    ),
    data=(DataRecipe("scenes"), DataRecipe("refcoco:train", 0.5, augment=("flip", "crop"), options={"no": None})),
    stages=(
        StageRecipe("align", 3, ("projector",), part_lr={"vision": 1e-5}, data=(DataRecipe("a"), DataRecipe("b"))),
        StageRecipe("ground", 5, lr=1e-4, lora=LoraRecipe(4, targets=("q_proj",))),
    ),
)


@pytest.mark.parametrize("notes", [True, False])
def test_it_reads_back_as_the_same_recipe(notes):
    assert recipe_of(parse(recipe_text(ODD, notes))) == ODD


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_shown_whole(name):
    recipe = open_recipe(name)
    assert recipe_of(parse(recipe_text(recipe))) == recipe


def test_notes_stand_above_their_setting_and_lines_stay_short():
    lines = recipe_text(ODD).splitlines()
    above = lines[lines.index("  resize: squash") - 1]
    assert above == "  # How a picture becomes views. One of: squash, pad, llava_next, internvl, native."
    assert max(map(len, lines)) <= 120
    assert (
        sum("Its share, relative to the other sources'." in line for line in lines) == 2
    )  # of data, of stages[0].data


def test_a_pipe_gets_plain_text():
    stream = io.StringIO()
    show_recipe(ODD, stream)
    assert stream.getvalue() == recipe_text(ODD) + "\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_colours_and_the_same_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    show_recipe(open_recipe("scenes"), stream)
    assert "\x1b[" in stream.getvalue()
    assert "A name that `grounding train list` shows" in stream.getvalue()
