"""Owns PredictOptions: how a data set is asked, in which steps, and by how many."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """How a data set is asked. Flags of `grounding predict` are made from it."""

    batch: int = 32
    """About how many questions make a chunk: they are asked together, with all that is asked of their pictures."""
    seed: int = 0
    """For models that draw by lot; every chunk begins with it anew."""
    ahead: int = 1
    """Chunks whose pictures are opened while the model answers another; 0 for none."""
    give_up_after: int = 16
    """Stop after so many failures in a row for which neither picture nor phrase is to blame; 0 for never."""
    restart: bool = False
    """Throw away what the file holds and ask everything anew."""
    retry_failed: bool = False
    """Ask again what failed, besides what is still missing."""
    ray: bool = False
    """Share the work among the actors of a Ray cluster."""
    ray_address: str | None = None
    """The cluster's address, such as auto or ray://HOST:10001; without one a cluster is started on this machine."""
    ray_workers: int | None = None
    """How many actors, each with a model of its own; without it one a GPU, or else one a CPU of the cluster."""
    ray_gpus: float | None = None
    """GPUs of each actor, also parts of one; without it 1 where the cluster has any."""

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("ahead", 0), ("give_up_after", 0), ("ray_workers", 1), ("ray_gpus", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; it must be {least} or more")
        if self.restart and self.retry_failed:
            raise ConfigError(
                "restart asks everything anew, so that nothing is left for retry_failed: give one of them"
            )
        if not self.ray and (self.ray_address or self.ray_workers or self.ray_gpus is not None):
            raise ConfigError("ray_address, ray_workers and ray_gpus say something only beside ray: give that too")
