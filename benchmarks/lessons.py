"""Lessons a second of each kind of source on one core: made alone, and with their pictures open.

`python benchmarks/lessons.py [--n N]`. Pictures are JPEGs of 640 x 480 px; a lesson has one picture.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from timing import print_table, take_turns

from grounding.data.lessons.opening import open_source
from grounding.data.lessons.packing import lessons_of, pack
from grounding.data.lessons.reading import ready_of

PICTURES, ROWS = 64, 20_000
SIZE = (640, 480)


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="lessons a run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        sources = written(Path(folder))
        numbers = count()
        rivals = {}
        for name, source in sources.items():
            rivals[name] = lambda source=source: [source.lesson(next(numbers)) for _ in range(args.n)]
            rivals[f"{name}, open"] = lambda source=source: [ready_of(source, next(numbers)) for _ in range(args.n)]
        seconds = take_turns(rivals, args.rounds, 1)
    print_table(f"{args.n} lessons, one core", seconds, per=dict.fromkeys(seconds, args.n))


def written(folder: Path) -> dict:
    """One source of each kind, over files in the folder."""
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        small.resize(SIZE, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
    chat, ours, coco = [], [], {"images": [], "annotations": [], "categories": []}
    for number in range(ROWS):
        box = f"[{rng.uniform(0, 0.4):.2f}, {rng.uniform(0.2, 0.4):.2f}, 0.80, 0.70]"
        said = [{"from": "human", "value": "Where is the cup?"}, {"from": "gpt", "value": box}] * 3
        chat.append({"id": str(number), "image": f"{number % PICTURES}.jpg", "conversations": said})
    for number in range(ROWS // 4):
        name = f"{number % PICTURES}.jpg"
        ours.append({"image": name, "width": 640, "height": 480, "phrase": "cup", "box": [10, 20, 300, 400]})
        coco["images"].append({"id": number, "file_name": name, "width": 640, "height": 480})
        for place in range(8):
            box = [*rng.uniform(0, 300, 2), *rng.uniform(20, 180, 2)]
            entry = {"id": number * 8 + place, "image_id": number, "category_id": place % 5, "bbox": box}
            coco["annotations"].append(entry)
    coco["categories"] = [{"id": n, "name": f"thing {n}"} for n in range(80)]
    (folder / "chat.json").write_text(json.dumps(chat))
    (folder / "ours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ours))
    (folder / "coco.json").write_text(json.dumps(coco))
    chats = open_source("llava:chat.json", root=folder)
    pack(lessons_of(open_source("llava:chat.json", root=folder, shuffle=False), 2000), folder / "shards")
    return {
        "scenes": open_source("scenes"),
        "LLaVA's json": chats,
        "LLaVA's json, flip and crop": open_source("llava:chat.json", root=folder, augment=["flip", "crop"]),
        "our jsonl": open_source(folder / "ours.jsonl"),
        "COCO": open_source(folder / "coco.json"),
        "shards": open_source("shards:shards", root=str(folder)),
    }


if __name__ == "__main__":
    main()
