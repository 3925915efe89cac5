"""Owns check_same_run() and check_same_shape(): whether a training may go on with the run that a folder holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from grounding.errors import CheckpointError, ConfigError
from grounding.training.checkpoints import checkpoints
from grounding.training.recipe import Recipe
from grounding.training.recipe_files import plain

RECIPE, FINISHED = "recipe.json", "finished"
FREE = frozenset(
    {
        "preset", "about", "out", "micro_batch", "pack", "gradient_checkpointing", "scale", "workers", "log_every",
        "eval_every", "eval_lessons", "eval_answers", "save_every", "keep", "bad_share", "report_to", "held_out",
    }
)  # fmt: skip
"""Settings that decide how a run is made, watched and kept, not what comes out of it: they may always change."""


def has_begun(stage: Path) -> bool:
    """Whether a stage's folder holds steps that were made."""
    return (stage / FINISHED).is_dir() or bool(checkpoints(stage))


def check_same_run(recipe: Recipe) -> None:
    """Raises ConfigError where the folder's run was made by other settings, naming the first that differs.

    While no stage has begun, all may change; stages that have not begun may change, go and come; the last that has may
    get more steps.
    """
    path = recipe.out / RECIPE
    if not path.is_file():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} can't be read ({error}): give the run another folder") from None
    old, new = before.pop("stages", []), plain(recipe)
    begun = [number for number, stage in enumerate(old) if has_begun(recipe.out / stage["name"])]
    if not begun:
        return
    for number in range(begun[-1] + 1):
        _check_stage(recipe, old[number], number, number == begun[-1])
    for key, was, now in differences(before, {key: new.get(key) for key in before}, FREE):
        raise _changed(key, was, now, recipe.out)


def _check_stage(recipe: Recipe, was: Mapping[str, Any], number: int, last: bool) -> None:
    name = was["name"]
    if number >= len(recipe.stages) or recipe.stages[number].name != name:
        now = recipe.stages[number].name if number < len(recipe.stages) else "none"
        raise _changed(f"stages[{number}].name", name, now, recipe.out)
    stage = recipe.stages[number]
    if stage.steps != was["steps"] and not (last and stage.steps > was["steps"]):
        made = "a later stage goes on from it" if stage.steps > was["steps"] else "it may only get more"
        raise ConfigError(
            f"stages.{name}.steps is {stage.steps}, and {was['steps']} in the run that {recipe.out} holds, and {made}: "
            f"give it {was['steps']}, or the run another folder"
        )
    now = plain(stage)
    for key, before, after in differences(was, {key: now.get(key) for key in was}, {"steps"}):
        raise _changed(f"stages.{name}.{key}", before, after, recipe.out)


def differences(was: Any, now: Any, free: Collection[str] = (), at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Key, old and new value (None: there is none) of each difference between plain values, within lists too."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in {**was, **now}:
            if key not in free:
                yield from differences(was.get(key), now.get(key), (), f"{at}.{key}" if at else key)
    elif isinstance(was, list) and isinstance(now, list):
        for number, (before, after) in enumerate(zip_longest(was, now)):
            yield from differences(before, after, (), f"{at}[{number}]")
    elif was != now:
        yield at, was, now


def _changed(key: str, was: Any, now: Any, out: Path) -> ConfigError:
    return ConfigError(
        f"{key} is {now!r:.80}, and {was!r:.80} in the run that {out} holds: give it that to go on with the run, or "
        "give the run another folder"
    )


def check_same_shape(config: Any, out: Path, names: Sequence[str]) -> None:
    """Raises ConfigError where `out` holds a run of our own model in which one of the settings `names` was another.

    `config`: a dataclass, written to run.json by the run.
    """
    told = out / "run.json"
    before = json.loads(told.read_text(encoding="utf-8"))["config"] if told.is_file() else {}
    for name in names:
        now = json.loads(json.dumps(getattr(config, name), default=str))
        if before.get(name, now) != now:
            raise ConfigError(
                f"{name} is {now}, and {before[name]} in the run that {out} holds: "
                f"give it {before[name]} to go on with that run, or another folder"
            )
