"""The card of a model of photographs: every figure it is given, no folder of the machine that trained, a curve."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from grounding.training.evaluate import BARS
from grounding.training.photos.card import apart, write_card
from grounding.training.photos.config import PhotosConfig


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Path, Path]:
    """A run's folder and a folder of weights."""
    run, out = tmp_path / "run", tmp_path / "weights"
    run.mkdir()
    out.mkdir()
    save_file({"a": torch.zeros(1000, 1000, dtype=torch.bfloat16)}, out / "model.safetensors")
    config = PhotosConfig(photos=tmp_path / "photos", weights=tmp_path / "nano", out=run, see_steps=40, speak_steps=60)
    told = {key: str(v) if isinstance(v, Path) else v for key, v in dataclasses.asdict(config).items()}
    versions = {"python": "3.11", "torch": "2.15", "transformers": "5.23"}
    (run / "run.json").write_text(json.dumps({"config": told, "versions": versions}))
    entries = [{"stage": "see-1", "step": 40, "time": 100, "eval_ap": 0.2, "pictures_per_second": 50.0}]
    entries += [
        {"stage": "speak", "step": step, "time": 100 + step, "eval_photo_all": step / 100, "eval_photo_side": 0.5}
        for step in (30, 60)
    ]
    (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    figure = {"mean": 0.97, "low": 0.96, "high": 0.98, "n": 50}
    table: dict[str, dict[str, object]] = {}
    for _, skill, metric, sign, _ in BARS:
        table.setdefault(skill, {})[metric] = figure if sign != "<" else {**figure, "mean": 0.01}
    (run / "card.json").write_text(json.dumps({"scenes": table}))
    (run / "photos.md").write_text("## Acc@0.5 on photographs\n\n| % | RefCOCO val |\n|---|---|\n| ours | 61.2 |\n")
    (run / "ablations.md").write_text("| % | one box |\n|---|---|\n| no drawn scenes | 33.3 |\n")
    return run, out


def test_a_card_holds_all_figures_and_no_folders(finished: tuple[Path, Path], tmp_path: Path) -> None:
    run, out = finished
    path = write_card(run, run / "card.json", out, run / "photos.md", run / "ablations.md")
    text = path.read_text()
    for said in (
        "1.0 million",
        "2.0 MB",
        "| ours | 61.2 |",
        "| no drawn scenes | 33.3 |",
        "Every bar is met",
        "448 x 448",
    ):
        assert said in text
    assert "train2017" in text  # what the authors of the convolutions had seen
    assert "60 steps of asking" in text
    assert str(tmp_path) not in text + (out / "run.json").read_text()
    assert [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()] == [40, 30, 60]
    with Image.open(out / "curve.png") as curve:
        assert curve.width > 600


def test_a_missed_bar_is_said(finished: tuple[Path, Path]) -> None:
    run, out = finished
    told = json.loads((run / "card.json").read_text())
    told["scenes"]["ordinal"]["acc@0.5"]["mean"] = 0.5
    (run / "card.json").write_text(json.dumps(told))
    text = write_card(run, run / "card.json", out, run / "photos.md").read_text()
    assert "ordinals: 0.500, asked for >= 0.80" in text
    assert "## What each choice is worth" not in text


def test_a_run_that_went_on_from_another_tells_of_both(finished: tuple[Path, Path], tmp_path: Path) -> None:
    before, out = finished
    run = tmp_path / "second"
    run.mkdir()
    settings = json.loads((before / "run.json").read_text())
    settings["config"] |= {"see_steps": 1, "rounds": 1, "batch_size": 7}
    (run / "run.json").write_text(json.dumps(settings))
    later = [{"stage": "speak", "step": step, "time": 10**6 + step, "eval_photo_all": 0.7} for step in (20, 50)]
    (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in later))
    path = write_card(run, before / "card.json", out, before / "photos.md", before=before)
    assert [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()] == [40, 30, 60, 80, 110]
    text = " ".join(path.read_text().split())
    assert "110 steps of asking" in text
    assert "anew after step 60" in text
    assert "2 rounds of 40 steps of 32 photographs" in text


def test_names_beside_a_curve_stand_clear_of_each_other_and_below_the_top() -> None:
    heights = apart([60.0, 88.0, 89.0, 97.0, 98.0, 99.0])
    assert heights[0] == 60
    assert heights[-1] == 100
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 4.5
    assert apart([]) == []
