"""Owns the answers in a page as plain JSON values: what answers.js draws and filters, cut where it grows too long."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from grounding.data.predictions import Prediction
from grounding.masks import Mask
from grounding.metrics.base import Verdict
from grounding.report.pictures import LONGEST_PX
from grounding.result import Grounding, Region

ROW_BYTES = 7_500_000
"""Of all answers together, as they stand in the page."""
REGIONS = 60
"""Places drawn of one answer, the surest first; more would hide the picture."""
TEXT_LETTERS = 1200
"""Letters shown of what a model wrote."""


def row_of(
    row: Prediction, answers: Sequence[tuple[Prediction | None, Verdict | None]], kind: str | None, masks: bool
) -> dict[str, Any]:
    """One question with its truth and one answer a model; what says nothing is left out.

    `kind`: of question, under which it is found; `masks`: whether outlines of masks come along, which take much room.
    """
    data: dict[str, Any] = {
        "id": row.id,
        "picture": row.picture,
        "phrase": row.phrase,
        "truth": _regions(row.truth.regions, masks),
        "answers": [None if given is None else _answer(given, verdict, masks) for given, verdict in answers],
    }
    if row.names:
        data["names"] = list(row.names)
    if kind is not None:
        data["kind"] = kind
    if row.crowd:
        data["crowd"] = _regions(row.crowd, masks)
    return data


def _answer(row: Prediction, verdict: Verdict | None, masks: bool) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if verdict is not None:
        known = {"value": verdict.value, "overlap": verdict.overlap, "error": verdict.error, "score": verdict.score}
        data |= {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in known.items()
            if value is not None
        }
    answer = row.answer
    if answer is None:
        return data | {"regions": [], "failure": row.error or "no reason is known"}
    shown = _surest(answer, None if verdict is None else verdict.region)
    data["regions"] = _regions([answer.regions[number] for number in shown], masks)
    data["count"] = answer.count
    if verdict is not None and verdict.region in shown:
        data["judged"] = shown.index(verdict.region)
    written = answer.raw if answer.raw is not None else answer.text
    if written:
        data["text"] = written if len(written) <= TEXT_LETTERS else written[:TEXT_LETTERS] + " …"
    if answer.problems:
        data["problems"] = [[problem.kind, problem.message[:300]] for problem in answer.problems[:12]]
    if answer.seconds is not None:
        data["seconds"] = round(answer.seconds, 4)
    return data


def _surest(answer: Grounding, judged: int | None) -> list[int]:
    """Places of the regions to draw, in the answer's order: the judged one, and those with the highest scores."""
    if answer.count <= REGIONS:
        return list(range(answer.count))
    scores = [-1.0 if score is None else score for score in answer.scores]
    order = sorted(range(answer.count), key=lambda number: (number != judged, -scores[number]))
    return sorted(order[:REGIONS])


def _regions(regions: Sequence[Region], masks: bool) -> list[dict[str, Any]]:
    return [_region(region, masks) for region in regions]


def _region(region: Region, masks: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"box": [round(edge, 1) for edge in region.box]}
    if region.label is not None:
        data["label"] = region.label[:200]
    if region.score is not None:
        data["score"] = round(region.score, 4)
    if region.point is not None:
        data["point"] = [round(value, 1) for value in region.point]
    if region.mask is not None and masks and (path := _path(region.mask)):
        data["path"] = path
    return data


def _path(mask: Mask) -> str:
    """An SVG path around the mask, as fine as the small picture is; "" where nothing is inside."""
    import cv2

    fine = 0.9 * max(mask.width / LONGEST_PX, mask.height / LONGEST_PX, 1.0)  # px; stairs of whole pixels are smoothed
    pieces = []
    for polygon in mask.polygons:
        corners = cv2.approxPolyDP(np.asarray(polygon, np.float32)[:, None], fine, True)[:, 0]
        if len(corners) >= 3:
            pieces.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z")
    return "".join(pieces)


def fitting(rows: Sequence[dict[str, Any]], wanted: Sequence[int], most_bytes: int) -> list[int]:
    """Places of the rows that fit into `most_bytes` of JSON, in the file's order: all, or the wanted ones first."""
    sizes = [len(json.dumps(row, ensure_ascii=False).encode(errors="replace")) + 1 for row in rows]
    if sum(sizes) <= most_bytes:
        return list(range(len(rows)))
    kept: list[int] = []
    for place in wanted:
        most_bytes -= sizes[place]
        if most_bytes < 0:
            break
        kept.append(place)
    return sorted(kept)


def script_json(data: Any) -> str:
    """JSON for a <script> element: nothing in it can end the element, begin a comment or break a line of script."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
