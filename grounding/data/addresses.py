"""Owns pictures at addresses that fsspec knows, such as s3://bucket/val2014: listed once, fetched when opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.data.pictures import Picture
from grounding.errors import ImageError, InputError, MissingExtraError, UnreadableImageError
from grounding.images import open_image


def is_address(place: str | os.PathLike[str]) -> bool:
    """Whether it is written like s3://bucket/name rather than like a path."""
    return "://" in os.fspath(place)


def open_address(address: str) -> tuple[Any, str]:
    """The file system that serves an address, and the path in it.

    Raises InputError for an address of no known kind, MissingExtraError where the package for its kind is missing.
    """
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    try:
        files, path = url_to_fs(address)
    except ImportError as error:
        raise MissingExtraError(f"addresses like {address} need another package: {reason_of(error)}") from error
    except ValueError as error:
        raise InputError(f"{address} can't be used as an address ({reason_of(error)})") from error
    return files, path


def reason_of(error: BaseException) -> str:
    """An error of a store's, each of which has its own, in a line."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def list_pictures(address: str, endings: tuple[str, ...], depth: int) -> dict[Path, str]:
    """Path below the address -> address of each picture there, at most `depth` folders deep, in order of their paths.

    Raises InputError where nothing can be listed or there is none.
    """
    files, root = open_address(address)
    try:
        found = sorted(files.find(root, maxdepth=depth))
    except Exception as error:
        raise InputError(
            f"the pictures at {address} can't be listed ({reason_of(error)}): give another images="
        ) from error
    listed = {
        Path(path[len(root) :].strip("/")): files.unstrip_protocol(path)
        for path in found
        if os.path.splitext(path)[1].lower() in endings
    }
    if not listed:
        raise InputError(f"there are no pictures at {address}: give another images=")
    return listed


@dataclass(frozen=True, slots=True)
class AddressPicture(Picture):
    """A picture at an address."""

    address: str
    key: str
    stretched_from: tuple[int, int] | None = None
    """Width and height of the original, px, where a copy was resized without keeping its shape, as in FilePicture."""

    def open(self) -> Image.Image:
        files, path = open_address(self.address)
        try:
            with files.open(path, "rb") as stream:
                picture = open_image(stream)
        except ImageError:
            raise
        except Exception as error:
            raise UnreadableImageError(f"{self.address} can't be fetched: {reason_of(error)}") from error
        if self.stretched_from is None or picture.size == self.stretched_from:
            return picture
        return picture.resize(self.stretched_from, Image.Resampling.BICUBIC)
