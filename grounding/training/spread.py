"""Owns the spreading of a training over processes: who is first, how weights are shared out, and what all agree on.

`scale: ddp` gives each process a copy of the model, `scale: fsdp` a part of every weight (FSDP2, `fully_shard`), under
torchrun and under `accelerate launch` alike. One process trains as it is, whatever `scale` says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.modules.batchnorm import _BatchNorm

from grounding.errors import ConfigError


def join_processes() -> PartialState:
    """Joins the processes that a launcher started: `process_index`, `num_processes`. Alone where there is none.

    Raises ConfigError where the launcher wants to spread the weights itself.
    """
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"):
        if os.environ.get(name, "false").lower() in ("1", "true", "yes"):
            raise ConfigError(
                f"accelerate's own configuration shares out the weights ({name} is set): leave that to the recipe, "
                "with `scale: fsdp`, and let it launch several processes only"
            )
    return PartialState(cpu=not torch.cuda.is_available())


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def sum_over_all(values: Tensor) -> Tensor:
    """The sum of every process's numbers, in place."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(values)
    return values


def gather_objects(value: Any) -> list[Any]:
    """Every process's value, in their order; plain values alone, as they are pickled on the way."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return [value]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def repeated_blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Layers that a model has several of, one behind another, the outermost where lists are nested."""
    for child in model.children():
        listed = list(child) if isinstance(child, nn.ModuleList | nn.Sequential) else []
        if (
            len(listed) > 1
            and len({type(layer) for layer in listed}) == 1
            and any(True for _ in listed[0].parameters())
        ):
            yield from listed
        else:
            yield from repeated_blocks(child)


def shard(model: nn.Module, device: torch.device, bf16: bool) -> None:
    """Gives each process its part of every weight: block by block, and what is around them as one.

    A block's weights are whole on a device only while it works. With `bf16` they travel and work in bfloat16; the parts
    at rest, the gradients' sums and the optimizer stay in float32.
    """
    for parameter in model.parameters():  # one type within a group, as it asks for
        parameter.data = parameter.data.float()
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if bf16 else MixedPrecisionPolicy()
    for norm in [module for module in model.modules() if isinstance(module, _BatchNorm)]:
        fully_shard(norm, mesh=mesh)  # whose statistics are float32, and so its weights must be
    for block in list(repeated_blocks(model)):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to(device)  # buffers


def take_parts(model: nn.Module) -> None:
    """Leaves each process with its parts again, where weights have been whole for a pass without a backward one."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
