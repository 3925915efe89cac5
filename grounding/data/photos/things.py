"""Owns PhotoThing and PhotoScene: what is known of a photograph when questions are asked about it."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PhotoThing:
    """One object of a photograph, as far as its labels and its pixels tell."""

    index: int
    """Its place in the scene's `things`."""
    name: str
    """Its class, as the labels spell it: "person", "dining table"."""
    box: Box
    """x1, y1, x2, y2, px of the scene."""
    color: str | None = None
    """What people would call the colour of most of it; None where that is unsure, and of persons always."""
    upper: str | None = None
    """Of persons: the colour of what they wear above the waist; None where that is unsure."""
    lower: str | None = None
    """Of persons: the colour of what they wear below the waist; None where that is unsure."""
    sure: bool = True
    """Whether it may be an answer. What is not sure may be there, whole or in part, or not, or be something alike: no
    phrase is asked whose answer could change with it."""
    score: float = 1.0
    """How sure the labels are of it, 0 to 1."""
    without: frozenset[str] = frozenset()
    """Colours that it certainly has not: hardly a pixel of its box goes by one of them. Says more than `color` where
    that is None: somebody whose shirt is of no sure colour may be sure not to be in red."""

    @property
    def area(self) -> float:
        """Square px of its box."""
        return max(self.box[2] - self.box[0], 0.0) * max(self.box[3] - self.box[1], 0.0)

    @property
    def center(self) -> tuple[float, float]:
        """x and y of the middle of its box, px."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True, slots=True)
class PhotoScene:
    """A photograph as it is shown: its size and its things, sure ones and others, in the order of `index`.

    A class may be said not to be there where no thing has it, `faint` does not name it, and nothing alike is there.
    """

    width: int
    """px."""
    height: int
    """px."""
    things: tuple[PhotoThing, ...] = ()
    faint: tuple[str, ...] = ()
    """Classes of boxes too faint to be things: probably not there, but never to be said to be missing."""

    @property
    def sure(self) -> tuple[PhotoThing, ...]:
        """Those that may be answers."""
        return tuple(thing for thing in self.things if thing.sure)
