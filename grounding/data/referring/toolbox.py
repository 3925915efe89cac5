"""Owns the format of the original referring-expression toolbox: a file of refs beside COCO's instances.json.

    refs(unc).p       [{ref_id, ann_id, image_id, category_id, split, file_name, sent_ids,
                        sentences: [{sent_id, sent, raw, tokens}]}]          (lichengunc/refer, refer.py)
    grefs(unc).json   the same, but ann_id and category_id are lists, [-1] where nothing is meant
                                                         (henghuiding/ReLA, gres_model/data/datasets/grefer.py)
    instances.json    images, annotations and categories of COCO, with polygons

`file_name` of a ref carries the object's number and names no picture; the one in instances.json does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from grounding.data.dataset import Dataset
from grounding.data.folders import Folder
from grounding.data.pictures import Picture
from grounding.data.plain import rest, writable
from grounding.data.reading import Box, Findings, load_json
from grounding.data.referring.segmentations import mask_of
from grounding.data.referring.unpickling import load_plain_pickle
from grounding.data.sample import Sample
from grounding.errors import BoxError, InputError
from grounding.masks import Mask
from grounding.result import Grounding, Region

INSTANCES = "instances.json"
PICKLES = (".p", ".pkl", ".pickle")
"""How names of pickled refs end."""
SCORINGS = ("rec", "generalized", "segmentation")
"""As what expressions with masks can be scored."""


def read_refs(
    path: Path,
    instances: Path,
    *,
    name: str,
    folder: Folder,
    split: str | None = None,
    scoring: str = "rec",
    several: bool = False,
    expected: int | None = None,
    notes: Iterable[str] = (),
    notes_of: Callable[[list[Any]], Iterable[str]] | None = None,
    refs: Any = None,
) -> Dataset:
    """One sample a sentence, in the file's order; its id is `ref_id-sent_id`, its targets have masks where COCO has.

    `split`: only refs of that split. `several`: whether an expression may mean none or several things, as in gRefCOCO;
    else such a one is a problem. `scoring`: with "segmentation" a target without a mask is a problem, and crowds beside
    other targets count neither way, as ReLA's loader leaves them out of the truth. `notes_of` makes notes of all refs.
    `refs`: what the file holds, where it was read already.
    Raises InputError where a file can't be read or is another format, and where there is no such split.
    """
    if scoring not in SCORINGS:
        raise InputError(f"expressions with masks are not scored as {scoring!r}; known: {', '.join(SCORINGS)}")
    if refs is None:
        refs = load_plain_pickle(path) if path.suffix in PICKLES else load_json(path)
    if not isinstance(refs, list) or not any(_is_ref(ref) for ref in refs):
        raise InputError(f"{path.name} holds no refs: a list of objects with ref_id, ann_id, image_id and sentences")
    reader = _Reader(Findings(path), Instances(instances), folder, scoring, several)
    splits: set[str] = set()
    for entry, ref in enumerate(refs, 1):
        if not _is_ref(ref):
            reader.findings.add("unreadable line", "it is no ref with ref_id, ann_id, image_id, sentences", entry=entry)
            continue
        splits.add(writable(str(_hashable(ref.get("split")))))
        if split is None or ref.get("split") == split:
            reader.add(ref, entry)
    if split is not None and split not in splits:
        raise InputError(f"{path.name} has no split {split!r}; it has {', '.join(sorted(splits))}")
    return Dataset(
        name,
        reader.samples,
        scoring=scoring,
        source=f"refs of the refer toolbox: {path.name} and {instances.name}",
        expected=expected,
        problems=(*reader.findings.problems, *reader.instances.findings.problems),
        notes=(*notes, *(notes_of(refs) if notes_of else ())),
    )


def pictures_shared_with_train(refs: list[Any], split: str) -> str:
    """How many of the split's pictures are also pictures of train, as a sentence."""
    pictures: dict[bool, set[Any]] = {True: set(), False: set()}
    for ref in refs:
        if _is_ref(ref) and ref.get("split") in (split, "train"):
            pictures[ref["split"] == split].add(_hashable(ref["image_id"]))
    shared = len(pictures[True] & pictures[False])
    return f"in these files {shared:,} of the {len(pictures[True]):,} pictures of {split} are pictures of train, too"


