"""Owns what goes into every metric, Case, and what comes out: Column, Measured, Figure, Verdict, Scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grounding.result import Grounding, Region


@dataclass(frozen=True, slots=True)
class Case:
    """One question with its true answer and a model's."""

    id: str
    picture: str
    """Equal for questions about the same picture: intervals draw whole pictures."""
    truth: Grounding
    answer: Grounding | None
    """None where the model failed: it counts as wrong, and among the failed."""
    kind: str | None = None
    """The kind of question where the data set says it."""
    crowd: tuple[Region, ...] = ()
    """Places where a box counts neither for nor against."""
    error: str | None = None
    """Why there is no answer."""
    names: tuple[str, ...] = ()
    """What "detect" asked for."""
    pair: str | None = None
    """Names the minimal pair the question is of: equal for questions that differ in one word and in their answer."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with its 95 % interval over pictures. `value` is None where nothing could be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """How many questions (or boxes, where the metric says so) it is of."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer was worth."""

    id: str
    value: float
    """What the headline figure is the mean of: 1 right and 0 wrong, or a share such as F1."""
    overlap: float | None = None
    """With the truth, under the protocol's measure; None where there is none to measure."""
    error: str | None = None
    """One of `grounding.metrics.errors.ERRORS`; None where it is right."""
    score: float | None = None
    """The model's own, of the region that was judged."""
    region: int | None = None
    """Which of the answer's regions was judged."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the model's scores are from how often it is right."""

    confidence: tuple[float, ...]
    """Mean score in each bin that holds any answer, rising."""
    accuracy: tuple[float, ...]
    """How often those are right."""
    counts: tuple[int, ...]
    """How many those are."""
    ece: float
    """Expected calibration error: the mean distance of the two, weighted by the counts (Naeini et al., AAAI 2015)."""
    scored: float
    """Which share of the answers has a score at all."""


@dataclass(frozen=True, eq=False)
class Column:
    """A figure before it is one: what each question adds above and below the line. The figure is sum over sum.

    A mean has ones below; a figure of some questions only has zeros below the others; F1 has 2 x hits over
    written + true. So every figure is drawn anew, and compared between two models, in the same way.
    """

    above: NDArray[np.float64]
    """(N,) one a question."""
    below: NDArray[np.float64]
    """(N,) one a question, none under 0."""

    @classmethod
    def mean(cls, values: Sequence[float] | NDArray[Any], among: Sequence[bool] | NDArray[Any] | None = None) -> Column:
        """The mean of `values`, one a question; `among`: which questions it is of (default: all)."""
        above = np.array(values, np.float64)
        below = np.ones(len(above)) if among is None else np.array(among, np.float64)
        return cls(np.where(below > 0, above, 0.0), below)

    def within(self, chosen: NDArray[np.bool_]) -> Column:
        """The same figure of the chosen questions only."""
        return Column(np.where(chosen, self.above, 0.0), np.where(chosen, self.below, 0.0))


@dataclass(frozen=True)
class Measured:
    """What `measure(cases, protocol)` of each file of this room gives back; `grounding.score` makes Scores of it."""

    headline: str
    """Which of `figures` stands for the whole; the verdicts' values are what it is the mean of."""
    figures: Mapping[str, Column | Figure]
    """In the order to show them. A Column gets its interval later; a Figure (such as AP) stands as it is."""
    verdicts: tuple[Verdict, ...]
    """One a case, in their order."""
    grouped: tuple[str, ...] = ()
    """Which of `figures` (Columns) are worth showing for groups of questions."""
    curve: tuple[tuple[float, float], ...] = ()
    calibration: Calibration | None = None
    errors: Mapping[str, int] | None = None
    """How many went wrong in which way, where that is not the count of the verdicts' errors."""
    groups: Mapping[str, Mapping[str, Mapping[str, Figure]]] = field(default_factory=dict)
    """Groups of its own, such as classes, beside those of size, length and kind."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scores:
    """All that is measured of one file of predictions under one protocol; what `scores.json` holds."""

    scoring: str
    """One of `grounding.data.dataset.SCORINGS`."""
    protocol: str
    """The name of a protocol of `grounding.metrics.protocols`."""
    headline: str
    """Which of `figures` stands for the whole."""
    figures: Mapping[str, Figure]
    """Every figure, in the order to show them."""
    rates: Mapping[str, Figure]
    """Shares of answers that are unreadable, empty, out of range, duplicate, truncated, failed."""
    counts: Mapping[str, int]
    """expected (as published, where known), samples (in the data set), scored, failed, unfinished, pictures.

    Also how many lines of the file were wrong, by kind of problem.
    """
    groups: Mapping[str, Mapping[str, Mapping[str, Figure]]] = field(default_factory=dict)
    """Such as "size" -> "small" -> "acc@0.5" -> its Figure; see `grounding.metrics.buckets` for size, share and length.

    "kind": as the data set says it; where it says none, "kind by words", judged from the phrase alone.
    """
    curve: tuple[tuple[float, float], ...] = ()
    """(overlap threshold, share of answers at least that good), rising thresholds; () where boxes are not judged."""
    calibration: Calibration | None = None
    """None where the model gives no scores."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """How many answers went wrong in which way: names of `grounding.metrics.errors.ERRORS`."""
    verdicts: tuple[Verdict, ...] = ()
    """One a question, in the order of the file."""
    notes: tuple[str, ...] = ()
    """Sentences that belong beside the figures."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """The header of the predictions, as JSON: data set, model, codec, rounding, prompt, seed, versions."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; verdicts as rows."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scores:
        """The scores that `to_json` wrote."""

        def figures(table: Mapping[str, Any]) -> dict[str, Figure]:
            return {name: Figure(**figure) for name, figure in table.items()}

        groups = {by: {name: figures(table) for name, table in parts.items()} for by, parts in data["groups"].items()}
        calibration = data["calibration"]
        if calibration is not None:
            rows = {key: tuple(calibration[key]) for key in ("confidence", "accuracy", "counts")}
            calibration = Calibration(**{**calibration, **rows})
        return cls(
            **{
                **data,
                "figures": figures(data["figures"]),
                "rates": figures(data["rates"]),
                "groups": groups,
                "curve": tuple((float(x), float(y)) for x, y in data["curve"]),
                "calibration": calibration,
                "verdicts": tuple(Verdict(**row) for row in data["verdicts"]),
                "notes": tuple(data["notes"]),
            }
        )
