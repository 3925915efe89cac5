"""Owns encoders as detectors: boxes of photographs by the dense head or by the published network, and their AP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from grounding.data.photos.labels import PhotoLabels, WeakBox
from grounding.metrics.coco_ap import coco_ap
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.model.processing import GroundingProcessor
from grounding.training.photos.dense import read_boxes
from grounding.training.photos.labelling import over_views
from grounding.training.photos.losses import PhotoTrainingModel


@torch.no_grad()
def detect(
    model: PhotoTrainingModel,
    processor: GroundingProcessor,
    names: Sequence[str],
    pictures: Iterable[tuple[str, NDArray[np.uint8]]],
    *,
    least: float = 0.05,
    batch_size: int = 32,
    flips: bool = True,
) -> dict[str, PhotoLabels]:
    """Boxes of pictures (name, RGB (h, w, 3)) by the dense head; with `flips`, the mean of what it says of the picture
    and of its mirror image, patch by patch."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    found: dict[str, PhotoLabels] = {}
    for chunk in batched(pictures, batch_size):
        pixels = np.stack([processor.image_processor.pixels(Image.fromarray(image)) for _, image in chunk])
        tensor = processor.image_processor.scale(torch.from_numpy(pixels)).to(device)
        logits, boxes = look(model, tensor, flips)
        for (name, _), rows in zip(chunk, read_boxes(logits, boxes, least), strict=True):
            found[name] = PhotoLabels(name, tuple(_weak(row, names) for row in rows.tolist() if _has_area(row)))
    model.train(was_training)
    return found


def look(model: PhotoTrainingModel, pixel_values: Tensor, flips: bool) -> tuple[Tensor, Tensor]:
    """Logits of names (B, N, K) and boxes (B, N, 4) of pixels (B, 3, S, S)."""
    device = pixel_values.device.type
    with torch.autocast(device, torch.bfloat16, enabled=model.settings.bf16):
        names, boxes, _ = model.dense(model.look(pixel_values))
        if not flips:
            return names, boxes
        names_2, boxes_2, _ = model.dense(model.look(pixel_values.flip(3)))
    side = round(names.shape[1] ** 0.5)

    def mirrored(values: Tensor) -> Tensor:
        return values.unflatten(1, (side, side)).flip(2).flatten(1, 2)

    back = mirrored(boxes_2)
    back = torch.stack([1 - back[..., 2], back[..., 1], 1 - back[..., 0], back[..., 3]], 2)
    return (names + mirrored(names_2)) / 2, (boxes + back) / 2


@torch.no_grad()
def detect_published(
    encoder: GroundingNanoVisionModel,
    names: Sequence[str],
    pictures: Iterable[tuple[str, NDArray[np.uint8]]],
    *,
    sizes: Sequence[int],
    least: float = 0.05,
    batch_size: int = 16,
    bf16: bool = True,
) -> dict[str, PhotoLabels]:
    """Boxes of pictures (name, RGB (h, w, 3)) by the published network's own head: the mean over sizes, px, and mirror
    images. `names`: COCO's 80 in their usual order."""
    device = encoder.position.device
    views: list[dict[str, PhotoLabels]] = [{} for _ in range(2 * len(sizes))]
    for chunk in batched(pictures, batch_size):
        for number, size in enumerate(sizes):
            squares = [
                np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for _, image in chunk
            ]
            pixels = torch.from_numpy(np.stack(squares)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
            for mirrored in (False, True):
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    logits, boxes = encoder.published_boxes(pixels.flip(3) if mirrored else pixels)
                if mirrored:
                    boxes = torch.stack([1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]], 2)
                view = views[2 * number + mirrored]
                for (name, _), rows in zip(chunk, read_boxes(logits, boxes, least), strict=True):
                    view[name] = PhotoLabels(name, tuple(_weak(row, names) for row in rows.tolist() if _has_area(row)))
    return over_views(views, least)


def average_precision(
    found: Mapping[str, PhotoLabels], truth: Mapping[str, PhotoLabels], side: int = 640
) -> dict[str, float | None]:
    """COCO's numbers of boxes against true ones, of the pictures in `truth`, each taken as `side` px square."""
    names = sorted({box.name for one in truth.values() for box in one.boxes})
    ids = {name: number for number, name in enumerate(names, 1)}
    images = [{"id": n, "width": side, "height": side, "file_name": name} for n, name in enumerate(truth, 1)]
    entries: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in images:
        for box in truth[str(image["file_name"])].boxes:
            entries.append({**_entry(box, image, ids, side), "id": len(entries) + 1, "iscrowd": 0})
        for box in found.get(str(image["file_name"]), PhotoLabels("")).boxes:
            if box.name in ids:
                results.append({**_entry(box, image, ids, side), "score": box.score})
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    measured = coco_ap({"images": images, "annotations": entries, "categories": categories}, results)
    return dict(measured.numbers)


def batched(
    pictures: Iterable[tuple[str, NDArray[np.uint8]]], size: int
) -> Iterator[list[tuple[str, NDArray[np.uint8]]]]:
    """The pictures, `size` at a time."""
    source = iter(pictures)
    while chunk := list(islice(source, size)):
        yield chunk


def photo_number(name: str) -> str:
    """The number that COCO gives a photograph, whatever its file is called: "COCO_train2014_000000000009.jpg" is 9."""
    digits = re.findall(r"\d+", name.rpartition(".")[0])
    return digits[-1].lstrip("0") if digits else name


def _entry(box: WeakBox, image: Mapping[str, Any], ids: Mapping[str, int], side: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (edge * side for edge in box.box)
    return {
        "image_id": image["id"],
        "category_id": ids[box.name],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
    }


def _weak(row: Sequence[float], names: Sequence[str]) -> WeakBox:
    return WeakBox(names[int(row[5])], min(1.0, row[4]), (row[0], row[1], row[2], row[3]))


def _has_area(row: Sequence[float]) -> bool:
    return row[2] - row[0] > 1e-3 and row[3] - row[1] > 1e-3
