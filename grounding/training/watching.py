"""Owns what a run tells while it runs: its log, the terminal, boards, and an evaluation with a sheet now and then.

OUT/STAGE/log.jsonl        a line of JSON for each entry: step, time, losses, rates, lessons a second, figures
OUT/STAGE/sheets/          what the model answers, drawn, at each evaluation
OUT/curve.png              all of it, at each stage's end
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import nn
from transformers import TrainerCallback

from grounding.draw import sheet
from grounding.result import Grounding
from grounding.training.boards import Board, board_names, check_boards, open_boards
from grounding.training.curves import draw_curves, read_logs
from grounding.training.held_out import Shown, Watched, at_rest
from grounding.training.mixtures import watched_lessons
from grounding.training.passes import Collator
from grounding.training.progress import Progress
from grounding.training.recipe import Recipe, StageRecipe

COLUMNS = 4
"""Pictures in a row of a sheet."""


@contextmanager
def watching(
    recipe: Recipe, stage: StageRecipe, collator: Collator, processor: Any, main: bool = True, sharded: bool = False
) -> Iterator[list[Watch]]:
    """Callbacks for a stage's Trainer; what they hold open is closed at the end, however that comes.

    `main`: whether this process is the one that tells. `sharded`: whether a model's weights are spread over processes,
    which then measure together, and do not write answers. Raises MissingExtraError where a board's package is missing,
    ConfigError where what is held out can't be opened.
    """
    check_boards(recipe)
    watched = None
    if recipe.eval_lessons and (main or sharded):
        called, lessons = watched_lessons(recipe)
        watched = Watched(called, lessons, collator, processor) if lessons else None
    watch = Watch(recipe, stage, watched, main, sharded)
    try:
        yield [watch]
    finally:
        watch.close()


class Watch(TrainerCallback):
    """Tells of one stage."""

    def __init__(self, recipe: Recipe, stage: StageRecipe, watched: Watched | None, main: bool, sharded: bool) -> None:
        self.recipe, self.stage, self.watched, self.main, self.sharded = recipe, stage, watched, main, sharded
        self.folder = recipe.out / stage.name
        self.boards: list[Board] = []
        number = [one.name for one in recipe.stages].index(stage.name) + 1 if stage in recipe.stages else 1
        several = f" ({number} of {len(recipe.stages)})" if len(recipe.stages) > 1 else ""
        self.progress = Progress(stage.name + several, stage.steps, recipe.batch_size) if main else None
        self.logged = (time.monotonic(), 0)
        self.measured = -1
        self.averaged: Callable[[], AbstractContextManager[None]] = nullcontext
        """Within, the model has the weights that are to be measured."""

    # ---- what Trainer calls

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.logged = (time.monotonic(), state.global_step)
        if self.progress is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.boards = open_boards(self.recipe, self.stage)
            self.progress.begin(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self.progress is not None:
            self.progress.advance(state.global_step)
        last = state.global_step >= self.stage.steps
        if self.watched is not None and (last or state.global_step % self.recipe.eval_every == 0):
            self.evaluate(model, state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if self.progress is None:
            return
        now, values = time.monotonic(), dict(logs or {})
        then, step = self.logged
        if "loss" in values and state.global_step > step:
            rate = (state.global_step - step) * self.recipe.batch_size / (now - then)
            values["lessons_per_second"] = round(rate, 1)
            self.logged = (now, state.global_step)
            self.progress.lose(values)
        self.tell(state.global_step, values)

    # ---- what is told

    def tell(self, step: int, values: dict[str, Any]) -> None:
        """An entry of the log, to the log's file and all boards."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "time": round(time.time()), **values}) + "\n")
        named = board_names(values)
        for board in self.boards:
            board.tell(step, named)

    def evaluate(self, model: nn.Module, step: int) -> None:
        """Measures the model on the watched lessons, and draws what it answers."""
        if self.watched is None or step == self.measured:
            return
        self.measured = step
        start = time.monotonic()
        if self.progress is not None:
            self.progress.during("evaluating")
        with self.averaged(), at_rest(model, self.recipe.bf16):
            figures: dict[str, float] = self.watched.quick(model)
            shown: list[Shown] = []
            if self.main and self.recipe.eval_answers and not self.sharded:
                shown = self.watched.answered(model, self.recipe.eval_answers)
        if self.progress is None:
            return
        figures |= self.watched.figures_of(shown)
        self.tell(step, {**figures, "evaluation_seconds": round(time.monotonic() - start, 1)})
        if shown:
            picture = sheet_of(shown)
            path = self.folder / "sheets" / f"step-{step:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
            for board in self.boards:
                board.show(step, picture)
        self.progress.say(said_of(step, self.watched.called, figures))
        self.progress.during("")
        self.logged = (self.logged[0] + time.monotonic() - start, self.logged[1])

    def close(self) -> None:
        """Ends the bar, closes the boards, and draws the curve of all stages so far."""
        if self.progress is None:
            return
        self.progress.end()
        for board in self.boards:
            board.close()
        self.boards = []
        logs = read_logs(self.recipe.out, [(stage.name, stage.steps) for stage in self.recipe.stages])
        draw_curves(logs, self.recipe.out / "curve.png", self.recipe.out.name)


def sheet_of(shown: list[Shown]) -> Any:
    """A contact sheet: answers as solid boxes, what is true dashed, the question above."""
    items, truths = [], []
    for one in shown:
        width, height = one.image.size
        said = Grounding("", one.answer.regions, one.answer.text, width, height)  # the title has the question
        items.append((one.image, said, asked(one)))
        truths.append(Grounding("", one.sample.truth.regions, "", width, height))
    return sheet(items, COLUMNS, truths=truths)


def asked(one: Shown) -> str:
    """The question in words."""
    sample = one.sample
    what = " ; ".join(sample.names) if sample.task == "detect" else sample.phrase
    return what if sample.task == "locate" else f"{sample.task} {what}"


def said_of(step: int, called: str, figures: dict[str, float]) -> str:
    """An evaluation in a line for the terminal."""
    has = {key: figures.get(f"{called}_{key}") for key in ("loss", "right", "found", "overlap")}
    right = [
        f"{value:.0%} {how}"
        for value, how in ((has["right"], "given the beginning"), (has["found"], "written"))
        if value is not None
    ]
    parts = [f"loss {has['loss']:.3g}" if has["loss"] is not None else "", f"right {', '.join(right)}" if right else ""]
    parts.append(f"overlap {has['overlap']:.0%}" if has["overlap"] is not None else "")
    name = "held-out" if called == "held_out" else "trained-on"
    return f"step {step}, {name} lessons: " + (" · ".join(filter(None, parts)) or "nothing could be measured")
