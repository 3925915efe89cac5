"""Photographs' things written out by hand, for the tests of questions about them."""

from dataclasses import replace

from grounding.data.photos.facts import Facts
from grounding.data.photos.things import PhotoScene, PhotoThing


def thing(name: str, *box: float, color: str | None = None, **more: object) -> PhotoThing:
    """A thing without a number; `box` as x1, y1, x2, y2 of a picture 100 px square."""
    return PhotoThing(0, name, (box[0], box[1], box[2], box[3]), color=color, **more)


def scene(*things: PhotoThing) -> PhotoScene:
    """A photograph 100 px square that holds these things, numbered."""
    numbered = [replace(each, index=index) for index, each in enumerate(things)]
    return PhotoScene(100, 100, tuple(numbered))


def facts(*things: PhotoThing) -> Facts:
    return Facts(scene(*things))


def row_of_people() -> PhotoScene:
    """Four people in a row, in red, white and black and one unsure; the second with a dog, the first an umbrella."""
    return scene(
        thing("person", 4, 20, 20, 90, upper="red", lower="blue"),
        thing("person", 28, 22, 44, 92, upper="white", lower="black"),
        thing("person", 54, 20, 70, 90, upper="black", lower="black"),
        thing("person", 82, 25, 96, 88, sure=False),
        thing("dog", 30, 70, 50, 96, color="brown"),
        thing("umbrella", 2, 5, 24, 30, color="red"),
    )
