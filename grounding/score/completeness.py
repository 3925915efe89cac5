"""Owns what makes a file of predictions fit to score: complete, of the data set it names; else, what is said of it.

Figures of half a file, or of other questions, are not the figures of a data set: they are refused, or marked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from grounding.data.dataset import DataProblem, Dataset
from grounding.data.predictions import Prediction, Predictions
from grounding.errors import InputError
from grounding.metrics.protocols import PROTOCOLS

WITHOUT_BOXES = ("segmentation", "pointing", "counting", "absent")
"""Scorings that compare no boxes: every protocol gives the same."""
ONE_OF_SEVERAL = ("rec", "phrases")
"""Scorings that judge one box of an answer, or the first few: an oracle chooses them by looking at the truth."""


def check_complete(predictions: Predictions, partial: bool) -> None:
    """Raises InputError where figures of the file would not be about the questions its header promises."""
    asked, there = predictions.header.samples, len(predictions.rows)
    file = predictions.file or "the file"
    if not there:
        raise InputError(f"{file} holds no answer{_lines(predictions, 2)}: run the same `grounding predict` again")
    if asked is None:
        if not partial:
            raise InputError(
                f"{file} is not finished: {there:,} questions of a streamed data set have an answer, its end was not "
                "reached; run the same `grounding predict` again to finish it, or score what is there with --partial"
            )
    elif there > asked:
        raise InputError(
            f"{file} holds answers to {there:,} questions, and its header says that {asked:,} were asked: some are "
            "to questions of another data set; name the right one with --dataset, and they are left out"
        )
    elif there < asked and not partial:
        raise InputError(
            f"{file} is not finished: {there:,} of {asked:,} questions have an answer{_lines(predictions, 2)}; "
            "run the same `grounding predict` again to finish it, or score what is there with --partial"
        )


def counts_of(predictions: Predictions) -> dict[str, int]:
    """How many there are of everything a figure is made of; of a stream that is not done, without "samples"."""
    header, rows = predictions.header, predictions.rows
    counts = {} if header.expected is None else {"expected": header.expected}
    if header.samples is not None:
        counts["samples"] = header.samples
    counts["scored"] = len(rows)
    counts["failed"] = sum(row.answer is None for row in rows)
    if header.samples is not None:
        counts["unfinished"] = header.samples - len(rows)
    counts["pictures"] = len({row.picture for row in rows})
    return counts | Counter(problem.kind for problem in predictions.problems)


def notes_of(predictions: Predictions, scoring: str, protocol: str) -> list[str]:
    """What has to be said beside the figures, the gravest first."""
    header, rows, notes = predictions.header, len(predictions.rows), []
    if header.samples is None:
        notes.append(f"NOT FINISHED: {rows:,} questions of a streamed data set have an answer, its end was not reached")
    elif rows < header.samples:
        notes.append(
            f"NOT FINISHED: {rows:,} of {header.samples:,} questions have an answer; "
            "no figure here is of the whole data set"
        )
    if PROTOCOLS[protocol].oracle and scoring in ONE_OF_SEVERAL:
        notes.append("the protocol chose the best box of each answer by looking at the truth: for reproduction only")
    if scoring != header.scoring:
        notes.append(f"measured as {scoring}; the data set is meant to be measured as {header.scoring}")
    if failed := sum(row.answer is None for row in predictions.rows):
        notes.append(
            f"questions that failed and count as wrong: {failed:,} (`grounding predict --retry-failed` asks again)"
        )
    if predictions.problems:
        notes.append(_lines(predictions, 5).removeprefix(", and ").replace("can't", "of the file can't", 1))
    if header.missing_pictures:
        notes.append(f"pictures of the data set that were missing when it was asked: {header.missing_pictures:,}")
    if header.data_problems:
        wrong = ", ".join(f"{count:,} x {kind}" for kind, count in header.data_problems.items())
        notes.append(f"entries of the data set that are not as they should be: {wrong}")
    return [*notes, *header.notes]


def against(predictions: Predictions, dataset: Dataset, path: str | Path | None = None) -> Predictions:
    """The predictions to the questions of `dataset` alone; those to unknown ids are left out, and named as problems.

    `path`: the file they were read from, so that its lines can be named. Raises InputError where a question of the file
    is another one than the data set has under its id: then the file was made of another version of it.
    """
    samples = {sample.id: sample for sample in dataset}
    lines = {} if path is None else _line_numbers(Path(path).expanduser())
    file = predictions.header.dataset if path is None else Path(path).name
    rows, problems = [], list(predictions.problems)
    for row in predictions.rows:
        if row.id not in samples:
            message = f"the id {row.id!r} is of no question of {dataset.name}: the answer is left out"
            problems.append(DataProblem("unknown id", message, file, lines.get(row.id), None if lines else row.id))
        elif not _same(row, Prediction.of(samples[row.id], None)):
            where = f"line {lines[row.id]}" if row.id in lines else f"the answer {row.id!r}"
            raise InputError(
                f"{file}, {where} is of another question than {dataset.name} has under the id {row.id!r}: the file was "
                "made of another version of the data set; open that one, or predict again"
            )
        else:
            rows.append(row)
    if predictions.rows and not rows:
        raise InputError(
            f"none of the {len(predictions.rows):,} answers in {file} is to a question of {dataset.name}, such as "
            f"{next(iter(samples), None)!r}: the file was made of {predictions.header.dataset}"
        )
    header = replace(predictions.header, samples=len(samples), expected=dataset.expected)
    return replace(predictions, header=header, rows=tuple(rows), problems=tuple(problems))


def _same(row: Prediction, asked: Prediction) -> bool:
    def question(one: Prediction) -> tuple[object, ...]:
        return one.phrase, one.truth.width, one.truth.height, [region.box for region in one.truth.regions]

    return question(row) == question(asked)


def _line_numbers(path: Path) -> Mapping[str, int]:
    """Id to the line it stands in first."""
    numbers: dict[str, int] = {}
    with path.open(encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if number > 1 and isinstance(row, dict):
                numbers.setdefault(str(row.get("id")), number)
    return numbers


def _lines(predictions: Predictions, most: int) -> str:
    """`, and 3 lines can't be taken (predictions.jsonl, line 4: ...)`; "" where none is wrong."""
    if not predictions.problems:
        return ""
    count = len(predictions.problems)
    named = "; ".join(f"{problem.where}: {problem.message}" for problem in predictions.problems[:most])
    return f", and {count:,} line{'s' if count > 1 else ''} can't be taken ({named}{'; ...' if count > most else ''})"
