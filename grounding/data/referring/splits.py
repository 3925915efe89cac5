"""Owns how many expressions each published split of the referring-expression data sets has, and who says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from grounding.errors import InputError


@dataclass(frozen=True, slots=True)
class Split:
    """One published split."""

    expressions: int | None
    """None where nobody says."""
    source: str
    """Who counted."""


_YU = "Yu et al., Modeling Context in Referring Expressions, ECCV 2016, split UNC"
_UMD = "Nagaraja et al., Modeling Context Between Objects, ECCV 2016, split UMD"
_GREFCOCO = (
    "Liu et al., GRES, CVPR 2023, count 278,232 expressions over all splits; the public file has 259,859 "
    "(henghuiding/gRefCOCO, issue 6); nobody says how many a split has"
)
_REF_L4 = "45,341 in all by JierunChen/Ref-L4 (Chen et al., arXiv 2406.16866); each split by a fork of VLMEvalKit"

SPLITS: dict[str, dict[str, Split]] = {
    "refcoco": {
        "train": Split(120_624, "FlagEval, RefCOCO-Visual_Grounding"),
        "val": Split(10_834, _YU),
        "testA": Split(5_657, _YU),
        "testB": Split(5_095, _YU),
    },
    "refcoco+": {
        "train": Split(120_191, "141,564 in all (Yu et al., ECCV 2016), less the other splits"),
        "val": Split(10_758, _YU),
        "testA": Split(5_726, _YU),
        "testB": Split(4_889, _YU),
    },
    "refcocog": {"train": Split(None, _UMD), "val": Split(4_896, _UMD), "test": Split(9_602, _UMD)},
    "refcocog-google": {
        "train": Split(None, "Mao et al., CVPR 2016"),
        # 5,000 objects, whose expressions the data set's own pages do not count (TensorFlow Datasets, ref_coco)
        "val": Split(None, "Mao et al., CVPR 2016"),
    },
    "grefcoco": {name: Split(None, _GREFCOCO) for name in ("train", "val", "testA", "testB")},
    "ref-l4": {"val": Split(13_420, _REF_L4), "test": Split(31_921, _REF_L4), "all": Split(45_341, _REF_L4)},
}

GOOGLE_NOTE = (
    "RefCOCOg's Google split parts objects, not pictures: its val shares pictures with its train, so figures of models "
    "trained on that train are too good; the UMD split (refcocog) shares none"
)


def check_split(kind: str, split: str) -> Split:
    """The published split. Raises InputError naming those there are."""
    try:
        return SPLITS[kind][split]
    except KeyError:
        there = ", ".join(f"{kind}:{name}" for name in SPLITS[kind])
        raise InputError(f"{kind} has no split {split!r}; there are {there}") from None


_FILE_NAME = re.compile(r"(?:finetune_)?(refcoco\+?|refcocog|grefcoco)[_-](train|val|testA|testB|test)")


def split_of_file(path: Path) -> tuple[str, str] | None:
    """Kind and split that a file's name says it is, such as `refcoco+_testA.jsonl`; None if it says none."""
    named = _FILE_NAME.fullmatch(path.stem)
    if named is None or named[2] not in SPLITS[named[1]]:
        return None
    return named[1], named[2]
