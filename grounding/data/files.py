"""open_file(): tells by what is in a file which format it has, and hands it to the reader of that format."""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from grounding.data import labelled_boxes
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.parquet_files import parquet_columns, parquet_rows
from grounding.data.reading import load_json
from grounding.data.referring import mdetr
from grounding.data.referring.picture_places import pictures_near
from grounding.data.referring.rows import dialect_of, read_rows
from grounding.data.referring.splits import SPLITS, split_of_file
from grounding.data.referring.toolbox import INSTANCES, PICKLES, read_refs
from grounding.errors import InputError

FORMATS = (
    "a row an expression (json or jsonl of MiniGPT-v2, Qwen-VL, InternVL, Ref-L4), refs of the refer toolbox or of "
    "gRefCOCO with instances.json beside them, MDETR's json, COCO instances, jsonl of labelled boxes, our own jsonl, "
    "Toloka's csv, parquet"
)
_START_BYTES = 1 << 16
_OURS = ("images", "near", "name", "expected", "notes", "rows", "lines", "refs", "data")
"""What a reader is told by `open_file`, never by its caller."""


def open_file(path: Path, *, root: Path | None, images: Path | None, **options: Any) -> Dataset | StreamedDataset:
    """The data set in one file, under the file's name; `source` says what the file was taken for.

    `images`: the folder its pictures lie in (default: looked for below `root`, else beside the file). `options` are
    those of the format's reader: `split` takes only the rows or refs of one split, `scoring` chooses between boxes and
    masks, `stretched` is for pictures that are squashed copies; a COCO file takes those of `read_instances`, and so on.
    Raises InputError where the file can't be read, is no format known here, or its format has no such option.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the data set in it, such as refcoco:testA, and give it as root=")
    try:
        with path.open("rb") as stream:
            start = stream.read(_START_BYTES)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    reader, arguments = _reader(path, start)
    known = [name for name, entry in inspect.signature(reader).parameters.items() if entry.kind is entry.KEYWORD_ONLY]
    offered = [name for name in known if name not in (*_OURS, *arguments)]
    if strange := sorted(set(options) - set(offered)):
        raise InputError(f"{path.name} has no option {strange[0]!r}; its options are {', '.join(offered) or 'none'}")
    if "near" in known:
        arguments |= {"near": root or path.absolute().parent, "images": images}
    else:
        arguments["images"] = images or root
    opened: Dataset | StreamedDataset = reader(path, **arguments, **options)
    return opened


def _reader(path: Path, start: bytes) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function that reads the file, and what it is to be told besides. Raises InputError."""
    text = start.decode("utf-8-sig", "replace").lstrip()
    if start.startswith(b"PAR1"):
        return _parquet_reader(path)
    if path.suffix in PICKLES:
        return _refs, {}
    if text.startswith("["):
        return _list_reader(path)
    if text.startswith("{"):
        return _object_reader(path, text)
    if {"image", "left", "top", "right", "bottom"} <= _columns(text):
        return _elsewhere("toloka:read_csv"), {}
    seen = repr(text[:40]) if text else "nothing"
    raise InputError(f"{path.name} begins with {seen}, as no format known here does; known: {FORMATS}")


def _columns(text: str) -> set[str]:
    """The names in the first line, if it is one of a csv file."""
    try:
        return set(next(csv.reader([text.partition("\n")[0].strip()]), []))
    except csv.Error:
        return set()


def _elsewhere(where: str) -> Callable[..., Any]:
    module, _, function = where.partition(":")
    reader: Callable[..., Any] = getattr(import_module(f"grounding.data.{module}"), function)
    return reader


def _parquet_reader(path: Path) -> tuple[Callable[..., Any], dict[str, Any]]:
    columns = dict.fromkeys(parquet_columns(path))
    if dialect_of(columns) is not None and "image" not in columns:  # a column "image" holds the picture itself
        return _rows, {"rows": parquet_rows(path)}
    return _elsewhere("hub:read_parquet"), {}


