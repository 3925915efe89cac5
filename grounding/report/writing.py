"""write_report(): predictions, of one model or of two, into one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.data.predictions import Prediction, Predictions, read_predictions
from grounding.data.whole_files import whole_bytes
from grounding.errors import GroundingError, InputError, OutputError
from grounding.metrics.base import Scores, Verdict
from grounding.metrics.buckets import BY_WORDS
from grounding.metrics.errors import ERRORS
from grounding.metrics.protocols import DEFAULT_PROTOCOL
from grounding.metrics.wording import kind_by_words
from grounding.report.choosing import first_of, orders_of
from grounding.report.page import page_of
from grounding.report.panels import panels_of
from grounding.report.pictures import Album, Opener, OpenPicture, album_of
from grounding.report.rows import ROW_BYTES, fitting, row_of
from grounding.report.sides import Side, keys_of, sides_of
from grounding.report.summary import conditions_of, facts_of, figures_of, flips_of, headline_of, notes_of, rates_of
from grounding.report.wording import esc, plural, title_of
from grounding.score import Comparison, compare, score

GALLERY = 24


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    size_bytes: int
    answers: int
    """How many questions with their answers are in it."""
    pictures: int
    """How many pictures are in it."""
    notes: tuple[str, ...]
    """What was left out of it, and why."""


def write_report(
    out: str | Path,
    predictions: Predictions | str | Path,
    scores: Scores | None = None,
    other: Predictions | str | Path | None = None,
    other_scores: Scores | None = None,
    *,
    protocol: str = DEFAULT_PROTOCOL,
    scoring: str | None = None,
    partial: bool = False,
    root: str | Path | None = None,
    images: str | Path | None = None,
    open_picture: OpenPicture | None = None,
    gallery: int = GALLERY,
    progress: bool = False,
    **options: Any,
) -> Report:
    """Writes the page to `out`, whole or not at all, and says what is in it.

    `scores`, `other_scores`: what `grounding.score` made of the files; measured now where they are left out, under
    `protocol`, as `scoring` and with `partial` as `score` has them. `other`: a second model on the same data set.

    Pictures are opened through the data set that the predictions name, with `root` and `images` in place of the folders
    they were made with; or by `open_picture`, which gets a Prediction. Those that can't be opened become plain
    rectangles. `gallery`: how many answers of each order are sure to have their picture. `progress`: a bar on stderr.
    `options` go to `score`.

    Raises InputError where the files can't be read, scored or compared, and OutputError where nothing can be written.
    """
    if gallery < 1:
        raise InputError(f"gallery is {gallery}; give 1 or more")
    target = Path(out).expanduser()
    if not target.parent.is_dir():
        raise OutputError(f"{out} can't be written: there is no directory {target.parent}")
    first = predictions if isinstance(predictions, Predictions) else read_predictions(predictions)
    scores = scores or score(first, protocol, scoring=scoring, partial=partial, **options)
    given, comparison = [(first, scores)], None
    if other is not None:
        second = other if isinstance(other, Predictions) else read_predictions(other)
        options = {"scoring": scores.scoring, "partial": partial, **options}
        comparison = compare(first, second, scores.protocol, **options)
        given.append((second, other_scores or score(second, scores.protocol, **options)))
    sides = sides_of(given)

    answers = _Answers(sides, gallery)
    reason = None
    if open_picture is None:
        try:
            wanted = [first.rows[place] for place in answers.wanted]
            open_picture = Opener(first.header, first.rows, wanted, root=root, images=images)
        except GroundingError as error:
            reason = str(error)
    album = Album()
    if open_picture is not None:
        spare = [] if getattr(open_picture, "streamed", False) else answers.orders.get("random", [])
        album = album_of(
            [first.rows[place] for place in answers.wanted],
            [first.rows[place] for place in spare],
            open_picture,
            progress=progress,
        )
    data, kept = answers.data(album)
    notes = _left_out(answers, album, kept, reason)
    page = page_of(_title(sides), _parts(sides, comparison, notes, data["orders"]), data)
    reasons = [f"no pictures: {reason}"] if reason is not None else list(album.unavailable.values())[:3]
    return Report(target, _write(target, page), len(kept), len(album.addresses), (*notes, *reasons))


class _Answers:
    """The questions with their answers, in the orders the page leafs through them."""

    def __init__(self, sides: Sequence[Side], gallery: int) -> None:
        self.sides = sides
        self.rows = sides[0].predictions.rows
        self.columns = [_column(self.rows, side) for side in sides]
        """For each model one entry a row: its line and what that was worth; None twice where it was not asked."""
        judged = [[verdict for _, verdict in column] for column in self.columns]
        others = judged[1] if len(judged) > 1 else None
        self.orders = orders_of(self.rows, judged[0], others)
        self.wanted = first_of(self.orders, judged[0], others, gallery)

    def data(self, album: Album) -> tuple[dict[str, Any], list[int]]:
        """What the scripts read, and places of the questions in it: all, unless there are too many."""
        by_words = BY_WORDS in self.sides[0].scores.groups
        kinds = [kind_by_words(row.phrase) if by_words and row.phrase else row.kind for row in self.rows]
        answers = zip(*self.columns, strict=True)
        made = [
            row_of(row, answer, kind, row.picture in album.addresses)
            for row, answer, kind in zip(self.rows, answers, kinds, strict=True)
        ]
        wanted = dict.fromkeys([*self.wanted, *self.orders.get("random", [])])
        kept = fitting(made, list(wanted), ROW_BYTES)
        new = {place: number for number, place in enumerate(kept)}
        keys = dict.fromkeys(self.rows[place].picture for place in kept)
        sizes = {row.picture: (row.truth.width, row.truth.height) for row in self.rows}
        number = {key: index for index, key in enumerate(keys)}
        shown = [{**made[place], "picture": number[made[place]["picture"]]} for place in kept]
        return {
            "scoring": self.sides[0].scores.scoring,
            "measure": self.sides[0].measure,
            "models": [side.name for side in self.sides],
            "errors": {name: title_of(name) for name in ERRORS},
            "pictures": [[key, *sizes[key], album.addresses.get(key)] for key in keys],
            "orders": {name: [new[place] for place in order if place in new] for name, order in self.orders.items()},
            "answers": shown,
        }, kept


def _column(rows: Sequence[Prediction], side: Side) -> list[tuple[Prediction | None, Verdict | None]]:
    lines = {line.id: line for line in side.predictions.rows}
    verdicts = {verdict.id: verdict for verdict in side.scores.verdicts}
    column: list[tuple[Prediction | None, Verdict | None]] = []
    for row in rows:
        line = lines.get(row.id)
        same = line is not None and _asked(line) == _asked(row)
        column.append((line, verdicts.get(row.id)) if same else (None, None))
    return column


def _asked(row: Prediction) -> tuple[Any, ...]:
    """The question: two files may ask different ones under one id."""
    return (row.phrase, row.truth.regions, row.truth.width, row.truth.height)


_ORDERS = {
    "apart": "Where they differ",
    "worst": "Worst",
    "sure": "Surest mistakes",
    "random": "Random",
    "file": "As in the file",
}


def _parts(
    sides: Sequence[Side], comparison: Comparison | None, notes: Sequence[str], orders: dict[str, list[int]]
) -> dict[str, str]:
    """The pieces of report.html."""
    models = " against ".join(esc(side.name) for side in sides)
    options = "".join(
        f'<label><input type="radio" name="order" value="{name}"{" checked" if index == 0 else ""}>'
        f"<span>{esc(_ORDERS[name])}</span></label>"
        for index, name in enumerate(orders)
    )
    return {
        "dataset": esc(sides[0].header.dataset),
        "models": models,
        "headline": headline_of(sides, comparison),
        "conditions": conditions_of(sides),
        "facts": facts_of(sides),
        "notes": notes_of(sides, comparison),
        "figures": figures_of(sides, comparison),
        "flips": "" if comparison is None else flips_of(sides, comparison),
        "keys": keys_of(sides),
        "panels": panels_of(sides),
        "rates": rates_of(sides),
        "orders": options,
        "left_out": "".join(f"<p>{esc(note[:1].upper() + note[1:])}.</p>" for note in notes),
    }


def _title(sides: Sequence[Side]) -> str:
    return f"{' against '.join(side.name for side in sides)} on {sides[0].header.dataset}"


def _left_out(answers: _Answers, album: Album, kept: Sequence[int], reason: str | None) -> list[str]:
    """Sentences about what the page does not hold; no path of this machine stands in them."""
    notes = []
    if len(kept) < len(answers.rows):
        notes.append(
            f"{len(kept):,} of {len(answers.rows):,} answers are listed below, drawn by lot beside the galleries, so "
            "that the page stays quick; every figure is of all of them"
        )
    pictures = len({row.picture for row in answers.rows})
    if reason is not None:
        notes.append("the data set is not at hand where this page was made, so that places are drawn without pictures")
    else:
        if album.unavailable:
            notes.append(
                f"{plural(len(album.unavailable), 'picture')} could not be opened; places are drawn without them"
            )
        left = pictures - len(album.addresses) - len(album.unavailable)
        if left > 0:
            notes.append(
                f"{len(album.addresses):,} of {plural(pictures, 'picture')} are in this page, for the first answers of "
                "each order and some of each kind of error; elsewhere places are drawn without them"
            )
    return notes


def _write(target: Path, page: str) -> int:
    """Writes the page, whole or not at all; returns its size in bytes."""
    content = page.encode("utf-8", errors="replace")  # what a model wrote may hold half a character
    with whole_bytes(target) as stream:
        stream.write(content)
    return len(content)
