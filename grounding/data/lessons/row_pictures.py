"""Owns the pictures that a row of conversations names or holds, and how large they are without decoding them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from grounding.data.folders import Folder
from grounding.data.pictures import FilePicture, HeldPicture, NoPicture, Picture
from grounding.errors import InputError
from grounding.images import image_size

FindPicture = Callable[[Any, str], Picture]
"""A Picture of what a row has in its place: a name, or bytes; the text is a key for what has none."""


def picture_size(picture: Picture) -> tuple[int, int]:
    """Width and height, px, from the header where that is enough. Raises ImageError."""
    if isinstance(picture, FilePicture):
        return picture.stretched_from or _size_of_file(picture.path)
    if isinstance(picture, HeldPicture) and isinstance(picture.source, bytes):
        return image_size(picture.source)
    return picture.open().size


@lru_cache(maxsize=1 << 16)
def _size_of_file(path: Path) -> tuple[int, int]:
    """Asked again for every turn with boxes, and for every step of an augmentation."""
    return image_size(path)


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds names in a folder, and takes bytes as they are: {"bytes": ..., "path": ...}, as parquet has them."""

    folder: Folder
    absolute: bool = False
    """Whether a name may also be the whole path of a file."""

    def __call__(self, value: Any, key: str) -> Picture:
        """The picture of a name or of bytes; a NoPicture where no file has the name. Raises InputError."""
        if isinstance(value, Mapping):
            data, name = value.get("bytes"), value.get("path")
            if isinstance(data, bytes | bytearray):
                return HeldPicture(bytes(data), os.path.basename(name) if isinstance(name, str) and name else key)
            value = name
        if isinstance(value, bytes | bytearray):
            return HeldPicture(bytes(value), key)
        if not isinstance(value, str) or not value:
            raise InputError(f"a picture is named by its file or held as bytes; seen {value!r:.40}")
        if self.absolute and os.path.isabs(value):
            return FilePicture(Path(value)) if os.path.isfile(value) else NoPicture(os.path.basename(value))
        return self.folder.find(value)


def pictures_of(row: Mapping[str, Any], find: FindPicture, id: str) -> tuple[Picture, ...]:
    """What stands under "image" or "images": none, one or a list. Raises InputError."""
    value = row.get("image")
    if value is None or value == "" or value == []:
        value = row.get("images")
    if value is None or value == "" or value == []:
        return ()
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(find(entry, f"{id}-{number}" if number else id) for number, entry in enumerate(values))
