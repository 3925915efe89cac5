"""Owns export(): a finished or stopped run, or a model, as a folder for others to load, with its card; all or nothing.

OUT/
    model.safetensors ...     weights whole: adapters merged, the running mean taken, in the type that was asked for
    config.json ...           of model, processor and tokenizer
    recipe.yaml               how it was trained, where a run says so
    README.md                 the card
    curve.png                 of the run
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from grounding.backends.hub import is_hub_name, read_config
from grounding.errors import CheckpointError, ConfigError, OutputError
from grounding.model import GroundingConfig
from grounding.model.modeling import progress_bar_off
from grounding.training import checkpoints
from grounding.training.building import build, open_own
from grounding.training.export_card import Subject, card_text
from grounding.training.foreign import is_foreign, open_foreign
from grounding.training.licences import licence_of
from grounding.training.mixtures import everything, open_mixture
from grounding.training.recipe import ModelRecipe, Recipe
from grounding.training.recipe_files import plain, recipe_of
from grounding.training.recipe_shown import recipe_text
from grounding.training.running import brought_to, is_finished, with_adapters
from grounding.training.same_run import FINISHED, RECIPE, has_begun
from grounding.training.whole_folders import whole_folder

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
"""Types that weights are written in."""
SHARD = "4GB"
"""Largest file of weights."""


@dataclass(frozen=True)
class Trained:
    """What is exported."""

    model: Any
    processor: Any
    recipe: Recipe | None
    """How it was trained, where that is known."""
    state: str
    """Such as "finished", or "stopped behind step 100 of 500 of the stage 'ground'"."""


def export(
    source: str | Path,
    out: str | Path,
    *,
    dtype: str = "bfloat16",
    licence: str | None = None,
    scores: Sequence[str | Path] = (),
    name: str | None = None,
    force: bool = False,
) -> Path:
    """Writes the model of a run's folder, or of a model's, to `out`; returns that.

    `dtype`: bfloat16 or float32. `licence`: of the weights, as the hub spells it; None: that of the parts they came
    from, where it is known and one. `scores`: files of `grounding score --out` or of the evaluation programs, for the
    card. `name`: what the card calls the model (default: the folder's name). `force`: replace what `out` holds.

    Raises ConfigError, CheckpointError where there is nothing to export, OutputError where `out` can't be written.
    """
    source, out = Path(source).expanduser(), Path(out).expanduser()
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
    if out.exists() and not force and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is there already: name another folder, or replace it with --force")
    measured = [one for path in scores for one in read_scores(Path(path))]
    recipe = recipe_of_run(source)
    licence = licence_of(licence, recipe, None if recipe is not None else source)
    trained = open_trained(source, recipe)
    model = trained.model.to(DTYPES[dtype]).eval()
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(out) as part, progress_bar_off(True):
        model.save_pretrained(part, max_shard_size=SHARD)
        trained.processor.save_pretrained(part)
        curve = source / "curve.png"
        if curve.is_file():
            shutil.copyfile(curve, part / "curve.png")
        if recipe is not None:
            (part / "recipe.yaml").write_text(recipe_text(public(recipe)) + "\n", encoding="utf-8")
        subject = Subject(
            name=name or out.name,
            model=model,
            processor=trained.processor,
            recipe=None if recipe is None else public(recipe),
            state=trained.state,
            licence=licence,
            dtype=dtype,
            scores=measured,
            curve=curve.is_file(),
        )
        (part / "README.md").write_text(card_text(subject), encoding="utf-8")
        check_whole(part, model)
        for path in part.iterdir():  # weights come with the rights of the one who wrote them alone
            path.chmod(0o644)
    return out


# ---- what is exported


def recipe_of_run(source: Path) -> Recipe | None:
    """The recipe of a run's folder, or of the run that a finished model lies in; None for any other model.

    Raises CheckpointError for what is neither.
    """
    if not source.is_dir():
        raise CheckpointError(f"{source} is no folder: give that of a run, or of a model")
    for folder in (source, source.parent if source.name == "model" else source):
        path = folder / RECIPE
        if path.is_file():
            try:
                return replace(recipe_of(json.loads(path.read_text(encoding="utf-8")), RECIPE), out=folder)
            except ValueError as error:
                raise CheckpointError(f"{path} can't be read ({error}): export the model's own folder") from error
    if not (source / "config.json").is_file():
        raise CheckpointError(f"{source} holds neither a run ({RECIPE}) nor a model (config.json)")
    return None


def open_trained(source: Path, recipe: Recipe | None) -> Trained:
    """The model with its processor: of a model's folder, or of a run, which may have stopped behind a checkpoint."""
    folder = source if recipe is None or source.name == "model" else recipe.out / "model"
    gone_on = recipe is not None and is_gone_on_with(recipe)
    if recipe is not None and (not (folder / "config.json").is_file() or (gone_on and folder != source)):
        return open_stopped(recipe)
    wanted = Recipe(model=ModelRecipe(checkpoint=str(folder)), bf16=False)
    foreign, kind = is_foreign(str(folder)), read_config(folder).get("model_type")
    if not foreign and kind != GroundingConfig.model_type:
        raise CheckpointError(f"{folder} holds a model of the type {kind!r}, which is not trained here")
    model, processor = open_foreign(wanted) if foreign else open_own(wanted.model)
    state = "was gone on with after this model had been written" if gone_on else "finished"
    return Trained(model, processor, recipe, state)


def is_gone_on_with(recipe: Recipe) -> bool:
    """Whether a run that may have a finished model has steps still to make, as it was given more of them."""
    begun = any(has_begun(recipe.out / stage.name) for stage in recipe.stages)
    return begun and not all(is_finished(recipe, stage) for stage in recipe.stages)


def open_stopped(recipe: Recipe) -> Trained:
    """The model of a run that has no finished one, by its last checkpoint. Raises CheckpointError where it has none."""
    begun = [
        (stage, checkpoints.last_checkpoint(recipe.out / stage.name))
        for stage in recipe.stages
        if not is_finished(recipe, stage)
    ]
    done = [stage for stage in recipe.stages if is_finished(recipe, stage)]
    stage, last = begun[0] if begun else (None, None)
    if last is None and not done:
        raise CheckpointError(f"{recipe.out} has no checkpoint yet: let it train to its first, then export it")
    model, processor = build(recipe, open_mixture(everything(recipe), recipe))
    if done:
        checkpoints.load_weights(model, recipe.out / done[-1].name / FINISHED / checkpoints.WEIGHTS)
    if stage is None or last is None:
        return Trained(model, processor, recipe, f"stopped at the end of the stage {done[-1].name!r}")
    if stage.lora is not None:
        model = with_adapters(recipe, stage, model)
    model = brought_to(recipe, stage, model, last)
    step = checkpoints.step_of(last)
    return Trained(
        model, processor, recipe, f"stopped behind step {step:,} of {stage.steps:,} of the stage {stage.name!r}"
    )


def check_whole(folder: Path, model: Any) -> None:
    """Raises CheckpointError unless the files hold every parameter of the model, in its shape."""
    from safetensors import safe_open

    shapes: dict[str, list[int]] = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            shapes |= {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    written = sum(_count(shape) for shape in shapes.values())
    if written < sum(parameter.numel() for parameter in model.parameters()):
        raise CheckpointError(f"the weights in {folder} are not all of the model's: export it again")


def _count(shape: Sequence[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def read_scores(path: Path) -> list[dict[str, Any]]:
    """The scores in a file. Raises ConfigError for one that holds none."""
    try:
        found = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--scores {path} can't be read: {getattr(error, 'strerror', None) or error}") from error
    listed = found if isinstance(found, list) else [found]
    for one in listed:
        if not isinstance(one, dict) or not {"figures", "headline", "about"} <= one.keys():
            raise ConfigError(f"--scores {path} holds no scores: give what `grounding score FILE --out {path}` writes")
    return listed


# ---- what others may read of a recipe


def public(recipe: Recipe) -> Recipe:
    """The recipe without folders of the machine that trained: of a path from the root the last part is left."""
    return recipe_of(_told({key: value for key, value in plain(recipe).items() if key != "preset"}))


PLACES = ("out", "source", "root", "images", "checkpoint", "vision", "language", "tokenizer")
"""Settings that may be paths."""


def _told(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _told(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_told(one, key) for one in value]
    if key not in PLACES or not isinstance(value, str):
        return value
    kind, colon, rest = value.partition(":")
    if colon and (os.path.isabs(rest) or rest.startswith("~")):
        return f"{kind}:{Path(rest).name}"
    local = os.path.isabs(value) or value.startswith("~") or (not is_hub_name(value) and key == "out")
    return Path(value).name if local else value
