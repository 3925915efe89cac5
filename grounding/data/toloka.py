"""Owns the reading of Toloka's WSDM Cup 2023: a question a row, and the box of what answers it.

    image,width,height,left,top,right,bottom,question
    https://.../000000000013.jpg,640,427,129,192,155,212,What does it use to breath?

Source: Toloka/WSDMCup2023 and toloka/WSDMCup2023 on the hub, CC BY 4.0.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from grounding.data.dataset import Dataset
from grounding.data.folders import Folder
from grounding.data.plain import writable
from grounding.data.reading import Findings, first_existing
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Grounding, Region

COLUMNS = ("image", "width", "height", "left", "top", "right", "bottom", "question")
EXPECTED = {"train": 38_990, "train_sample": 1_000, "test_public": 1_705, "test_private": 4_504}
"""Questions of each split, as the hub's toloka/WSDMCup2023 states them."""


def open_toloka(kind: str, split: str, *, root: Path | None, images: Path | None, stretched: bool = False) -> Dataset:
    """`toloka:test_public` and its like, out of `root`/test_public.csv; see `read_csv`."""
    if split not in EXPECTED:
        raise InputError(f"Toloka's WSDM Cup has no split {split!r}; known: {', '.join(EXPECTED)}")
    if root is None:
        raise InputError(f"toloka:{split} needs root=, the folder that holds {split}.csv")
    names = (f"{split}.csv", f"{split}-00000-of-00001.csv")
    path = first_existing(root, [f"{folder}{name}" for folder in ("", "toloka/", "data/") for name in names])
    if path is None:
        raise InputError(f"there is no {split}.csv in {root}: give another root=")
    if images is None:
        images = next((place for place in (root / "toloka" / "images", root / "images") if place.is_dir()), root)
    return read_csv(path, images=images, stretched=stretched, name=f"{kind}:{split}", expected=EXPECTED[split])


def read_csv(
    path: str | Path,
    *,
    images: str | Path | None = None,
    stretched: bool = False,
    name: str | None = None,
    expected: int | None = None,
) -> Dataset:
    """A sample for every row with a box, in order: the question is the phrase. Pictures are looked for by file name.

    A row that can't be used is left out and named in `problems`. Raises InputError where the file can't be read, lacks
    a column, or has no row with a box: during the contest the tests were published without.
    """
    path = Path(path)
    findings = Findings(path)
    folder = Folder(images or path.absolute().parent, stretched=stretched)
    samples = [sample for line, row in _rows(path, findings) if (sample := sample_of_row(row, line, findings, folder))]
    if not samples:
        kinds = {problem.kind for problem in findings.problems}
        if kinds == {"no box"}:
            raise InputError(
                f"{path.name} has no boxes: it is the file that was published during the contest; get the later one "
                "from the hub, toloka/WSDMCup2023"
            )
        first = f": {findings.problems[0].where}: {findings.problems[0].message}" if findings.problems else ""
        raise InputError(f"{path.name} holds no question that can be read{first}")
    return Dataset(
        name or path.name,
        samples,
        source=f"Toloka's csv, {path.name}",
        expected=expected,
        problems=findings.problems,
    )


def sample_of_row(row: Mapping[str, Any], line: int, findings: Findings, folder: Folder) -> Sample | None:
    """The sample of a row of these columns; None after noting what is wrong with it."""
    image, question = row.get("image"), row.get("question")
    if not isinstance(image, str) or not image or not isinstance(question, str) or not question.strip():
        findings.add("unreadable line", f"no image or no question in it: {image!r:.60}, {question!r:.60}", line=line)
        return None
    width, height = (_number(row.get(side)) for side in ("width", "height"))
    if not findings.size(width, height, line=line):
        return None
    size = (int(width), int(height))
    edges = [_number(row.get(side)) for side in ("left", "top", "right", "bottom")]
    box = findings.box(None if edges == [None] * 4 else edges, "xyxy", size, line=line)
    name = writable(unquote(urlsplit(image).path).rpartition("/")[2] or image)
    id = f"{Path(name).stem}/{line}"
    if box is None or not findings.new(id, line=line):
        return None
    phrase = writable(" ".join(question.split()))
    truth = Grounding(phrase, (Region(box),), "", *size)
    return Sample(folder.find(name, size), phrase, truth, id, meta={"image": writable(image)})


def _rows(path: Path, findings: Findings) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and columns of each row."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                seen = ", ".join(reader.fieldnames or ()) or "nothing"
                raise InputError(f"{path.name} lacks the column {missing[0]!r}; it has {seen:.120}")
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    findings.add("unreadable line", f"it is not CSV ({error})", line=reader.line_num)
                    continue
                if None in row or None in row.values():
                    count = len(reader.fieldnames or ())
                    message = f"it has {'more' if None in row else 'fewer'} fields than the {count} columns"
                    findings.add("unreadable line", message, line=reader.line_num)
                else:
                    yield reader.line_num, row
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    except csv.Error as error:
        raise InputError(f"{path.name} is not CSV: {error}") from None


def _number(value: Any) -> Any:
    """A cell's number; None where it is empty; what stands there otherwise."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if value.strip() else None
    except ValueError:
        return value
