"""docs/finetuning.md says what the code does: its commands and recipes run, on tiny checkpoints, in fewer steps."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from grounding.backends.families import BY_TYPE
from grounding.cli import main
from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from grounding.training.failures import BAD_LESSONS
from grounding.training.foreign import family_names
from grounding.training.presets import preset_values
from grounding.training.recipe_files import open_recipe, recipe_of
from grounding.training.rewards import REWARDS, RewardOptions
from grounding.training.running import train_recipe
from tests.foreign_lessons import write_coco

ROOT = Path(__file__).resolve().parents[1]
DOC = (ROOT / "docs" / "finetuning.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
COMMANDS = [line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
FAMILIES = {"paligemma-finetune": "paligemma", "florence2-finetune": "florence2", "qwen2.5-vl-finetune": "qwen2_5_vl"}
QUICK = ["batch_size=2", "micro_batch=2", "workers=0", "bf16=false", "eval_lessons=1", "report_to=[]"]
FEW = ["stages.0.steps=1", "stages.0.warmup=0"]


def table(heading):
    """The rows of the table whose first column has this heading, each a list of its cells."""
    (body,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", DOC, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r" \| ", line.strip("|\n "))] for line in body.splitlines()]


@pytest.fixture
def place(tmp_path, monkeypatch, directory_of):
    """A folder with the user's file; tiny checkpoints lie under the published ones' names."""
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path)
    for preset, family in FAMILIES.items():
        folder = tmp_path / preset_values(preset)["model"]["checkpoint"]
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to(directory_of(family))
    return tmp_path


def run(line):
    """A command of the page; trainings end after a step."""
    program, *arguments = shlex.split(line)
    assert program == "grounding"
    if arguments[0] == "train":
        arguments += [part for setting in (*QUICK, *FEW) for part in ("--set", setting)]
    if arguments[0] == "predict":
        arguments += ["--model-option", "max_new_tokens=4", "--device", "cpu"]
    assert main(arguments) == 0


def test_the_page_runs_from_the_first_training_to_the_measure(place, capsys):
    trainings = [line for line in COMMANDS if " train " in line]
    assert [shlex.split(line)[2] for line in trainings] == list(FAMILIES)
    run(trainings[0])
    (code,) = (text for kind, text in BLOCKS if kind == "python")
    capsys.readouterr()
    exec(compile(code, "finetuning.md", "exec"), {"__name__": "page"})
    (promised,) = re.findall(r"print\(.*\)  # (.*)", code)
    assert promised in capsys.readouterr().out
    for line in COMMANDS:
        if line not in trainings:
            run(line)
    assert "after.jsonl" in capsys.readouterr().out


@pytest.mark.parametrize("preset", ["florence2-finetune", "qwen2.5-vl-finetune"])
def test_other_presets_of_the_page_run(place, capsys, preset):
    (line,) = (line for line in COMMANDS if f"train {preset}" in line)
    run(line)
    assert "the model lies in" in capsys.readouterr().out


def test_what_the_page_says_of_presets_is_what_they_are():
    rows = {row[0].strip("`"): row for row in table("preset")}
    assert list(rows) == list(FAMILIES)
    for name, row in rows.items():
        values = preset_values(name)
        stage = recipe_of(values).stages[0]
        assert row[1] == f"`{values['model']['checkpoint']}`"
        assert row[2] == ("adapters" if stage.train == ("lora",) else "all but the image encoder")
        assert (row[4] == "plain") == (recipe_of(values).location_sigma == 0)
        assert recipe_of(values).expectation_weight == 0
        assert "vision" not in stage.train
        codec = get_codec(BY_TYPE[FAMILIES[name]].codec)
        canvas = codec.canvas(100, 100, **({"input_size": (100, 100)} if "qwen" in codec.name else {}))
        written = codec.encode("locate", regions=[Region((0, 0, 100, 100), label="cup")], canvas=canvas)
        for token in re.findall(r"`(<\w+>)`", row[3]):
            assert token in written


@pytest.mark.parametrize("row", table("setting"), ids=lambda row: row[0])
def test_every_setting_of_the_page_is_one(row):
    arguments = shlex.split(row[0].strip("`"))
    settings = [part for part in arguments if part != "--set"]
    preset = "qwen2.5-vl-finetune" if "Qwen" in row[1] else "paligemma-finetune"
    assert open_recipe(preset, settings) != open_recipe(preset)


def test_the_families_of_the_page_are_those_that_can_be_taught():
    (said,) = re.findall(r"by its `config\.json`: (.*?)\. A recipe", DOC)
    assert tuple(said.split(", ")) == family_names()


def test_the_recipes_of_the_page_are_whole_and_the_one_with_rewards_runs(place):
    texts = [text for kind, text in BLOCKS if kind == "yaml"]
    for number, text in enumerate(texts):
        Path(f"{number}.yaml").write_text(text)
    assert open_recipe("0.yaml").stages[0].lora is not None
    assert [stage.objective for stage in open_recipe("1.yaml").stages] == ["answers", "rewards"]
    fewer = [setting for stage in "01" for setting in (f"stages.{stage}.steps=1", f"stages.{stage}.warmup=0")]
    options = "stages.1.objective_options"
    folder = train_recipe(
        open_recipe("1.yaml", [*QUICK, *fewer, f"{options}.answers=2", f"{options}.max_new_tokens=4"])
    )
    assert (folder / "model.safetensors").is_file()


def test_every_reward_has_its_row_and_is_an_option():
    assert [row[0].strip("`") for row in table("option")] == list(REWARDS)
    assert set(REWARDS) <= {field.name for field in fields(RewardOptions)}


def test_bad_lessons_lie_where_the_page_says():
    assert f"`{BAD_LESSONS}`" in DOC


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", DOC):
        assert (ROOT / "docs" / target).exists(), target


def test_half_a_bin_is_what_the_page_promises():
    for name in ("paligemma", "florence-2"):
        codec, canvas = get_codec(name), Canvas.identity(1000, 700)
        box = (123.4, 56.7, 890.1, 678.9)
        text = codec.encode("locate", regions=[Region(box, label="cup")], canvas=canvas)
        (region,) = codec.decode(text, canvas).regions
        assert region.box == pytest.approx(box, abs=0.5 * 1000 / 999 + 1e-6)
