"""Owns UnitOrder: the order of lessons that lie in units, such as shards or row groups, found for any ordinal."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from grounding.errors import InputError

BUFFER = 10_000
"""Lessons that are shuffled together."""
_KEPT = 3
"""Shuffled groups that are remembered: neighbours are read while one ends and the next begins."""


class UnitOrder:
    """Every lesson of every unit once in an epoch.

    Shuffled, an epoch puts the units in an order of its own, takes as many whole units together as hold `buffer`
    lessons, and shuffles the lessons of such a group. Seed and epoch decide all of it, so an ordinal's place is the
    same for every process, whatever was read before: what was shuffled never has to be saved or read again.
    """

    def __init__(self, counts: Sequence[int], seed: int = 0, buffer: int = BUFFER, shuffle: bool = True) -> None:
        """`counts`: lessons of each unit. Raises InputError where there are none."""
        self.counts = np.asarray(counts, np.int64)
        self.total = int(self.counts.sum())
        self.seed, self.buffer, self.shuffle = seed, buffer, shuffle
        if self.total < 1:
            raise InputError("there is no lesson in any of the units: the source is empty")
        if buffer < 1:
            raise InputError(f"buffer is {buffer}; shuffle at least 1 lesson together")
        self._epoch: tuple[int, np.ndarray, np.ndarray, np.ndarray] | None = None
        self._groups: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def place(self, ordinal: int) -> tuple[int, int]:
        """Which unit, and which of its lessons."""
        epoch, at = divmod(ordinal, self.total)
        units, ends, groups = self._of_epoch(epoch)
        if self.shuffle:
            group = int(np.searchsorted(groups, at, side="right"))
            start = int(groups[group - 1]) if group else 0
            at = start + int(self._shuffled(epoch, group, int(groups[group]) - start)[at - start])
        place = int(np.searchsorted(ends, at, side="right"))
        return int(units[place]), at - (int(ends[place - 1]) if place else 0)

    def _of_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The units in their order, where each ends among the epoch's lessons, and where each group does."""
        if self._epoch is None or self._epoch[0] != epoch:
            units = np.arange(len(self.counts))
            if self.shuffle:
                units = np.random.default_rng([self.seed, epoch]).permutation(units)
            ends = np.cumsum(self.counts[units])
            groups: list[int] = []
            while not groups or groups[-1] < self.total:
                wanted = (groups[-1] if groups else 0) + self.buffer
                groups.append(int(ends[min(int(np.searchsorted(ends, wanted)), len(ends) - 1)]))
            self._epoch = (epoch, units, ends, np.asarray(groups, np.int64))
        return self._epoch[1:]

    def _shuffled(self, epoch: int, group: int, count: int) -> np.ndarray:
        key = (epoch, group)
        if key not in self._groups:
            self._groups[key] = np.random.default_rng([self.seed, epoch, group]).permutation(count)
            while len(self._groups) > _KEPT:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]
