"""Owns the validation on photographs whose true boxes are known: questions with certain answers, answered by writing.

The questions are made as those of the training are, but of true boxes. They compare ways to train and to answer with
each other; how people's own phrases are understood, only people's own phrases tell (`python -m eval.photos`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.boxes import iou
from grounding.data.augment.words import swap_sides
from grounding.data.photos.labels import PhotoLabels
from grounding.data.photos.picture import PhotoOptions, PhotoPicture, photo_picture
from grounding.data.scenes.generate import SceneSample
from grounding.images import open_image
from grounding.metrics.base import Column, Figure
from grounding.metrics.intervals import ratio_figures
from grounding.model.answers import ModelAnswer
from grounding.model.decode import DecodeOptions, Decoder
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor
from grounding.result import Region
from grounding.training.evaluate import ask_about

EVERYTHING, ABSENT = "all", "absent"
"""Names of figures: of all questions that one box answers, and of names that are not there, the share without a box."""
FLIPPED_IOU = 0.5
"""Overlap from which a picture's answer and its mirror image's are one."""


def validation_pictures(
    folder: Path, labels: Mapping[str, PhotoLabels], options: PhotoOptions, seed: int = 1_000_003
) -> list[PhotoPicture]:
    """Whole photographs of `folder` with questions about their true boxes `labels`; those without any are left out."""
    whole = replace(options, view=None)
    pictures = []
    for number, (name, true) in enumerate(labels.items()):
        image = np.asarray(open_image(folder / name).convert("RGB"))
        pictures.append(photo_picture(image, true, seed + number, whole))
    return [picture for picture in pictures if picture.samples]


def validate(
    model: GroundingForConditionalGeneration,
    processor: GroundingProcessor,
    pictures: Sequence[PhotoPicture],
    options: DecodeOptions | None = None,
    *,
    flips: bool = False,
) -> dict[str, Figure]:
    """Share of questions answered rightly (IoU 0.5 or more of the first box; no box for what is not there), by skill
    and over all that have one box, with 95 % intervals over pictures. `flips`: see `both_ways`."""
    decoder = Decoder(model, processor, options or DecodeOptions(max_new_tokens=32))
    right: dict[str, list[tuple[bool, int]]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        asked = [s for s in picture.samples if s.task == "locate" and len(s.boxes) <= 1]
        answers = written(decoder, Image.fromarray(picture.image), asked, processor, flips=flips)
        for sample, regions in zip(asked, answers, strict=True):
            hit = bool(regions) and bool(sample.boxes) and float(iou([regions[0].box], sample.boxes)[0, 0]) >= 0.5
            right[sample.skill].append((hit if sample.boxes else not regions, number))
            if sample.boxes:
                right[EVERYTHING].append((hit, number))
    figures = {}
    for skill, values in sorted(right.items()):
        column = Column.mean([float(good) for good, _ in values])
        figures[skill] = ratio_figures({skill: column}, [str(place) for _, place in values])[skill]
    return figures


def written(
    decoder: Decoder, image: Image.Image, asked: Sequence[SceneSample], processor: GroundingProcessor, *, flips: bool
) -> list[tuple[Region, ...]]:
    """The regions of each answer about a picture; with `flips`, of the picture and its mirror image together."""
    said = decoder.answer_many([ask_about(sample, image, processor) for sample in asked])
    if not flips:
        return [answer.regions for answer in said]
    mirror = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned = [replace(sample, prompt=swap_sides(sample.prompt)[0]) for sample in asked]
    mirrored = decoder.answer_many([ask_about(sample, mirror, processor) for sample in turned])
    return [both_ways(one, other, image.width) for one, other in zip(said, mirrored, strict=True)]


def both_ways(answer: ModelAnswer, mirrored: ModelAnswer, width: float) -> tuple[Region, ...]:
    """The first box of an answer and of that about the mirror image, left and right swapped in both: their mean where
    they are one; else the one that is surer. Nothing, where the likelier of the two says so."""
    if not answer.regions or not mirrored.regions:
        kept = answer if (answer.presence or 0.0) + (mirrored.presence or 0.0) >= 1.0 else None
        if kept is None:
            return ()
        return answer.regions or tuple(_turned(region, width) for region in mirrored.regions)
    one, other = answer.regions[0], _turned(mirrored.regions[0], width)
    if float(iou([one.box], [other.box])[0, 0]) >= FLIPPED_IOU:
        x1, y1, x2, y2 = ((a + b) / 2 for a, b in zip(one.box, other.box, strict=True))
        return (replace(one, box=(x1, y1, x2, y2)),)
    return (one,) if (one.score or 0.0) >= (other.score or 0.0) else (other,)


def _turned(region: Region, width: float) -> Region:
    x1, y1, x2, y2 = region.box
    return replace(region, box=(width - x2, y1, width - x1, y2))
