"""Owns Mixture: several sources by weight, in an order that position and seed decide alone.

Position n of a run is lesson number `ordinal` of one source, whoever asks, in whatever process: so a run can be cut
anywhere, split among any number of machines, and goes on with the very next lesson.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.sources import Source
from grounding.errors import ConfigError

BLOCK = 2000
"""Positions among which every source has exactly its share."""


class Mixture:
    """Sources with weights. In every block of 2,000 positions each has its share, and one lesson at least."""

    def __init__(self, sources: Sequence[tuple[float, Source]], seed: int = 0) -> None:
        """Weights need not sum to one. Raises ConfigError where there is none, or one is not over 0."""
        if not sources:
            raise ConfigError("a mixture needs at least one source of lessons")
        for weight, source in sources:
            if not weight > 0:
                raise ConfigError(
                    f"the source {source.name!r} has the weight {weight}; give it one over 0, or leave it out"
                )
        self.sources = [source for _, source in sources]
        self.counts = shared_out([weight for weight, _ in sources], BLOCK)
        self.seed = seed
        self._block: tuple[int, np.ndarray, np.ndarray] | None = None

    def place(self, position: int) -> tuple[int, int]:
        """Which source position `position` falls to, and the ordinal of its lesson there."""
        block, at = divmod(position, BLOCK)
        if self._block is None or self._block[0] != block:
            drawn = np.repeat(np.arange(len(self.counts)), self.counts)
            drawn = np.random.default_rng([self.seed, block]).permutation(drawn)
            ordinals = np.empty(BLOCK, np.int64)
            for number, count in enumerate(self.counts):
                ordinals[drawn == number] = block * count + np.arange(count)
            self._block = (block, drawn, ordinals)
        _, drawn, ordinals = self._block
        return int(drawn[at]), int(ordinals[at])

    def lesson(self, position: int) -> Lesson:
        """The lesson at a position."""
        source, ordinal = self.place(position)
        return self.sources[source].lesson(ordinal)

    def lessons(self, positions: Iterator[int]) -> Iterator[tuple[int, Lesson]]:
        """Lessons of ascending positions, each with its position; sources that are read in order are read in order."""
        for position in positions:
            yield position, self.lesson(position)


def shared_out(weights: Sequence[float], total: int) -> list[int]:
    """`total` as whole numbers in the ratio of the weights, by largest remainders; none is 0."""
    if len(weights) > total:
        raise ConfigError(f"{len(weights)} sources are more than a mixture takes: {total} at most")
    exact = np.asarray(weights, np.float64) / sum(weights) * total
    counts = np.maximum(np.floor(exact), 1).astype(np.int64)
    while counts.sum() != total:
        over = counts.sum() > total
        gap = np.where(counts > 1, counts - exact, -np.inf) if over else exact - counts
        counts[int(gap.argmax())] += -1 if over else 1
    return [int(count) for count in counts]
