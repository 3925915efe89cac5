"""Owns the scoring "detection": every instance of every name. Precision, recall and F1 of boxes, COCO's AP beside them.

Models that write boxes as text often give no scores, and AP ranks by score. So F1 at IoU 0.5, at 0.95 and over 0.5 to
0.95 stands first then, as in Rex-Omni (Jiang et al., arXiv 2510.12798, F1@IoU). All boxes of all pictures are pooled;
the same authors average over categories (IDEA-Research/ChatRex, issue 3), so that mean is given as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grounding.boxes import xywh_to_xyxy
from grounding.metrics.base import Case, Column, Figure, Measured, Verdict
from grounding.metrics.box_matching import THRESHOLDS, Matches, Placed, Tally, match_boxes, rates
from grounding.metrics.calibration import calibration_of
from grounding.metrics.coco_ap import CocoAp, score_entries
from grounding.metrics.coco_cases import UNASKED, Categories, coco_entries
from grounding.metrics.coco_entries import Results, Truth
from grounding.metrics.errors import (
    BACKGROUND_IOU,
    LOOSE_BOX,
    TOO_FEW,
    TOO_MANY,
    WRONG_OBJECT,
    error_of_state,
)
from grounding.metrics.judging import ANSWERED, state_of
from grounding.metrics.protocols import DEFAULT_PROTOCOL, Protocol

_HALF, _TIGHT = 0, len(THRESHOLDS) - 1
LEVELS: Mapping[str, slice] = {
    "0.5": slice(_HALF, _HALF + 1),
    "0.95": slice(_TIGHT, _TIGHT + 1),
    "0.5:0.95": slice(None),
}
"""Names of thresholds, and which of THRESHOLDS they stand for: over several, the mean of their figures."""


def measure(cases: Sequence[Case], protocol: Protocol, *, engine: str = "pycocotools") -> Measured:
    """Precision, recall and F1 with intervals, COCO's twelve numbers, and the figures of each category.

    Headline: AP where the model gives scores, else F1 over IoU 0.5 to 0.95. The curve is recall by IoU. A verdict's
    value is its question's F1 over 0.5 to 0.95 (1 where nothing is there and nothing was found), its overlap the mean
    over the true boxes of what each was found with at 0.5. A model that failed has found nothing.
    `engine`: one of `coco_ap.ENGINES`. All agree to 1e-9; `benchmarks/coco_ap.py` times them.
    """
    categories = Categories.of(cases)
    tally = Tally(len(categories.numbers) + 1)
    verdicts, scores, right = [], [], []
    for case in cases:
        regions = case.answer.regions if case.answer else ()
        found = categories.placed(regions, case)
        truth = categories.placed(case.truth.regions, case)
        known = [region.score for region in regions]
        matches = match_boxes(found, truth, categories.placed(case.crowd, case), _ranks(known), protocol)
        tally.add(matches, found, truth)
        verdicts.append(_verdict(case, found, truth, matches))
        judged = ~matches.ignored[_HALF]
        scores += [score for score, counts in zip(known, judged, strict=True) if counts]
        right += (matches.taken[_HALF][judged] >= 0).tolist()
    truths, results = coco_entries(cases, categories=categories)
    coco = score_entries(truths, results, engine=engine)
    return Measured(
        headline="AP" if results.scored else "f1@0.5:0.95",
        figures=_figures(tally, coco) | _of_masks(cases, categories, engine),
        verdicts=tuple(verdicts),
        grouped=("f1@0.5", "f1@0.5:0.95", "recall@0.5"),
        curve=_curve(tally),
        calibration=calibration_of(scores, right, len(scores)),
        groups={"category": _by_category(tally, categories, coco)},
        notes=tuple(_notes(cases, categories, coco, results.given - len(results.detections), scores, protocol)),
    )


def tally_entries(truth: Truth, results: Results) -> Tally:
    """Counts of boxes that COCO's evaluator would take, pictures in their order; categories have their numbers."""
    tally = Tally(len(truth.names) + 1)
    pictures: dict[int, tuple[list[Any], list[Any], list[Any]]] = {
        number: ([], [], []) for number in truth.pictures.values()
    }
    for one in truth.objects:
        pictures[one["image_id"]][2 if one["iscrowd"] else 1].append(one)
    for one in results.detections:
        pictures[one["image_id"]][0].append(one)
    for rows in pictures.values():
        found, true, crowd = (
            Placed(
                xywh_to_xyxy([one["bbox"] for one in part]), np.array([one["category_id"] for one in part], np.int64)
            )
            for part in rows
        )
        tally.add(match_boxes(found, true, crowd, np.array([one["score"] for one in rows[0]])), found, true)
    return tally


# ---- figures


def _figures(tally: Tally, coco: CocoAp) -> dict[str, Column | Figure]:
    hits, found = (np.array(rows, dtype=float).reshape(-1, len(THRESHOLDS)) for rows in (tally.hits, tally.found))
    true = np.broadcast_to(np.array(tally.truths, dtype=float)[:, None], hits.shape)
    ap = {name: Figure(value, n=coco.objects) for name, value in coco.numbers.items()}
    figures: dict[str, Column | Figure] = {}
    for level, part in LEVELS.items():
        figures[f"precision@{level}"] = _mean_column(hits[:, part], found[:, part])
        figures[f"recall@{level}"] = _mean_column(hits[:, part], true[:, part])
        figures[f"f1@{level}"] = _mean_column(2 * hits[:, part], (found + true)[:, part])
    there = np.flatnonzero(tally.category_truths)
    for level, part in LEVELS.items():
        means = tally.by_category.f1[there][:, part].mean() if len(there) else None
        figures[f"f1@{level}, mean of categories"] = Figure(None if means is None else float(means), n=len(there))
    return {**ap, **figures} if coco.scored else {**figures, **ap}


