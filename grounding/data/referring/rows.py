"""Owns files whose rows are expressions with a box each: what every family of them calls its columns, and reading them.

A row names its picture, so one file holds pictures and answers; there are no masks. Families are told apart by the
columns that a row has, never by the file's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grounding.data.dataset import DataProblem, Dataset
from grounding.data.folders import Folder
from grounding.data.pictures import FilePicture, Picture
from grounding.data.plain import rest, writable
from grounding.data.reading import Findings, load_json, load_jsonl
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Grounding, Region


def _as_it_is(name: str) -> str:
    return name


def _coco_picture(img_id: str) -> str:
    """COCO_train2014_000000581282_10, an object of a picture, lies in COCO_train2014_000000581282.jpg."""
    return re.sub(r"(_\d{12})_\d+$", r"\1", img_id) + ".jpg"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one family of files calls its columns."""

    name: str
    """For people."""
    picture: str
    """Names the picture."""
    phrase: str
    """The expression."""
    box: str
    """Four numbers."""
    form: str
    """Of the box: one of those `Findings.box` reads."""
    id: str | None = None
    """Numbers the expressions; None where no column does: then expressions are numbered by picture or object."""
    nothing: bool = False
    """Whether a null box means that nothing is there; else it is an expression without a box."""
    file_size: str | None = None
    """Width and height of the picture's file, where it may be a squashed copy of the original."""
    picture_of: Callable[[str], str] = _as_it_is
    """Turns what names the picture into its file's name."""

    def speaks(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has this family's columns."""
        columns = {self.picture, self.phrase, "width", "height"}
        return columns <= set(row) and (self.box in row or not self.nothing)


DIALECTS = (
    # Vision-CAIR/MiniGPT-4, eval_scripts/eval_data: img_id names an object, x y w h in pixels
    Dialect("MiniGPT-v2's json", "img_id", "sents", "bbox", "xywh", picture_of=_coco_picture),
    # QwenLM/Qwen-VL, eval_mm/evaluate_grounding.py: corners in pixels. OpenGVLab/InternVL (internvl_chat/eval/refcoco)
    # reads the very files of Qwen-VL; what differs between copies is the folder before the picture's name.
    Dialect("jsonl of Qwen-VL and InternVL", "image", "sent", "bbox", "xyxy"),
    # JierunChen/Ref-L4 on the hub, README.md, "Annotation Fields": x y w h in pixels
    Dialect("Ref-L4", "file_name", "caption", "bbox", "xywh", id="id"),
    Dialect(
        "jsonl of photographs and unit boxes",
        "image",
        "text",
        "bbox_norm_xyxy",
        "xyxy-unit",
        nothing=True,
        file_size="image_size",
    ),
)


def dialect_of(row: Any) -> Dialect | None:
    """The family whose columns the row has; None if it is none of them."""
    return next((dialect for dialect in DIALECTS if isinstance(row, dict) and dialect.speaks(row)), None)


def read_rows(
    path: Path,
    *,
    name: str,
    folder: Folder,
    split: str | None = None,
    expected: int | None = None,
    dialect: Dialect | None = None,
    rows: Iterable[Any] | None = None,
    lines: bool | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Dataset:
    """The expressions of one file, scored as "rec": a JSON list of rows, or a row a line.

    `split`: only rows whose column "split" says so. `rows`: those of the file, where they were read already; else
    `lines` says whether it has one a line (default: whether its name ends in .jsonl). `meta`: what to say of every
    sample besides what its row says, such as the split that the file is.
    Raises InputError where the file can't be read, holds no row of a known family, or has no such split.
    """
    findings = Findings(path)
    lines = path.suffix == ".jsonl" if lines is None else lines
    numbered = _numbered(path, findings, rows, lines)
    held: list[tuple[dict[str, Any], dict[str, int]]] = []
    for row, where in numbered:  # a first row that is damaged does not decide what the file is
        held.append((row, where))
        dialect = dialect or dialect_of(row)
        if dialect is not None:
            break
    if dialect is None:
        raise InputError(_unknown(path, held, findings.problems))
    reader = _Reader(dialect, findings, folder, split, dict(meta or {}))
    for row, where in (*held, *numbered):
        reader.add(row, where)
    if split is not None and not reader.samples and split not in reader.splits:
        there = ", ".join(sorted(reader.splits)) or "no column of splits"
        raise InputError(f"{path.name} has no split {split!r}; it has {there}")
    return Dataset(
        name,
        reader.samples,
        source=f"{dialect.name}: {path.name}",
        expected=expected,
        problems=findings.problems,
    )


def _numbered(
    path: Path, findings: Findings, rows: Iterable[Any] | None, lines: bool
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each row and where it stands: {"line": 3} or {"entry": 3}."""
    if rows is None and lines:
        for number, row in load_jsonl(path, findings):
            yield row, {"line": number}
        return
    if rows is None:
        rows = load_json(path)
        if not isinstance(rows, list):
            raise InputError(f"{path.name} holds no list of expressions but {type(rows).__name__}")
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            yield row, {"entry": number}
        else:
            findings.add("unreadable line", f"it is no JSON object but {row!r:.40}", entry=number)


def _unknown(path: Path, rows: list[tuple[dict[str, Any], Any]], problems: list[DataProblem]) -> str:
    known = "; ".join(f"{d.picture}, {d.phrase}, {d.box}, width, height ({d.name})" for d in DIALECTS)
    if rows:
        seen = f"rows with {', '.join(map(str, list(rows[0][0])[:8])) or 'no columns'}"
    else:
        seen = f"no rows ({problems[0].message})" if problems else "no rows"
    return f"{path.name} holds {seen}; known are rows with {known}"


class _Reader:
    """Makes samples of rows, one after another."""

    def __init__(
        self, dialect: Dialect, findings: Findings, folder: Folder, split: str | None, meta: dict[str, Any]
    ) -> None:
        self.dialect = dialect
        self.findings = findings
        self.folder = folder
        self.split = split
        self.meta = meta
        self.splits: set[str] = set()
        self.samples: list[Sample] = []
        self._pictures: dict[str, Picture] = {}
        self._numbers: dict[str, int] = {}
        mapped = (dialect.picture, dialect.phrase, dialect.box, "width", "height", dialect.id, dialect.file_size)
        self._used = {column for column in mapped if column is not None} - {"img_id"}

    def add(self, row: dict[str, Any], where: dict[str, Any]) -> None:
        dialect, findings = self.dialect, self.findings
        split = row.get("split")
        if split is not None:
            self.splits.add(writable(str(split)))
        if self.split is not None and split != self.split:
            return
        named, phrase = row.get(dialect.picture), row.get(dialect.phrase)
        if not isinstance(named, str) or not named:
            findings.add("unreadable line", f"its {dialect.picture!r} names no picture but is {named!r:.40}", **where)
            return
        id = self._id(row, named, split)
        if id is None:
            findings.add(
                "unreadable line", f"its {dialect.id!r} is no id but {row.get(dialect.id or '')!r:.40}", **where
            )
            return
        if not isinstance(phrase, str) or not phrase.strip():
            findings.add("unreadable line", f"its {dialect.phrase!r} is no expression but {phrase!r:.40}", **where)
            return
        width, height = row.get("width"), row.get("height")
        if not findings.size(width, height, **where) or not findings.new(id, **where):
            return
        size = (int(width), int(height))  # type: ignore[arg-type]  # whole numbers, as was just judged
        values = row.get(dialect.box)
        regions: tuple[Region, ...] = ()
        if values is not None or not dialect.nothing or dialect.box not in row:
            box = findings.box(values, dialect.form, size, **where)
            if box is None:
                return
            regions = (Region(box),)
        phrase = writable(phrase)
        picture = self._picture(dialect.picture_of(writable(named)), size, row)
        truth = Grounding(phrase, regions, "", *size)
        self.samples.append(Sample(picture, phrase, truth, id, meta=self.meta | rest(row, self._used)))

    def _id(self, row: dict[str, Any], named: str, split: Any) -> str | None:
        """The row's own, or its picture's or object's name and how many of its expressions there were, this one too.

        It counts rows that are left out, so that mending one changes no other id. None where the row lacks its own.
        """
        if self.dialect.id is not None:
            own = row.get(self.dialect.id)
            return writable(str(own)) if isinstance(own, int | str) else None
        thing = str(row.get("img_id") or Path(named).stem)
        base = writable(thing if split is None else f"{split}/{thing}")
        self._numbers[base] = self._numbers.get(base, 0) + 1
        return f"{base}-{self._numbers[base]}"

    def _picture(self, name: str, size: tuple[int, int], row: dict[str, Any]) -> Picture:
        picture = self._pictures.get(name)
        if picture is None:
            picture = self.folder.find(name, size)
            stated = None if self.dialect.file_size is None else row.get(self.dialect.file_size)
            if isinstance(picture, FilePicture) and isinstance(stated, list) and tuple(stated) != size:
                picture = replace(picture, stretched_from=size)
            self._pictures[name] = picture
        return picture