def _list_reader(path: Path) -> tuple[Callable[..., Any], dict[str, Any]]:
    rows = load_json(path)
    first = next((row for row in rows if isinstance(row, dict)), {})
    if "sentences" in first and "ref_id" in first:
        return _refs, {"refs": rows}
    if {"image_id", "category_id", "score"} <= set(first):
        raise InputError(f"{path.name} holds detections, a model's answers: give the file of the truth")
    return _rows, {"rows": rows}


def _object_reader(path: Path, text: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """One JSON object, or an object a line: told by whether the first line is whole."""
    row = _first_row(text, 20 if path.suffix == ".jsonl" else 1)
    whole = row is None and path.suffix != ".jsonl"  # an object over several lines, or longer than what was read
    if whole or (row is not None and isinstance(row.get("annotations"), list)):
        return _coco_reader(path)
    if row is not None and row.get("format") == "grounding predictions":
        raise InputError(f"{path.name} holds a model's answers: measure them with `grounding score {path.name}`")
    if row is not None and _scored(row.get("boxes")):
        raise InputError(f"{path.name} holds detections, a model's answers: give the file of the truth")
    if labelled_boxes.speaks(row):
        return _labelled, {}
    if dialect_of(row) is not None:
        return _rows, {"lines": True}
    return _elsewhere("jsonl:read_jsonl"), {}


def _first_row(text: str, tries: int) -> dict[str, Any] | None:
    """The first of some lines that is a JSON object, as the very first may be damaged."""
    for line in text.split("\n")[:tries]:  # not splitlines: JSON may hold other line ends
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            return row
    return None


def _coco_reader(path: Path) -> tuple[Callable[..., Any], dict[str, Any]]:
    try:
        captioned = b'"caption"' in path.read_bytes()  # spares parsing COCO's large files twice
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    data = load_json(path) if captioned else None
    return (_mdetr, {"data": data}) if mdetr.speaks(data) else (_elsewhere("coco:read_instances"), {})


def _scored(boxes: Any) -> bool:
    return isinstance(boxes, list) and any(isinstance(box, dict) and "score" in box for box in boxes)


# ---- the formats of referring expressions, each with the options of a file


def _refs(
    path: Path,
    *,
    images: Path | None,
    near: Path,
    refs: list[Any] | None = None,
    split: str | None = None,
    scoring: str | None = None,
    stretched: bool = False,
) -> Dataset:
    instances = path.with_name(INSTANCES)
    if not instances.is_file():
        raise InputError(f"{path.name} needs {INSTANCES} beside it, with the boxes of its refs; there is none")
    several = path.stem.startswith("grefs")
    return read_refs(
        path,
        instances,
        name=path.name if split is None else f"{path.name}:{split}",
        folder=pictures_near(near, images, stretched=stretched),
        split=split,
        scoring=scoring or ("generalized" if several else "rec"),
        several=several,
        refs=refs,
    )


def _mdetr(
    path: Path,
    *,
    images: Path | None,
    near: Path,
    data: Any,
    scoring: str | None = None,
    stretched: bool = False,
) -> Dataset:
    kind, split = split_of_file(path) or (None, None)
    return mdetr.read_mdetr(
        path,
        name=path.name,
        folder=pictures_near(near, images, stretched=stretched),
        split=split,
        scoring=scoring,
        expected=_expected(kind, split),
        data=data,
    )


def _rows(
    path: Path,
    *,
    images: Path | None,
    near: Path,
    rows: list[Any] | None = None,
    lines: bool = False,
    split: str | None = None,
    stretched: bool = False,
) -> Dataset:
    named, said = split_of_file(path) or (None, None)
    return read_rows(
        path,
        name=path.name if split is None else f"{path.name}:{split}",
        folder=pictures_near(near, images, stretched=stretched),
        split=split,
        expected=_expected(named, said) if split is None else None,
        rows=rows,
        lines=lines,
        meta=None if said is None else {"split": said},
    )


def _labelled(
    path: Path, *, images: Path | None, near: Path, split: str | None = None, stretched: bool = False
) -> Dataset:
    return labelled_boxes.read_labelled_boxes(
        path,
        name=path.name if split is None else f"{path.name}:{split}",
        folder=pictures_near(near, images, stretched=stretched),
        split=split,
    )


def _expected(kind: str | None, split: str | None) -> int | None:
    return None if kind is None or split is None else SPLITS[kind][split].expressions
