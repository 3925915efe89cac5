"""Owns the timing that all benchmarks share: rivals take turns in one run; medians and ratios are printed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def take_turns(rivals: Mapping[str, Callable[[], object]], rounds: int = 7, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each rival in each round. They take turns, so that a machine whose speed drifts is fair to all."""
    for _ in range(warmup):
        for run in rivals.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def print_table(title: str, seconds: Mapping[str, list[float]], *, per: Mapping[str, float] | None = None) -> None:
    """Median milliseconds, spread, and the ratio to the first rival; `per`: how many items one run of a rival does."""
    print(f"\n{title}")
    first = statistics.median(next(iter(seconds.values())))
    width = max(map(len, seconds))
    for name, values in seconds.items():
        middle = statistics.median(values)
        rate = f"  {per[name] / middle:9.1f} a second" if per and name in per else ""
        print(
            f"  {name:<{width}}  {1000 * middle:9.2f} ms  ({1000 * min(values):.2f}-{1000 * max(values):.2f})"
            f"  x{middle / first:.2f}{rate}"
        )
