"""Sample: one picture, one question, and what is true of it, whatever the data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.errors import InputError
from grounding.result import Grounding


@dataclass(frozen=True)
class Sample:
    """A question about a picture with its true answer, as readers of data sets hand it on."""

    image: Path | Image.Image
    """Where the picture lies, or the picture itself."""
    phrase: str
    """What is asked, in words; "" for captions and for boxes or points to describe."""
    truth: Grounding
    """The true answer: no regions means that nothing is there."""
    prompt: str | None = None
    """The question as a codec writes it; None where no codec has been chosen."""
    answer: str | None = None
    """The answer as that codec writes it."""
    task: str = "locate"
    """A codec's task."""
    names: tuple[str, ...] = ()
    """What "detect" asks for."""
    point: tuple[float, float] | None = None
    """The point asked about, px of the picture."""
    box: tuple[float, float, float, float] | None = None
    """The box asked about, xyxy px of the picture."""
    seed: int | None = None
    """What the picture was drawn from, if it was drawn."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Anything else the source says: ids, split, skill."""

    def __post_init__(self) -> None:
        if (self.prompt is None) != (self.answer is None):
            raise InputError("a sample has both a prompt and an answer, as one codec writes them, or neither")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        return self.truth.width, self.truth.height
