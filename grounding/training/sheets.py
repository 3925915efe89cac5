"""Owns the contact sheet of a run: the same held-out pictures with what the model says of them at each evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from grounding.data.photos.picture import PhotoPicture
from grounding.data.scenes.generate import Picture
from grounding.draw import sheet
from grounding.model.decode import DecodeOptions, Decoder
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor
from grounding.result import Grounding, Region
from grounding.training.evaluate import ask_about

DRAWN = ("attribute", "place", "relation", "nearest", "ordinal", "detect", "count", "absent", "describe_point", "all")
"""Skills that a sheet of scenes shows, as far as its pictures ask for them."""


def write_sheet(
    model: GroundingForConditionalGeneration,
    processor: GroundingProcessor,
    pictures: Sequence[Picture | PhotoPicture],
    path: Path,
    skills: Sequence[str] = DRAWN,
) -> None:
    """A PNG of one question for each picture, the truth drawn beside the answer; `skills` take turns."""
    chosen = []
    for number, picture in enumerate(pictures):
        wanted = [s for s in picture.samples if s.skill in skills]
        if wanted:
            image = Image.fromarray(picture.image)
            sample = next((s for s in wanted if s.skill == skills[number % len(skills)]), wanted[0])
            chosen.append((image, sample, ask_about(sample, image, processor)))
    decoder = Decoder(model, processor, DecodeOptions(max_new_tokens=96))
    answers = decoder.answer_many([ask for *_, ask in chosen])
    items = []
    for (image, sample, _), answer in zip(chosen, answers, strict=True):
        width, height = image.size
        said = Grounding("", answer.regions, answer.text, width, height)  # the title has the phrase
        true = [Region(box, label) for box, label in zip(sample.boxes, sample.labels, strict=True)]
        truth = Grounding(sample.prompt, tuple(true), sample.answer, width, height)
        items.append((image, said, sample.prompt.split("<")[0], truth))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet([item[:3] for item in items], 4, truths=[truth for *_, truth in items]).save(path)
