"""Lesson: pictures and what is asked and answered about them, before any codec has turned boxes into text."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.data.pictures import Picture
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Region


@dataclass(frozen=True, slots=True)
class Words:
    """A turn in words, with boxes among them, as conversations have it."""

    prompt: str
    """What is asked. `<image>` stands where a picture of the lesson belongs; without any, they stand before it."""
    answer: str
    """What is to be answered."""
    prompt_regions: tuple[Region, ...] = ()
    """Boxes of the question; `span` says behind which characters of it the box is written."""
    answer_regions: tuple[Region, ...] = ()
    """The same of the answer."""
    picture: int = 0
    """Which of the lesson's pictures the boxes are about."""


Turn = Sample | Words


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from one picture, or from several that are seen together."""

    id: str
    """Names the lesson within its source, for whoever has to look for what went wrong."""
    pictures: tuple[Picture, ...]
    """In the order in which they are shown; opened only when the lesson is used."""
    turns: tuple[Turn, ...]
    """Questions with their answers. A Sample is about the one picture of its lesson, whichever object it holds."""
    sequential: bool = False
    """Whether a turn knows the turns before it, as in a conversation. If not, each is asked by itself."""
    source: str = ""
    """The name of the source, for logs."""

    def __post_init__(self) -> None:
        if not self.turns:
            raise InputError(f"the lesson {self.id!r} has no turns: there is nothing to learn from it")
        if len(self.pictures) > 1 and any(isinstance(turn, Sample) for turn in self.turns):
            raise InputError(f"the lesson {self.id!r} has {len(self.pictures)} pictures; a Sample is about one")
