"""Owns whole_file and whole_bytes: files that appear under their names only when all of them is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO, cast

from grounding.errors import OutputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[TextIO]:
    """A stream of text whose file takes the name `path` when the block ends well; else nothing is left of it.

    What was there before stays until then. A device or a pipe, such as /dev/null, is written to as it is, and stays.
    Raises OutputError where it cannot be written.
    """
    with _whole(Path(path).expanduser(), "w", encoding="utf-8", newline="\n") as stream:
        yield cast(TextIO, stream)


@contextmanager
def whole_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """The same for bytes."""
    with _whole(Path(path).expanduser(), "wb") as stream:
        yield cast(BinaryIO, stream)


@contextmanager
def _whole(path: Path, mode: str, **how: Any) -> Iterator[IO[Any]]:
    special = path.exists() and not path.is_file()
    part = path if special else path.with_name(f"{path.name}.part")
    try:
        with part.open(mode, **how) as stream:
            yield stream
        if not special:
            part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} can't be written ({reason}): free some space, or give another place") from error
    finally:
        if not special:
            with suppress(OSError):  # such as a folder that is none: the reason has been told
                part.unlink(missing_ok=True)
