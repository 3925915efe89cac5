"""Owns AUGMENTATIONS, what can be done to a lesson, and AugmentedSource, which does it to each of a source."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grounding.data.augment.moving import moved, size_of, texts_in
from grounding.data.augment.pictures import Box, Colours, Crop, Flip, Resize, Step, stepped
from grounding.data.augment.words import may_crop, may_flip, may_recolour, swap_sides
from grounding.data.dataset import DataProblem
from grounding.data.lessons.lesson import Lesson, Turn, Words
from grounding.data.lessons.sources import Source
from grounding.data.sample import Sample
from grounding.errors import ConfigError
from grounding.result import Region

NOISE = "noise"
"""The label of boxes that show nothing."""
KEPT = 0.8
"""Share of each box's area that a crop keeps."""
TRIES = 10
"""Crops that are drawn until one keeps what it must."""
LEAST_SIDE = 64
"""Px, below which no picture is shrunk or cropped."""

Change = Callable[[Lesson, np.random.Generator, float], Lesson]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One thing that can be done to lessons."""

    change: Change
    usual: float
    least: float
    most: float
    what: str
    """What the number means."""


def flip(lesson: Lesson, rng: np.random.Generator, share: float) -> Lesson:
    """Left and right change places, in the picture and in words; lessons with words in doubt stay as they are."""
    if rng.random() >= share or not all(may_flip(text, short=short) for text, short in texts_in(lesson)):
        return lesson
    return moved(lesson, Flip(), swap_sides)


def crop(lesson: Lesson, rng: np.random.Generator, least: float) -> Lesson:
    """A part of the picture, of `least` of its area or more, that keeps all that is asked about.

    Only lessons whose words name no place, order or comparison, and say nothing about the picture as a whole, are
    cropped. Questions to detect may lose things that the crop leaves out altogether.
    """
    if not all(map(_local, lesson.turns)) or not may_crop(_said_by_people(lesson)):
        return lesson
    width, height = size_of_lesson(lesson)
    for _ in range(TRIES):
        area, shape = rng.uniform(least, 1.0), math.exp(rng.uniform(-0.2, 0.2))
        wide, high = (min(round(side * math.sqrt(area) * s), side) for side, s in ((width, shape), (height, 1 / shape)))
        left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
        if min(wide, high) < min(LEAST_SIDE, width, height):
            continue
        step = Crop(left, top, left + wide, top + high)
        kept = [_within(turn, step) for turn in lesson.turns]
        if all(turn is not None for turn in kept):
            return moved(lesson, step, turns=tuple(turn for turn in kept if turn is not None))
    return lesson


def resolution(lesson: Lesson, rng: np.random.Generator, least: float) -> Lesson:
    """Fewer pixels: each side is scaled by a factor from `least` to 1."""
    width, height = size_of_lesson(lesson)
    least = max(least, min(1.0, LEAST_SIDE / min(width, height)))
    factor = math.exp(rng.uniform(math.log(least), 0.0))
    size = round(width * factor), round(height * factor)
    return lesson if size == (width, height) else moved(lesson, Resize(*size))


def colour(lesson: Lesson, rng: np.random.Generator, strength: float) -> Lesson:
    """Other light and colours, by up to `strength`, where no word names any."""
    factors = np.exp(rng.uniform(-strength, strength, 3))
    hue = float(rng.uniform(-60, 60) * strength)
    if not lesson.pictures or not may_recolour(text for text, _ in texts_in(lesson)):
        return lesson
    step = Colours(float(factors[0]), float(factors[1]), float(factors[2]), hue)
    pictures = tuple(stepped(picture, step) for picture in lesson.pictures)
    turns = tuple(replace(turn, image=pictures[0]) if isinstance(turn, Sample) else turn for turn in lesson.turns)
    return replace(lesson, pictures=pictures, turns=turns)


def noise(lesson: Lesson, rng: np.random.Generator, most: float) -> Lesson:
    """Up to `most` boxes that show nothing, labelled NOISE, behind the true ones of questions to detect.

    They teach a model to go on to the end of a list and to tell by the label what is nothing (Chen et al., Pix2Seq,
    ICLR 2022, whose loss leaves their coordinates out; here they are learned as any others). Whoever reads the answers
    leaves regions of that label out.
    """
    turns = tuple(_with_noise(turn, rng, int(most)) for turn in lesson.turns)
    return replace(lesson, turns=turns)


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": Augmentation(flip, 0.5, 0.0, 1.0, "share of lessons"),
    "crop": Augmentation(crop, 0.5, 0.05, 1.0, "least share of the picture's area"),
    "resolution": Augmentation(resolution, 0.5, 0.05, 1.0, "least factor of a side"),
    "colour": Augmentation(colour, 0.3, 0.0, 1.0, "strength"),
    "noise": Augmentation(noise, 8.0, 0.0, 100.0, "most boxes"),
}
"""Name to what it does; a number behind a colon, as in "flip:0.3", takes the place of its usual one."""


def augmented(lesson: Lesson, names: Sequence[str], seed: int, ordinal: int) -> Lesson:
    """The lesson after the augmentations of these names in their order. Lessons of several pictures, or of none, stay
    as they are, except for colours. Raises ConfigError."""
    for place, (name, change, value) in enumerate(parsed(names)):
        if len(lesson.pictures) == 1 or name == "colour":
            lesson = change(lesson, np.random.default_rng([seed, 2, ordinal, place]), value)
    return lesson


def parsed(names: Sequence[str]) -> list[tuple[str, Change, float]]:
    """Name, what it does and its number. Raises ConfigError."""
    chosen = []
    for written in [names] if isinstance(names, str) else names:
        name, colon, number = written.partition(":")
        if name not in AUGMENTATIONS:
            raise ConfigError(f"no augmentation {name!r}; known: {', '.join(AUGMENTATIONS)}")
        known = AUGMENTATIONS[name]
        try:
            value = float(number) if colon else known.usual
        except ValueError:
            value = math.nan
        if not known.least <= value <= known.most:
            raise ConfigError(f"{written!r}: {known.what} is a number from {known.least:g} to {known.most:g}")
        chosen.append((name, known.change, value))
    return chosen


class AugmentedSource(Source):
    """A source whose lessons are changed, each ordinal in its own way."""

    def __init__(self, source: Source, names: Sequence[str], seed: int = 0) -> None:
        """Raises ConfigError for a name that is not in AUGMENTATIONS."""
        parsed(names)
        self.source, self.names, self.seed = source, tuple([names] if isinstance(names, str) else names), seed
        self.name = source.name

    @property
    def problems(self) -> tuple[DataProblem, ...]:  # type: ignore[override]  # the source's
        return self.source.problems

    @property
    def size(self) -> int | None:
        return self.source.size

    def lesson(self, ordinal: int) -> Lesson:
        return augmented(self.source.lesson(ordinal), self.names, self.seed, ordinal)


def size_of_lesson(lesson: Lesson) -> tuple[int, int]:
    """Width and height of a lesson's one picture, px, without opening it where a question tells them."""
    told = next((turn.size for turn in lesson.turns if isinstance(turn, Sample)), None)
    return told or size_of(lesson.pictures[0])


