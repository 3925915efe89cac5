"""Owns the pictures in a page: opened through the data set, made small, each once, without what their files tell."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from grounding.data.dataset import Dataset
from grounding.data.opening import open_dataset
from grounding.data.predictions import Header, Prediction
from grounding.data.sample import Sample
from grounding.errors import GroundingError, InputError

LONGEST_PX = 480
"""The longer side of a picture in the page: sharp enough on a phone to judge a box by."""
QUALITY = 80
PICTURE_BYTES = 7_000_000
"""Of all pictures together, as they stand in the page."""
SPARE_BYTES = 3_000_000
"""Up to here also pictures come along that no gallery begins with, so that a small page has them all."""

OpenPicture = Callable[[Prediction], Image.Image]
"""The upright picture that a prediction is about, in the size its boxes are in. Raises GroundingError."""


@dataclass
class Album:
    """Small pictures by key, and why others are not there."""

    addresses: dict[str, str] = field(default_factory=dict)
    """Picture key to a `data:` address."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Picture key to the reason that it could not be opened."""


def album_of(
    rows: Iterable[Prediction],
    spare: Iterable[Prediction],
    open_picture: OpenPicture,
    *,
    most_bytes: int = PICTURE_BYTES,
    spare_bytes: int = SPARE_BYTES,
    progress: bool = False,
) -> Album:
    """The pictures of `rows`, in their order, until they fill `most_bytes`; then of `spare`, up to `spare_bytes`.

    `progress`: a bar on stderr.
    """
    album, used = Album(), 0
    about: dict[str, Prediction] = {}
    for row in rows:
        about.setdefault(row.picture, row)
    wanted = len(about)
    for row in spare:
        about.setdefault(row.picture, row)
    for place, (key, row) in enumerate(_told(about, progress)):
        if place == wanted:
            most_bytes = spare_bytes
        if used >= most_bytes:
            break
        try:
            picture = open_picture(row)
        except (GroundingError, OSError) as error:
            album.unavailable[key] = " ".join(str(error).split())
            continue
        address = address_of(picture)
        used += len(address)
        if used > most_bytes:
            break
        album.addresses[key] = address
    return album


def _told(about: Mapping[str, Prediction], progress: bool) -> Iterator[tuple[str, Prediction]]:
    if not progress:
        yield from about.items()
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(about.items(), "pictures", len(about), console=Console(stderr=True), transient=True)


def address_of(picture: Image.Image) -> str:
    """A small JPEG of the picture as a `data:` address, holding its pixels and nothing else."""
    small = picture.convert("RGB")
    small.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.LANCZOS)
    small.info = {}  # comments and profiles of the file would be written along
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def opener_of(
    header: Header, rows: Sequence[Prediction], *, root: str | Path | None = None, images: str | Path | None = None
) -> OpenPicture:
    """Opens pictures through the data set that the header names. Raises GroundingError where it can't be opened."""
    name = re.sub(r"(\[:\d+\])+$", "", header.dataset)  # what `Dataset.take` adds
    options = {"stretched": True} if header.options.get("stretched") else {}
    try:
        dataset = open_dataset(name, root=root or header.root, images=images or header.images, **options)
    except (OSError, ImportError) as error:
        raise InputError(f"the data set {name!r} can't be opened: {error}") from None
    return _Opener(dataset, rows)


class _Opener:
    """Opens the picture of a prediction's sample, found by its id, which mostly stands where it stands in the file."""

    def __init__(self, dataset: Dataset, rows: Sequence[Prediction]) -> None:
        self._dataset = dataset
        self._places = {row.id: place for place, row in enumerate(rows)}
        self._by_id: Mapping[str, Sample] | None = None

    def __call__(self, row: Prediction) -> Image.Image:
        sample = self._sample(row)
        if sample.picture.key != row.picture or sample.size != (row.truth.width, row.truth.height):
            raise InputError(f"{row.id!r} is about another picture in the data set that is here")
        return sample.open()

    def _sample(self, row: Prediction) -> Sample:
        place = self._places.get(row.id, -1)
        try:
            if 0 <= place < len(self._dataset) and self._dataset[place].id == row.id:
                return self._dataset[place]
        except TypeError:  # a streamed data set has neither length nor order
            pass
        if self._by_id is None:
            self._by_id = dict(self._all())
        if row.id not in self._by_id:
            raise InputError(f"there is no sample {row.id!r} in the data set that is here")
        return self._by_id[row.id]

    def _all(self) -> Iterator[tuple[str, Sample]]:
        for sample in self._dataset:
            if sample.id in self._places:
                yield sample.id, sample
