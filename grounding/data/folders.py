"""Owns Folder: where the pictures that a data set names lie, in any of the layouts people keep them in."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from grounding.data.addresses import AddressPicture, is_address, list_pictures
from grounding.data.pictures import FilePicture, NoPicture, Picture
from grounding.errors import InputError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
DEPTH = 3
"""How many folders deep pictures are looked for."""
_COCO = re.compile(r"COCO_(?:train|val|test)\d{4}_(\d{12})")


class Folder:
    """A folder of pictures. COCO's pictures are found under their old names and their new ones, in any subfolder."""

    def __init__(self, path: str | Path | None, *, stretched: bool = False) -> None:
        """`path`: on this machine, or an address such as s3://bucket/val2014. `stretched`: the files are copies that
        were resized without keeping their shape; they are opened in the size that the data set states."""
        self.stretched = stretched
        self._listed: dict[Path, str] | None = None
        self.path: Path | None = None
        if path is not None and is_address(path):
            self._listed = list_pictures(os.fspath(path), ENDINGS, DEPTH)
        elif path is not None:
            self.path = Path(os.path.expanduser(path))
        if self.path is not None and not os.path.isdir(self.path):
            raise InputError(f"there is no folder of pictures {str(self.path)!r}: give another images=")

    def find(self, name: str, size: tuple[int, int] | None = None) -> Picture:
        """The picture called `name` (a path as the data set writes it), or a NoPicture of that key.

        `size`: width and height of the original, for stretched copies.
        """
        path = self._path_of(name)
        if path is None:
            return NoPicture(name)
        stretched_from = size if self.stretched else None
        if self._listed is not None:
            return AddressPicture(self._listed[path], name, stretched_from)
        return FilePicture(path, name, stretched_from)

    def _path_of(self, name: str) -> Path | None:
        """A file's path, or a key of what is listed at an address."""
        wanted = Path(name.replace("\\", "/"))
        if self._listed is not None and wanted in self._listed:
            return wanted
        if self.path is not None and not wanted.is_absolute() and ".." not in wanted.parts:
            straight = self.path / wanted
            if os.path.isfile(straight):  # Path.is_file raises where a name is too long for one
                return straight
        number = _COCO.fullmatch(wanted.stem)
        for stem in (wanted.stem, *(number.groups() if number else ())):
            found = self._by_stem.get(stem)
            if found is not None:
                return found
        return None

    @cached_property
    def _by_stem(self) -> dict[str, Path]:
        """The first file of each stem, nearest first; made once, as listing beats asking for each of many names."""
        found: dict[str, Path] = {}
        for path in sorted(self._listed or (), key=lambda path: len(path.parts)):
            found.setdefault(path.stem, path)
        level = [self.path] if self.path is not None else []
        for _ in range(DEPTH):
            below: list[Path] = []
            for folder in level:
                for entry in _listed(folder):
                    try:
                        is_folder, is_file = entry.is_dir(), entry.is_file()
                    except OSError:  # a link that leads to itself
                        continue
                    stem, ending = os.path.splitext(entry.name)
                    if is_folder:
                        below.append(Path(entry.path))
                    elif is_file and ending.lower() in ENDINGS:
                        found.setdefault(stem, Path(entry.path))
            level = below
        numbers = {match[1]: path for stem, path in found.items() if (match := _COCO.fullmatch(stem))}
        return numbers | found


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name. Raises InputError where that can't be told."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"the folder of pictures {folder} can't be listed: {error.strerror or error}") from None
