"""Which recipes may go on with a folder's run, and that the others are refused by the setting that differs."""

import json

import pytest

from grounding.errors import CheckpointError, ConfigError
from grounding.training.recipe_files import plain, recipe_of
from grounding.training.same_run import FREE, RECIPE, check_same_run, differences

VALUES = {
    "data": [{"source": "scenes"}],
    "stages": [{"name": "align", "steps": 10, "train": ["projector"]}, {"name": "ground", "steps": 20}],
}


def recipe(out, stages=None, **changes):
    values = {**VALUES, **changes, "out": str(out)}
    if stages:
        values["stages"] = [{**stage, **stages.get(stage["name"], {})} for stage in VALUES["stages"]]
    return recipe_of(values)


@pytest.fixture
def begun(tmp_path):
    """A run whose first stage is over and whose second has made steps."""
    (tmp_path / RECIPE).write_text(json.dumps(plain(recipe(tmp_path))))
    (tmp_path / "align" / "finished").mkdir(parents=True)
    (tmp_path / "ground" / "checkpoint-5").mkdir(parents=True)
    return tmp_path


def test_the_same_recipe_goes_on(begun, tmp_path_factory):
    check_same_run(recipe(begun))
    check_same_run(recipe(tmp_path_factory.mktemp("empty"), batch_size=7))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 8}, "batch_size is 8, and 32 in the run"),
        ({"seed": 1}, "seed is 1, and 0 in the run"),
        ({"model": {"image_size": 96}}, r"model\.image_size is 96, and None in the run"),
        ({"data": [{"source": "scenes", "weight": 2.0}]}, r"data\[0\]\.weight is 2\.0, and 1\.0"),
        ({"data": [{"source": "scenes"}, {"source": "x.jsonl"}]}, r"data\[1\] is .*x\.jsonl.* and None"),
        ({"stages": {"align": {"lr": 1.0}}}, r"stages\.align\.lr is 1\.0"),
        ({"stages": {"ground": {"train": ["vision"]}}}, r"stages\.ground\.train"),
        ({"stages": {"align": {"steps": 11}}}, "a later stage goes on from it: give it 10"),
        ({"stages": {"ground": {"steps": 19}}}, "it may only get more: give it 20"),
        ({"stages": {"align": {"name": "warm"}}}, r"stages\[0\]\.name is 'warm', and 'align' in the run"),
    ],
)
def test_what_would_make_another_run_is_refused_by_its_name(changes, said, begun):
    with pytest.raises(ConfigError, match=said):
        check_same_run(recipe(begun, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"log_every": 1, "workers": 0, "save_every": 3, "keep": 1, "report_to": ["none"], "bad_share": 0.5},
        {"scale": "fsdp", "micro_batch": 8, "pack": 512, "gradient_checkpointing": True},
        {"stages": {"ground": {"steps": 30}}},
    ],
)
def test_how_a_run_is_made_may_change_and_its_last_stage_may_get_longer(changes, begun):
    check_same_run(recipe(begun, **changes))


def test_stages_that_have_not_begun_may_change(begun):
    (begun / "ground" / "checkpoint-5").rmdir()
    check_same_run(recipe(begun, stages={"ground": {"lr": 1.0, "name": "other"}}))
    check_same_run(recipe_of({**VALUES, "stages": VALUES["stages"][:1], "out": str(begun)}))
    with pytest.raises(ConfigError, match="batch_size"):
        check_same_run(recipe(begun, batch_size=8))
    (begun / "align" / "finished").rmdir()
    check_same_run(recipe(begun, batch_size=8))


def test_a_setting_that_is_new_since_then_is_no_difference(begun):
    before = json.loads((begun / RECIPE).read_text())
    del before["clip"], before["stages"][0]["lora"]
    (begun / RECIPE).write_text(json.dumps(before))
    check_same_run(recipe(begun, clip=0.5))


def test_a_recipe_that_cannot_be_read_is_an_error(begun):
    (begun / RECIPE).write_text("{")
    with pytest.raises(CheckpointError, match="give the run another folder"):
        check_same_run(recipe(begun))


def test_all_settings_that_are_free_exist():
    assert plain(recipe_of({})).keys() >= FREE


def test_differences_name_keys_and_places():
    was, now = {"a": [1, {"b": 2}], "c": 3, "d": [1]}, {"a": [1, {"b": 4}], "c": 3, "d": [1, 2]}
    assert list(differences(was, now)) == [("a[1].b", 2, 4), ("d[1]", None, 2)]
