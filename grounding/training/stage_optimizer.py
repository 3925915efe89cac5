"""Owns the optimizer of a stage: which weights move at which rate, by AdamW or, the matrices of blocks, by Muon."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from grounding.errors import ConfigError
from grounding.training.optimizer import SideBySide
from grounding.training.parts import Moving, part_of
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.spread import repeated_blocks

BETAS = (0.9, 0.98)


def build_optimizer(model: nn.Module, moving: Moving, recipe: Recipe, stage: StageRecipe) -> torch.optim.Optimizer:
    """Groups by part, each at its own rate; weight decay on matrices alone, and never where only some rows move.

    Raises ConfigError for a rate of a part that does not move.
    """
    blocks = block_matrices(model) if recipe.optimizer == "muon" else set()
    groups: dict[tuple[str, bool, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim >= 2 and name not in moving.rows
            groups[moving.parts[name], decays, parameter in blocks].append(parameter)
    if unknown := sorted(stage.part_lr.keys() - moving.counts.keys()):
        raise ConfigError(
            f"part_lr has {unknown[0]!r}, which does not move in the stage {stage.name!r}: there "
            f"{', '.join(moving.counts) or 'nothing'} does"
        )
    adamw, muon = [
        [
            {
                "params": parameters,
                "lr": stage.part_lr.get(part, stage.lr),
                "weight_decay": recipe.weight_decay if decays else 0.0,
                "part": part,
            }
            for (part, decays, by_muon), parameters in groups.items()
            if by_muon is wanted
        ]
        for wanted in (False, True)
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if muon:
        # updates as long as AdamW's, so that one rate suits both
        optimizers.append(torch.optim.Muon(muon, momentum=0.95, adjust_lr_fn="match_rms_adamw"))
    if adamw:
        fused = all(p.device.type in ("cpu", "cuda") for group in groups.values() for p in group)
        optimizers.append(torch.optim.AdamW(adamw, betas=BETAS, fused=fused))
    if not optimizers:
        raise ConfigError(f"nothing moves in the stage {stage.name!r}: name parts in `train`")
    return optimizers[0] if len(optimizers) == 1 else SideBySide(optimizers)


def block_matrices(model: nn.Module) -> set[nn.Parameter]:
    """Weights of the linear layers within repeated blocks, which Muon is for; not embeddings, heads or projectors."""
    return {
        parameter
        for block in repeated_blocks(model)
        for name, parameter in block.named_parameters()
        if parameter.ndim == 2 and name.endswith("weight") and part_of(name) != "lora"
    }
