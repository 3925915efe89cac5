"""Owns MDETR's json of referring expressions: COCO style, but every expression is an "image" of its own.

    images        {id, file_name, width, height, original_id, caption, dataset_name, tokens_negative}
    annotations   {id, image_id, bbox (x y w h px), category_id, original_id, area, iscrowd, tokens_positive}
                                                     (ashkamath/mdetr, scripts/fine-tuning/refexp_coco_format.py)

gRefCOCO's authors write theirs the same way with `empty`; one with `empty: true` and the box [0, 0, 0, 0] says that
nothing is meant (henghuiding/gRefCOCO, mdetr/scripts/fine-tuning/grefexp_coco_format.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grounding.data.dataset import Dataset
from grounding.data.folders import Folder
from grounding.data.pictures import Picture
from grounding.data.plain import plain, rest, writable
from grounding.data.reading import Findings, load_json
from grounding.data.referring.segmentations import mask_of
from grounding.data.referring.toolbox import SCORINGS
from grounding.data.sample import Sample
from grounding.errors import BoxError, InputError
from grounding.result import Grounding, Region

REFERRING = ("refcoco", "refcoco+", "refcocog", "grefcoco")
"""Values of dataset_name whose captions are expressions; others are captions with several phrases each."""


def speaks(data: Any) -> bool:
    """Whether a parsed file is MDETR's: COCO style, with captions in its images."""
    if not isinstance(data, dict) or not isinstance(data.get("annotations"), list):
        return False
    images = data.get("images")
    return isinstance(images, list) and bool(images) and isinstance(images[0], dict) and "caption" in images[0]


def read_mdetr(
    path: Path,
    *,
    name: str,
    folder: Folder,
    split: str | None = None,
    scoring: str | None = None,
    expected: int | None = None,
    data: Any = None,
) -> Dataset:
    """One sample an "image", whose id it bears; box, mask where there is one, and category of its annotations.

    `scoring`: None chooses "generalized" where any expression means none or several things by the file's own account,
    else "rec". `split` only goes into `meta`, as the file holds one. `data`: what the file holds, if it was parsed.
    Raises InputError where it can't be read, is another format, or holds captions with phrases.
    """
    data = load_json(path) if data is None else data
    if not speaks(data):
        raise InputError(f"{path.name} is not MDETR's json: images with captions, and annotations")
    findings = Findings(path)
    annotations = _by_image(data, findings)
    several = any("empty" in entry for entries in annotations.values() for entry in entries)
    scoring = scoring or ("generalized" if several else "rec")
    if scoring not in SCORINGS:
        raise InputError(f"expressions are not scored as {scoring!r}; known: {', '.join(SCORINGS)}")
    listed = data.get("categories")
    categories = {
        entry["id"]: writable(str(entry.get("name")))
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("id"), int)
    }
    reader = _Reader(findings, folder, categories, scoring, several, split)
    for number, image in enumerate(data["images"], 1):
        reader.add(image, number, annotations)
    for image_id, entries in annotations.items():
        for entry in entries:
            findings.add("unknown id", f"an annotation's image {image_id!r} is not there", entry=str(entry.get("id")))
    return Dataset(
        name,
        reader.samples,
        scoring=scoring,
        source=f"MDETR's json: {path.name}",
        expected=expected,
        problems=findings.problems,
    )


def _by_image(data: dict[str, Any], findings: Findings) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for number, entry in enumerate(data["annotations"], 1):
        image_id = entry.get("image_id") if isinstance(entry, dict) else None
        if isinstance(image_id, int | str):
            found.setdefault(image_id, []).append(entry)
        else:
            findings.add("unreadable line", "it is no annotation with an image_id", entry=number)
    return found


class _Reader:
    """Makes samples of MDETR's images, one after another."""

    def __init__(
        self,
        findings: Findings,
        folder: Folder,
        categories: dict[Any, str],
        scoring: str,
        several: bool,
        split: str | None,
    ) -> None:
        self.findings = findings
        self.folder = folder
        self.categories = categories
        self.scoring = scoring
        self.several = several
        self.split = split
        self.samples: list[Sample] = []
        self._pictures: dict[str, Picture] = {}

    def add(self, image: Any, number: int, annotations: dict[Any, list[dict[str, Any]]]) -> None:
        """Makes the sample, and takes its annotations out of `annotations`."""
        findings = self.findings
        id = image.get("id") if isinstance(image, dict) else None
        if not isinstance(id, int | str):
            findings.add("unreadable line", "it is no image with an id", entry=number)
            return
        if not findings.new(str(id), entry=id):
            return
        entries = annotations.pop(id, [])
        phrase, file_name, dataset = image.get("caption"), image.get("file_name"), image.get("dataset_name")
        if dataset is not None and dataset not in REFERRING:
            raise InputError(
                f"{findings.file} holds captions of {dataset!r:.40}, not referring expressions; "
                f"known: {', '.join(REFERRING)}"
            )
        if not isinstance(phrase, str) or not phrase.strip() or not isinstance(file_name, str):
            findings.add("unreadable line", "it has no caption or no file_name", entry=id)
            return
        if not findings.size(image.get("width"), image.get("height"), entry=id):
            return
        size = (int(image["width"]), int(image["height"]))
        regions = self._regions(entries, size, id)
        if regions is None:
            return
        file_name = writable(file_name)
        if file_name not in self._pictures:
            self._pictures[file_name] = self.folder.find(file_name, size)
        phrase = writable(phrase)
        truth = Grounding(phrase, tuple(regions), "", *size)
        meta = self._meta(image, entries, regions)
        self.samples.append(Sample(self._pictures[file_name], phrase, truth, writable(str(id)), meta=meta))

    def _regions(self, entries: list[dict[str, Any]], size: tuple[int, int], id: Any) -> list[Region] | None:
        """What an expression means; None after noting why that can't be told."""
        if self.several:
            entries = [entry for entry in entries if entry.get("empty") is not True]
        elif len(entries) != 1:
            seen = f"{len(entries)} boxes, where one is asked for" if entries else "no box"
            self.findings.add("no box", f"the expression has {seen}", entry=id)
            return None
        regions = []
        for entry in entries:
            box = self.findings.box(entry.get("bbox"), "xywh", size, entry=id)
            if box is None:
                return None
            try:
                mask = mask_of(entry.get("segmentation"), size)
            except BoxError as error:
                self.findings.add("no mask", f"its segmentation can't be read: {error}", entry=id, kept=True)
                mask = None
            if mask is None and self.scoring == "segmentation":
                self.findings.add("no mask", "a target has no mask, and masks are to be scored", entry=id)
                return None
            category = entry.get("category_id")
            regions.append(Region(box, self.categories.get(category if isinstance(category, int) else None), mask=mask))
        return regions

    def _meta(self, image: dict[str, Any], entries: list[dict[str, Any]], regions: list[Region]) -> dict[str, Any]:
        """As the refer toolbox calls it: `image_id` is COCO's, `ann_id` the annotation's there."""
        meta = rest(image, ("id", "file_name", "width", "height", "caption", "original_id"))
        ids = [plain(entry.get("original_id")) for entry in entries]
        labels = [region.label for region in regions]
        meta["image_id"] = plain(image.get("original_id"))
        meta["ann_id"], meta["category"] = (ids, labels) if self.several else (ids[0], labels[0])
        if any("tokens_positive" in entry for entry in entries):
            spans = [plain(entry.get("tokens_positive")) for entry in entries]
            meta["tokens_positive"] = spans if self.several else spans[0]
        if self.split is not None:
            meta["split"] = self.split
        return meta
