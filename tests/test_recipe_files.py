"""Recipes out of YAML: presets below, settings above, and errors that name the key, the value and the remedy."""

from pathlib import Path

import pytest

from grounding.errors import ConfigError
from grounding.training.recipe import DataRecipe, LoraRecipe, Recipe, StageRecipe
from grounding.training.recipe_files import load_recipe, merged, open_recipe, plain, recipe_of, with_setting


def written(tmp_path, text, name="mine.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_becomes_the_recipe_it_says(tmp_path):
    recipe = load_recipe(
        written(
            tmp_path,
            """
            out: runs/mine
            model:
              image_size: 64
              projector: perceiver
              projector_options: {latents: 8}
              vision_feature_layer: [-2, -1]
            data:
              - {source: scenes, weight: 2}
              - source: refcoco:train
                root: data
                augment: [flip]
            stages:
              - {name: align, steps: 10, train: [projector], lr: 1e-3, data: [{source: "llava:chat.json"}]}
              - name: ground
                steps: 20
                part_lr: {vision: 1.e-5}
                lora: {rank: 4, targets: [q_proj]}
            seed: 3
            bf16: no
            report_to: []
            """,
        )
    )
    assert recipe.out == Path("runs/mine")
    assert recipe.model.vision_feature_layer == (-2, -1)
    assert recipe.model.projector_options == {"latents": 8}
    assert recipe.data == (
        DataRecipe("scenes", 2.0),
        DataRecipe("refcoco:train", root="data", augment=("flip",)),
    )
    assert recipe.stages == (
        StageRecipe("align", 10, ("projector",), 1e-3, data=(DataRecipe("llava:chat.json"),)),
        StageRecipe("ground", 20, part_lr={"vision": 1e-5}, lora=LoraRecipe(4, targets=("q_proj",))),
    )
    assert (recipe.seed, recipe.bf16, recipe.report_to) == (3, False, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle: {}", "mine.yaml has no setting 'modle'; did you mean 'model'?"),
        ("xyzzy: 1", "mine.yaml has no setting 'xyzzy'; known: preset, "),
        ("3: 1", "mine.yaml has no setting 3; known:"),
        ("model: {projecter: linear}", "mine.yaml: model has no setting 'projecter'; did you mean 'projector'?"),
        ("model: squash", "mine.yaml: model is 'squash'; it must be keys and values"),
        ("model: {projector: conv}", "model: projector is 'conv'; it must be one of linear, mlp, pixel_shuffle"),
        ("model: {projector: [mlp]}", "it must be one of linear, mlp"),
        ("model: {resize_options: 4}", "model: resize_options is 4; it must be keys and values"),
        ("model: {vision: 4}", "model: vision is 4; it must be text"),
        ("model: {codec: shikr}", "mine.yaml: model: no codec 'shikr'; did you mean 'shikra'?"),
        ("model: {vision_feature_layer: last}", "is 'last'; it must be a whole number or a list"),
        ("data: scenes", "mine.yaml: data is 'scenes'; it must be a list"),
        ("data: [scenes]", "mine.yaml: data[0] is 'scenes'; it must be keys and values"),
        ("data: [{weight: 1}]", "mine.yaml: data[0] says nothing of 'source', which has no default: `scenes`"),
        ("data: [{source: a}, {source: b, wieght: 1}]", "data[1] has no setting 'wieght'; did you mean 'weight'?"),
        ("stages: [{name: a}]", "stages[0] says nothing of 'steps', which has no default: Optimizer steps."),
        ("stages: [{name: a, steps: 1.5}]", "stages[0]: steps is 1.5; it must be a whole number"),
        ("stages: [{name: a, steps: true}]", "stages[0]: steps is True; it must be a whole number"),
        ("stages: [{name: a, steps: 1, lr: fast}]", "stages[0]: lr is 'fast'; it must be a number"),
        ("stages: [{name: a, steps: 1, lr: true}]", "stages[0]: lr is True; it must be a number"),
        (
            "stages: [{name: a, steps: 1, part_lr: {vision: x}}]",
            "stages[0]: part_lr.vision is 'x'; it must be a number",
        ),
        ("stages: [{name: a, steps: 1, train: [1]}]", "stages[0]: train[0] is 1; it must be text"),
        ("stages: [{name: a, steps: 1, lora: {ranks: 1}}]", "stages[0]: lora has no setting 'ranks'; did you mean"),
        ("stages: [{name: a, steps: 1, lora: 8}]", "stages[0]: lora is 8; it must be keys and values"),
        ("stages: [{name: a, steps: 1, warmup: 2}]", "mine.yaml: stages[0]: the stage 'a' has 1 steps, fewer than"),
        ("bf16: maybe", "mine.yaml: bf16 is 'maybe'; it must be true or false"),
        ("bf16: 1", "mine.yaml: bf16 is 1; it must be true or false"),
        ("out: 3", "mine.yaml: out is 3; it must be a path"),
        ("batch_size: 0", "mine.yaml: batch_size is 0; it must be 1 or more"),
        ("preset: llva", "no preset named 'llva'; did you mean 'llava'?"),
        ("preset: xyzzy", "no preset named 'xyzzy'; known: "),
        ("- a", "mine.yaml holds no recipe but ['a']"),
        ("", "mine.yaml holds no recipe but None"),
        ("a: [", "mine.yaml, line 1, column 5 is not YAML"),
        ("seed: 1\nseed: 2", "mine.yaml, line 2, column 1 is not YAML: 'seed' stands twice"),
        ("out: !!python/object:os.system {}", "is not YAML: could not determine a constructor"),
    ],
)
def test_an_error_is_one_sentence_with_the_key_and_what_it_may_be(tmp_path, text, says):
    with pytest.raises(ConfigError) as error:
        load_recipe(written(tmp_path, text))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_said_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml can't be read: No such file"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "image.yaml").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        load_recipe(tmp_path / "image.yaml")