def _is_ref(ref: Any) -> bool:
    return isinstance(ref, dict) and {"ref_id", "ann_id", "image_id", "sentences"} <= set(ref)


def _hashable(id: Any) -> Any:
    """The id, or what it is instead of a number or a word."""
    return id if isinstance(id, int | float | str) else f"a {type(id).__name__}"


class Instances:
    """COCO's images, annotations and categories by their ids; boxes and masks are judged when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file can't be read or is no COCO instances."""
        data = load_json(path)
        self.findings = Findings(path)
        keys = ("images", "annotations", "categories")
        if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in keys):
            raise InputError(f"{path.name} holds no COCO instances: an object with {', '.join(keys)}")
        self.images, self.annotations, categories = (self._by_id(data[key], key) for key in keys)
        self.categories = {id: writable(str(entry.get("name"))) for id, entry in categories.items()}
        self._regions: dict[Any, Region | None] = {}
        self._sizes: dict[Any, tuple[int, int] | None] = {}

    def _by_id(self, entries: list[Any], key: str) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        for number, entry in enumerate(entries, 1):
            id = entry.get("id") if isinstance(entry, dict) else None
            if not isinstance(id, int | str):
                self.findings.add("unreadable line", f"it is no entry with an id among the {key}", entry=number)
            elif id in found:
                self.findings.add("duplicate id", f"the id {id!r} stands twice in {key}; the first is kept", entry=id)
            else:
                found[id] = entry
        return found

    def size(self, image_id: Any) -> tuple[int, int] | None:
        """Width and height of a known picture, px; None after noting that it has none."""
        if image_id not in self._sizes:
            image = self.images[image_id]
            width, height = image.get("width"), image.get("height")
            good = self.findings.size(width, height, entry=image_id)
            self._sizes[image_id] = (int(width), int(height)) if good else None  # type: ignore[arg-type]
        return self._sizes[image_id]

    def region(self, ann_id: Any, size: tuple[int, int]) -> Region | None:
        """Box, mask and category of a known annotation; None after noting that it has no box that can be one.

        A mask that can't be one is noted, and the region goes without.
        """
        if ann_id not in self._regions:
            annotation = self.annotations[ann_id]
            box = self.findings.box(annotation.get("bbox"), "xywh", size, entry=ann_id)
            label = self.categories.get(_hashable(annotation.get("category_id")))
            self._regions[ann_id] = None if box is None else Region(box, label, mask=self._mask(ann_id, box, size))
        return self._regions[ann_id]

    def _mask(self, ann_id: Any, box: Box, size: tuple[int, int]) -> Mask | None:
        try:
            return mask_of(self.annotations[ann_id].get("segmentation"), size)
        except BoxError as error:
            self.findings.add("no mask", f"its segmentation can't be read: {error}", entry=ann_id, kept=True)
            return None