def _of_masks(cases: Sequence[Case], categories: Categories, engine: str) -> dict[str, Figure]:
    """COCO's numbers of masks, where any answer has one."""
    if all(region.mask is None for case in cases if case.answer for region in case.answer.regions):
        return {}
    truth, results = coco_entries(cases, kind="segm", categories=categories)
    coco = score_entries(truth, results, engine=engine)
    return {f"{name} of masks": Figure(value, n=coco.objects) for name, value in coco.numbers.items()}


def _mean_column(above: NDArray[np.float64], below: NDArray[np.float64]) -> Column:
    """The mean over thresholds of sum over sum; both are (questions, thresholds).

    The sums below differ a little between thresholds, as crowds excuse more or fewer detections. So each threshold is
    weighed by what is below it in all: the figure is exactly that mean, and its interval takes the weights as given.
    """
    totals = below.sum(axis=0)
    weights = np.divide(totals.mean(), totals, out=np.ones_like(totals), where=totals > 0)
    return Column((above * weights).mean(axis=1), below.mean(axis=1))


def _by_category(tally: Tally, categories: Categories, coco: CocoAp) -> dict[str, dict[str, Figure]]:
    shares = tally.by_category
    table = {}
    for name, number in categories.numbers.items():
        n = int(tally.category_truths[number])
        rows = {"precision@0.5": shares.precision[number, :1], "recall@0.5": shares.recall[number, :1]}
        rows |= {"f1@0.5": shares.f1[number, :1], "f1@0.5:0.95": shares.f1[number]}
        table[name] = {"AP": Figure(coco.categories[name], n=n)}
        table[name] |= {key: Figure(_share(values.mean()), n=n) for key, values in rows.items()}
    return table


def _share(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _curve(tally: Tally) -> tuple[tuple[float, float], ...]:
    """Recall by threshold; () where there is nothing to find."""
    if not sum(tally.truths):
        return ()
    return tuple(zip(THRESHOLDS.round(2).tolist(), tally.pooled.recall.tolist(), strict=True))


# ---- one question


def _ranks(scores: Sequence[float | None]) -> NDArray[np.float64] | None:
    """To choose by, those without a score last; None where none has one."""
    if all(score is None for score in scores):
        return None
    return np.array([-np.inf if score is None else score for score in scores])


def _verdict(case: Case, found: Placed, truth: Placed, matches: Matches) -> Verdict:
    hits, counted = (matches.taken >= 0).sum(axis=1), (~matches.ignored).sum(axis=1)
    f1 = rates(hits, counted, np.asarray(len(truth.boxes))).f1
    taken = matches.taken[_HALF]
    hit = np.flatnonzero(taken >= 0)
    error = _error(case, found, truth, matches)
    value = float(np.where(np.isnan(f1), float(error is None), f1).mean())
    overlap = float(matches.overlap[hit, taken[hit]].sum()) / len(truth.boxes) if len(truth.boxes) else None
    return Verdict(case.id, value, overlap, error)


def _error(case: Case, found: Placed, truth: Placed, matches: Matches) -> str | None:
    """At IoU 0.5. Of a box that is wrong beside one that is missing: a loose one reaches a missing box of its name."""
    state = state_of(case)
    taken, excused = matches.taken[_HALF], matches.ignored[_HALF]
    extra = np.flatnonzero((taken < 0) & ~excused)
    missed = np.setdiff1d(np.arange(len(truth.boxes)), taken[taken >= 0])
    if state != ANSWERED or (not len(truth.boxes) and len(extra)):
        return error_of_state(state, bool(len(truth.boxes)))
    if not len(extra):
        return TOO_FEW if len(missed) else None
    if not len(missed):
        return TOO_MANY
    return LOOSE_BOX if matches.overlap[np.ix_(extra, missed)].max() >= BACKGROUND_IOU else WRONG_OBJECT


# ---- what belongs beside the figures


def _notes(
    cases: Sequence[Case],
    categories: Categories,
    coco: CocoAp,
    outside: int,
    scores: Sequence[float | None],
    protocol: Protocol,
) -> list[str]:
    notes = []
    if coco.scored:
        notes.append("precision, recall and F1 count every box, however low its score; AP ranks them")
    elif coco.detections:
        notes.append(
            "the model gives no scores: AP is of boxes that all have the score 1, in the order written, and cannot be "
            "compared with a detector's; F1 can"
        )
    missing = sum(score is None for score in scores)
    if coco.scored and missing:
        notes.append(f"{missing:,} of {len(scores):,} boxes have no score: they rank behind all that have one")
    if outside:
        names = {
            region.label
            for case in cases
            for region in (case.answer.regions if case.answer else ())
            if categories.number_of(region, case) == UNASKED
        }
        shown = ", ".join(repr(name) for name in sorted(map(str, names))[:5])
        notes.append(
            f"{outside:,} boxes have names that nobody asked for ({shown}): they lower precision; AP is without them"
        )
    masks = any(region.mask is not None for case in cases for region in case.truth.regions)
    what = "masks" if masks else "boxes"
    notes.append(f"APs, APm, APl, ARs, ARm and ARl go by the area of {what}; COCO's own go by the areas in its file")
    if protocol.name != DEFAULT_PROTOCOL:
        notes.append(f"AP is COCO's, of IoU >= t; precision, recall and F1 are of {protocol.measure} {protocol.sign} t")
    notes.append("the curve is recall: the share of true boxes that were found at each IoU")
    notes.append(f"COCO AP was computed by {coco.engine}")
    return notes
