"""Presets: each a whole recipe that its user has only to give data, if that."""

import pytest

from grounding.errors import ConfigError
from grounding.training.presets import preset_names, preset_values
from grounding.training.recipe import ModelRecipe
from grounding.training.recipe_files import open_recipe, recipe_of

WANTED = {"llava", "kosmos2", "shikra", "paligemma-finetune", "florence2-finetune", "qwen2.5-vl-finetune", "scenes"}


def test_the_recipes_of_the_field_are_there():
    assert set(preset_names()) >= WANTED


@pytest.mark.parametrize("name", preset_names())
def test_each_is_a_recipe_that_says_what_it_is_and_where_it_goes(name):
    recipe = recipe_of({"preset": name})
    assert recipe.stages
    assert recipe.about
    assert len(recipe.about) < 400
    assert recipe.out.parts[0] == "runs"
    for stage in recipe.stages:  # a stage that trains adapters has some, and one that has some trains them
        assert ("lora" in stage.train) == (stage.lora is not None)


@pytest.mark.parametrize("name", sorted(name for name in WANTED if name.endswith("-finetune")))
def test_fine_tuning_waits_for_the_users_data_alone(name):
    with pytest.raises(ConfigError, match="nothing to learn from in the stage 'finetune'"):
        open_recipe(name).check_complete()
    recipe = open_recipe(name, data=[{"source": "mine.json", "images": "pictures"}])
    recipe.check_complete()
    assert recipe.model.codec == ModelRecipe().codec  # left alone: the checkpoint says what its family writes


def test_the_recipes_of_papers_write_boxes_as_the_papers_do():
    codecs = {name: recipe_of({"preset": name}).model.codec for name in ("llava", "kosmos2", "shikra")}
    assert codecs == {"llava": "llava-1.5", "kosmos2": "kosmos-2", "shikra": "shikra"}


def test_values_are_a_fresh_copy_each_time():
    preset_values("scenes")["model"]["vocab_size"] = 7
    assert preset_values("scenes")["model"]["vocab_size"] != 7
