"""Owns Picture: a picture of a data set, not opened yet, under the key that files and messages use for it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from grounding.errors import UnreadableImageError
from grounding.images import ImageSource, open_image


class Picture(ABC):
    """A picture that can be opened. Within one data set equal keys mean the same picture; it can be pickled."""

    key: str
    """What stands for it in files and messages: a path below the folder of pictures, or a seed; never absolute."""

    @abstractmethod
    def open(self) -> Image.Image:
        """The upright RGB picture in the size that the data set's boxes are in. Raises ImageError."""

    def missing(self) -> bool:
        """Whether it is known, without opening it, that there is nothing to open."""
        return False


@dataclass(frozen=True, slots=True)
class FilePicture(Picture):
    """A picture in a file. Raises nothing until it is opened."""

    path: Path
    """Where it lies."""
    key: str = ""
    """The file's name where it is left out."""
    stretched_from: tuple[int, int] | None = None
    """Width and height of the original, px, where the file holds a copy that was resized without keeping its shape:
    it is opened in the original's size, so that boxes and pixels agree."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "key", self.key or self.path.name)

    def open(self) -> Image.Image:
        picture = open_image(self.path)
        if self.stretched_from is not None and picture.size != self.stretched_from:
            picture = picture.resize(self.stretched_from, Image.Resampling.BICUBIC)
        picture.filename = str(self.path)  # type: ignore[attr-defined]  # where PIL's own pictures of files have it
        return picture

    def missing(self) -> bool:
        return not os.path.isfile(self.path)


@dataclass(frozen=True, slots=True)
class HeldPicture(Picture):
    """A picture that is here already, as bytes, an array or a PIL picture."""

    source: Any = field(repr=False)
    """Whatever `open_image` takes."""
    key: str

    def open(self) -> Image.Image:
        return open_image(self.source)


@dataclass(frozen=True, slots=True)
class NoPicture(Picture):
    """A picture that the data set names and nobody has: its questions can be counted, not asked."""

    key: str

    def open(self) -> Image.Image:
        raise UnreadableImageError(f"the picture {self.key!r} is not here: give images=, the folder it lies in")

    def missing(self) -> bool:
        return True


AnyPicture: TypeAlias = "Picture | ImageSource"


def as_picture(picture: AnyPicture) -> Picture:
    """A Picture of whatever names or holds one; what has no name is called by its object's number."""
    if isinstance(picture, Picture):
        return picture
    if isinstance(picture, str | Path):
        return FilePicture(Path(picture))
    return HeldPicture(picture, f"picture-{id(picture)}")
