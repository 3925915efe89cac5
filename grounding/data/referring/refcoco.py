"""Opens RefCOCO, RefCOCO+ and RefCOCOg by name, in whichever of the layouts in the wild lies below a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.data.dataset import Dataset
from grounding.data.reading import first_existing
from grounding.data.referring.mdetr import read_mdetr
from grounding.data.referring.picture_places import pictures_near
from grounding.data.referring.rows import read_rows
from grounding.data.referring.splits import GOOGLE_NOTE, check_split
from grounding.data.referring.toolbox import INSTANCES, pictures_shared_with_train, read_refs
from grounding.errors import InputError

PARTED_BY = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd", "refcocog-google": "google"}
"""Whose partition into splits is meant: the name in brackets in the toolbox's file names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which these data sets lie on disk."""

    what: str
    """For people."""
    masks: bool
    """Whether it may hold masks."""
    files: tuple[str, ...]
    """Looked for in this order below the root; {kind}, {split} and {by} are filled in."""


LAYOUTS: dict[str, Layout] = {
    "refer": Layout("the refer toolbox's refs and instances.json", True, ("{kind}/refs({by}).p",)),
    "mdetr": Layout(
        "MDETR's json",
        True,
        (
            "finetune_{kind}_{split}.json",
            "mdetr_annotations/finetune_{kind}_{split}.json",
            "annotations/finetune_{kind}_{split}.json",
        ),
    ),
    "jsonl": Layout(
        "jsonl of Qwen-VL and InternVL",
        False,
        ("{kind}_{split}.jsonl", "{kind}/{kind}_{split}.jsonl", "refcoco/{kind}_{split}.jsonl"),
    ),
    "minigpt": Layout(
        "MiniGPT-v2's json",
        False,
        ("{kind}_{split}.json", "{kind}/{kind}_{split}.json", "refcoco/{kind}_{split}.json"),
    ),
}
"""In the order in which they are looked for: what says most comes first."""


def open_refcoco(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    scoring: str = "rec",
    stretched: bool = False,
    layout: str | None = None,
) -> Dataset:
    """`refcoco:testA` and its like; `source` says which layout was read.

    `kind`: a key of PARTED_BY. `scoring`: "segmentation" to score masks, which only the layouts "refer" and "mdetr"
    hold. `layout`: one of LAYOUTS, to read that one and no other. `stretched`: see `Folder`.
    Raises InputError where there is no such split, and where no layout of it lies below `root`.
    """
    published = check_split(kind, split)
    if scoring not in ("rec", "segmentation"):
        raise InputError(f"{kind} is not scored as {scoring!r}; known: rec, segmentation")
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"no layout {layout!r}; known: {', '.join(LAYOUTS)}")
    if root is None:
        raise InputError(f"{kind} needs root=, the folder its annotations lie in")
    name = f"{kind}:{split}"
    chosen, path = _find(kind, split, root, scoring, layout)
    folder = pictures_near(root, images, stretched=stretched)
    google = kind == "refcocog-google"
    notes = (GOOGLE_NOTE,) if google else ()
    if chosen == "refer":
        return read_refs(
            path,
            path.with_name(INSTANCES),
            name=name,
            folder=folder,
            split=split,
            scoring=scoring,
            expected=published.expressions,
            notes=notes,
            notes_of=(lambda refs: [pictures_shared_with_train(refs, split)]) if google and split != "train" else None,
        )
    if chosen == "mdetr":
        return read_mdetr(path, name=name, folder=folder, split=split, scoring=scoring, expected=published.expressions)
    return read_rows(path, name=name, folder=folder, expected=published.expressions, meta={"split": split})


def _find(kind: str, split: str, root: Path, scoring: str, layout: str | None) -> tuple[str, Path]:
    """The first layout that is there, and its file. Raises InputError naming what was looked for."""
    looked: list[str] = []
    filling = {"kind": kind.removesuffix("-google"), "split": split, "by": PARTED_BY[kind]}
    for name, entry in LAYOUTS.items():
        if layout not in (None, name) or (scoring == "segmentation" and not entry.masks):
            continue
        if kind == "refcocog-google" and name != "refer":
            continue  # the other layouts hold the UMD split under these names
        names = [file.format(**filling) for file in entry.files]
        if name == "refer" and root.name == filling["kind"]:
            names.append(Path(names[0]).name)  # the root is the data set's own folder; its name tells which one
        found = first_existing(root, names)
        if found is not None:
            return name, found
        looked.append(f"{names[0]} ({entry.what})")
    if not looked:
        raise InputError(f"{kind} lies in no layout {layout!r} that has what is asked for; leave layout= out")
    why = " that holds masks" if scoring == "segmentation" else ""
    raise InputError(f"no file of {kind}:{split}{why} below {root}; looked for {', '.join(looked)}; give another root=")
