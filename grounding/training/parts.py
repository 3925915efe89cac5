"""Owns the parts of a model by name: which parameters belong to which, what a stage freezes, and how many move."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from grounding.errors import ConfigError
from grounding.training.recipe import PARTS, StageRecipe

_PATTERNS: tuple[tuple[str, str], ...] = (
    ("lora", r"\blora_|trainable_tokens_delta|\bmodules_to_save\."),
    ("fusion", r"(^|\.)(cross_attention|gated_cross_attention|fusion)\b"),
    (
        "projector",
        r"(^|\.)(projector|line_end|multi_modal_projector|image_to_text_projection|merger|aligner|image_projection|image_proj_norm|connector)\b",
    ),
    ("vision", r"(^|\.)(vision|vision_tower|vision_model|visual|image_encoder|vit)\b"),
    ("locations", r"(^|\.)embedding\.locations\b"),
    (
        "embeddings",
        r"(^|\.)(embedding|embed_tokens|embeddings|wte|lm_head|shared|word_embeddings|output_projection|embed_out)\b",
    ),
)
"""Part to a pattern of parameters' names, in the order in which they are tried: ours and those of transformers."""


def part_of(name: str) -> str:
    """The part that a parameter belongs to, by its name; "language" where nothing else fits."""
    for part, pattern in _PATTERNS:
        if re.search(pattern, name):
            return part
    return "language"


@dataclass(frozen=True)
class Moving:
    """What moves in a stage."""

    parts: dict[str, str] = field(default_factory=dict)
    """Part of each parameter that moves, by its name."""
    rows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """First row and number of rows, of parameters of which only some rows move."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many numbers move in each part."""


def wanted_parts(train: Sequence[str], adapters: bool = False) -> set[str]:
    """The parts that a stage means, as `freeze` lets them move."""
    every = set(PARTS) - ({"language", "embeddings", "locations"} if adapters else set())
    wanted = every if "all" in train else {*train, *(("lora",) if adapters else ())}
    return wanted | ({"locations"} if "embeddings" in wanted else set())


def freeze(model: nn.Module, train: Sequence[str], adapters: bool = False) -> Moving:
    """Lets the named parts move and nothing else; those that move are put into float32.

    "embeddings" holds "locations", which are the rows of box tokens: alone, they move in a table that else is still.
    With `adapters` in the language model, "all" means them in place of its own weights. Raises ConfigError for a part
    that there is none of.
    """
    wanted = wanted_parts(train, adapters)
    moving, ranges, present = Moving(), box_rows(model), set()
    tables = table_names(model) if "locations" in wanted and "embeddings" not in wanted and ranges else set()
    for name, parameter in model.named_parameters():
        part = part_of(name)
        count = parameter.numel()
        if name in tables:
            part, count = "locations", sum(rows for _, rows in ranges) * parameter.shape[1]
            moving.rows[name] = ranges
        present |= {part_of(name), part}
        parameter.requires_grad_(part in wanted)
        if part in wanted:
            if parameter.dtype in (torch.bfloat16, torch.float16):
                parameter.data = parameter.data.float()
            moving.parts[name] = part
            moving.counts[part] = moving.counts.get(part, 0) + count
    named = set() if "all" in train else set(train)
    if absent := named - present:
        here = ", ".join(part for part in PARTS if part in present)
        raise ConfigError(f"the stage trains {sorted(absent)[0]!r}, and this model has none; it has {here}")
    return moving


def table_names(model: nn.Module) -> set[str]:
    """Names of the embedding table and of a head that is not the same, where they have a row for each token."""
    found: set[str] = set()
    for get in ("get_input_embeddings", "get_output_embeddings"):
        layer = getattr(model, get)() if hasattr(model, get) else None
        weight = getattr(layer, "_parameters", {}).get("weight")
        found |= {name for name, parameter in model.named_parameters() if parameter is weight}
    return found


def box_rows(model: nn.Module) -> list[tuple[int, int]]:
    """First id and number of the tokens that boxes are written with, and of others that were added to the model."""
    configs: list[Any] = [getattr(model, "config", None)]
    configs += [getattr(configs[0], "text_config", None), getattr(getattr(model, "language", None), "config", None)]
    ids: set[int] = set()
    for config in filter(None, configs):
        first, count = getattr(config, "location_token_id", None), getattr(config, "num_locations", None)
        if first is not None and count:
            ids |= set(range(first, first + count))
        for first, count in getattr(config, "new_token_ranges", None) or ():
            ids |= set(range(first, first + count))
    ranges: list[tuple[int, int]] = []
    for id_ in sorted(ids):
        if ranges and id_ == sum(ranges[-1]):
            ranges[-1] = ranges[-1][0], ranges[-1][1] + 1
        else:
            ranges.append((id_, 1))
    return ranges


def keep_other_rows(parameter: nn.Parameter, ranges: Sequence[tuple[int, int]]) -> None:
    """Clears the gradient of all rows but those: without decay, AdamW then leaves the others bit by bit as they are."""
    if parameter.grad is None:
        return
    start, grad = 0, parameter.grad
    if isinstance(grad, DTensor):
        shape, mesh, placements = grad.shape, grad.device_mesh, grad.placements
        start = compute_local_shape_and_global_offset(shape, mesh, placements)[1][0]
        grad = grad.to_local()
    at = 0
    for first, count in ranges:
        begin, end = (min(max(row - start, 0), len(grad)) for row in (first, first + count))
        grad[at:begin] = 0
        at = end
    grad[at:] = 0


def still_layers(model: nn.Module) -> Iterator[nn.Module]:
    """Layers of frozen modules that do something else in training: what they know of batches, and what they drop.

    In evaluation mode the buffers of a frozen encoder stay as they are. Modules around them stay in training mode, in
    which alone they save memory by computing activations anew.
    """
    own = list(model.parameters())
    if own and not any(parameter.requires_grad for parameter in own):
        yield from (module for module in model.modules() if not any(True for _ in module.children()))
        return
    for child in model.children():
        yield from still_layers(child)


def totals(model: nn.Module) -> dict[str, int]:
    """Parameters of each part, moving or not."""
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = part_of(name)
        found[part] = found.get(part, 0) + parameter.numel()
    return found


def parts_table(model: nn.Module, moving: Moving, stage: StageRecipe) -> list[dict[str, Any]]:
    """A row for each part: `part`, `parameters`, `moving` (how many do), and `rate`, its highest (None: frozen)."""
    have = totals(model)
    if moving.rows:  # of the table that they are rows of
        have["embeddings"] -= moving.counts["locations"]
        have["locations"] = moving.counts["locations"]
    return [
        {
            "part": part,
            "parameters": have[part],
            "moving": moving.counts.get(part, 0),
            "rate": stage.part_lr.get(part, stage.lr) if part in moving.counts else None,
        }
        for part in PARTS
        if part in have
    ]


def table_text(stage: str, rows: Sequence[dict[str, Any]]) -> str:
    """The table as it stands in the log."""
    lines = [f"stage {stage}", f"  {'part':<12}{'parameters':>14}{'moving':>14}  rate"]
    for row in rows:
        rate = "frozen" if row["rate"] is None else f"{row['rate']:g}"
        lines.append(f"  {row['part']:<12}{row['parameters']:>14,}{row['moving']:>14,}  {rate}")
    total, moves = (sum(row[key] for row in rows) for key in ("parameters", "moving"))
    return "\n".join([*lines, f"  {'all':<12}{total:>14,}{moves:>14,}"])
