"""Writes referring expressions as the refer toolbox has them: refs in JSON beside COCO's instances.json."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from grounding.data.coco_writing import InstancesWriter, Losses, categories_of, reserved_ids
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.sample import Sample
from grounding.result import Region

_ID = re.compile(r"(0|[1-9]\d*)-(0|[1-9]\d*)")
_WRITTEN = {
    *("ref_id", "ann_id", "image_id", "category_id", "category", "split", "file_name", "sent_id", "sent", "sent_ids"),
    *("sentences", "tokens", "raw"),
}
"""What stands in a ref or a sentence of its own accord."""


def refs_of(
    dataset: Dataset | StreamedDataset, samples: Iterable[Sample], losses: Losses
) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    """The name of the file of refs, its list, and the object of instances.json.

    Named refs.json where every expression means one thing, else grefs.json, whose ann_id is a list, [-1] for nothing.
    Neighbouring samples of the same things in the same picture are sentences of one ref. What else a sample's meta says
    stands in its sentence. Ids such as "12-30", ref and sentence, stay what they were.
    """
    held = [sample for sample in samples if _is_expression(sample, losses)]
    several = any(sample.truth.count != 1 for sample in held)
    keep = _ids_can_stay(held)
    if not keep:
        losses.add("id of a sample: refs and sentences are numbered", len(held))
    writer = InstancesWriter(categories_of(dataset, (), Losses()), reserved_ids(held))
    placed = [_placed(sample, writer, losses) for sample in held]  # all first: ids are given at the end
    instances = writer.data(dataset)
    refs: list[dict[str, Any]] = []
    sent_id = 0
    for number, (group, targets) in enumerate(_groups(held, placed, keep), 1):
        ref_id = int(group[0].id.split("-")[0]) if keep else number
        ref = _ref(dataset, group[0], targets, writer, ref_id, several)
        for sample in group:
            sent_id = int(sample.id.split("-")[1]) if keep else sent_id + 1
            more = {key: value for key, value in sample.meta.items() if key not in _WRITTEN}
            raw = sample.meta.get("raw")
            ref["sentences"].append(
                {
                    "sent_id": sent_id,
                    "sent": sample.phrase,
                    "raw": raw if isinstance(raw, str) else sample.phrase,
                    "tokens": sample.meta.get("tokens") or re.findall(r"\w+(?:-\w+)*|[^\w\s]", sample.phrase),
                    **more,
                }
            )
        ref["sent_ids"] = [sentence["sent_id"] for sentence in ref["sentences"]]
        refs.append(ref)
    return ("grefs.json" if several else "refs.json"), refs, instances


def _ref(
    dataset: Dataset | StreamedDataset,
    sample: Sample,
    targets: list[dict[str, Any]],
    writer: InstancesWriter,
    ref_id: int,
    several: bool,
) -> dict[str, Any]:
    ann_ids = [target["id"] for target in targets]
    category_ids = [target["category_id"] for target in targets]
    split = sample.meta.get("split")
    return {
        "ref_id": ref_id,
        "ann_id": (ann_ids or [-1]) if several else ann_ids[0],
        "image_id": writer.add_picture(sample, named=False)["id"],
        "category_id": (category_ids or [-1]) if several else category_ids[0],
        "split": split if isinstance(split, str) else dataset.name.rpartition(":")[2],
        "file_name": sample.meta.get("file_name") or sample.picture.key,
        "sentences": [],
    }


def _placed(sample: Sample, writer: InstancesWriter, losses: Losses) -> list[dict[str, Any]]:
    """The annotations of what a sample means, those of its picture that are the same region used again."""
    writer.add_picture(sample, named=False)
    key = sample.picture.key
    ids, category_ids = _stated(sample, "ann_id"), _stated(sample, "category_id")
    found = []
    for region, id, category_id in zip(sample.truth.regions, ids, category_ids, strict=True):
        same = writer.regions_of(key).get((region, False))
        if same is not None:
            found.append(writer.annotations[same])
            continue
        if region.label is not None and category_id is not None:
            writer.name_category(region.label, category_id)
        found.append(writer.add_region(key, region, crowd=False, id=id, area=None, losses=losses))
    return found


def _stated(sample: Sample, key: str) -> list[int | None]:
    """The number that the meta gives for each region; None where it gives none."""
    value = sample.meta.get(key)
    values = value if isinstance(value, list) else [value]
    if len(values) != sample.truth.count:
        return [None] * sample.truth.count
    return [number if type(number) is int else None for number in values]


def _groups(
    samples: list[Sample], placed: list[list[dict[str, Any]]], keep: bool
) -> Iterator[tuple[list[Sample], list[dict[str, Any]]]]:
    """Neighbours that are sentences of one ref, with its annotations."""
    group: list[Sample] = []
    here: list[dict[str, Any]] = []
    last: Any = None
    for sample, targets in zip(samples, placed, strict=True):
        mark: Any = sample.id.split("-")[0]
        if not keep:  # those that mean nothing are refs of their own, as gRefCOCO has them
            mark = sample.picture.key, [target["id"] for target in targets] or sample.id
        if group and mark != last:
            yield group, here
            group = []
        group.append(sample)
        here, last = targets, mark
    if group:
        yield group, here


def _ids_can_stay(samples: list[Sample]) -> bool:
    """Whether every id is a ref's and a sentence's number, and each ref has one picture and the same things."""
    seen: dict[str, tuple[str, tuple[Region, ...]]] = {}
    last = None
    sentences: Counter[str] = Counter()
    for sample in samples:
        match = _ID.fullmatch(sample.id)
        if match is None:
            return False
        ref = match[1]
        if ref in seen and (ref != last or seen[ref] != (sample.picture.key, sample.truth.regions)):
            return False
        seen[ref] = (sample.picture.key, sample.truth.regions)
        sentences[sample.id] += 1
        last = ref
    return max(sentences.values(), default=1) == 1


def _is_expression(sample: Sample, losses: Losses) -> bool:
    """Whether it can be a sentence of a ref; counts why not, and what of it has no place there."""
    if sample.task not in ("locate", "segment") or not sample.phrase.strip():
        what = f"question to {sample.task}" if sample.task not in ("locate", "segment") else "expression without words"
        losses.add(f"{what}, which refs have no place for: left out")
        return False
    if any(region.area <= 0 for region in sample.truth.regions):
        losses.add("expression that means a point, which has no box: left out")
        return False
    if sample.task == "segment":
        losses.add("question to segment: in refs it is one to locate")
    if len(set(sample.truth.regions)) != sample.truth.count:
        losses.add("expression that means the same region twice")
    if sample.crowd:
        losses.add("sample with groups beside what is meant, which refs do not name")
    if sample.kind is not None:
        losses.add("kind of question")
    if sample.truth.text:
        losses.add("text of a truth")
    if sample.names or sample.box is not None or sample.point is not None:
        losses.add("sample with names, a box or a point beside its phrase")
    return True
