"""Owns whole_file: a file that appears under its name only when all of it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from grounding.errors import OutputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[TextIO]:
    """A stream of text whose file takes the name `path` when the block ends well; else nothing is left of it.

    What was there before stays until then. Raises OutputError where it cannot be written.
    """
    path = Path(path).expanduser()
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} can't be written ({reason}): free some space, or give another place") from error
    finally:
        part.unlink(missing_ok=True)
