"""COCO AP through pycocotools and through the faster evaluators, on a drawn set of the size of COCO's val2017.

`python benchmarks/coco_ap.py [--pictures N] [--detections D] [--rounds R] [--segm]`. 80 categories, 36,781 objects in
5,000 pictures (as val2017 has), of which 446 stand for crowds, and D detections a picture: some near an object, the
others anywhere. Evaluators take turns in one run; printed are medians, their ratio to pycocotools, and by how much the
twelve numbers differ. Entries are judged once, outside the clock; how long that takes is printed as well.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from timing import print_table, take_turns

from grounding.metrics.coco_ap import ENGINES, score_entries
from grounding.metrics.coco_entries import read_results, read_truth
from grounding.metrics.detection import tally_entries

CATEGORIES = 80
OBJECTS_A_PICTURE = 36_781 / 5_000
CROWD_SHARE = 446 / 36_781
WIDTH, HEIGHT = 640, 480


def draw_set(pictures: int, detections: int, *, segm: bool, seed: int = 0) -> tuple[dict[str, Any], list[Any]]:
    """An instances file's object and a results file's list."""
    rng = np.random.default_rng(seed)
    objects = rng.poisson(OBJECTS_A_PICTURE, pictures)
    owner = np.repeat(np.arange(1, pictures + 1), objects)
    boxes = draw_boxes(rng, len(owner))
    categories = draw_categories(rng, len(owner))
    crowds = rng.random(len(owner)) < CROWD_SHARE
    annotations = [
        {
            "id": number,
            "image_id": int(picture),
            "category_id": int(category),
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": int(crowd),
            **({"segmentation": outline(box)} if segm else {}),
        }
        for number, (picture, category, box, crowd) in enumerate(
            zip(owner, categories, boxes.tolist(), crowds, strict=True), 1
        )
    ]
    results = []
    starts = np.concatenate([[0], np.cumsum(objects)])
    for picture in range(1, pictures + 1):
        own = np.arange(starts[picture - 1], starts[picture])
        near = rng.choice(own, min(detections, 2 * len(own))) if len(own) else own
        placed = np.concatenate([boxes[near] + rng.normal(0, 4, (len(near), 4)), draw_boxes(rng, detections)])
        named = np.concatenate([categories[near], draw_categories(rng, detections)])
        scores = np.concatenate([rng.beta(5, 3, len(near)), rng.beta(1, 6, detections)])
        placed[:, :2] = placed[:, :2].clip(0)
        placed[:, 2:] = placed[:, 2:].clip(1)
        rows = zip(named[:detections], placed[:detections].round(2).tolist(), scores.round(3), strict=False)
        for category, box, score in rows:
            shape = {"segmentation": outline(box)} if segm else {"bbox": box}
            results.append({"image_id": picture, "category_id": int(category), "score": float(score), **shape})
    images = [{"id": number, "width": WIDTH, "height": HEIGHT} for number in range(1, pictures + 1)]
    names = [{"id": number, "name": f"category {number}"} for number in range(1, CATEGORIES + 1)]
    return {"images": images, "annotations": annotations, "categories": names}, results


def draw_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) x, y, width, height; sizes as skewed as those of real things."""
    sides = np.exp(rng.normal(4, 0.9, (count, 2))).clip(4, (WIDTH - 1, HEIGHT - 1))
    corners = rng.random((count, 2)) * ((WIDTH, HEIGHT) - sides)
    return np.concatenate([corners, sides], axis=1).round(2)


def draw_categories(rng: np.random.Generator, count: int) -> np.ndarray:
    """A third of them the first, as people are in COCO."""
    return np.where(rng.random(count) < 0.3, 1, rng.integers(1, CATEGORIES + 1, count))


def outline(box: list[float]) -> list[list[float]]:
    """An octagon in the box."""
    x, y, width, height = box
    a, b = width * 0.3, height * 0.3
    right, bottom = x + width, y + height
    corners = [x + a, y, right - a, y, right, y + b, right, bottom - b]
    return [[*corners, right - a, bottom, x + a, bottom, x, bottom - b, x, y + b]]


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", type=int, default=5_000)
    parser.add_argument("--detections", type=int, default=20, help="a picture; detectors are asked for up to 100")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--segm", action="store_true", help="compare masks")
    args = parser.parse_args()
    instances, rows = draw_set(args.pictures, args.detections, segm=args.segm)
    start = time.perf_counter()
    truth = read_truth(instances, "segm" if args.segm else "bbox")
    results = read_results(rows, truth)
    judged = time.perf_counter() - start
    print(f"{args.pictures:,} pictures, {len(truth.objects):,} objects, {len(results.detections):,} detections")
    print(f"judging every entry: {1000 * judged:.0f} ms")
    if not args.segm:
        start = time.perf_counter()
        f1 = tally_entries(truth, results).pooled.f1
        print(
            f"precision, recall and F1 at ten thresholds: {time.perf_counter() - start:.2f} s (F1 at 0.5: {f1[0]:.3f})"
        )
    scores = {engine: score_entries(truth, results, engine=engine) for engine in ENGINES}
    reference = scores["pycocotools"].numbers
    print("\n" + "  ".join(f"{name} {value:.3f}" for name, value in reference.items() if value is not None))
    for engine, found in scores.items():
        apart = max(abs((found.numbers[name] or 0) - (value or 0)) for name, value in reference.items())
        print(f"  {engine:<17} differs by up to {apart:.1e}")
    seconds = take_turns(
        {engine: lambda engine=engine: score_entries(truth, results, engine=engine) for engine in ENGINES},
        rounds=args.rounds,
        warmup=0,
    )
    print_table("COCO AP", seconds)


if __name__ == "__main__":
    main()
