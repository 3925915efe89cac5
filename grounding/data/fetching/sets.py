"""Owns fetch(): the files of a data set downloaded, checked, unpacked, and recorded so that the next time can check.

OUT/fetched.json             address, length and sha256 of every file that came, and whether a publisher states it
OUT/fetched/NAME.txt         what an archive held: a line a file, bytes and path below OUT
OUT/downloads/NAME           archives, until they are unpacked
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from grounding.data.fetching.catalog import Published, RemoteFile
from grounding.data.fetching.download import Patience, Progress, check_room, download, sha256_of
from grounding.data.fetching.unpack import is_archive, unpack
from grounding.errors import FetchError, OutputError

RECORD = "fetched.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file of a data set that is in its place."""

    name: str
    address: str
    bytes: int
    sha256: str
    checked: str
    """Against what the checksum was held: "published", "recorded" (of an earlier time), or "nothing"."""
    files: int
    """How many files it became."""
    came: bool
    """Whether it was downloaded now; else it was here."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how a fetch goes on."""

    begin: Callable[[str, str], None] = lambda step, name: None
    """A step, "downloading", "checking" or "unpacking", of a file begins."""
    progress: Progress = lambda done, total: None
    tell: Callable[[str], None] = lambda sentence: None
    """Something went wrong, and it goes on."""


def room_needed(files: Sequence[RemoteFile], out: Path) -> int:
    """Bytes that are needed at once, as far as lengths are known; an archive stands beside what it is unpacked to."""
    standing = most = 0
    for file in files:
        if is_here(file, out):
            continue
        size = file.size or 0
        target = target_of(file, out)
        part = target.with_name(target.name + ".part")
        had = next((path.stat().st_size for path in (target, part) if path.is_file()), 0)
        most = max(most, standing + max(size - had, 0) + (size if is_archive(file.name) else 0))
        standing += size
    return most


def fetch(
    files: Sequence[RemoteFile],
    out: str | Path,
    *,
    source: str | None = None,
    keep_archives: bool = False,
    patience: Patience | None = None,
    watch: Watch | None = None,
) -> list[Fetched]:
    """What came of each of `files`, in order; each is in its place below `out` when this returns.

    `source`: the address of a folder on a mirror of one's own, in place of the catalog's. What is here already, as it
    was recorded or published, is not fetched again. Raises FetchError and OutputError, and loses nothing by it: the
    next call goes on where this one stopped.
    """
    out, watch = Path(out), watch or Watch()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} can't be made ({error.strerror}): give another --out") from None
    check_room(out, room_needed(files, out), "what is to be fetched")
    return [_fetch_one(file, out, source, keep_archives, patience, watch) for file in files]


def is_here(file: RemoteFile, out: Path) -> bool:
    """Whether it was fetched before and all it became is still there, by name and length."""
    if file.name not in _record(out):
        return False
    if not is_archive(file.name):
        return target_of(file, out).is_file()
    try:
        lines = _contents(file, out).read_text(encoding="utf-8").splitlines()
        held = [line.split("\t", 1) for line in lines]
        return all((out / name).stat().st_size == int(size) for size, name in held)
    except (OSError, ValueError):
        return False


def target_of(file: RemoteFile, out: Path) -> Path:
    """Where the file as it is published goes: an archive to the downloads, any other to its place."""
    if is_archive(file.name):
        return out / "downloads" / file.name
    return out / file.place


def _fetch_one(
    file: RemoteFile, out: Path, source: str | None, keep_archive: bool, patience: Patience | None, watch: Watch
) -> Fetched:
    target = target_of(file, out)
    recorded = _record(out).get(file.name, {})
    expected = file.sha256 or recorded.get("sha256")
    checked = "published" if file.sha256 else "recorded" if expected else "nothing"
    if is_archive(file.name) and is_here(file, out):
        return Fetched(**{key: recorded.get(key, False) for key in Fetched.__slots__})
    came = not target.is_file()
    if came:
        watch.begin("downloading", file.name)
        addresses = (file.at(source),) if source else file.addresses
        exact = None if source and not file.sha256 else file.bytes
        stated = "as published"
        if checked == "recorded":
            stated = f"as recorded in {out / RECORD} (remove its entry there to take another file)"
        done = download(
            addresses,
            target,
            sha256=expected,
            stated=stated,
            bytes=exact,
            patience=patience,
            progress=watch.progress,
            tell=watch.tell,
        )
        address, sha256 = done.address, done.sha256
    else:
        watch.begin("checking", file.name)
        address, sha256 = str(recorded.get("address", "")), sha256_of(target)
        if expected and sha256 != expected:
            raise FetchError(
                f"{target} is here already, but its sha256 {sha256[:12]}... is not the {checked} {expected[:12]}...: "
                "move it away to have it fetched"
            )
    size, files = target.stat().st_size, 1
    if is_archive(file.name):
        watch.begin("unpacking", file.name)
        held = unpack(target, out / file.place, progress=watch.progress)
        files = len(held.files)
        place = f"{file.place}/" if file.place else ""
        _write(_contents(file, out), "".join(f"{size}\t{place}{name}\n" for name, size in held.files.items()))
    fetched = Fetched(file.name, address, size, sha256, checked, files, came)
    _remember(out, fetched)
    if is_archive(file.name) and not keep_archive:
        target.unlink()
        if not any(target.parent.iterdir()):
            target.parent.rmdir()
    return fetched


def root_of(entry: Published, out: Path) -> Path:
    """The folder to give as root: `out`, or where an archive put the file that lies beside the annotations."""
    for file in entry.files if entry.beside else ():
        try:
            lines = _contents(file, out).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            path = PurePosixPath(line.partition("\t")[2])
            if path.name == entry.beside:
                return out / path.parent
    return out


def _contents(file: RemoteFile, out: Path) -> Path:
    return out / "fetched" / f"{file.name}.txt"


def _record(out: Path) -> dict[str, dict[str, Any]]:
    """Name to what was recorded of it; {} where there is no record, or none that can be read."""
    try:
        files = json.loads((out / RECORD).read_text(encoding="utf-8"))["files"]
        return {name: dict(row) for name, row in files.items() if set(Fetched.__slots__) - {"came"} <= set(row)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _remember(out: Path, fetched: Fetched) -> None:
    row = {**asdict(fetched), "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    del row["came"]
    _write(out / RECORD, json.dumps({"files": {**_record(out), fetched.name: row}}, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} can't be written ({error.strerror or error}): free some space") from None
