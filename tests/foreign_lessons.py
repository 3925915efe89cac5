"""Lessons for checkpoints of other families: a coloured box on a grey picture, asked and answered in words."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.sample import Sample
from grounding.result import Grounding, Region

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 230), "yellow": (230, 220, 40)}


def drawn(colour: str, box: tuple[int, int, int, int], size: tuple[int, int] = (200, 100)) -> Image.Image:
    """A filled box on grey."""
    image = Image.new("RGB", size, (128, 128, 128))
    ImageDraw.Draw(image).rectangle(box, fill=COLOURS[colour])
    return image


def sample(
    phrase: str = "the red cup",
    box: tuple[int, int, int, int] | None = (40, 20, 120, 80),
    image: Image.Image | None = None,
    task: str = "locate",
    colour: str = "red",
) -> Sample:
    """A question about one box; without one, nothing is there."""
    image = image or drawn(colour, box or (0, 0, 1, 1))
    regions = (Region(tuple(map(float, box)), label=phrase),) if box else ()
    names = (phrase,) if task == "detect" else ()
    truth = Grounding("" if names else phrase, regions, "", *image.size, task=task)
    return Sample(image, "" if names else phrase, truth, task=task, names=names, id=f"{colour}-{phrase}")


def lesson(*samples: Sample) -> Lesson:
    """Questions about one picture, each by itself."""
    return Lesson(samples[0].id, (samples[0].picture,), samples)


def talk(*turns: tuple[str, str]) -> Lesson:
    """A conversation in words about one picture."""
    picture = sample().picture
    return Lesson("talk", (picture,), tuple(Words(*turn) for turn in turns), sequential=True)


THINGS = {"red": (40, 20, 120, 80), "blue": (100, 40, 190, 90)}
"""What files of the functions below show: a box of a colour in a picture each."""


def write_rows(folder: Path) -> Path:
    """Our jsonl with a question about each of THINGS, its pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for colour, box in THINGS.items():
        drawn(colour, box).save(folder / f"{colour}.png")
        lines.append(json.dumps({"image": f"{colour}.png", "phrase": f"the {colour} cup", "box": box}))
    path = folder / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_coco(folder: Path) -> Path:
    """A COCO file of THINGS, each a category, its pictures in `pictures` beside it."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    whole = {"images": [], "annotations": [], "categories": []}
    for number, (colour, (x1, y1, x2, y2)) in enumerate(THINGS.items(), 1):
        image = drawn(colour, (x1, y1, x2, y2))
        image.save(pictures / f"{colour}.png")
        wide, high = image.size
        whole["images"].append({"id": number, "file_name": f"{colour}.png", "width": wide, "height": high})
        whole["categories"].append({"id": number, "name": f"{colour} cup"})
        box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
        whole["annotations"].append({"id": number, "image_id": number, "category_id": number, **box})
    path = folder / "instances.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path