def test_numbers_may_be_written_as_powers_of_ten_without_a_point(tmp_path):
    text = "stages: [{name: a, steps: 1, lr: 1e-4, objective_options: {beta: -2E+1, name: e5}}]"
    (stage,) = load_recipe(written(tmp_path, text)).stages
    assert stage.lr == 1e-4
    assert stage.objective_options == {"beta": -20.0, "name": "e5"}


# ---- presets and settings


def test_a_file_goes_over_its_preset_key_by_key_and_lists_as_a_whole():
    below = recipe_of({"preset": "scenes"})
    recipe = recipe_of({"preset": "scenes", "model": {"image_size": 64}, "stages": [{"name": "one", "steps": 5}]})
    assert recipe.model.image_size == 64
    assert recipe.model.vision_config == below.model.vision_config
    assert recipe.data == below.data
    assert recipe.stages == (StageRecipe("one", 5),)


def test_merging_changes_neither_side():
    below, above = {"a": {"b": [1], "c": 2}}, {"a": {"c": {"d": 1}}}
    result = merged(below, above)
    result["a"]["b"].append(2)
    assert result == {"a": {"b": [1, 2], "c": {"d": 1}}}
    assert below == {"a": {"b": [1], "c": 2}}


VALUES = {"seed": 1, "stages": [{"name": "align", "steps": 1}, {"name": "ground", "steps": 2}], "model": None}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("seed=3", lambda values: values["seed"] == 3),
        ("out = runs/a=b", lambda values: values["out"] == "runs/a=b"),
        ("stages.ground.steps=20", lambda values: [s["steps"] for s in values["stages"]] == [1, 20]),
        ("stages.0.lr=1e-4", lambda values: values["stages"][0]["lr"] == 1e-4),
        ("stages.1.part_lr.vision=1e-5", lambda values: values["stages"][1]["part_lr"] == {"vision": 1e-5}),
        ("stages.2.name=reward", lambda values: values["stages"][2] == {"name": "reward"}),
        ("stages.2={name: reward, steps: 3}", lambda values: values["stages"][2]["steps"] == 3),
        ("stages.0={name: other}", lambda values: values["stages"][0] == {"name": "other"}),
        ("data.0.source=scenes", lambda values: values["data"] == [{"source": "scenes"}]),
        ("model.projector=linear", lambda values: values["model"] == {"projector": "linear"}),
        ("report_to=[wandb]", lambda values: values["report_to"] == ["wandb"]),
        ("model.vision=", lambda values: values["model"] == {"vision": None}),
    ],
)
def test_a_setting_changes_one_value_and_leaves_the_rest(text, read):
    changed = with_setting(VALUES, text)
    assert read(changed)
    assert VALUES["stages"][1]["steps"] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed", "--set seed is not written KEY.PATH=VALUE"),
        ("=3", "is not written KEY.PATH=VALUE"),
        ("model..vision=a", "is not written KEY.PATH=VALUE"),
        ("seed=[1", "--set seed=[1: the value is not YAML"),
        ("seed.more=1", "--set seed.more=1: seed is 1 and has nothing called 'more'"),
        ("stages.3.steps=1", "stages has no entry '3'; it has 2: align, ground"),
        ("stages.grund.steps=1", "stages has no entry 'grund'; it has 2: align, ground"),
    ],
)
def test_a_setting_without_a_place_is_refused(text, says):
    with pytest.raises(ConfigError) as error:
        with_setting(VALUES, text)
    assert says in str(error.value)


def test_a_recipe_is_opened_by_file_or_by_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "preset: scenes\nseed: 5")
    recipe = open_recipe("mine.yaml", ["stages.ground.steps=7", "seed=6"], data=[{"source": "mine.jsonl"}])
    assert (recipe.seed, recipe.stages[0].steps, recipe.data) == (6, 7, (DataRecipe("mine.jsonl"),))
    assert recipe.out == Path("runs/scenes-recipe")
    written(tmp_path, "seed: 5", "other.yml")
    assert open_recipe("other.yml").out == Path("runs/other")
    assert open_recipe("other.yml", out="here").out == Path("here")
    assert open_recipe("scenes").preset == "scenes"


@pytest.mark.parametrize(
    ("what", "settings", "says"),
    [
        ("scnes", [], "no preset 'scnes', and no file of that name; did you mean 'scenes'?"),
        ("xyzzy", [], "no preset 'xyzzy', and no file of that name; presets: "),
        ("none.yaml", [], "none.yaml can't be read: No such file"),
        ("scenes", ["preset=llava"], "--set preset=llava: name the preset in place of scenes"),
        ("scenes", ["modl.image_size=3"], "the preset scenes has no setting 'modl'; did you mean 'model'?"),
    ],
)
def test_what_cannot_be_opened_is_told_with_a_remedy(tmp_path, monkeypatch, what, settings, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        open_recipe(what, settings)
    assert says in str(error.value)


def test_plain_values_are_read_back_as_the_same_recipe():
    stage = StageRecipe("ground", 3, lora=LoraRecipe(2), data=(DataRecipe("a", options={"b": [1, None]}),))
    recipe = Recipe(stages=(stage,), out=Path("runs/x"), report_to=("none",))
    assert recipe_of(plain(recipe)) == recipe