class _Reader:
    """Makes samples of refs, one after another."""

    def __init__(self, findings: Findings, instances: Instances, folder: Folder, scoring: str, several: bool) -> None:
        self.findings = findings
        self.instances = instances
        self.folder = folder
        self.scoring = scoring
        self.several = several
        self.samples: list[Sample] = []
        self._pictures: dict[str, Picture] = {}

    def add(self, ref: dict[str, Any], entry: int) -> None:
        sentences = ref["sentences"]
        if not isinstance(sentences, list) or not sentences:
            self.findings.add("unreadable line", "it has no sentences", entry=entry)
            return
        image_id = _hashable(ref["image_id"])
        if image_id not in self.instances.images:
            self._leave_out("unknown id", f"there is no picture {image_id!r} in {INSTANCES}", ref, entry)
            return
        size = self.instances.size(image_id)
        if size is None:
            self._leave_out("no size", f"the picture {image_id!r} has no size in {INSTANCES}", ref, entry)
            return
        targets = self._targets(ref, entry, image_id, size)
        if targets is None:
            return
        regions = tuple(targets.values())
        crowd: tuple[Region, ...] = ()
        if self.scoring == "segmentation":
            if any(region.mask is None for region in regions):
                self._leave_out("no mask", "a target has no mask, and masks are to be scored", ref, entry)
                return
            regions, crowd = self._without_crowds(targets)
        name = self.instances.images[image_id].get("file_name")
        picture = self._picture(writable(name) if isinstance(name, str) else f"{image_id}.jpg", size)
        about = rest(ref, ("sentences", "sent_ids"))
        about["category"] = [region.label for region in regions] if self.several else regions[0].label
        for sentence in sentences:
            self._add_sentence(sentence, str(_hashable(ref["ref_id"])), entry, picture, regions, crowd, size, about)

    def _add_sentence(
        self,
        sentence: Any,
        ref_id: str,
        entry: int,
        picture: Picture,
        regions: tuple[Region, ...],
        crowd: tuple[Region, ...],
        size: tuple[int, int],
        about: dict[str, Any],
    ) -> None:
        phrase = sentence.get("sent") if isinstance(sentence, dict) else None
        if not isinstance(phrase, str) or not phrase.strip():
            self.findings.add("unreadable line", f"ref {ref_id} has a sentence without words", entry=entry)
            return
        id = writable(f"{ref_id}-{_hashable(sentence.get('sent_id'))}")
        if self.findings.new(id, entry=entry):
            phrase = writable(phrase)
            meta = about | rest(sentence, ("sent",))
            truth = Grounding(phrase, regions, "", *size)
            self.samples.append(Sample(picture, phrase, truth, id, crowd=crowd, meta=meta))

    def _targets(
        self, ref: dict[str, Any], entry: int, image_id: Any, size: tuple[int, int]
    ) -> dict[Any, Region] | None:
        """What a ref means, by annotation id; None after noting why it can't be told."""
        stated = ref["ann_id"] if isinstance(ref["ann_id"], list | tuple) else [ref["ann_id"]]
        ids = [_hashable(id) for id in stated]
        if self.several and (ids in ([], [-1]) or ref.get("no_target")):
            return {}
        if not self.several and len(ids) != 1:
            self._leave_out("no box", f"it means {len(ids)} things, where one is asked for", ref, entry)
            return None
        found = {}
        for id in ids:
            annotation = self.instances.annotations.get(id)
            if annotation is None:
                self._leave_out("unknown id", f"there is no annotation {id!r} in {INSTANCES}", ref, entry)
                return None
            if annotation.get("image_id") != ref["image_id"]:
                where = f"annotation {id!r} lies in picture {annotation.get('image_id')!r:.20}, not in {image_id!r}"
                self._leave_out("unknown id", where, ref, entry)
                return None
            region = self.instances.region(id, size)
            if region is None:
                self._leave_out("no box", f"annotation {id!r} has no box that can be one", ref, entry)
                return None
            found[id] = region
        return found

    def _without_crowds(self, targets: dict[Any, Region]) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
        """Targets, and apart from them those that are crowds, unless there are no others."""
        crowds = {id for id in targets if self.instances.annotations[id].get("iscrowd")}
        if len(crowds) == len(targets):
            return tuple(targets.values()), ()
        return (
            tuple(region for id, region in targets.items() if id not in crowds),
            tuple(region for id, region in targets.items() if id in crowds),
        )

    def _leave_out(self, kind: str, why: str, ref: dict[str, Any], entry: int) -> None:
        count = len(ref["sentences"])
        self.findings.add(kind, f"{why}; left out: {count} expression{'s'[: count != 1]}", entry=entry)

    def _picture(self, name: str, size: tuple[int, int]) -> Picture:
        if name not in self._pictures:
            self._pictures[name] = self.folder.find(name, size)
        return self._pictures[name]
