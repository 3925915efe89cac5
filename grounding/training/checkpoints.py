"""Owns checkpoints: weights, optimizer states and counts in a folder, as safetensors under the parameters' names.

    checkpoint-N/
        model.safetensors      every weight and buffer, whole, whatever number of processes had parts of it
        optimizer.safetensors  "KIND/NAME" for each state of each weight that moves, such as "exp_avg/projector.weight"
        mean.safetensors       running means of the weights that move, where the recipe asks for them
        config.json            of the model, so that it can be loaded alone
        trainer_state.json     steps and log, as transformers writes them
        run.json               counts of lessons

Names and whole tensors say nothing of how a run was spread: one that ran on two processes goes on with one, sharded or
not. What is random in a step is decided by seed and step (see `stage_trainer`), so no state of it is kept. There is
nothing to unpickle.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from grounding.errors import CheckpointError

WEIGHTS, STATES, MEANS = "model.safetensors", "optimizer.safetensors", "mean.safetensors"
PROGRESS, COUNTS = "trainer_state.json", "run.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_LOG = logging.getLogger(__name__)


# ---- tensors by name


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter once, those that are tied under their first name, and every buffer that is saved."""
    yield from model.named_parameters()
    for prefix, module in model.named_modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield (f"{prefix}.{name}" if prefix else name), buffer


def gathered(tensor: Tensor, keep: bool = True) -> Tensor | None:
    """A tensor whole and on the CPU; all processes must ask at once where each has a part. None unless `keep`."""
    whole = tensor.detach()
    if isinstance(whole, DTensor):
        whole = whole.full_tensor()
    return whole.cpu().contiguous() if keep else None


def gather(tensors: Iterator[tuple[str, Tensor]], keep: bool = True) -> dict[str, Tensor]:
    """The same of many, one after another; {} unless `keep`."""
    found = {name: gathered(tensor, keep) for name, tensor in tensors}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def like(value: Tensor, target: Tensor) -> Tensor:
    """A whole tensor in the type, on the device and in the share of `target`."""
    value = value.to(target.device, target.dtype)
    if isinstance(target, DTensor):
        return distribute_tensor(value, target.device_mesh, target.placements, src_data_rank=None)
    return value


def write(tensors: dict[str, Tensor], path: Path) -> None:
    """Saves tensors; those that share memory are copied."""
    save_file({name: value.clone() if value._is_view() else value for name, value in tensors.items()}, path)


@torch.no_grad()
def load_weights(model: nn.Module, path: Path) -> None:
    """Copies a file's tensors into a model. Raises CheckpointError where names or shapes differ."""
    targets = dict(named_tensors(model))
    with opened(path) as file:
        names = set(file.keys())
        if names != targets.keys():
            missing, strange = sorted(targets.keys() - names), sorted(names - targets.keys())
            what = f"has no {missing[0]!r}" if missing else f"has {strange[0]!r}, which the model has not"
            raise CheckpointError(f"{path} {what}: it is of another model; give the run another folder")
        for name, target in targets.items():
            value = file.get_tensor(name)
            if value.shape != target.shape:
                raise CheckpointError(
                    f"{path} has {name!r} of shape {tuple(value.shape)}, the model of {tuple(target.shape)}: it is of "
                    "another model; give the run another folder"
                )
            target.copy_(like(value, target))


def opened(path: Path) -> Any:
    """A file of tensors. Raises CheckpointError where it is none, or not whole."""
    try:
        return safe_open(path, "pt")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} can't be read ({error}): delete its folder to go on from the one before"
        ) from None


# ---- optimizer


def optimizer_states(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """ "KIND/NAME" and tensor, of everything an optimizer remembers of each weight."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for held in parts_of(optimizer):
        for group in held.param_groups:
            for parameter in group["params"]:
                for kind, value in held.state.get(parameter, {}).items():
                    yield f"{kind}/{names[parameter]}", value if isinstance(value, Tensor) else torch.tensor(value)


def load_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Puts a file's states back. Raises CheckpointError where they are not those of the weights that move."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    with opened(path) as file:
        kinds: dict[str, list[str]] = {}
        for key in file.keys():  # noqa: SIM118  (no dict)
            kind, _, name = key.partition("/")
            kinds.setdefault(name, []).append(kind)
        for held in parts_of(optimizer):
            for group in held.param_groups:
                for parameter in group["params"]:
                    name = names[parameter]
                    if name not in kinds:
                        continue  # of a layer that nothing has passed through yet
                    state = {kind: file.get_tensor(f"{kind}/{name}") for kind in kinds.pop(name)}
                    held.state[parameter] = {kind: _placed(value, parameter, group) for kind, value in state.items()}
        if kinds:
            raise CheckpointError(f"{path} has a state of {next(iter(kinds))!r}, which does not move now")


def parts_of(optimizer: torch.optim.Optimizer) -> list[torch.optim.Optimizer]:
    """The optimizers behind one, such as Muon and AdamW, or itself; out of accelerate's wrapping."""
    inner: Any = getattr(optimizer, "optimizer", optimizer)
    return list(getattr(inner, "parts", [inner]))


def _placed(value: Tensor, parameter: Tensor, group: dict[str, Any]) -> Tensor:
    if value.ndim == 0:  # a count of steps, which stays on the CPU unless the whole step runs on the device
        return value.to(parameter.device) if group.get("fused") or group.get("capturable") else value
    return like(value, parameter)


# ---- folders


def step_of(checkpoint: Path) -> int:
    """The step after which it was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a stage, the latest first."""
    found = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=step_of, reverse=True)


def last_checkpoint(folder: Path) -> Path | None:
    """The latest one that is whole; those that are not are passed over, with a word in the log."""
    for path in checkpoints(folder):
        if problem := what_is_wrong(path):
            _LOG.warning("%s is passed over: %s", path, problem)
            continue
        return path
    return None


def what_is_wrong(checkpoint: Path) -> str | None:
    """Why a checkpoint can't be resumed from; None where it can. Files cut short are found out by their headers."""
    try:
        json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
        counts = json.loads((checkpoint / COUNTS).read_text(encoding="utf-8"))
        for name in (WEIGHTS, STATES, *([MEANS] if counts.get("mean_steps") else ())):
            with opened(checkpoint / name):
                pass
    except (OSError, ValueError, CheckpointError) as error:
        return str(error)
    return None


def drop_oldest(folder: Path, keep: int) -> None:
    """Removes all but the latest `keep`."""
    for path in checkpoints(folder)[keep:]:
        shutil.rmtree(path, ignore_errors=True)
