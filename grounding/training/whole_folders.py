"""Owns whole_folder(): folders that appear under their names only when all that belongs into them is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from grounding.errors import OutputError

PART, OLD = ".part", ".old"
"""Ends of the names of folders that are being written, and that are being replaced."""


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to write into, which takes the name `path` when the block ends well; else nothing is left of it.

    What lay there before stays until then. The files are on the disk, not only in the system's memory, before the name
    is given, so that neither a full disk nor a power cut leaves half a folder under it. Raises OutputError where it
    can't be written.
    """
    part = path.with_name(path.name + PART)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        for file in sorted(part.rglob("*")):
            settle(file)
        settle(part)
        put_in_place(part, path)
        settle(path.parent)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"{path} can't be written ({reason}); what was saved before is whole: free some space and start again to "
            "go on from there"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(part: Path, path: Path) -> None:
    """Gives a folder its name. One that has it is set aside until then, and comes back by `clean_up` if that fails."""
    old = path.with_name(path.name + OLD)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def clean_up(folder: Path) -> None:
    """Removes what runs that were killed left half written in a folder, and brings back what they had set aside."""
    for path in folder.glob(f"*{PART}"):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f"*{OLD}"):
        whole = path.with_name(path.name.removesuffix(OLD))
        if whole.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(whole)


def settle(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk; where a file system can't say, it is let be."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
