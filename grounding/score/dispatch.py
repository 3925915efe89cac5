"""Owns score(): predictions in, Scores out; which metric measures them, and what makes a file unfit to score."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from grounding.data.dataset import SCORINGS
from grounding.data.predictions import Prediction, Predictions, read_predictions
from grounding.data.whole_files import whole_bytes
from grounding.errors import InputError
from grounding.metrics.base import Case, Column, Figure, Measured, Scores
from grounding.metrics.buckets import grouped_figures
from grounding.metrics.intervals import ratio_figures
from grounding.metrics.judging import rates_of
from grounding.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS, get_protocol
from grounding.score.completeness import check_complete, counts_of, notes_of

MEASURES = {scoring: f"grounding.metrics.{scoring}" for scoring in SCORINGS}
"""Scoring to the module whose `measure(cases, protocol, **options) -> Measured` knows it."""


@dataclass(frozen=True)
class Scored:
    """One file's questions, measured: what scores and comparisons are made of."""

    predictions: Predictions
    scoring: str
    protocol: str
    cases: tuple[Case, ...]
    measured: Measured

    @property
    def columns(self) -> dict[str, Column]:
        """The figures that are sums over questions, and so can be drawn anew and compared."""
        return {name: figure for name, figure in self.measured.figures.items() if isinstance(figure, Column)}

    @property
    def pictures(self) -> list[str]:
        """One a question."""
        return [case.picture for case in self.cases]


def score(
    predictions: Predictions | str | Path,
    protocol: str = DEFAULT_PROTOCOL,
    *,
    scoring: str | None = None,
    partial: bool = False,
    **options: Any,
) -> Scores:
    """Everything that is measured of a file of predictions under one protocol; the same file gives the same Scores.

    `scoring`: another way to measure than the file's own, one of `grounding.data.dataset.SCORINGS`. `partial`: measure
    a file that is not finished, and say so in the notes. `options` go to the metric: `score_threshold` of
    "generalized", `engine` of "detection". A failed or unreadable answer counts as wrong.

    Raises InputError where the file can't be read, is not finished (without `partial`), holds more answers than
    questions were asked, or where there is no such protocol, scoring or option.
    """
    scored = measured_cases(predictions, protocol, scoring=scoring, partial=partial, **options)
    return scores_of(scored)


def score_all_protocols(
    predictions: Predictions | str | Path, *, scoring: str | None = None, partial: bool = False, **options: Any
) -> dict[str, Scores]:
    """Name of each protocol to what the same file scores under it."""
    if not isinstance(predictions, Predictions):
        predictions = read_predictions(predictions)
    return {name: score(predictions, name, scoring=scoring, partial=partial, **options) for name in PROTOCOLS}


def measured_cases(
    predictions: Predictions | str | Path,
    protocol: str = DEFAULT_PROTOCOL,
    *,
    scoring: str | None = None,
    partial: bool = False,
    **options: Any,
) -> Scored:
    """The file's questions, measured; raises what `score` raises."""
    chosen = get_protocol(protocol)
    if not isinstance(predictions, Predictions):
        predictions = read_predictions(predictions)
    scoring = scoring or predictions.header.scoring
    if scoring not in MEASURES:
        raise InputError(f"nothing is scored as {scoring!r}; known: {', '.join(MEASURES)}")
    check_complete(predictions, partial)
    measure: Callable[..., Measured] = import_module(MEASURES[scoring]).measure
    known = [name for name in inspect.signature(measure).parameters if name not in ("cases", "protocol")]
    if strange := sorted(set(options) - set(known)):
        theirs = f"its options are {', '.join(known)}" if known else "it has none"
        raise InputError(f"the scoring {scoring!r} has no option {strange[0]!r}; {theirs}")
    cases = tuple(case_of(row) for row in predictions.rows)
    return Scored(predictions, scoring, chosen.name, cases, measure(cases, chosen, **options))


def case_of(row: Prediction) -> Case:
    """What metrics see of a prediction."""
    pair = row.meta.get("pair")
    return Case(
        row.id,
        row.picture,
        row.truth,
        row.answer,
        row.kind,
        row.crowd,
        row.error,
        row.names,
        pair=None if pair is None else str(pair),
    )


def scores_of(scored: Scored) -> Scores:
    """The Scores of what was measured."""
    measured, predictions, pictures = scored.measured, scored.predictions, scored.pictures
    rates = rates_of(scored.cases)
    drawn = ratio_figures({**scored.columns, **{f"rate {name}": rate for name, rate in rates.items()}}, pictures)
    figures = {name: figure if isinstance(figure, Figure) else drawn[name] for name, figure in measured.figures.items()}
    columns = {name: column for name, column in scored.columns.items() if name in measured.grouped}
    errors = measured.errors
    if errors is None:
        errors = Counter(verdict.error for verdict in measured.verdicts if verdict.error is not None)
    return Scores(
        scoring=scored.scoring,
        protocol=scored.protocol,
        headline=measured.headline,
        figures=figures,
        rates={name: drawn[f"rate {name}"] for name in rates},
        counts=counts_of(predictions),
        groups={**(grouped_figures(columns, scored.cases) if columns else {}), **measured.groups},
        curve=measured.curve,
        calibration=measured.calibration,
        errors=dict(errors),
        verdicts=measured.verdicts,
        notes=(*notes_of(predictions, scored.scoring, scored.protocol), *measured.notes),
        about=about_of(predictions),
    )


def about_of(predictions: Predictions) -> dict[str, Any]:
    """The header as JSON values, without the folders of this machine: they say nothing of the answers."""
    header: dict[str, Any] = json.loads(json.dumps(predictions.header.to_json()))
    return {name: value for name, value in header.items() if name not in ("root", "images")}


def write_scores(scores: Scores | Sequence[Scores] | Any, path: str | Path) -> None:
    """Writes scores (or anything else with `to_json`) as JSON, whole or not at all. Raises OutputError."""
    data = [one.to_json() for one in scores] if isinstance(scores, Sequence) else scores.to_json()
    with whole_bytes(path) as stream:
        stream.write(json_text(data, indent=1).encode() + b"\n")


def json_text(data: Any, indent: int | None = None) -> str:
    """The data as JSON that any file can hold: half a surrogate pair stands as JSON escapes it."""
    text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
