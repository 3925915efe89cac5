"""Reads COCO's `segmentation`, polygons or run lengths, as the Mask of a picture."""

from __future__ import annotations

from typing import Any

from grounding.errors import BoxError
from grounding.masks import Mask


def mask_of(segmentation: Any, size: tuple[int, int]) -> Mask | None:
    """The mask, or None where there is no segmentation. `size`: width and height of the picture, px.

    Polygons are kept as they are and filled when pixels are asked for; those with fewer than three corners are left
    out, as ReLA leaves them out (gres_model/data/datasets/grefcoco.py), unless nothing else is there. Raises BoxError
    where nothing can be made of it, and where run lengths are those of another picture's size.
    """
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        try:
            mask = Mask.from_rle(segmentation)
        except (TypeError, ValueError) as error:
            raise BoxError(f"run lengths that are none: {error}") from None
        if (mask.width, mask.height) != size:
            raise BoxError(f"a mask of {mask.width} x {mask.height} in a picture of {size[0]} x {size[1]}")
        return mask
    if not isinstance(segmentation, list):
        raise BoxError(f"a segmentation is polygons or run lengths; seen {segmentation!r:.40}")
    polygons = [polygon for polygon in segmentation if not isinstance(polygon, list) or len(polygon) >= 6]
    try:
        return Mask.from_polygons(polygons or segmentation, *size)
    except (TypeError, ValueError, OverflowError) as error:
        raise BoxError(f"polygons that are none: {error}") from None
