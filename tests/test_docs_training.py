"""docs/training.md: its recipes are recipes, its commands parse, its tables name what there is."""

import re
import shlex
from pathlib import Path

import pytest

from grounding.cli import _parser
from grounding.training.presets import preset_names
from grounding.training.recipe import PARTS
from grounding.training.recipe_files import parse, recipe_of

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_recipes_are_complete(block):
    recipe_of(parse(block)).check_complete()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    program, *arguments = shlex.split(command)
    assert program == "grounding"
    _parser(arguments).parse_args(arguments)


def test_every_preset_is_in_the_table_and_every_part_is_named():
    table = TEXT.partition("## The presets")[2].partition("## ")[0]
    assert set(re.findall(r"`([\w.-]+)`", table.partition("The first three")[0])) - {"--data"} == set(preset_names())
    (named,) = re.findall(r"\(`train`: (.*?)\)", TEXT)
    assert set(re.split(r", (?:or )?", named)) == {*PARTS, "all"}


def test_rewards_name_options_that_there_are():
    from grounding.training.recipe_files import read
    from grounding.training.rewards import RewardOptions

    (block,) = (block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "rewards" in block)
    read(RewardOptions, recipe_of(parse(block)).stages[1].objective_options, "objective_options")
