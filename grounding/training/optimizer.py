"""Owns optimizers that work side by side: Muon for the matrices of the blocks, AdamW for all else, as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn


class SideBySide(torch.optim.Optimizer):
    """Several optimizers, each of its own weights, behind the face of one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([p for part in self.parts for g in part.param_groups for p in g["params"]], {})
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


class MuonWithAdamW(SideBySide):
    """Muon, which orthogonalizes a matrix's update, for the blocks; AdamW for embeddings, norms and convolutions."""

    def __init__(
        self,
        model: nn.Module,
        matrix_lr: float,
        other_lr: float,
        weight_decay: float,
        slow: Mapping[int, float] | None = None,
    ) -> None:
        """`slow`: rates of their own of some parameters, by their id(); they go to AdamW."""
        slow = slow or {}
        groups: dict[float, list[nn.Parameter]] = {}
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            if id(parameter) in slow:
                groups.setdefault(slow[id(parameter)], []).append(parameter)
            elif ".blocks." in name and parameter.ndim == 2:
                matrices.append(parameter)
            else:
                (others if parameter.ndim >= 2 else plain).append(parameter)
        decayed = {"params": others, "weight_decay": weight_decay}
        spared = {"params": plain, "weight_decay": 0.0}
        fused = all(p.device.type in ("cpu", "cuda") for p in (*others, *plain))
        own_rates = [{"params": found, "lr": rate, "weight_decay": 0.0} for rate, found in groups.items()]
        parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW([decayed, spared, *own_rates], lr=other_lr, betas=(0.9, 0.98), fused=fused)
        ]
        if matrices:
            muon = torch.optim.Muon(
                matrices, lr=matrix_lr, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            )
            parts.insert(0, muon)
        super().__init__(parts)
