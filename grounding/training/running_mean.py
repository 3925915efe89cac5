"""Owns RunningMean: a mean of the weights over the steps, which is what a run saves where its recipe asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from grounding.training.checkpoints import like, opened


class RunningMean:
    """An exponential mean of the weights that move (EMA): mean = share * mean + (1 - share) * weights, every step.

    In the first steps the share is lower, (1 + n) / (10 + n) after n of them, so that where the weights started is soon
    forgotten. Each process has the mean of its own part of the weights.
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        self.share, self.steps = share, 0
        self.moving = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.means = {name: weight.detach().clone() for name, weight in self.moving.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights as they are after a step."""
        self.steps += 1
        share = min(self.share, (1 + self.steps) / (10 + self.steps))
        means = [_own(mean) for mean in self.means.values()]
        torch._foreach_lerp_(means, [_own(weight.detach()) for weight in self.moving.values()], 1 - share)

    @torch.no_grad()
    def put_in(self) -> None:
        """Gives the model the means as its weights."""
        for name, weight in self.moving.items():
            weight.copy_(self.means[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the model has the means as its weights; then its own again, bit by bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self.moving.items():
            mean, own = _own(self.means[name]), _own(weight.detach())
            kept = own.clone()
            own.copy_(mean)
            mean.copy_(kept)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """What a checkpoint keeps of it."""
        yield from self.means.items()

    @torch.no_grad()
    def load(self, path: Path, steps: int) -> None:
        """Goes on with the means of a checkpoint, made over so many steps."""
        self.steps = steps
        with opened(path) as file:
            for name, mean in self.means.items():
                mean.copy_(like(file.get_tensor(name), mean))


def _own(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process has."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
