"""open_dataset(): the one door to every data set. A name becomes a reader, and its module is imported only then."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from grounding.data.addresses import is_address
from grounding.data.dataset import Dataset, Origin, StreamedDataset
from grounding.errors import InputError


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of name is written, which function reads it, and what it is."""

    form: str
    opener: str
    what: str


_REFCOCO = "grounding.data.referring.refcoco:open_refcoco"
READERS: dict[str, Reader] = {
    "refcoco": Reader("refcoco:val | testA | testB", _REFCOCO, "RefCOCO (UNC)"),
    "refcoco+": Reader("refcoco+:val | testA | testB", _REFCOCO, "RefCOCO+ (UNC)"),
    "refcocog": Reader("refcocog:val | test", _REFCOCO, "RefCOCOg (UMD)"),
    "refcocog-google": Reader("refcocog-google:val", _REFCOCO, "RefCOCOg (Google), whose train and val share pictures"),
    "grefcoco": Reader("grefcoco:val | testA | testB", "grounding.data.referring.grefcoco:open_grefcoco", "gRefCOCO"),
    "ref-l4": Reader("ref-l4:val | test", "grounding.data.referring.ref_l4:open_ref_l4", "Ref-L4"),
    "flickr30k": Reader("flickr30k:val | test", "grounding.data.flickr30k:open_flickr30k", "Flickr30k Entities"),
    "coco": Reader("coco:val2017 | val2014 ...", "grounding.data.coco:open_coco", "COCO instances"),
    "coco-counting": Reader(
        "coco-counting:SPLIT or FILE", "grounding.data.derived:open_counting", "how many of a name a picture shows"
    ),
    "coco-absent": Reader(
        "coco-absent:SPLIT or FILE", "grounding.data.derived:open_absent", "names of which a picture shows nothing"
    ),
    "toloka": Reader("toloka:test_public ...", "grounding.data.toloka:open_toloka", "Toloka's WSDM Cup, questions"),
    "hub": Reader("hub:ORG/NAME:SPLIT", "grounding.data.hub:open_hub", "rows of a data set on the hub, streamed"),
    "scenes": Reader("scenes:SKILL", "grounding.data.drawn:open_scenes", "drawn scenes with known answers"),
    "probes": Reader(
        "probes:NAME", "grounding.data.probing.probes:open_probe", "what these models are known to fail at"
    ),
}
FILE = Reader("FILE.json | FILE.jsonl", "grounding.data.files:open_file", "a file of any of these formats")


def open_dataset(
    name: str | Path, *, root: str | Path | None = None, images: str | Path | None = None, **options: Any
) -> Dataset:
    """The data set called `name`, such as "refcoco:testA", or a file's path, whose format is recognised.

    `root`: the folder its annotations lie in. `images`: the folder its pictures lie in (default: looked for below
    `root`), or an address such as s3://bucket/val2014. Pictures that are not there are counted by
    `missing_pictures()`, and asking about them fails by name.
    `options` go to the reader; `stretched=True` where the pictures are copies resized without keeping their shape.

    What is wrong in the files stands in `Dataset.problems`. Raises InputError where there is no such name, no such
    folder, no file of a known format in it, or a file that can't be read at all.
    """
    kind, colon, split = str(name).partition(":")
    if colon and kind.lower() in READERS:
        return _opened(READERS[kind.lower()], (kind.lower(), split), name, root=root, images=images, **options)
    path = _home(name)
    if os.path.exists(path):  # unlike Path's own, it is no error where a name is too long to be one
        return _opened(FILE, (path,), name, root=root, images=images, **options)
    known = ", ".join(reader.form for reader in (*READERS.values(), FILE))
    raise InputError(f"no data set named {str(name)!r}, and no file of that name; known: {known}")


def _opened(reader: Reader, first: tuple[Any, ...], name: str | Path, **options: Any) -> Dataset:
    root, images = options["root"], options["images"]
    if root is not None and is_address(root):
        raise InputError(f"annotations are read from this machine, not from {root}: fetch them, and give their folder")
    home = None if root is None else _home(root)
    if home is not None and not os.path.isdir(home):
        raise InputError(f"there is no folder {str(root)!r}: give another root=")
    folders = {
        "root": home,
        # an address stays as it is: a Path would take one of its slashes
        "images": images if images is None or is_address(images) else _home(images),
    }
    module, _, function = reader.opener.partition(":")
    opener = getattr(import_module(module), function)
    parameters = inspect.signature(opener).parameters
    known = list(parameters)[len(first) :]
    if any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values()):
        known += options  # it judges them itself
    if strange := sorted(set(options) - set(known)):
        raise InputError(f"{name} has no option {strange[0]!r}; its options are {', '.join(known)}")
    opened: Dataset = opener(*first, **{**options, **folders})
    named, place = str(name), root
    if reader is FILE:
        named, place = first[0].name, root or first[0].resolve().parent
    opened.origin = Origin(
        named,
        None if place is None else str(place),
        None if images is None else str(images),
        {key: _plain(value) for key, value in options.items() if key not in folders},
    )
    return opened


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def reopen_dataset(
    origin: Origin, *, root: str | Path | None = None, images: str | Path | None = None
) -> Dataset | StreamedDataset:
    """The data set that was opened before; `root` and `images` where its folders lie elsewhere now. Raises InputError.

    A file is found in its old folder or in `root`.
    """
    place = root or origin.root
    named: str | Path = origin.name
    if place is not None and (_home(place) / origin.name).is_file():
        named = _home(place) / origin.name
    return open_dataset(named, root=place, images=images or origin.images, **origin.options)


def _home(path: str | Path) -> Path:
    """The path with ~ spelt out; where there is no such user it stays, and no file will be found."""
    return Path(os.path.expanduser(path))
