"""Lessons for checkpoints of other families: a coloured box on a grey picture, asked and answered in words."""

from __future__ import annotations

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
