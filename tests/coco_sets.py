"""Truth and results in COCO's form for several tests: COCO's own example where it is there, and drawn ones."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from grounding.metrics.base import Case
from grounding.result import Grounding, Region

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
FAKE = DATA / "coco_fake100"
needs_fake = pytest.mark.skipif(
    not FAKE.is_dir(), reason=f"no COCO example at {FAKE}: set GROUNDING_SHARED_DATA to the folder of coco_fake100/"
)
WIDTH, HEIGHT = 200, 160


@cache
def fake(kind):
    truth = json.loads((FAKE / "instances_val2014_100.json").read_text())
    return truth, json.loads((FAKE / f"instances_val2014_fake{kind}100_results.json").read_text())


def drawn(seed):
    """A truth with crowds and ids from 0, and boxes near it: misses, doubles, equal scores, over 100 in one picture."""
    rng = np.random.default_rng(seed)
    pictures, categories = int(rng.integers(1, 10)), int(rng.integers(1, 5))
    annotations, results = [], []

    def box():
        x, y = rng.integers(0, WIDTH - 20), rng.integers(0, HEIGHT - 20)
        small = rng.random() < 0.3
        width, height = rng.integers(1, 30 if small else WIDTH - x), rng.integers(1, 20 if small else HEIGHT - y)
        return [float(x), float(y), float(width), float(height)]

    for picture in range(pictures):
        for _ in range(rng.integers(0, 7)):
            bbox, category = box(), int(rng.integers(1, categories + 1))
            x, y, width, height = bbox
            outline = [x, y, x + width, y, x + width, y + height, x + width / 2, y + height * 0.7, x, y + height]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": picture,
                    "category_id": category,
                    "bbox": bbox,
                    "area": width * height * float(rng.choice([1, 0.6])),
                    "iscrowd": int(rng.random() < 0.15),
                    "segmentation": [outline],
                }
            )
            for _ in range(rng.integers(0, 4)):
                near = [*(value + float(rng.integers(-4, 5)) for value in bbox)]
                near = [max(near[0], 0.0), max(near[1], 0.0), max(near[2], 1.0), max(near[3], 1.0)]
                score = float(rng.choice([0.1, 0.5, 0.9, rng.random()]))
                results.append({"image_id": picture, "category_id": category, "bbox": near, "score": score})
        if rng.random() < 0.15:
            results += [{"image_id": picture, "category_id": 1, "bbox": box(), "score": 0.5} for _ in range(120)]
    images = [{"id": picture, "width": WIDTH, "height": HEIGHT} for picture in range(pictures)]
    names = [{"id": number, "name": f"thing {number}"} for number in range(1, categories + 1)]
    return {"images": images, "annotations": annotations, "categories": names}, results


def as_masks(results):
    """The same results with the rectangles as masks."""
    rows = []
    for row in results:
        x, y, width, height = row["bbox"]
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        rows.append({"image_id": row["image_id"], "category_id": row["category_id"], "score": row["score"]})
        rows[-1]["segmentation"] = [corners]
    return rows


CAT, DOG = Region((10, 10, 60, 60), "cat"), Region((0, 0, 20, 20), "dog")


def case(truth=(), answer=(), *, names=("cat", "dog"), picture="a.jpg", crowd=(), phrase=""):
    """A question with regions for its truth and its answer; None: the model failed."""
    there, found = (
        Grounding(phrase, tuple(regions), "", 100, 100, task="detect") if regions is not None else None
        for regions in (truth, answer)
    )
    return Case(f"{picture} {names}", picture, there, found, crowd=tuple(crowd), names=tuple(names))
