"""Owns which answers a page shows first: the worst, the surest mistakes, some by lot, those where two models differ."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from grounding.data.predictions import Prediction
from grounding.metrics.base import Verdict
from grounding.score.compare import RIGHT

Verdicts = Sequence[Verdict | None]
"""One a row; None where the row was not judged."""


def orders_of(rows: Sequence[Prediction], verdicts: Verdicts, others: Verdicts | None = None) -> dict[str, list[int]]:
    """Orders to leaf through the answers in, each a list of places in `rows`; an order with nothing in it is left out.

    "worst": from the least worth, those that show a wrong place before those that show none; "sure": wrong ones, the
    surest first; "random": all, by the hash of their ids, the same at every making; "file": all as they stand. With a
    second model "apart" is the first: where one is worth more than the other, the widest gap first.
    """
    places = range(len(rows))
    lot = [_lot(row.id) for row in rows]
    judged = [(place, verdict) for place, verdict in enumerate(verdicts) if verdict is not None]

    def badness(item: tuple[int, Verdict]) -> tuple[float, float, bytes]:
        place, verdict = item
        return (verdict.value, math.inf if verdict.overlap is None else verdict.overlap, lot[place])

    worst = [place for place, verdict in sorted(judged, key=badness) if verdict.value < 1]
    sure = [(place, verdict.score) for place, verdict in judged if verdict.value < RIGHT and verdict.score is not None]
    orders = {
        "worst": worst,
        "sure": [place for place, _ in sorted(sure, key=lambda item: (-item[1], lot[item[0]]))],
        "random": sorted(places, key=lambda place: lot[place]),
        "file": list(places),
    }
    if others is not None:
        apart = [
            (-abs(mine.value - theirs.value), lot[place], place)
            for place, (mine, theirs) in enumerate(zip(verdicts, others, strict=True))
            if mine is not None and theirs is not None and mine.value != theirs.value
        ]
        orders = {"apart": [place for _, _, place in sorted(apart)], **orders}
    return {name: order for name, order in orders.items() if order}


def first_of(orders: dict[str, list[int]], verdicts: Verdicts, others: Verdicts | None, count: int) -> list[int]:
    """Places whose pictures a page must have, the most wanted first, each once.

    The first `count` of every order but the file's, and of either way two models differ; then `count` / 2 of each kind
    of error, so that every filter has something to show.
    """
    queues = [order[:count] for name, order in orders.items() if name != "file"]
    if others is not None:
        apart = orders.get("apart", [])
        for sign in (1, -1):
            queues.append([place for place in apart if sign * _gap(verdicts[place], others[place]) > 0][:count])
    wanted = {place: None for rank in range(count) for queue in queues for place in queue[rank : rank + 1]}
    by_error: dict[str, list[int]] = {}
    for place in orders.get("random", []):
        verdict = verdicts[place]
        if verdict is not None and verdict.error is not None:
            by_error.setdefault(verdict.error, []).append(place)
    for rank in range(count // 2):
        wanted |= {queue[rank]: None for queue in by_error.values() if rank < len(queue)}
    return list(wanted)


def _gap(mine: Verdict | None, theirs: Verdict | None) -> float:
    return 0.0 if mine is None or theirs is None else mine.value - theirs.value


def _lot(id: str) -> bytes:
    return hashlib.sha256(id.encode(errors="surrogatepass")).digest()[:8]
