"""Owns the card of an exported model: what it is, what it learned from and how, what was measured, what it can't do."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
import yaml

from grounding import __version__
from grounding.training.licences import parts_of
from grounding.training.parts import totals
from grounding.training.recipe import DataRecipe, Recipe, StageRecipe

TITLES = {
    "vision": "vision encoder",
    "projector": "projector",
    "fusion": "cross-attention layers",
    "language": "language model",
    "embeddings": "embeddings and head",
    "locations": "embeddings of locations",
    "lora": "adapters",
}


@dataclass(frozen=True)
class Subject:
    """What a card is about."""

    name: str
    model: Any
    processor: Any
    recipe: Recipe | None
    """As others may read it."""
    state: str
    licence: str
    dtype: str
    scores: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    """What `grounding score` wrote."""
    curve: bool = False


def card_text(subject: Subject) -> str:
    """The whole README.md, with the hub's entries in front."""
    parts = [
        f"---\n{yaml.safe_dump(entries(subject), sort_keys=False, allow_unicode=True)}---",
        f"# {subject.name}",
        _opening(subject),
        _use(subject),
        _model(subject),
        _training(subject),
        _figures(subject),
        _limits(subject),
        _footer(subject),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def entries(subject: Subject) -> dict[str, Any]:
    """What the hub reads of the card: licence, library, base models, figures."""
    values: dict[str, Any] = {
        "license": subject.licence,
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["visual-grounding", "object-detection", "location-tokens"],
    }
    if subject.recipe is not None and (base := [name for name in parts_of(subject.recipe) if "/" in name]):
        values["base_model"] = base
    results = [
        {
            "task": {"type": "image-text-to-text"},
            "dataset": {"name": _dataset(one), "type": _dataset(one).partition(":")[0]},
            "metrics": [{"type": one["headline"], "value": round(float(value), 4)}],
        }
        for one in subject.scores
        if (value := one["figures"].get(one["headline"], {}).get("value")) is not None
    ]
    if results:
        values["model-index"] = [{"name": subject.name, "results": results}]
    return values


def _opening(subject: Subject) -> str:
    about = subject.recipe.about if subject.recipe is not None else ""
    said = "Ask it where something is in a picture, and it answers with boxes in pixels."
    stopped = "" if subject.state == "finished" else f"\n\n**Not finished:** the training {subject.state}."
    return " ".join(filter(None, [said, about])) + stopped


def _use(subject: Subject) -> str:
    lines = [
        "```python",
        "import grounding",
        "",
        f'model = grounding.load("{subject.name}")  # this folder, or its name on the hub',
        'answer = model.ground("photo.jpg", "the red cup")',
        "print(answer.boxes)  # x1 y1 x2 y2 in pixels of the picture",
        "```",
    ]
    if getattr(subject.model.config, "model_type", "") == "grounding":
        lines += [
            "",
            "Or with transformers alone, which reads its classes from this package:",
            "",
            "```python",
            "import grounding.model",
            "from transformers import AutoModelForImageTextToText, AutoProcessor",
            "",
            f'model = AutoModelForImageTextToText.from_pretrained("{subject.name}")',
            f'processor = AutoProcessor.from_pretrained("{subject.name}")',
            "```",
        ]
    return "\n".join(lines)


def _model(subject: Subject) -> str:
    counts = totals(subject.model)
    whole = sum(counts.values())
    rows = [[TITLES.get(part, part), f"{count:,}"] for part, count in counts.items()]
    facts = [f"{whole / 1e6:,.1f} million parameters, in {subject.dtype}."]
    config = subject.model.config
    if getattr(config, "model_type", "") == "grounding":
        pictures = subject.processor.image_processor
        tokens = subject.processor.image_tokens
        facts.append(
            f"A picture is shown as `{config.resize}`: views of {pictures.size} px, {tokens} image tokens each. "
            f"Encoder `{config.vision_config.model_type}`, projector `{config.projector}`, fusion `{config.fusion}`, "
            f"decoder `{config.text_config.model_type}`, attention `{config.attention}`."
        )
        facts.append(f"Boxes are written as `{config.codec}` writes them (`grounding codecs`).")
    else:
        facts.append(f"A `{config.model_type}`; it is asked, and answers, as its family does.")
    return "## The model\n\n" + " ".join(facts) + "\n\n" + table(["part", "parameters"], [*rows, ["all", f"{whole:,}"]])


def _training(subject: Subject) -> str:
    recipe = subject.recipe
    if recipe is None:
        return "## Training\n\nNo recipe came with these weights."
    rows = []
    for stage in recipe.stages:
        moved = ", ".join(stage.train) + (f" (rank {stage.lora.rank})" if stage.lora else "")
        rows.append([stage.name, f"{stage.steps:,}", moved, f"{stage.lr:g}", stage.objective, shares(stage, recipe)])
    started = ", ".join(f"`{name}`" for name in parts_of(recipe)) or "fresh weights"
    return (
        f"## Training\n\nIt began with {started}. {recipe.batch_size} lessons a step, {recipe.optimizer}, seed "
        f"{recipe.seed}. [recipe.yaml](recipe.yaml) has every setting: `grounding train recipe.yaml` does it again.\n\n"
        + table(["stage", "steps", "what moved", "rate", "learned from", "data"], rows)
        + ("\n\n![losses and figures while training](curve.png)" if subject.curve else "")
    )


def shares(stage: StageRecipe, recipe: Recipe) -> str:
    """A stage's data with each source's share."""
    data: tuple[DataRecipe, ...] = stage.data or recipe.data
    total = sum(part.weight for part in data)
    said = []
    for part in data:
        extra = f", {' and '.join(part.augment)}" if part.augment else ""
        said.append(f"`{part.source}` {part.weight / total:.0%}{extra}")
    return "; ".join(said)


def _figures(subject: Subject) -> str:
    if not subject.scores:
        return (
            "## Figures\n\nNothing was measured. `grounding predict DATA --model .` and `grounding score` measure it."
        )
    rows = []
    for one in subject.scores:
        names = [one["headline"], *(name for name in one["figures"] if name != one["headline"])]
        for number, name in enumerate(names):
            figure = one["figures"][name]
            cell = [_dataset(one), one.get("protocol", ""), _asked(one)] if number == 0 else ["", "", ""]
            rows.append([cell[0], name, value_of(figure), f"{figure.get('n', 0):,}", cell[1], cell[2]])
    return (
        "## Figures\n\n95 % intervals over pictures.\n\n"
        + table(["data", "figure", "value", "of", "protocol", "model that was asked"], rows)
    )  # fmt: skip


def value_of(figure: Mapping[str, Any]) -> str:
    """A figure with its interval, where it has one."""
    value, low, high = (figure.get(key) for key in ("value", "low", "high"))
    if value is None:
        return "-"
    return f"{value:.4g}" + (f" ({low:.4g}-{high:.4g})" if low is not None and high is not None else "")


def _dataset(one: Mapping[str, Any]) -> str:
    return str(one["about"].get("dataset", "?"))


def _asked(one: Mapping[str, Any]) -> str:
    name = str(one["about"].get("model", "?")).rstrip("/")
    return name if name.count("/") == 1 and not name.startswith((".", "/", "~")) else name.rsplit("/", 1)[-1]


def _limits(subject: Subject) -> str:
    lines = [
        "It finds what its training data shows, in the words used there; of anything else its answers mean little.",
        "It answers with boxes even where it is wrong. A score, where there is one, is the model's own probability.",
    ]
    recipe = subject.recipe
    if recipe is not None:
        parts = [part for stage in recipe.stages for part in (stage.data or recipe.data)]
        if all(part.source.partition(":")[0] == "scenes" for part in parts):
            lines.insert(0, "It was taught on drawn scenes alone: what it says of photographs is worth nothing.")
    if not subject.scores:
        lines.append("Nobody has measured how often it is right.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _footer(subject: Subject) -> str:
    versions = (
        f"python {platform.python_version()}, grounding {__version__}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}"
    )
    return (
        f"## Licence and versions\n\nThe weights: {subject.licence}. The data, and the parts it began with, have "
        f"licences of their own. Exported with {versions}."
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars within cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
