"""Owns what stops a training before its end: a signal, numbers that are none, no memory, too many bad lessons."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from grounding.data.whole_files import whole_file
from grounding.errors import TrainingError
from grounding.training.recipe import Recipe

BAD_LESSONS = "bad-lessons.jsonl"
"""The file of a stage's folder that names lessons which can't be used."""
FEWEST = 1000
"""Lessons of which `bad_share` is taken while fewer were seen, so that one bad lesson at the start stops nothing."""


class Signals:
    """Whether somebody asked the run to stop, by SIGTERM or Ctrl-C. The second time, they end it as they always do."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Within, the first signal is noted. Python lets the main thread alone do this; elsewhere nothing is caught."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = signal.Signals(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def write_bad_step(
    folder: Path, step: int, norm: float, passes: Sequence[dict[str, Any]], where: Sequence[str]
) -> None:
    """Writes `nan-step-N.json`, what a step was made of whose numbers are none.

    `passes`: process, loss, lessons and positions of each pass; `where`: parameters whose gradients are no numbers.
    """
    told = {"step": step, "gradient_norm": str(norm), "passes": list(passes), "parameters": list(where)}
    with whole_file(folder / f"nan-step-{step}.json") as file:
        json.dump(told, file, indent=1)


def bad_gradients(model: nn.Module) -> list[str]:
    """Names of parameters whose gradient has a value that is no number."""
    found = []
    for name, parameter in model.named_parameters():
        grad = parameter.grad.to_local() if isinstance(parameter.grad, DTensor) else parameter.grad
        if grad is not None and not bool(torch.isfinite(grad).all()):
            found.append(name)
    return found


@contextmanager
def memory_said(recipe: Recipe, micro_batch: int) -> Iterator[None]:
    """Within, running out of memory becomes a TrainingError that says what to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        checkpointing = "it is true" if recipe.gradient_checkpointing else "now false"
        raise TrainingError(
            f"no memory is left ({str(error).splitlines()[0][:120]}): lower micro_batch (now {micro_batch}) or "
            f"most_tokens (now {recipe.most_tokens}), or set gradient_checkpointing: true ({checkpointing}); the run "
            "goes on from its last checkpoint"
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is torch's, on a device or the CPU, or Python's, of memory that is not there."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        words in text
        for words in ("DefaultCPUAllocator: not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    )


def check_share(bad: int, tried: int, share: float, folder: Path) -> None:
    """Raises TrainingError where more lessons are bad than a recipe's `bad_share` allows."""
    if bad > share * max(tried, FEWEST):
        raise TrainingError(
            f"{bad} of {tried} lessons can't be read, over bad_share {share:g}: {folder / BAD_LESSONS} names them with "
            "the reason; repair them, or allow a greater share"
        )
