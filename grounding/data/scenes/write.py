"""A folder of drawn pictures with their answers: COCO instances, RefCOCO-style refs, and our samples.jsonl."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from grounding.data.scenes.generate import Picture, PictureOptions, SceneSample, draw_picture, vocabulary
from grounding.data.scenes.scene import Scene
from grounding.errors import InputError, OutputError
from grounding.masks import Mask

SAMPLES, INSTANCES, REFS = "samples.jsonl", "instances.json", "refs.json"
_FORMATS = {"png": {"compress_level": 3}, "jpg": {"quality": 95, "subsampling": 0}}


@dataclass(frozen=True)
class Written:
    """What `write_dataset` left behind."""

    folder: Path
    pictures: int
    samples: int
    refs: int
    """Things with at least one phrase of their own."""


def write_dataset(
    out: str | os.PathLike[str],
    n: int,
    seed: int = 0,
    options: PictureOptions | None = None,
    progress: Callable[[int, int], None] | bool = False,
    *,
    image_format: str = "png",
    split: str = "train",
) -> Written:
    """Draws the pictures of seeds `seed` to `seed + n - 1` into the folder `out`, which is made if it is not there.

        images/00000042.png   a picture, numbered by its seed
        samples.jsonl         one line a phrase
        instances.json        every thing as COCO instances (xywh; polygons, RLE where a thing is partly hidden)
        refs.json             phrases that mean one thing, as RefCOCO refs: sentences by annotation

    The three lists appear under their names only when whole, samples.jsonl last; a run that was interrupted can be
    repeated over what it left. `progress` is True for a bar on stderr, or a function of (pictures done, in all).
    Raises InputError for a count below one or an unknown format, OutputError where the folder cannot be written or
    holds a data set already.
    """
    if n < 1:
        raise InputError(f"n is {n}; draw at least 1 picture")
    if seed < 0:
        raise InputError(f"seed is {seed}; seeds are 0 or more")
    if image_format not in _FORMATS:
        raise InputError(f"no image format {image_format!r}; known: {', '.join(_FORMATS)}")
    options = options or PictureOptions()
    folder = Path(out)
    with _writing(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is not a directory: give another place for the pictures")
        (folder / "images").mkdir(parents=True, exist_ok=True)
        if (folder / SAMPLES).exists():
            raise OutputError(f"{folder} holds a data set already: remove it or give another place")
        lists = _Lists(_category_names(options), split)
        with _progress(progress, n) as advance, _whole(folder / SAMPLES) as lines:
            for done in range(n):
                picture = draw_picture(seed + done, options)
                name = f"images/{picture.seed:08d}.{image_format}"
                _save(picture.image, folder / name, image_format)
                for sample in picture.samples:
                    lines.write(json.dumps(sample_line(picture, sample, name), ensure_ascii=False) + "\n")
                lists.add(picture, name)
                advance(done + 1, n)
            for name, content in ((INSTANCES, lists.instances()), (REFS, lists.refs)):
                with _whole(folder / name) as stream:
                    json.dump(content, stream, ensure_ascii=False)
    return Written(folder, n, lists.sample_count, len(lists.refs))


def sample_line(picture: Picture, sample: SceneSample, image: str) -> dict[str, Any]:
    """One line of samples.jsonl; pixels rounded to hundredths."""
    return {
        "image": image,
        "width": picture.scene.width,
        "height": picture.scene.height,
        "task": sample.task,
        "skill": sample.skill,
        "phrase": sample.phrase,
        "prompt": sample.prompt,
        "answer": sample.answer,
        "boxes": [_rounded(box) for box in sample.boxes],
        "labels": list(sample.labels),
        "point": None if sample.point is None else _rounded(sample.point),
        "seed": picture.seed,
    }


class _Lists:
    """COCO instances and refs, gathered picture by picture."""

    def __init__(self, categories: tuple[str, ...], split: str) -> None:
        self.categories = {name: number for number, name in enumerate(categories, 1)}
        self.split = split
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.refs: list[dict[str, Any]] = []
        self.sample_count = 0
        self._sentences = 0

    def add(self, picture: Picture, name: str) -> None:
        scene = picture.scene
        image_id = len(self.images) + 1
        first = len(self.annotations) + 1
        self.images.append(
            {"id": image_id, "file_name": name, "width": scene.width, "height": scene.height, "seed": picture.seed}
        )
        for thing in scene.things:
            segmentation, area = segmentation_of(scene, thing.index)
            x1, y1, x2, y2 = thing.box
            category = self.categories.setdefault(thing.name.lower(), len(self.categories) + 1)
            self.annotations.append(
                {
                    "id": first + thing.index,
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": _rounded((x1, y1, x2 - x1, y2 - y1)),
                    "area": round(area, 2),
                    "iscrowd": 0,
                    "segmentation": segmentation,
                    "attributes": {"color": thing.color, "fill": thing.fill, "size": thing.size},
                }
            )
        self.sample_count += len(picture.samples)
        meant: dict[int, list[str]] = {}
        for sample in picture.samples:
            if sample.task == "locate" and len(sample.targets) == 1:
                meant.setdefault(sample.targets[0], []).append(sample.phrase)
        for index in sorted(meant):
            self._add_ref(first + index, image_id, name, meant[index])

    def _add_ref(self, annotation_id: int, image_id: int, name: str, phrases: list[str]) -> None:
        sentences = []
        for phrase in phrases:
            self._sentences += 1
            sentences.append(
                {
                    "sent_id": self._sentences,
                    "sent": phrase,
                    "raw": phrase,
                    "tokens": re.findall(r"\w+(?:-\w+)*|[^\w\s]", phrase),
                }
            )
        self.refs.append(
            {
                "ref_id": len(self.refs) + 1,
                "ann_id": annotation_id,
                "image_id": image_id,
                "category_id": self.annotations[annotation_id - 1]["category_id"],
                "file_name": name,
                "split": self.split,
                "sentences": sentences,
                "sent_ids": [sentence["sent_id"] for sentence in sentences],
            }
        )

    def instances(self) -> dict[str, Any]:
        return {
            "info": {"description": "drawn scenes with known answers"},
            "images": self.images,
            "annotations": self.annotations,
            "categories": [{"id": number, "name": name} for name, number in self.categories.items()],
        }


def segmentation_of(scene: Scene, index: int) -> tuple[Any, float]:
    """COCO's `segmentation` of what is visible of one thing, and its area: a polygon, or RLE where some is hidden."""
    thing = scene.things[index]
    if thing.visibility >= 0.999:
        mask = Mask.from_polygons([np.array(thing.polygon, dtype=np.float64)], scene.width, scene.height)
        return [[round(value, 2) for point in thing.polygon for value in point]], float(mask.area)
    canvas = Image.new("1", (scene.width, scene.height))
    pen = ImageDraw.Draw(canvas)
    pen.polygon(list(thing.polygon), fill=1)
    for later in scene.things[index + 1 :]:
        pen.polygon(list(later.polygon), fill=0)
    mask = Mask.from_array(np.asarray(canvas, dtype=bool))
    return mask.rle, float(mask.area)


def _category_names(options: PictureOptions) -> tuple[str, ...]:
    words = vocabulary(options.scene)
    return tuple(dict.fromkeys((*words.heads, *words.sprites)))


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(float(value), 2) for value in values]


def _save(image: NDArray[np.uint8], path: Path, image_format: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as stream:
            kind = "JPEG" if image_format == "jpg" else "PNG"
            Image.fromarray(image).save(stream, kind, **_FORMATS[image_format])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """A stream whose file takes the name `path` only when the block ends well; else nothing is left of it."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns what the file system refuses into an OutputError that says where and why."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = error.filename or folder
        raise OutputError(f"cannot write to {where}: {reason}; free some space or give another place") from error


@contextmanager
def _progress(progress: Callable[[int, int], None] | bool, n: int) -> Iterator[Callable[[int, int], None]]:
    if progress is False:
        yield lambda done, total: None
    elif progress is True:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("drawing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("drawing", total=n)
            yield lambda done, total: bar.update(task, completed=done)
    else:
        yield progress