# ---- what a crop may do


def _local(turn: Turn) -> bool:
    """Whether it asks about things that are boxed, and not about the picture."""
    if isinstance(turn, Sample):
        return turn.task not in ("caption", "answer")
    return bool(turn.answer_regions or turn.prompt_regions) and (not turn.answer.strip() or not turn.answer_regions)


def _said_by_people(lesson: Lesson) -> list[str]:
    """The words that mean something in the picture; of questions in a fixed form, what stands behind the colon."""
    texts = []
    for turn in lesson.turns:
        if isinstance(turn, Sample):
            texts += [turn.phrase, *turn.names]
            texts += [turn.truth.text] if turn.task == "describe" else []
        else:
            texts += [turn.prompt.rpartition(":")[2], turn.answer]
    return texts


def _within(turn: Turn, step: Crop) -> Turn | None:
    """The turn with what the crop keeps of it; None where it loses something it needs."""
    if isinstance(turn, Words):
        boxes = [region.box for region in (*turn.prompt_regions, *turn.answer_regions)]
        return turn if all(_share(box, step) >= KEPT for box in boxes) else None
    asked = [turn.box] if turn.box is not None else []
    asked += [(*turn.point, *turn.point)] if turn.point is not None else []
    if any(_share(box, step) < KEPT for box in asked):
        return None
    shares = [_share(region.box, step) for region in turn.truth.regions]
    if all(share >= KEPT for share in shares):
        return turn
    if turn.task != "detect" or any(0 < share < KEPT for share in shares) or not any(shares):
        return None
    kept = tuple(region for region, share in zip(turn.truth.regions, shares, strict=True) if share)
    crowd = tuple(region for region in turn.crowd if _share(region.box, step))
    return replace(turn, truth=turn.truth.replace(regions=kept), crowd=crowd)


def _share(box: Sequence[float], step: Crop) -> float:
    """How much of a box's area is left; of a point or a line, whether it is inside."""
    x1, y1, x2, y2 = box
    wide, high = min(x2, step.right) - max(x1, step.left), min(y2, step.bottom) - max(y1, step.top)
    if x2 <= x1 or y2 <= y1:
        return float(wide >= 0 and high >= 0)
    return max(wide, 0.0) * max(high, 0.0) / ((x2 - x1) * (y2 - y1))


# ---- boxes that show nothing


def _with_noise(turn: Turn, rng: np.random.Generator, most: int) -> Turn:
    if not isinstance(turn, Sample) or turn.task != "detect":
        return turn
    width, height = turn.size
    added = []
    for _ in range(int(rng.integers(0, most + 1))):
        wide, high = rng.uniform(0.05, 0.5, 2)
        x, y = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - high)
        box: Box = (x * width, y * height, (x + wide) * width, (y + high) * height)
        added.append(Region(tuple(map(float, box)), NOISE))  # type: ignore[arg-type]
    return replace(turn, truth=turn.truth.replace(regions=(*turn.truth.regions, *added)))


__all__ = ["AUGMENTATIONS", "NOISE", "AugmentedSource", "Step", "augmented"]
