"""Finds the folder of pictures that goes with annotations, where people keep the two together."""

from __future__ import annotations

from pathlib import Path

from grounding.data.folders import Folder

PLACES = (
    "images/mscoco/images/train2014",  # lichengunc/refer, README.md
    "images/train2014",  # henghuiding/ReLA, README.md
    "train2014",
    "coco/train2014",
    "images",
)
"""Looked for in this order below the folder of annotations."""


def pictures_near(annotations: Path, images: Path | None, *, stretched: bool = False) -> Folder:
    """`images` if it is given, else the first of PLACES below the folder `annotations`, else that folder itself.

    Raises InputError where `images` is given and no folder.
    """
    if images is None:
        there = (annotations / place for place in PLACES)
        images = next((place for place in there if place.is_dir()), annotations)
    return Folder(images, stretched=stretched)
