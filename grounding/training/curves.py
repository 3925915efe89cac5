"""Owns the picture of a finished run: losses of all stages above, what was measured on watched lessons below."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

INK, DIM, GRID = "#1b1f24", "#6b7280", "#e5e7eb"
LOSSES = {"loss": ("loss", "#0072b2"), "text": ("words and boxes", "#56b4e9")}
"""Keys of the log to what a line is called and its colour; all colours are Okabe and Ito's."""
MEASURES = {
    "right": ("answers right, true beginning given", "#0072b2"),
    "found": ("answers right, written by itself", "#d55e00"),
    "overlap": ("overlap of boxes written", "#009e73"),
}
CALLED = {"held_out": "held-out lessons", "trained_on": "lessons it trains on (nothing is held out)"}


@dataclass
class StageLog:
    """What a stage's log says, by step."""

    name: str
    steps: int
    entries: list[dict[str, Any]] = field(default_factory=list)

    def series(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of a key; the last of a step that was done twice, as after a stop."""
        found = {entry["step"]: entry[key] for entry in self.entries if isinstance(entry.get(key), int | float)}
        steps = sorted(found)
        return np.array(steps, float), np.array([found[step] for step in steps], float)


def read_logs(out: Path, stages: Sequence[tuple[str, int]]) -> list[StageLog]:
    """The logs of a run's stages (name, steps), those that have one, in order."""
    logs = []
    for name, steps in stages:
        path = out / name / "log.jsonl"
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            logs.append(StageLog(name, steps, [entry for line in lines if (entry := _entry(line))]))
    return logs


def _entry(line: str) -> dict[str, Any]:
    """An entry of a log; {} where a killed run, or a full disk, left half a line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and "step" in entry else {}


def draw_curves(logs: Sequence[StageLog], path: Path, title: str = "") -> bool:
    """Draws the PNG; False where there is nothing to draw yet."""
    if not any(len(log.series("loss")[0]) for log in logs):
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    called = next((name for name in CALLED if any(len(log.series(f"{name}_right")[0]) for log in logs)), "")
    rows = 2 if called else 1
    with pyplot.rc_context({"font.size": 9, "text.color": INK, "axes.labelcolor": DIM, "font.family": "DejaVu Sans"}):
        figure, axes = pyplot.subplots(
            rows, 1, figsize=(9, 2.6 * rows + 0.6), dpi=130, sharex=True, squeeze=False, layout="constrained"
        )
        losses, measured = axes[0][0], axes[1][0] if called else None
        _lines(losses, logs, {key: (key, *rest) for key, rest in LOSSES.items()}, smooth=True)
        room = 0.12 + 0.08 * max(name_lines(logs))  # for the stages' names
        losses.set_ylim(0, (1 + room) * losses.get_ylim()[1])
        losses.set_title(f"{title}: loss" if title else "loss", loc="left", fontsize=10, fontweight="bold")
        if measured is not None:
            _lines(measured, logs, {key: (f"{called}_{key}", *rest) for key, rest in MEASURES.items()}, smooth=False)
            measured.set_ylim(0, 1 + room)
            measured.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
            measured.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
            measured.set_title(CALLED[called], loc="left", fontsize=10, fontweight="bold")
        for row in axes:
            _plain(row[0], logs)
        axes[-1][0].set_xlabel("optimizer steps")
        figure.savefig(path)
        pyplot.close(figure)
    return True


def _lines(axes: Any, logs: Sequence[StageLog], lines: dict[str, tuple[str, str, str]], smooth: bool) -> None:
    """Each key's values over all stages, its name at its last value."""
    ends = []
    for key, name, colour in lines.values():
        start, last = 0, None
        for log in logs:
            steps, values = log.series(key)
            if len(steps):
                shown = running_mean(values) if smooth else values
                if smooth:
                    axes.plot(start + steps, values, color=colour, linewidth=0.6, alpha=0.35)
                marker = {} if smooth else {"marker": "o", "markersize": 3}
                axes.plot(start + steps, shown, color=colour, linewidth=1.8, **marker)
                last = (start + steps[-1], shown[-1])
            start += log.steps
        if last is not None:
            ends.append([last[1], last[0], name, colour])
    spread = apart([end[0] for end in ends], 0.075 * (axes.get_ylim()[1] - axes.get_ylim()[0]))
    for (value, step, name, colour), height in zip(ends, spread, strict=True):
        text = f"{name}  {value:.3g}" if smooth else f"{name}  {value:.0%}"
        axes.annotate(text, (step, height), (8, 0), textcoords="offset points", color=colour, va="center", fontsize=8.5)


def _plain(axes: Any, logs: Sequence[StageLog]) -> None:
    """A light frame, and where each stage begins."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(colors=DIM, length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    total, start = sum(log.steps for log in logs), 0
    axes.set_xlim(-0.01 * total, total)
    for log, line in zip(logs, name_lines(logs), strict=True):
        if len(logs) > 1:
            if start:
                axes.axvline(start, color=DIM, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.annotate(
                log.name, (start, 1), (4, -2 - 11 * line), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=DIM, fontsize=8, va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
        start += log.steps


def name_lines(logs: Sequence[StageLog]) -> list[int]:
    """On which line, from the top, each stage's name stands, so that those of short stages do not lie on others."""
    total, start = sum(log.steps for log in logs), 0
    ends: list[float] = []
    lines = []
    for log in logs:
        line = next((line for line, end in enumerate(ends) if end <= start), len(ends))
        ends += [0.0] * (line == len(ends))
        ends[line] = start + total * (0.012 * len(log.name) + 0.01)
        lines.append(line)
        start += log.steps
    return lines


def running_mean(values: np.ndarray, window: int = 9) -> np.ndarray:
    """The mean over up to `window` values around each."""
    half = min(window, len(values)) // 2
    return np.array([values[max(0, at - half) : at + half + 1].mean() for at in range(len(values))])


def apart(heights: Sequence[float], least: float) -> list[float]:
    """The heights, moved as little as it takes for any two to be `least` apart, in the same order."""
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    placed = [heights[at] for at in order]
    for _ in range(100):
        moved = False
        for low in range(len(placed) - 1):
            short = least - (placed[low + 1] - placed[low])
            if short > 1e-9:
                placed[low] -= short / 2
                placed[low + 1] += short / 2
                moved = True
        if not moved:
            break
    result = [0.0] * len(heights)
    for place, at in enumerate(order):
        result[at] = placed[place]
    return result
