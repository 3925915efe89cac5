"""Owns convert(): a data set written in another format, with a sentence for whatever that format has no place for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from grounding.data.coco_writing import Losses, instances_of
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.folders import ENDINGS
from grounding.data.hub import ParquetPicture
from grounding.data.jsonl import write_jsonl
from grounding.data.pictures import NoPicture, Picture
from grounding.data.refs_writing import refs_of
from grounding.data.sample import Sample
from grounding.data.sample_lines import IN_FILES
from grounding.data.whole_files import whole_bytes, whole_file
from grounding.errors import ImageError, InputError, OutputError

FORMATS = {
    "jsonl": "our own jsonl, which holds everything; FILE.jsonl",
    "coco": "COCO instances: boxes and masks of named things; FILE.json",
    "refs": "refs of the refer toolbox in JSON beside instances.json: phrases and what they mean; a folder",
}
Through = Callable[[Iterable[Sample]], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class Converted:
    """What `convert` left behind."""

    paths: tuple[Path, ...]
    """The files, in the order they were written."""
    samples: int
    """How many the data set has."""
    losses: tuple[str, ...]
    """A sentence, with its count, for each thing that the format has no place for."""
    pictures: int
    """How many pictures were written."""


def convert(
    dataset: Dataset | StreamedDataset,
    path: str | Path,
    to: str | None = None,
    *,
    pictures: str | Path | None = None,
    overwrite: bool = False,
    through: Through = iter,
) -> Converted:
    """Writes the data set to `path` as `to`, one of FORMATS (default: told by the path's name), and says what it left.

    Files appear whole or not at all. Pictures stay where they are, and files name them by their keys; those that lie in
    no file of their own, such as rows of the hub, are written into the folder `pictures` where it is given.
    `through` gets the samples and passes them on, for a progress bar. Raises InputError where there is something at
    `path` already, unless `overwrite`, and OutputError where it cannot be written.
    """
    path = Path(path).expanduser()
    form = _format_of(path, to)
    targets = [path / "instances.json", path / "refs.json", path / "grefs.json"] if form == "refs" else [path]
    if not overwrite and (there := [target for target in targets if target.exists()]):
        raise InputError(f"{there[0]} is there already: give another place, or overwrite it with --overwrite")
    losses = Losses()
    keeper = _Keeper(None if pictures is None else Path(pictures).expanduser(), losses)
    seen = _Counted(keeper.kept(through(dataset)))
    if form == "jsonl":
        write_jsonl(dataset, path, seen)
        paths = [path]
    elif form == "coco":
        _write(path, instances_of(dataset, seen, losses))
        paths = [path]
    else:
        name, refs, instances = refs_of(dataset, seen, losses)
        _made(path)
        _write(path / "instances.json", instances)
        _write(path / name, refs)
        paths = [path / "instances.json", path / name]
    return Converted(tuple(paths), seen.count, tuple(losses.told()), keeper.written)


def _format_of(path: Path, to: str | None) -> str:
    if to is not None and to not in FORMATS:
        raise InputError(f"nothing is written as {to!r}; known: {', '.join(FORMATS)}")
    if to is None:
        to = {".jsonl": "jsonl", ".json": "coco", "": "refs"}.get(path.suffix.lower())
    if to is None:
        raise InputError(f"the name {path.name!r} tells no format: end it in .jsonl or .json, or say --to FORMAT")
    if to == "refs" and path.is_file():
        raise InputError(f"{path} is a file, and refs are a folder with two files: give a folder")
    if to != "refs" and path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file in it")
    return to


def _write(path: Path, data: Any) -> None:
    with whole_file(path) as stream:
        json.dump(data, stream, ensure_ascii=False, allow_nan=False)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be made ({error.strerror or error}): give another place") from error


class _Counted:
    """Samples, counted as they pass."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples
        self.count = 0

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._samples:
            self.count += 1
            yield sample


class _Keeper:
    """Writes pictures that lie in no file of their own, each once, or counts that they are not written."""

    def __init__(self, folder: Path | None, losses: Losses) -> None:
        self._folder, self._losses = folder, losses
        self._seen: set[str] = set()
        self.written = 0

    def kept(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples, their pictures seen to."""
        for sample in samples:
            picture = sample.picture
            if isinstance(picture, (*IN_FILES, NoPicture)):
                yield sample
                continue
            if picture.key not in self._seen:
                self._seen.add(picture.key)
                self._keep(picture)
            # Formats that are gathered before they are written must not hold all pictures' bytes meanwhile.
            yield replace(sample, image=NoPicture(picture.key))

    def _keep(self, picture: Picture) -> None:
        if self._folder is None:
            self._losses.add("picture in no file of its own, not written: --pictures FOLDER writes it")
            return
        try:
            data, ending = _encoded(picture)
        except ImageError:
            self._losses.add("picture that can't be opened, not written")
            return
        parts = [part for part in PurePosixPath(picture.key).parts if part not in ("/", "..")]
        place = self._folder.joinpath(*(parts or ["picture"]))
        if place.suffix.lower() not in ending:  # it is found under its key all the same, by the name without its ending
            stem = place.stem if place.suffix.lower() in ENDINGS else place.name
            place = place.with_name(stem + ending[0])
        _made(place.parent)
        with whole_bytes(place) as stream:
            stream.write(data)
        self.written += 1


_ENDINGS_OF = {b"\xff\xd8\xff": (".jpg", ".jpeg"), b"\x89PNG": (".png",)}


def _encoded(picture: Picture) -> tuple[bytes, tuple[str, ...]]:
    """A file's bytes, those that the picture came in where they are a JPEG or PNG, and how its name may end."""
    data = picture.data() if isinstance(picture, ParquetPicture) else getattr(picture, "source", None)
    if isinstance(data, bytes):
        for start, endings in _ENDINGS_OF.items():
            if data.startswith(start):
                return data, endings
    stream = io.BytesIO()
    picture.open().save(stream, "PNG")
    return stream.getvalue(), (".png",)
