"""Owns what goes into every metric, Case, and what comes out: Figure, Verdict, Scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

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
    """expected (as published, where known), samples (in the data set), scored, failed, unfinished."""
    groups: Mapping[str, Mapping[str, Mapping[str, Figure]]] = field(default_factory=dict)
    """Such as "size" -> "small" -> "acc@0.5" -> its Figure; also "length" (words) and "kind"."""
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
