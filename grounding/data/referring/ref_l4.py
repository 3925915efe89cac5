"""Opens Ref-L4, long expressions with cleaned boxes, from its parquet files (Chen et al., arXiv 2406.16866).

id, caption, bbox (x y w h px), bbox_area, bbox_id, ori_category_id, image_id, height, width, file_name,
is_rewrite (whether a model reworded the caption), split                  (JierunChen/Ref-L4 on the hub, README.md)
"""

from __future__ import annotations

from pathlib import Path

from grounding.data.dataset import DataProblem, Dataset
from grounding.data.parquet_files import parquet_rows
from grounding.data.reading import first_existing
from grounding.data.referring.picture_places import pictures_near
from grounding.data.referring.rows import DIALECTS, read_rows
from grounding.data.referring.splits import check_split
from grounding.errors import InputError

ENDINGS = ("parquet", "jsonl", "json")
"""The published files are parquet; the same rows are read from the others."""
DIALECT = next(dialect for dialect in DIALECTS if dialect.name == "Ref-L4")


def open_ref_l4(kind: str, split: str, *, root: Path | None, images: Path | None, stretched: bool = False) -> Dataset:
    """`ref-l4:val`, `ref-l4:test`, or `ref-l4:all` for both, as its paper reports them; ids are its own.

    Raises InputError where there is no such split or no such file below `root`, MissingExtraError without pyarrow.
    """
    published = check_split(kind, split)
    if root is None:
        raise InputError(f"{kind} needs root=, the folder of ref-l4-val.parquet and ref-l4-test.parquet")
    folder = pictures_near(root, images, stretched=stretched)
    parts = []
    for part in ("val", "test") if split == "all" else (split,):
        names = [f"{place}ref-l4-{part}.{ending}" for ending in ENDINGS for place in ("", "Ref-L4/")]
        path = first_existing(root, names)
        if path is None:
            raise InputError(f"no file {names[0]} below {root}; give another root=")
        rows = parquet_rows(path) if path.suffix == ".parquet" else None
        parts.append(read_rows(path, name=f"{kind}:{part}", folder=folder, dialect=DIALECT, rows=rows))
    return _joined(f"{kind}:{split}", parts, published.expressions)


def _joined(name: str, parts: list[Dataset], expected: int | None) -> Dataset:
    """One data set of several; an id that stands in two of them is noted, and its first sample kept."""
    samples = {}
    problems = [problem for part in parts for problem in part.problems]
    for part in parts:
        for sample in part:
            if sample.id in samples:
                message = f"the id {sample.id!r} stands in another split, too; the first is kept"
                problems.append(DataProblem("duplicate id", message, part.source.rpartition(": ")[2], entry=sample.id))
            else:
                samples[sample.id] = sample
    source = " and ".join(part.source for part in parts)
    return Dataset(name, list(samples.values()), source=source, expected=expected, problems=problems)
