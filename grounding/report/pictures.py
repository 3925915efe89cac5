"""Owns the pictures in a page: opened through the data set, made small, each once, without what their files tell."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from grounding.data.dataset import Dataset, Origin, StreamedDataset
from grounding.data.folders import Folder
from grounding.data.opening import reopen_dataset
from grounding.data.pictures import Picture
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


class Opener:
    """Opens the picture of a prediction: by its key in the folder of pictures, else by its id in the data set.

    `wanted`: the rows whose pictures a page cannot do without; of a streamed data set these alone are kept.
    Raises GroundingError where the first picture is in no such folder and the data set can't be opened.
    """

    def __init__(
        self,
        header: Header,
        rows: Sequence[Prediction],
        wanted: Iterable[Prediction],
        *,
        root: str | Path | None = None,
        images: str | Path | None = None,
    ) -> None:
        self._origin = Origin(header.opened or header.dataset, header.root, header.images, header.reader_options)
        self._stretched = bool(header.options.get("stretched"))
        self._root, self._images = root, images or header.images
        self._wanted = {row.id for row in wanted}
        self._places = {row.id: place for place, row in enumerate(rows)}
        self._dataset: Dataset | StreamedDataset | None = None
        self._by_id: dict[str, Sample] | None = None
        try:
            self._folder = None if self._images is None else Folder(self._images, stretched=self._stretched)
        except GroundingError:  # a folder of another machine
            self._folder = None
        if rows and self.in_folder(rows[0]) is None:
            self.open_dataset()

    @property
    def streamed(self) -> bool:
        """Whether pictures come out of a stream, so that only those wanted are to be asked for."""
        return isinstance(self._dataset, StreamedDataset)

    def __call__(self, row: Prediction) -> Image.Image:
        picture = self.in_folder(row)
        image = self._sample(row).open() if picture is None else picture.open()
        if image.size != (row.truth.width, row.truth.height):
            raise InputError(f"the picture {row.picture!r} has another size than the one that was asked about")
        return image

    def in_folder(self, row: Prediction) -> Picture | None:
        """The picture of that key in the folder of pictures; None where it is not there."""
        if self._folder is None:
            return None
        picture = self._folder.find(row.picture, (row.truth.width, row.truth.height))
        return None if picture.missing() else picture

    def open_dataset(self) -> Dataset | StreamedDataset:
        """The data set, opened once. Raises GroundingError."""
        if self._dataset is None:
            try:
                self._dataset = reopen_dataset(self._origin, root=self._root, images=self._images)
            except (OSError, ImportError) as error:
                raise InputError(f"the data set {self._origin.name!r} can't be opened: {error}") from None
        return self._dataset

    def _sample(self, row: Prediction) -> Sample:
        """The sample of that id, which mostly stands in the data set where its row stands in the file."""
        dataset, place = self.open_dataset(), self._places.get(row.id, -1)
        if isinstance(dataset, Dataset) and 0 <= place < len(dataset) and dataset[place].id == row.id:
            sample = dataset[place]
        else:
            if self._by_id is None:
                self._by_id = self._gathered(dataset)
            if row.id not in self._by_id:
                raise InputError(f"there is no sample {row.id!r} in the data set that is here")
            sample = self._by_id[row.id]
        if sample.picture.key != row.picture:
            raise InputError(f"{row.id!r} is about another picture in the data set that is here")
        return sample

    def _gathered(self, dataset: Dataset | StreamedDataset) -> dict[str, Sample]:
        """Samples by id; of a stream, whose samples hold their pictures, no more than is needed."""
        if isinstance(dataset, Dataset):
            return {sample.id: sample for sample in dataset if sample.id in self._places}
        found: dict[str, Sample] = {}
        for sample in dataset:
            if sample.id in self._wanted:
                found[sample.id] = sample
                if len(found) == len(self._wanted):
                    break
        return found
