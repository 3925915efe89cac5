"""Owns what a run tells while it runs: a line of JSON for each log entry, and what else a recipe reports to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from grounding.training.recipe import Recipe, StageRecipe


class RecipeLog(TrainerCallback):
    """`log.jsonl` of a stage: step, time, losses, rates, and lessons a second."""

    def __init__(self, path: Path, batch_size: int) -> None:
        self.path, self.batch_size = path, batch_size
        self.last = (time.monotonic(), 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.last = (time.monotonic(), state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        now, values = time.monotonic(), dict(logs or {})
        then, step = self.last
        if "loss" in values and state.global_step > step:
            values["lessons_per_second"] = round((state.global_step - step) * self.batch_size / (now - then), 1)
            self.last = (now, state.global_step)
        with self.path.open("a") as file:
            file.write(json.dumps({"step": state.global_step, "time": round(time.time()), **values}) + "\n")


def callbacks_of(recipe: Recipe, stage: StageRecipe) -> list[TrainerCallback]:
    """What watches a stage."""
    return [RecipeLog(recipe.out / stage.name / "log.jsonl", recipe.batch_size)]
