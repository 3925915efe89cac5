"""Recipes: what they refuse, and that their choices are those that exist."""

import typing

import pytest

from grounding.errors import ConfigError
from grounding.training.recipe import PARTS, DataRecipe, LoraRecipe, ModelRecipe, Recipe, StageRecipe

STAGE = StageRecipe("ground", 10)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ModelRecipe(codec="kosmos"), "no codec 'kosmos'; did you mean 'kosmos-2'?"),
        (lambda: ModelRecipe(codec="xyzzy"), "no codec 'xyzzy'; known: location, "),
        (lambda: ModelRecipe(prompt_template="USER: ASSISTANT:"), "has no {prompt}, where the question goes"),
        (lambda: ModelRecipe(vocab_size=0), "vocab_size is 0; it must be 1 or more"),
        (lambda: ModelRecipe(pixel_std=(0.5, 0.5, 0.0)), "pixel_std is [0.5, 0.5, 0.0]; it has three numbers"),
        (lambda: ModelRecipe(image_size=-3), "image_size is -3; it must be 1 or more"),
        (lambda: ModelRecipe(checkpoint="a", vision="b"), "checkpoint is 'a', a whole model, and vision is given too"),
        (lambda: DataRecipe("scenes", weight=0.0), "weight is 0.0 for 'scenes'; it must be over 0"),
        (lambda: DataRecipe("scenes", weight=float("inf")), "weight is inf"),
        (lambda: LoraRecipe(rank=0), "rank is 0; it must be 1 or more"),
        (lambda: LoraRecipe(dropout=1.0), "dropout is 1.0; it is a share from 0 to below 1"),
        (lambda: StageRecipe("../up", 1), "a stage is called '../up'; its name is a folder's"),
        (lambda: StageRecipe("", 1), "a stage is called ''"),
        (lambda: StageRecipe("model", 1), "that folder is the run's own"),
        (lambda: StageRecipe("a", 0), "steps is 0; it must be 1 or more"),
        (lambda: StageRecipe("a", 1, warmup=-1), "warmup is -1; it must be 0 or more"),
        (lambda: StageRecipe("a", 1, lr=float("nan")), "lr is nan in the stage 'a'"),
        (lambda: StageRecipe("a", 1, part_lr={"vision": -1.0}), "part_lr.vision is -1.0"),
        (lambda: StageRecipe("a", 1, train=("projecter",)), "no part 'projecter'; did you mean 'projector'?"),
        (lambda: StageRecipe("a", 1, part_lr={"all": 1.0}), "no part 'all'"),
        (lambda: StageRecipe("a", 1, train=()), "the stage 'a' trains nothing"),
        (lambda: StageRecipe("a", 10, warmup=11), "has 10 steps, fewer than those of warmup 11"),
        (lambda: StageRecipe("a", 10, warmup=5, decay=6, schedule="wsd"), "fewer than those of warmup 5 and decay 6"),
        (lambda: Recipe(stages=(STAGE, STAGE)), "two stages are called 'ground'"),
        (lambda: Recipe(batch_size=0), "batch_size is 0; it must be 1 or more"),
        (lambda: Recipe(batch_size=32, micro_batch=5), "batch_size 32 does not divide into passes of micro_batch 5"),
        (lambda: Recipe(ema=1.0), "ema is 1.0"),
        (lambda: Recipe(bad_share=2.0), "bad_share is 2.0"),
        (lambda: Recipe(clip=0.0), "clip is 0.0; it must be over 0"),
        (lambda: Recipe(workers=-1), "workers is -1; it must be 0 or more"),
        (lambda: Recipe(report_to=("tensorbord",)), "no place 'tensorbord'; did you mean 'tensorboard'?"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make, says):
    with pytest.raises(ConfigError) as error:
        make()
    assert says in str(error.value)


def test_a_recipe_says_what_only_its_user_can_give():
    with pytest.raises(ConfigError, match="no stages"):
        Recipe(data=(DataRecipe("scenes"),)).check_complete()
    with pytest.raises(ConfigError, match=r"nothing to learn from in the stage 'ground'.*--data"):
        Recipe(stages=(STAGE,)).check_complete()
    Recipe(stages=(STAGE,), data=(DataRecipe("scenes"),)).check_complete()
    Recipe(stages=(StageRecipe("ground", 10, data=(DataRecipe("scenes"),)),)).check_complete()


def test_warmup_and_decay_are_steps_or_shares_of_them():
    assert StageRecipe("a", 200, warmup=0.03, schedule="wsd", decay=0.25).warmup_steps == 6
    assert StageRecipe("a", 200, warmup=12, schedule="wsd", decay=0.25).warmup_steps == 12
    assert StageRecipe("a", 200, schedule="wsd", decay=0.25).decay_steps == 50
    assert StageRecipe("a", 2, warmup=0.03).warmup_steps == 0


def test_its_choices_are_those_that_the_model_has():
    from grounding.model.configuration import RESIZES
    from grounding.model.fusion import FUSIONS
    from grounding.model.projectors import PROJECTORS

    hints = typing.get_type_hints(ModelRecipe)
    assert set(typing.get_args(hints["resize"])) == set(RESIZES)
    assert set(typing.get_args(hints["projector"])) == set(PROJECTORS)
    assert set(typing.get_args(hints["fusion"])) == set(FUSIONS)


def test_it_names_the_parts_that_parameters_fall_into():
    from grounding.training.parts import part_of

    names = ("vision.stem.weight", "projector.weight", "language.embedding.weight", "language.blocks.0.mlp.weight")
    assert {part_of(name) for name in names} <= set(PARTS)
