"""Other families' checkpoints, fine-tuned on a user's own file: they learn its boxes and load where they did before."""

import json

import pytest
import torch
import transformers

import grounding
from grounding.boxes import iou
from grounding.cli import main
from grounding.errors import CheckpointError, ConfigError
from grounding.training.foreign import ForeignProcessor, is_foreign, location_range, open_foreign
from grounding.training.recipe import ModelRecipe, Recipe
from grounding.training.recipe_files import recipe_of
from grounding.training.running import collator_of, train_recipe
from tests.foreign_lessons import THINGS, drawn, write_coco, write_rows

QUICK = {
    "batch_size": 2,
    "micro_batch": 2,
    "workers": 0,
    "bf16": False,
    "gradient_checkpointing": False,
    "log_every": 5,
    "eval_every": 10_000,
    "eval_lessons": 2,
    "save_every": 10_000,
    "report_to": [],
    "location_sigma": 1.0,
    "expectation_weight": 0.0,
}
STAGE = {"name": "finetune", "steps": 70, "lr": 3e-2, "warmup": 5, "schedule": "linear"}
SWAPPED = dict(zip(THINGS, reversed(THINGS.values()), strict=True))
FAMILIES = ("paligemma", "florence2", "qwen2_5_vl")


def losses(out, stage="finetune"):
    """Of the log's lines, in order."""
    lines = map(json.loads, (out / stage / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def said(folder, name="tokenizer_config.json"):
    """What a file of a checkpoint says."""
    return json.loads((folder / name).read_text(encoding="utf-8"))


def overlaps(folder, things):
    """IoU of what the checkpoint answers with each thing's box."""
    model = grounding.load(folder, device="cpu", max_new_tokens=60)
    found = {colour: model.ground(drawn(colour, box), f"the {colour} cup").boxes for colour, box in things.items()}
    return [iou(found[colour], [box]).max(initial=0.0) for colour, box in things.items()]


@pytest.fixture(scope="module")
def trained(directory_of, tmp_path_factory):
    """A family's folder of a run, every weight trained on two pictures; made once."""
    made = {}

    def run(family):
        if family not in made:
            out = tmp_path_factory.mktemp(family)
            data = [{"source": str(write_rows(out / "data"))}]
            model = {"checkpoint": str(directory_of(family))}
            stage = {**STAGE, "lr": 2e-2, "steps": 90} if family == "florence2" else STAGE
            train_recipe(recipe_of({**QUICK, "out": str(out), "model": model, "data": data, "stages": [stage]}))
            made[family] = out
        return made[family]

    return run


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_dozen_steps_on_two_pictures_teach_their_boxes(family, trained):
    out = trained(family)
    first, *_, last = losses(out)
    assert last < first / 5
    assert min(overlaps(out / "model", THINGS)) > 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_trained_loads_with_transformers_alone(family, trained, directory_of):
    folder = trained(family) / "model"
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    before = transformers.AutoProcessor.from_pretrained(directory_of(family))
    assert type(processor) is type(before)
    assert processor.tokenizer.get_vocab() == before.tokenizer.get_vocab()
    assert processor.image_processor.to_dict() == before.image_processor.to_dict()
    assert processor.tokenizer.padding_side == before.tokenizer.padding_side
    old, new = said(directory_of(family)), said(folder)
    assert {key: new.get(key) for key in old} == old
    assert not {"max_length", "pad_to_multiple_of"} & new.keys() - old.keys()  # what the last batch was padded to
    for name in ("tokenizer.json", "chat_template.jinja"):
        one, other = directory_of(family) / name, folder / name
        assert one.exists() == other.exists()
        assert not one.exists() or one.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
    ours = grounding.load(folder, device="cpu").model.state_dict()
    assert ours.keys() == model.state_dict().keys()
    assert all(torch.equal(value, ours[name]) for name, value in model.state_dict().items())


def test_only_the_parts_that_are_named_move(trained, tmp_path):
    before = trained("paligemma") / "model"
    data = [{"source": str(write_rows(tmp_path / "data"))}]
    stage = {**STAGE, "steps": 2, "warmup": 0, "train": ["projector", "language"]}
    values = {**QUICK, "out": str(tmp_path / "out"), "data": data, "stages": [stage]}
    after = train_recipe(recipe_of({**values, "model": {"checkpoint": str(before)}}))
    old, new = (grounding.load(folder, device="cpu").model.state_dict() for folder in (before, after))
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved
    assert all("multi_modal_projector" in name or "language_model.layers" in name or ".norm." in name for name in moved)


def test_adapters_alone_teach_other_boxes_and_leave_a_checkpoint_of_the_same_names(trained, tmp_path, monkeypatch):
    """What was where red is now is where blue is, and the other way round; nothing but the adapted layers has moved."""
    monkeypatch.setattr("tests.foreign_lessons.THINGS", SWAPPED)
    before = trained("paligemma") / "model"
    data = [{"source": str(write_rows(tmp_path / "data"))}]
    stage = {**STAGE, "steps": 40, "lr": 1e-2, "train": ["lora"], "lora": {"rank": 8, "alpha": 16}}
    values = {**QUICK, "out": str(tmp_path / "out"), "data": data, "stages": [stage]}
    assert max(overlaps(before, SWAPPED)) < 0.5
    after = train_recipe(recipe_of({**values, "model": {"checkpoint": str(before)}}))
    assert min(overlaps(after, SWAPPED)) > 0.5
    old, new = (grounding.load(folder, device="cpu").model.state_dict() for folder in (before, after))
    assert old.keys() == new.keys()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved == {name for name in old if name.endswith("proj.weight") and "language_model" in name}


def test_one_command_fine_tunes_on_a_coco_file(trained, tmp_path, capsys):
    coco = write_coco(tmp_path)
    settings = {**QUICK, "stages.0.steps": 2, "stages.0.lora.rank": 4, "log_every": 1, "eval_lessons": 2}
    main(
        [
            *("train", "paligemma-finetune", "--model", str(trained("paligemma") / "model"), "--data", str(coco)),
            *("--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "out")),
            *(part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")),
        ]
    )
    assert f"the model lies in {tmp_path / 'out' / 'model'}" in capsys.readouterr().out
    assert len(losses(tmp_path / "out")) >= 1
    answer = grounding.load(tmp_path / "out" / "model", device="cpu", max_new_tokens=8).detect(
        drawn("red", THINGS["red"]), ["red cup"]
    )
    assert answer.task == "detect"


# ---- what is opened


def test_families_are_told_by_their_config(directory_of, tmp_path):
    assert is_foreign(str(directory_of("florence2")))
    assert not is_foreign(None)
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        is_foreign(str(tmp_path))


def test_frozen_weights_are_kept_in_bfloat16_where_adapters_alone_learn(directory_of):
    stage = {"name": "a", "steps": 1, "train": ["lora"], "lora": {}}
    model = {"checkpoint": str(directory_of("paligemma"))}
    kept, processor = open_foreign(recipe_of({"model": model, "stages": [stage]}))
    assert (kept.dtype, processor.dtype) == (torch.bfloat16, torch.bfloat16)
    whole, _ = open_foreign(recipe_of({"model": model, "stages": [{"name": "a", "steps": 1}]}))
    assert whole.dtype == torch.float32


def test_a_family_that_can_not_be_taught_is_refused(directory_of):
    with pytest.raises(ConfigError, match=r"Fuyu can't be trained here: .*; take one of PaliGemma, "):
        open_foreign(Recipe(model=ModelRecipe(checkpoint=str(directory_of("fuyu")))))


def test_where_phrases_mean_is_asked_of_our_models_alone(directory_of):
    _, processor = open_foreign(Recipe(model=ModelRecipe(checkpoint=str(directory_of("paligemma")))))
    assert collator_of(Recipe(), processor) is not None
    with pytest.raises(ConfigError, match=r"where_weight is 1\.0"):
        collator_of(Recipe(where_weight=1.0), processor)


def test_pixel_limits_of_a_recipe_are_kept_in_what_is_saved(directory_of, tmp_path):
    model = ModelRecipe(checkpoint=str(directory_of("qwen2_5_vl")), resize_options={"max_pixels": 28 * 28 * 9})
    weights, processor = open_foreign(Recipe(model=model))
    weights.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    seen = grounding.load(tmp_path, device="cpu").asking.canvas(400, 400)
    assert seen.model_width * seen.model_height <= 28 * 28 * 9


@pytest.mark.parametrize(
    ("family", "tokens"), [("paligemma", 1024), ("florence2", 1000), ("qwen2_5_vl with bins", 1000)]
)
def test_coordinates_are_a_line_of_tokens_in_their_order(family, tokens, model_of):
    processor = ForeignProcessor(model_of(family))
    first, count = processor.locations
    assert count == tokens
    names = processor.processor.tokenizer.convert_ids_to_tokens([first, first + 1, first + count - 1])
    assert [int("".join(filter(str.isdigit, name))) for name in names] == [0, 1, tokens - 1]


@pytest.mark.parametrize("family", ["kosmos-2", "qwen2_5_vl", "llava"])
def test_families_without_such_a_line_have_plain_targets(family, model_of):
    assert ForeignProcessor(model_of(family)).locations == (0, 0)


def test_tokens_out_of_their_order_are_no_line():
    assert location_range("florence-2", {"<loc_0>": 5, "<loc_1>": 6, "<loc_2>": 7}) == (5, 3)
    assert location_range("florence-2", {"<loc_0>": 5, "<loc_1>": 7, "<loc_2>": 6}) == (0, 0)
