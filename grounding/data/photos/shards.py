"""Owns PhotoShards: the pictures in a folder's tar files, by name, without unpacking them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grounding.data.lessons.tar_members import members_of
from grounding.errors import ImageTooLargeError, InputError
from grounding.images import DEFAULT_LIMITS, ImageLimits, open_image

_ENDINGS = ("jpg", "jpeg", "png", "webp")


class Place(NamedTuple):
    """Where a picture's bytes lie."""

    shard: Path
    offset: int
    """0 in a file of its own, as a tar begins with a header."""
    size: int


class PhotoShards:
    """The pictures in the tar files of a folder, or beside them as plain files, by their names.

    Reading the headers takes milliseconds for thousands of pictures; it is done once, and names and offsets are kept.
    Files are opened when a picture is first asked for, in each process anew, so that it can be sent to workers.
    """

    def __init__(self, folder: str | os.PathLike[str], *, limits: ImageLimits = DEFAULT_LIMITS) -> None:
        """Raises InputError where the folder holds no picture, a shard is damaged, or two pictures share a name."""
        self.folder = Path(folder).expanduser()
        self.limits = limits
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder: give the one that holds the tar files of pictures")
        self._places = _places(self.folder)
        self._descriptors: dict[Path, int] = {}
        self._owner = os.getpid()
        self._lock = threading.Lock()

    @property
    def places(self) -> Mapping[str, Place]:
        """Name -> where its bytes lie, in the order of the shards."""
        return self._places

    @property
    def names(self) -> tuple[str, ...]:
        """Of all pictures, in the order of the shards."""
        return tuple(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> NDArray[np.uint8]:
        """A picture, (height, width, 3) RGB. Raises InputError for an unknown name, ImageError for a bad picture."""
        return np.array(open_image(self.read(name), limits=self.limits))

    def read(self, name: str) -> bytes:
        """A picture's bytes, as they were put in. Raises InputError for an unknown name or a changed shard."""
        place = self._places.get(name)
        if place is None:
            raise InputError(f"there is no picture {name!r:.80} in {self.folder}; it has {len(self):,} others")
        if place.size > self.limits.max_bytes:
            raise ImageTooLargeError(
                f"{name} has {place.size:,} bytes, over the limit of {self.limits.max_bytes:,}: pass other limits"
            )
        if not place.offset:  # a file of its own: kept open, thousands of them would be too many
            return place.shard.read_bytes()
        data = os.pread(self._descriptor(place.shard), place.size, place.offset)
        if len(data) < place.size:
            raise InputError(f"{name} is cut off: {place.shard} has changed since its list was read")
        return data

    def close(self) -> None:
        """Closes the files; they are opened again when they are needed."""
        with self._lock:
            if self._owner == os.getpid():
                for descriptor in self._descriptors.values():
                    os.close(descriptor)
            self._descriptors = {}

    def _descriptor(self, shard: Path) -> int:
        with self._lock:
            if self._owner != os.getpid():  # forked: each process has files of its own
                self._descriptors, self._owner = {}, os.getpid()
            if shard not in self._descriptors:
                try:
                    self._descriptors[shard] = os.open(shard, os.O_RDONLY)
                except OSError as error:
                    raise InputError(f"{shard} can't be read: {error.strerror or error}") from None
            return self._descriptors[shard]

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "limits": self.limits, "_places": self._places}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._descriptors, self._owner, self._lock = {}, os.getpid(), threading.Lock()


def _places(folder: Path) -> dict[str, Place]:
    """Name -> place, shards in the order of their names. Raises InputError."""
    places: dict[str, Place] = {}
    for shard in sorted(folder.glob("*.tar")):
        members = members_of(shard)
        if any(not problem.kept for problem in members.problems):
            raise InputError(f"{shard}: {members.problems[0].message}")
        for sample in members.samples:
            for part in sample.parts:
                if part.ending.rpartition(".")[2] not in _ENDINGS:
                    continue
                name = f"{sample.key}.{part.ending}".rpartition("/")[2]
                if name in places:
                    raise InputError(f"two pictures are named {name}: in {places[name].shard.name} and {shard.name}")
                places[name] = Place(shard, part.offset, part.size)
    for below in (folder, folder / "images"):
        if not places and below.is_dir():
            for file in sorted(below.iterdir()):
                if file.suffix.lower().lstrip(".") in _ENDINGS and file.is_file():
                    places[file.name] = Place(file, 0, file.stat().st_size)
    if not places:
        raise InputError(f"{folder} holds no pictures: put tar files of them there ({', '.join(_ENDINGS)})")
    return places
