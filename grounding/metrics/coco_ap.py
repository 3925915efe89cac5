"""Owns COCO's average precision and recall: twelve numbers by name, through pycocotools or a faster evaluator."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grounding.errors import ConfigError, MissingExtraError
from grounding.metrics.coco_entries import EntryProblem, Results, Truth, read_results, read_truth

NUMBERS = {
    "AP": "average precision, IoU 0.5 to 0.95",
    "AP50": "average precision, IoU 0.5",
    "AP75": "average precision, IoU 0.75",
    "APs": "AP of small objects, under 32² px",
    "APm": "AP of medium objects, 32² to 96² px",
    "APl": "AP of large objects, over 96² px",
    "AR1": "average recall, 1 of a category",
    "AR10": "average recall, 10 of a category",
    "AR100": "average recall, 100 of a category",
    "ARs": "AR100 of small objects",
    "ARm": "AR100 of medium objects",
    "ARl": "AR100 of large objects",
}
"""COCO's twelve, in the order of its evaluator, and what each is; so many detections of a category in a picture."""


@dataclass(frozen=True, slots=True)
class _Engine:
    package: str
    truth: str
    """MODULE:CLASS of what holds annotations."""
    evaluator: str
    """MODULE:CLASS of what compares two of those."""


ENGINES = {
    "pycocotools": _Engine("pycocotools", "pycocotools.coco:COCO", "pycocotools.cocoeval:COCOeval"),
    "faster-coco-eval": _Engine("faster-coco-eval", "faster_coco_eval:COCO", "faster_coco_eval:COCOeval_faster"),
    "hotcoco": _Engine("hotcoco", "hotcoco:COCO", "hotcoco:COCOeval"),
}
"""Evaluators by name: the reference, one with its loops in C++, and one in Rust. All have pycocotools' interface."""


@dataclass(frozen=True)
class CocoAp:
    """COCO's numbers, each None where there is nothing to measure (COCO writes -1)."""

    kind: str
    """"bbox" or "segm"."""
    engine: str
    """One of ENGINES."""
    numbers: Mapping[str, float | None]
    """The twelve of NUMBERS, 0 to 1."""
    categories: Mapping[str, float | None]
    """AP of each category by name, in the order of the categories' ids."""
    curve: tuple[tuple[float, float], ...]
    """(recall, precision) at IoU 0.5, recall from 0 to 1 in hundredths, the mean over categories; () without truth."""
    pictures: int
    """Of the truth; those without a detection count as well."""
    objects: int
    """True objects that are to be found."""
    crowds: int
    """Places that stand for groups: detections there count neither for nor against."""
    detections: int
    """That were scored."""
    scored: bool
    """False where the results have no scores: each got the score 1, in the order written."""
    problems: tuple[EntryProblem, ...] = ()
    """What was wrong in the truth, then in the results."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def coco_ap(
    truth: Any, results: Any, *, kind: str = "bbox", engine: str = "pycocotools", min_score: float | None = None
) -> CocoAp:
    """COCO's numbers for `results`, a list as results files hold, against `truth`, an instances file's object.

    `kind`: "bbox" or "segm". `engine`: one of ENGINES; they agree to 1e-9. `min_score`: lower results are left out.
    Neither argument is changed. What is wrong in an entry stands in `problems`.
    Raises InputError where nothing can be scored, MissingExtraError without the engine.
    """
    known = read_truth(truth, kind)
    return score_entries(known, read_results(results, known, min_score=min_score), engine=engine)


def score_entries(truth: Truth, results: Results, *, engine: str = "pycocotools") -> CocoAp:
    """The same for entries that `read_truth` and `read_results` have judged."""
    stats, precision = _evaluate(truth, results, engine)
    everywhere = precision[:, :, :, 0, -1]  # T thresholds, R recalls, K categories; any size, 100 detections
    by_category = [_mean(everywhere[:, :, number]) for number in range(everywhere.shape[2])]
    measured = everywhere[0][:, everywhere[0][0] > -1]
    curve = enumerate(measured.mean(axis=1)) if measured.size else ()
    crowds = sum(one["iscrowd"] for one in truth.objects)
    return CocoAp(
        kind=truth.kind,
        engine=engine,
        numbers={name: None if value < 0 else value for name, value in zip(NUMBERS, stats, strict=True)},
        categories=dict(zip(truth.names.values(), by_category, strict=True)),
        curve=tuple((hundredth / 100, float(value)) for hundredth, value in curve),
        pictures=len(truth.pictures),
        objects=len(truth.objects) - crowds,
        crowds=crowds,
        detections=len(results.detections),
        scored=results.scored,
        problems=(*truth.problems, *results.problems),
    )


def _evaluate(truth: Truth, results: Results, name: str) -> tuple[list[float], NDArray[np.float64]]:
    """The twelve numbers, and precision by threshold, recall, category, size and number of detections; -1: no truth."""
    if name not in ENGINES:
        raise ConfigError(f"no engine named {name!r}; known: {', '.join(ENGINES)}")
    engine = ENGINES[name]
    with contextlib.redirect_stdout(io.StringIO()):  # they report their progress on stdout, which is the caller's
        coco = _load(engine.truth, engine)()
        coco.dataset = truth.to_coco()
        coco.createIndex()
        if results.detections:
            found = coco.loadRes([dict(one) for one in results.detections])
        else:  # pycocotools looks at the first of them
            found = _load(engine.truth, engine)()
            found.dataset = {**truth.to_coco(), "annotations": []}
            found.createIndex()
        evaluator = _load(engine.evaluator, engine)(coco, found, truth.kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats[: len(NUMBERS)]], np.asarray(evaluator.eval["precision"])


def _load(path: str, engine: _Engine) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise MissingExtraError(
            f"COCO AP through {engine.package} needs it: pip install 'grounding-vlm[eval]'"
        ) from error


def _mean(values: NDArray[np.float64]) -> float | None:
    measured = values[values > -1]
    return float(measured.mean()) if measured.size and math.isfinite(measured.mean()) else None
