"""Owns rows of the hub's data sets: streamed by name, or out of parquet files that lie here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.data.dataset import DataProblem, Dataset, StreamedDataset
from grounding.data.folders import Folder
from grounding.data.hub_rows import Row, columns_of, held, scoring_of
from grounding.data.pictures import Picture
from grounding.data.reading import Findings
from grounding.data.sample import Sample
from grounding.data.toloka import EXPECTED as TOLOKA
from grounding.errors import FetchError, InputError, MissingExtraError
from grounding.images import open_image

_ROWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a split on the hub."""

    expected: int | None = None
    """Samples of the published split that it is said to be."""
    note: str | None = None


def _mixed(rows: int, ours: int, who: str) -> Known:
    return Known(
        note=f"its {rows:,} objects are not the val of {who}, which has {ours:,}: by their number they are that val "
        "and the 5,000 objects of Google's val, so figures are not those of the published split",
    )


KNOWN: Mapping[tuple[str, str], Known] = {
    ("lmms-lab/refcoco", "val"): _mixed(8_811, 3_811, "RefCOCO (UNC)"),
    ("lmms-lab/refcoco", "test"): Known(
        note="UNC's RefCOCO has no split test: by their number its 5,000 objects are Google's test"
    ),
    ("lmms-lab/refcoco", "testa"): Known(5_657),
    ("lmms-lab/refcoco", "testb"): Known(5_095),
    ("lmms-lab/refcocoplus", "val"): Known(10_758),
    ("lmms-lab/refcocoplus", "testa"): Known(5_726),
    ("lmms-lab/refcocoplus", "testb"): Known(4_889),
    ("lmms-lab/refcocog", "val"): _mixed(7_573, 2_573, "RefCOCOg (UMD)"),
    ("lmms-lab/refcocog", "test"): Known(9_602),
    ("moondream/refcoco-m", "validation"): Known(5_598),
    **{("toloka/wsdmcup2023", split): Known(count) for split, count in TOLOKA.items()},
}
"""Counts of the hub's own cards; how many objects a published split has stands in tensorflow/datasets, ref_coco."""


def open_hub(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    scoring: str | None = None,
    revision: str | None = None,
    config: str | None = None,
) -> Dataset | StreamedDataset:
    """`hub:ORG/NAME:SPLIT`: its rows one after another as they come; with `root`, out of the parquet files there.

    `revision`: a branch, tag or commit; `config`: one of the data set's configurations. `images`: a folder of pictures
    for rows that hold none. `scoring`: such as "rec" for boxes where masks are there too. No code of the data set runs.

    Raises InputError where there is no such data set, split or known set of columns, FetchError where the hub cannot
    be reached, MissingExtraError without the package datasets.
    """
    repository, _, split = split.partition(":")
    if repository.count("/") != 1 or not split:
        raise InputError(f"{kind}:{repository} is no data set on the hub: write {kind}:ORG/NAME:SPLIT")
    name = f"{kind}:{repository}:{split}"
    known = KNOWN.get((repository.lower(), split.lower()), Known())
    notes = [f"{name}: {known.note}"] if known.note else []
    if root is not None:
        return read_parquet(
            root, images=images, split=split, scoring=scoring, name=name, expected=known.expected, notes=notes
        )
    datasets = _import("datasets", "rows of the hub need datasets")
    folder = Folder(images)
    try:
        builder = datasets.load_dataset_builder(repository, config, revision=revision)
        rows = builder.as_streaming_dataset(split=split)
        names = list(rows.features or next(iter(rows)))
    except (FileNotFoundError, ValueError, StopIteration) as error:  # their DatasetNotFoundError is a missing file
        raise InputError(f"{name} can't be opened: {_first_line(error)}") from None
    except OSError as error:
        raise FetchError(f"{name} can't be reached ({_first_line(error)}): see to the network, or give root=") from None
    columns = columns_of(names, name)
    chosen = scoring_of(columns, scoring)
    if isinstance((rows.features or {}).get("image"), datasets.Image):
        rows = rows.cast_column("image", datasets.Image(decode=False))

    def samples(problems: list[DataProblem]) -> Iterator[Sample]:
        findings = Findings(repository)
        findings.problems = problems
        numbered = enumerate(rows)
        while True:
            try:
                number, values = next(numbered)
            except StopIteration:
                return
            except (OSError, ValueError) as error:
                raise FetchError(f"{name} broke off ({_first_line(error)}): start again to go on") from None
            yield from columns.samples(Row(number, values, held), findings, folder, chosen)

    return StreamedDataset(
        name,
        samples,
        scoring=chosen,
        source=f"rows of the hub's {repository}, streamed",
        expected=known.expected,
        notes=notes,
        meta={"revision": builder.hash},
        identity=[builder.hash, names, chosen],
    )


