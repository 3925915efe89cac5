"""Exports: folders that load by this package and by transformers, of finished and of stopped runs, with a card."""

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import grounding
from grounding.cli import main
from grounding.errors import CheckpointError, ConfigError, OutputError
from grounding.training import exporting
from grounding.training.exporting import export, public
from grounding.training.recipe_files import load_recipe, recipe_of
from tests import tiny, tiny_families, tiny_training

SCORES = {
    "scoring": "rec",
    "protocol": "iou",
    "headline": "acc@0.5",
    "figures": {
        "mean IoU": {"value": 0.71, "low": None, "high": None, "n": 40},
        "acc@0.5": {"value": 0.8125, "low": 0.7, "high": 0.9, "n": 40},
    },
    "about": {"dataset": "scenes:attribute", "model": "/home/me/runs/mine/model"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two stages, with a running mean."""
    out = tmp_path_factory.mktemp("run") / "mine"
    stages = [
        {"name": "align", "steps": 2, "train": ["projector"], "lr": 1e-3},
        {"name": "ground", "steps": 3, "lr": 1e-3},
    ]
    tiny_training.run(out, stages=stages, ema=0.5, about="A run for tests.", save_every=2)
    return out


@pytest.fixture
def trained(run):
    return AutoModelForImageTextToText.from_pretrained(run / "model", dtype=torch.float32)


def front(text):
    return yaml.safe_load(text.split("---", 2)[1])


def test_an_export_is_the_runs_model_for_transformers_and_for_us(run, trained, tmp_path):
    out = export(run, tmp_path / "out", dtype="float32", licence="mit")
    model = AutoModelForImageTextToText.from_pretrained(out)
    processor = AutoProcessor.from_pretrained(out)
    inputs = processor(images=tiny.image(0), text="locate the red star")
    with torch.no_grad():
        assert torch.equal(model.eval()(**inputs).logits, trained.eval()(**inputs).logits)
    answer = grounding.load(out).ground(tiny.image(0), "the red star")
    assert answer.regions == grounding.load(run / "model").ground(tiny.image(0), "the red star").regions


def test_weights_are_in_bfloat16_unless_told_otherwise(run, trained, tmp_path):
    out = export(run, tmp_path / "out", licence="mit")
    weights = load_file(out / "model.safetensors")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.bfloat16}
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    name = "projector.weight"
    assert torch.equal(weights[name], trained.state_dict()[name].bfloat16())
    assert (out / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_the_recipe_comes_along_without_the_folders_of_the_machine(run, tmp_path):
    out = export(run, tmp_path / "out", licence="mit")
    recipe = load_recipe(out / "recipe.yaml")
    assert str(recipe.out) == "mine"
    assert [stage.name for stage in recipe.stages] == ["align", "ground"]
    assert str(run) not in "".join(path.read_text() for path in (out / "recipe.yaml", out / "README.md"))
    values = {
        "model": {"vision": "/home/me/eyes", "language": "org/words", "tokenizer": "~/t"},
        "data": [
            {"source": "llava:/data/x/chat.json", "images": "/data/x"},
            {"source": "refcoco:train", "root": "data"},
        ],
    }
    told = public(recipe_of(values))
    assert (told.model.vision, told.model.language, told.model.tokenizer) == ("eyes", "org/words", "t")
    assert [(part.source, part.images, part.root) for part in told.data] == [
        ("llava:chat.json", "x", None),
        ("refcoco:train", None, "data"),
    ]


def test_the_card_says_what_it_is_what_it_learned_and_what_was_measured(run, tmp_path):
    (tmp_path / "scores.json").write_text(json.dumps([SCORES]))
    out = export(run, tmp_path / "out", licence="MIT", scores=[tmp_path / "scores.json"], name="me/mine")
    text = (out / "README.md").read_text()
    entries = front(text)
    assert (entries["license"], entries["library_name"]) == ("mit", "transformers")
    (result,) = entries["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "acc@0.5", "value": 0.8125}]
    total = sum(parameter.numel() for parameter in tiny.model().parameters())
    for words in (
        "# me/mine\n",
        "A run for tests.",
        'grounding.load("me/mine")',
        f"| all | {total:,} |",
        "| align | 2 | projector | 0.001 | answers | `boxes` 100% |",
        "| ground | 3 | all | 0.001 | answers | `boxes` 100% |",
        "| scenes:attribute | acc@0.5 | 0.8125 (0.7-0.9) | 40 | iou | model |",
        "|  | mean IoU | 0.71 | 40 |  |  |",
        "The weights: mit.",
        "![losses and figures while training](curve.png)",
    ):
        assert words in text, words
    assert (out / "curve.png").is_file()
    assert "Not finished" not in text


def test_a_card_without_scores_says_that_nothing_was_measured(run, tmp_path):
    text = (export(run / "model", tmp_path / "out", licence="mit") / "README.md").read_text()
    assert "Nothing was measured." in text
    assert "Nobody has measured how often it is right." in text
    assert "model-index" not in front(text)
    assert "| ground | 3 |" in text  # the run around the model is found


# ---- runs that were stopped, and other models


def test_a_stopped_run_is_exported_by_its_last_checkpoint_with_the_running_mean(tmp_path):
    values = tiny_training.values(tmp_path / "run", ema=0.5, stage={"steps": 4})
    with tiny_training.small():
        recipe = recipe_of(values)
        exporting_of = lambda out: export(tmp_path / "run", out, dtype="float32", licence="mit")  # noqa: E731
        tiny_training.run(tmp_path / "run", ema=0.5, stage={"steps": 2})
        for name in ("model", "ground/finished"):  # as if it had been stopped behind step 2 of 4
            (tmp_path / "run" / name).rename(tmp_path / name.replace("/", "-"))
        told = json.loads((tmp_path / "run" / "recipe.json").read_text())
        told["stages"][0]["steps"] = recipe.stages[0].steps
        (tmp_path / "run" / "recipe.json").write_text(json.dumps(told))
        out = patched(exporting_of, tmp_path / "out")
    weights = load_file(out / "model.safetensors")
    means = load_file(tmp_path / "run" / "ground" / "checkpoint-2" / "mean.safetensors")
    assert means
    for name, value in means.items():
        assert torch.equal(weights[name], value), name
    assert (
        "**Not finished:** the training stopped behind step 2 of 4 of the stage 'ground'."
        in (out / "README.md").read_text()
    )


def test_a_finished_run_that_was_given_more_steps_is_not_called_finished(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    told = json.loads((run / "recipe.json").read_text())
    told["stages"][1]["steps"] = 9
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(told))
    exporting_of = lambda out: export(tmp_path / "run", out, dtype="float32", licence="mit")  # noqa: E731
    text = (patched(exporting_of, tmp_path / "out") / "README.md").read_text()
    assert "**Not finished:** the training stopped behind step 3 of 9 of the stage 'ground'." in text
    text = (export(tmp_path / "run" / "model", tmp_path / "model", licence="mit") / "README.md").read_text()
    assert "**Not finished:** the training was gone on with after this model had been written." in text


def patched(call, *arguments):
    """The call, with the tiny model built in place of the recipe's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "build", lambda recipe, _: (tiny.model(recipe.seed).train(), tiny.processor()))
        patch.setattr(exporting, "open_mixture", lambda *_: None)
        return call(*arguments)


def test_a_run_without_a_checkpoint_has_nothing_to_export(tmp_path):
    values = tiny_training.values(tmp_path)
    (tmp_path / "recipe.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="has no checkpoint yet: let it train to its first"):
        export(tmp_path, tmp_path / "out", licence="mit")
    assert not (tmp_path / "out").exists()


def test_another_familys_checkpoint_is_exported_as_its_family_loads_it(tmp_path):
    source = tiny_families.save("paligemma", tmp_path / "source")
    out = export(source, tmp_path / "out", licence="gemma")
    model, report = AutoModelForImageTextToText.from_pretrained(out, output_loading_info=True)
    assert model.dtype == torch.bfloat16
    assert not report["missing_keys"]
    assert grounding.load(out).tasks == grounding.load(source).tasks
    assert "A `paligemma`; it is asked, and answers, as its family does." in (out / "README.md").read_text()


# ---- whole or not at all


def test_what_is_there_is_replaced_only_by_force(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="is there already: name another folder, or replace it with --force"):
        export(run, out, licence="mit")
    assert (out / "thesis.txt").read_text() == "mine"
    export(run, out, licence="mit", force=True)
    assert not (out / "thesis.txt").exists()


def test_an_export_that_breaks_off_leaves_what_was_there(run, tmp_path, monkeypatch):
    out = export(run, tmp_path / "out", licence="mit")
    before = (out / "README.md").read_text()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "card_text", full)
    with pytest.raises(OutputError, match="No space left on device"):
        export(run, out, licence="mit", force=True)
    assert (out / "README.md").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"dtype": "int8"}, ConfigError, "dtype is 'int8'"),
        ({"licence": None}, ConfigError, "say under which licence"),
        ({"scores": ["nowhere.json"]}, ConfigError, "--scores nowhere.json can't be read: No such file"),
        ({"scores": [__file__]}, ConfigError, "can't be read"),
        ({"source": "nowhere"}, CheckpointError, "nowhere is no folder"),
        ({"source": "."}, CheckpointError, "holds neither a run"),
    ],
)
def test_what_cannot_be_exported_is_said_before_anything_is_written(run, tmp_path, monkeypatch, changes, error, says):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    options = {"source": run, "licence": "mit", **changes}
    with pytest.raises(error) as caught:
        export(options.pop("source"), tmp_path / "out", **options)
    assert says in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_holds_no_scores_is_refused(run, tmp_path):
    (tmp_path / "a.json").write_text('[{"figures": {}}]')
    with pytest.raises(ConfigError, match="holds no scores: give what `grounding score FILE --out"):
        export(run, tmp_path / "out", licence="mit", scores=[tmp_path / "a.json"])


# ---- the command


def test_the_command_exports_and_pushes(run, tmp_path, monkeypatch, capsys):
    from tests.hub_server import HubServer

    with HubServer("hf_test") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        line = ["export", str(run), str(tmp_path / "out"), "--licence", "mit", "--push", "me/mine"]
        assert main(line) == 0
        assert capsys.readouterr().out == (f"the export lies in {tmp_path / 'out'}\npushed to {hub.endpoint}/me/mine\n")
        repository = hub.repositories["me/mine"]
        assert repository.private
        assert repository.files == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--public"], "--public goes with --push"),
        (["--push", "mine"], "is no repository's name"),
        (["--push", "me/mine"], "needs a token"),
    ],
)
def test_what_cannot_be_pushed_is_said_before_anything_is_written(run, tmp_path, monkeypatch, capsys, more, says):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    assert main(["export", str(run), str(tmp_path / "out"), "--licence", "mit", *more]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
