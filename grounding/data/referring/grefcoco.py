"""Opens gRefCOCO by name: expressions that mean no thing, one or several (Liu et al., GRES, CVPR 2023)."""

from __future__ import annotations

from pathlib import Path

from grounding.data.dataset import Dataset
from grounding.data.reading import first_existing
from grounding.data.referring.mdetr import read_mdetr
from grounding.data.referring.picture_places import pictures_near
from grounding.data.referring.splits import check_split
from grounding.data.referring.toolbox import INSTANCES, read_refs
from grounding.errors import InputError

REFS = ("grefcoco/grefs(unc).json", "grefs(unc).json", "grefcoco/grefs(unc).p", "grefs(unc).p")
"""Its authors' files, looked for in this order; instances.json lies beside them."""
MDETR = ("finetune_grefcoco_{split}.json", "mdetr_annotations/finetune_grefcoco_{split}.json")
"""Those their script writes for MDETR, looked for next."""


def open_grefcoco(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    scoring: str = "generalized",
    stretched: bool = False,
) -> Dataset:
    """`grefcoco:val` and its like; the truth of an expression that means nothing has no regions.

    `scoring`: "generalized" for boxes, "segmentation" for masks; crowds among several targets count as targets of boxes
    (as henghuiding/gRefCOCO's grefexp_coco_format.py has them), and neither way for masks (as ReLA leaves them out).
    Nobody published how many expressions a split has, so `expected` is None.
    Raises InputError where there is no such split, and where none of the files lies below `root`.
    """
    published = check_split(kind, split)
    if scoring not in ("generalized", "segmentation"):
        raise InputError(f"{kind} is not scored as {scoring!r}; known: generalized, segmentation")
    if root is None:
        raise InputError(f"{kind} needs root=, the folder its annotations lie in")
    folder = pictures_near(root, images, stretched=stretched)
    name = f"{kind}:{split}"
    refs = first_existing(root, REFS)
    if refs is not None:
        return read_refs(
            refs,
            refs.with_name(INSTANCES),
            name=name,
            folder=folder,
            split=split,
            scoring=scoring,
            several=True,
            expected=published.expressions,
        )
    mdetr = first_existing(root, [file.format(split=split) for file in MDETR])
    if mdetr is None:
        raise InputError(
            f"no file of {kind}:{split} below {root}; looked for {REFS[0]} with instances.json beside it, "
            f"{MDETR[0].format(split=split)}; give another root="
        )
    return read_mdetr(mdetr, name=name, folder=folder, split=split, scoring=scoring, expected=published.expressions)