def read_parquet(
    path: str | Path,
    *,
    images: str | Path | None = None,
    split: str | None = None,
    scoring: str | None = None,
    name: str | None = None,
    expected: int | None = None,
    notes: list[str] | None = None,
) -> Dataset:
    """The samples of a parquet file, or of all files of a folder (of one split: those whose names begin with it).

    Pictures stay in the file until they are opened. The columns are those of `grounding.data.hub_rows`. Raises
    InputError where there is no such file, or one that is damaged or has columns that no reader knows.
    """
    path = Path(path).expanduser()
    files = _files(path, split)
    folder = Folder(images or (path if path.is_dir() else path.absolute().parent))
    samples: list[Sample] = []
    problems: list[DataProblem] = []
    first = 0
    columns, chosen = None, ""
    for file in files:
        findings = Findings(file)
        names, rows = _rows(file, first)
        if columns is None:
            columns = columns_of(names, file.name)
            chosen = scoring_of(columns, scoring)
        elif not columns.needs <= set(names):
            raise InputError(f"{file.name} has other columns than {files[0].name}: {', '.join(names)}")
        for row in rows:
            first = row.number + 1
            samples += columns.samples(row, findings, folder, chosen)
        problems += findings.problems
    if not samples:
        told = f": {problems[0].where}: {problems[0].message}" if problems else ""
        raise InputError(f"{path} holds no sample that can be read{told}")
    return Dataset(
        name or path.name,
        samples,
        scoring=chosen,
        source=f"parquet, {', '.join(file.name for file in files[:2])}{' ...' * (len(files) > 2)}",
        expected=expected,
        problems=problems,
        notes=notes or (),
    )


@dataclass(frozen=True, slots=True)
class ParquetPicture(Picture):
    """A picture in a row of a parquet file, read when it is opened."""

    path: Path
    group: int
    """Which group of rows."""
    row: int
    """Which row of the group."""
    key: str

    def open(self) -> Image.Image:
        return open_image(self.data())

    def data(self) -> bytes:
        """The picture as it is encoded; none: b""."""
        image = _images_of(self.path, self.group)[self.row].as_py()
        data = image.get("bytes") if isinstance(image, Mapping) else image
        return bytes(data or b"")

    def missing(self) -> bool:
        return not self.path.is_file()


@lru_cache(maxsize=2)
def _images_of(path: Path, group: int) -> Any:
    """The image column of a group of rows; neighbours are often opened one after another."""
    parquet, failures = _import_parquet()
    try:
        return parquet.ParquetFile(path).read_row_group(group, columns=["image"]).column("image")
    except failures as error:
        raise InputError(f"{path.name} can't be read: {_first_line(error)}") from None


def _rows(path: Path, first: int) -> tuple[list[str], Iterator[Row]]:
    """Names of the columns, and the rows numbered from `first`."""
    parquet, failures = _import_parquet()
    try:
        file = parquet.ParquetFile(path)
    except failures as error:
        raise InputError(f"{path.name} can't be read as parquet: {_first_line(error)}; fetch it again") from None

    def rows() -> Iterator[Row]:
        number = first
        for group in range(file.num_row_groups):
            place = 0
            try:
                for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
                    for values in batch.to_pylist():
                        yield Row(number, values, _holder(path, group, place))
                        number, place = number + 1, place + 1
            except failures as error:
                raise InputError(f"{path.name} is damaged at row {number + 1}: {_first_line(error)}") from None

    return list(file.schema_arrow.names), rows()


def _holder(path: Path, group: int, row: int) -> Any:
    def hold(image: Any, key: str) -> Picture:
        return ParquetPicture(path, group, row, key)

    return hold


def _files(path: Path, split: str | None) -> list[Path]:
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"there is no file or folder {str(path)!r}")
        return [path]
    for folder in (path / "data", path):
        files = sorted(folder.glob("*.parquet"))
        if split is not None:
            files = [file for file in files if file.name.startswith((f"{split}-", f"{split}."))]
        if files:
            return files
    wanted = f"{split}-*.parquet" if split else "parquet file"
    raise InputError(f"there is no {wanted} in {path} or {path / 'data'}: give another folder")


def _import_parquet() -> tuple[Any, tuple[type[Exception], ...]]:
    """The module, and what it raises of damaged files."""
    arrow = _import("pyarrow", "parquet files need pyarrow")
    return _import("pyarrow.parquet", "parquet files need pyarrow"), (OSError, ValueError, arrow.ArrowException)


def _import(module: str, need: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{need}: pip install 'grounding-vlm[eval]'") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".:")
