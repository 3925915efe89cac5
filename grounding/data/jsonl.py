"""Owns our own jsonl: a line a sample, with nothing of it lost; a header line may say what the whole is.

    {"format": "grounding samples", "version": 1, "name": "cups", "scoring": "rec"}
    {"image": "a.jpg", "phrase": "red cup", "box": [12, 30, 96, 140]}

What the keys mean stands in docs/datasets.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from grounding.data.dataset import SCORINGS, Dataset, StreamedDataset
from grounding.data.folders import Folder
from grounding.data.plain import plain
from grounding.data.reading import Findings, load_jsonl
from grounding.data.sample import Sample
from grounding.data.sample_lines import LineReader, sample_to_json
from grounding.data.scene_lines import is_scene_line, plain_line
from grounding.data.whole_files import whole_file
from grounding.errors import InputError

FORMAT = "grounding samples"
VERSION = 1
_SCORING_OF_TASK = {"detect": "detection", "count": "counting", "segment": "segmentation"}


# ---- writing


def write_jsonl(dataset: Dataset | StreamedDataset, path: str | Path, samples: Iterable[Sample] | None = None) -> int:
    """How many samples were written; the file appears whole or not at all. Raises OutputError.

    Pictures stay where they are: a line holds the picture's key, a path below the folder of pictures. `samples`: those
    of the data set, as they are passed on by something that watches them (default: the data set's own).
    """
    with whole_file(path) as stream:
        lines = sum(stream.write(line) > 0 for line in lines_of(dataset, samples))
    return lines - 1


def lines_of(dataset: Dataset | StreamedDataset, samples: Iterable[Sample] | None = None) -> Iterator[str]:
    """The header and then each sample as a line, with its line end."""
    notes, expected = dataset.notes, dataset.expected
    if isinstance(dataset, Dataset) and expected not in (None, len(dataset)):
        notes = notes[1:]  # the first is made of the two numbers, at every reading anew
    header = {
        "format": FORMAT,
        "version": VERSION,
        "name": dataset.name,
        "scoring": dataset.scoring,
        "expected": expected,
        "source": dataset.source,
        "notes": list(notes),
        "meta": dataset.meta,
    }
    yield _dumped({key: value for key, value in header.items() if value not in (None, "", [], {})})
    for sample in dataset if samples is None else samples:
        yield _dumped(sample_to_json(sample))


def _dumped(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"


# ---- reading


def read_jsonl(
    path: str | Path,
    *,
    images: str | Path | None = None,
    stretched: bool = False,
    scoring: str | None = None,
    task: str | None = None,
) -> Dataset:
    """The samples of a file of this format, or of the samples.jsonl that `grounding data draw` writes.

    `images`: the folder that the lines' pictures lie in (default: the file's own). `task`: only lines of that task.
    `scoring`: what the answers are measured as (default: what the header says, else what the tasks and truths suggest).
    `stretched`: all pictures are copies that were resized without keeping their shape.

    A line that can't be used is left out and named in `problems`. Raises InputError where the file can't be read.
    """
    path = Path(path)
    findings = Findings(path)
    reader = LineReader(findings, Folder(images or path.absolute().parent, stretched=stretched))
    header: dict[str, Any] = {}
    samples: list[Sample] = []
    notes: list[str] = []
    wordy = 0
    for line, row in load_jsonl(path, findings):
        if row.get("format") == FORMAT and (header or samples):
            findings.add("unreadable line", "it is a second header; the first one counts", line=line)
            continue
        if row.get("format") == FORMAT:
            header = _header(row, path, line)
            continue
        asked: dict[str, Any] | None = row
        if is_scene_line(row):
            asked, loss = plain_line(row, line)
            wordy += asked is None
            if loss and loss not in notes:
                notes.append(loss)
        if asked is not None and (task is None or asked.get("task", "locate") == task):
            sample = reader.sample(asked, line)
            if sample is not None:
                samples.append(sample)
    if wordy:
        notes.append(f"questions that are answered in words are left out, as no verb asks them: {wordy:,}")
    if task is not None:
        notes.append(f"only questions to {task} are taken")
    if not samples and not header:
        first = f": {findings.problems[0].where}: {findings.problems[0].message}" if findings.problems else ""
        raise InputError(f"{path.name} holds no sample that can be read{first}")
    chosen = scoring or header.get("scoring") or _scoring(samples, notes)
    return Dataset(
        header.get("name", path.name),
        samples,
        scoring=chosen,
        source=header.get("source", f"jsonl, {path.name}"),
        expected=header.get("expected") if task is None else None,
        problems=findings.problems,
        notes=(*header.get("notes", ()), *notes),
        meta=plain(header.get("meta", {})),
    )


def _header(row: Mapping[str, Any], path: Path, line: int) -> dict[str, Any]:
    kinds = {"name": str, "scoring": str, "expected": int, "source": str, "notes": list, "meta": dict}
    if row.get("version") != VERSION:
        raise InputError(f"{path.name} has version {row.get('version')!r} of the format; this package reads {VERSION}")
    for key, kind in kinds.items():
        if key in row and not isinstance(row[key], kind):
            raise InputError(f"{path.name}, line {line}: {key!r} is no {kind.__name__} but {row[key]!r:.40}")
    if "scoring" in row and row["scoring"] not in SCORINGS:
        raise InputError(f"{path.name} is to be scored as {row['scoring']!r}; known: {', '.join(SCORINGS)}")
    return {key: plain(row[key]) for key in kinds if key in row}


def _scoring(samples: Iterable[Sample], notes: list[str]) -> str:
    """What the answers are measured as where nobody says."""
    tasks = Counter(sample.task for sample in samples)
    task = tasks.most_common(1)[0][0] if tasks else "locate"
    if len(tasks) > 1:
        told = ", ".join(f"{count:,} to {name}" for name, count in tasks.most_common())
        notes.append(f"it holds questions of several tasks ({told}); a figure is of one: open it with task=")
    if task in _SCORING_OF_TASK:
        return _SCORING_OF_TASK[task]
    counts = {sample.truth.count for sample in samples if sample.task == task}
    return "absent" if counts == {0} else "rec" if counts == {1} else "generalized"
