"""docs/architectures.md: every row trains, is saved, loaded, asked and evaluated in small; its counts are computed."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import grounding
from eval import absent
from grounding.model.tokenization import train_tokenizer
from grounding.training.box_tokens import box_tokens
from grounding.training.parts import part_of, totals
from grounding.training.recipe_files import recipe_of
from grounding.training.running import train_recipe
from tests import tiny, tiny_parts
from tests.tiny_architectures import ROWS, VOCAB, write_pairs

ROOT = Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location("draw_architectures", ROOT / "docs" / "architectures" / "draw.py")
draw = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = draw  # where dataclasses look for it
_spec.loader.exec_module(draw)
PAGE = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
STAGES = ("align", "ground")
COUNTS = {  # of the papers and of transformers' own processors, for 640 x 480 px
    "CLIP ViT-L/14, 336 px": 576,
    "SigLIP So400m/14, 384 px": 729,
    "SigLIP 2 B/16, 512 px": 1024,
    "DINOv2 ViT-L/14": 1369,
    "EVA-02 ViT-L/14, 336 px": 576,
    "Our convolutional ViT": 196,
    "Pixel shuffle and MLP": 144,
    "Perceiver resampler": 64,
    "LLaVA-NeXT tiles": 2340,
    "InternVL tiles with a thumbnail": 7 * 256,
    "Native shape and size, Qwen2-VL's tower": 17 * 23,
}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Folders: a tokenizer for each box language, and a pretrained language model."""
    root = tmp_path_factory.mktemp("words")
    texts = [sample.phrase for picture in tiny.pictures(40) for sample in picture.samples]
    texts += [str(number / 1000) for number in range(1000)] + ["where is it", "here is", "and here", "none"]
    for codec in ("location", "kosmos-2", "shikra"):
        tokens = box_tokens(codec)
        marks = (*tokens.tags, *tokens.marks)
        made = train_tokenizer(texts, VOCAB, marks=marks, places=tokens.places, single_digits=not tokens.places)
        made.save_pretrained(root / codec)
    tiny_parts.save_language(root / "words", tie_word_embeddings=True)
    return root


def recipe(name, words, out):
    """Three steps of a row."""
    row = ROWS[name]
    model = dict(row.model)
    if model.get("language"):
        model["language"] = str(words / model["language"])
    else:
        model["tokenizer"] = str(words / model.get("codec", "location"))
    data = {"source": "scenes"}
    if row.pictures:
        data = {"source": f"swift:{write_pairs(out.parent, row.pictures == 'interleaved')}"}
    return recipe_of(
        {
            "out": str(out),
            "model": model,
            "data": [data],
            "stages": [
                {"name": "align", "steps": 1, "train": ["projector"], "lr": 1e-3},
                {"name": "ground", "steps": 2, "lr": 1e-3},
            ],
            "batch_size": 2,
            "most_turns": 2,
            "most_tokens": 700,
            "workers": 0,
            "bf16": False,
            "log_every": 1,
            "eval_lessons": 0,
            "report_to": [],
        }
    )


@pytest.mark.parametrize("name", ROWS)
def test_each_row_trains_is_saved_loaded_asked_and_evaluated(name, words, tmp_path, capsys):
    row = ROWS[name]
    if "timm_wrapper" in str(row.model):
        pytest.importorskip("timm")
    folder = train_recipe(recipe(name, words, tmp_path / "run"))
    losses = [json.loads(line) for line in (tmp_path / "run" / "ground" / "log.jsonl").read_text().splitlines()]
    assert all(torch.isfinite(torch.tensor(line["loss"])) for line in losses if "loss" in line)
    model = grounding.load(folder, max_new_tokens=12)
    assert set(row.parts) <= totals(model.model).keys()
    aligned, grounded = (load_file(tmp_path / "run" / stage / "finished" / "model.safetensors") for stage in STAGES)
    loaded = model.model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in grounded.items())
    moved = {part_of(key) for key, value in grounded.items() if not torch.equal(value, aligned[key])}
    assert {"projector", "language"} <= moved
    answer = model.ground(tiny.image(0), "the red star")
    assert (answer.width, answer.height) == tiny.image(0).size
    for region in answer.regions:
        x1, y1, x2, y2 = region.box
        assert 0 <= x1 <= x2 <= answer.width
        assert 0 <= y1 <= y2 <= answer.height
    capsys.readouterr()
    line = f"--model {folder} --scenes 2 --out {tmp_path / 'eval'} --no-report"
    assert absent.main(line.split()) == 0
    assert "rejected" in capsys.readouterr().out


def test_the_page_has_a_row_and_a_diagram_for_each_tiny_configuration_and_no_others():
    rows = re.findall(r"^\| \*\*(.+?)\*\*: .*!\[(.+?)\]\((\S+?)\)", PAGE, re.MULTILINE)
    assert [name for name, *_ in rows] == list(ROWS)
    for name, shown, file in rows:
        assert shown == name
        drawn = (ROOT / "docs" / file).read_text(encoding="utf-8")
        assert drawn.startswith("<svg")
        assert "</svg>" in drawn


def test_every_row_says_a_model_that_a_recipe_takes():
    for line in PAGE.splitlines():
        if line.startswith("| **"):
            code = line.rsplit(" | ", 1)[1].removesuffix(" |").replace("<br>", "\n").replace("`", "")
            assert recipe_of({"model": yaml.safe_load(code)}).model
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 1
    recipe_of(yaml.safe_load(examples[0].replace("1e-3", "0.001").replace("2e-5", "0.00002"))).check_complete()


def test_page_and_diagrams_are_what_the_layouts_count_today(tmp_path, monkeypatch):
    sections = draw.read_rows()
    counts = {row.name: draw.count(row) for _, _, rows in sections for row in rows}
    assert {name: counts[name].tokens for name in COUNTS} == COUNTS
    assert draw.page(sections, counts) == PAGE
    for _, _, rows in sections:
        for row in rows:
            drawn = (draw.HERE / row.file).read_text(encoding="utf-8")
            assert drawn == draw.svg(row, counts[row.name]), row.name
    files = {row.file for _, _, rows in sections for row in rows}
    assert {path.name for path in draw.HERE.glob("*.svg")} == files
