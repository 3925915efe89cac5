"""Owns training in which, of a model's tables, only the rows of new tokens move: for loops other than the recipe's own.

rows = NewRowsOnly(model)          # after grounding.add_location_tokens(model, tokenizer)
optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
rows.watch(optimizer)              # before a scheduler is made: it moves the tables to a group without weight decay
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from grounding.errors import ConfigError, TrainingError
from grounding.model.language import GroundingTextModel
from grounding.model.location_tokens import as_ranges, new_token_ids
from grounding.model.token_tables import tables, tables_with_bias, text_model
from grounding.training.parts import keep_other_rows

WITNESSES = 64
"""Rows that must not move, compared after the first step."""


class NewRowsOnly:
    """Lets, of the table and of a head of its own, only rows of `ids` move; what else may move is the caller's to say.

    Gradients of other rows are cleared as they arrive, so that their norm counts what moves. Weight decay moves rows
    that have no gradient, and so does momentum from before: `watch` keeps both off.
    """

    def __init__(self, model: PreTrainedModel, ids: Sequence[int] | None = None) -> None:
        """`ids`: None, those that `grounding.add_location_tokens` started. Raises ConfigError where there are none."""
        ids = new_token_ids(model) if ids is None else sorted({*map(int, ids)})
        if isinstance(text_model(model), GroundingTextModel):
            raise ConfigError(
                "our own decoder makes the rows of its locations by a layer: let location_parameters(model) move alone"
            )
        rows = len(tables(model)[0])
        if not ids or not 0 <= min(ids) <= max(ids) < rows:
            raise ConfigError(
                f"no rows to move among the table's {rows}: call grounding.add_location_tokens first, or give ids of it"
            )
        self.ranges = as_ranges(ids)
        pairs = list(tables_with_bias(model))
        self.parameters: list[nn.Parameter] = [table for table, _ in pairs]
        self.parameters += [bias for _, bias in pairs if bias is not None]
        self._hooks: list[Any] = []
        for parameter in self.parameters:
            parameter.requires_grad_(True)
            hook = parameter.register_post_accumulate_grad_hook(lambda moved: keep_other_rows(moved, self.ranges))
            self._hooks.append(hook)
        moving = set(ids)
        still = [row for row in range(rows) if row not in moving]
        self._still = torch.tensor(still[:: max(1, len(still) // WITNESSES)])
        self._before: list[Tensor] = []
        self._steps = 0

    def watch(self, optimizer: torch.optim.Optimizer) -> None:
        """Keeps `optimizer` from moving other rows, by weight decay or by what it remembers of earlier gradients.

        Raises TrainingError after the first step if one moved all the same.
        """
        own = {id(parameter) for parameter in self.parameters}
        for group in list(optimizer.param_groups):
            inside = [parameter for parameter in group["params"] if id(parameter) in own]
            if not inside or not group.get("weight_decay"):
                continue
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in own]
            settings = {name: value for name, value in group.items() if name != "params"}
            optimizer.add_param_group({**settings, "params": inside, "weight_decay": 0.0})
            if not group["params"]:
                optimizer.param_groups.remove(group)
        for parameter in self.parameters:
            for value in optimizer.state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    self._clear(value)
        self._hooks.append(optimizer.register_step_pre_hook(self._before_step))
        self._hooks.append(optimizer.register_step_post_hook(self._after_step))

    def remove(self) -> None:
        """Lets all rows move again."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _clear(self, values: Tensor) -> None:
        """Zeroes what is remembered of rows that stay."""
        holder = nn.Parameter(torch.empty_like(values), requires_grad=False)
        holder.grad = values
        keep_other_rows(holder, self.ranges)

    def _before_step(self, *_: Any) -> None:
        for parameter in self.parameters:
            keep_other_rows(parameter, self.ranges)  # where gradients arrive past the hooks, as with FSDP2
        if not self._steps:
            self._before = self._witnesses()

    def _after_step(self, *_: Any) -> None:
        self._steps += 1
        if self._before and not all(map(torch.equal, self._before, self._witnesses())):
            raise TrainingError(
                "the optimizer moved rows of the embedding table that have no gradient: give the tables to AdamW, in a "
                "group without weight decay"
            )
        self._before = []

    def _witnesses(self) -> list[Tensor]:
        """Copies of a few rows that must not move; none of tables that are spread over processes."""
        return [
            parameter.detach()[self._still.to(parameter.device)].clone()
            for parameter in self.parameters
            if not isinstance(parameter, DTensor)
        ]
