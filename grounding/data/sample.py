"""Sample: one picture, one question, and what is true of it, whatever the data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from grounding.data.pictures import AnyPicture, Picture, as_picture
from grounding.errors import ImageError
from grounding.result import Grounding, Region


@dataclass(frozen=True)
class Sample:
    """A question about a picture with its true answer, as readers of data sets hand it on."""

    image: AnyPicture
    """The picture; a path or a PIL picture becomes a Picture."""
    phrase: str
    """What is asked, in words; "" for captions and for boxes or points to describe."""
    truth: Grounding
    """The true answer in pixels of the original picture: no regions means that nothing is there."""
    id: str = ""
    """Names the sample within its data set, the same at every reading; "" where nothing joins on it."""
    task: str = "locate"
    """The verb to ask with: "locate", "detect", "describe", "caption", "count" or "segment"."""
    names: tuple[str, ...] = ()
    """What "detect" asks for."""
    point: tuple[float, float] | None = None
    """The point asked about, px of the picture."""
    box: tuple[float, float, float, float] | None = None
    """The box asked about, xyxy px of the picture."""
    kind: str | None = None
    """The kind of question where the data set says it, such as "ordinal"; else None."""
    crowd: tuple[Region, ...] = ()
    """Places that stand for groups: a box there counts neither for nor against (COCO's iscrowd)."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Anything else the source says, as plain JSON values: ids, split, attributes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", as_picture(self.image))

    @property
    def picture(self) -> Picture:
        """`image`, as the Picture it has become."""
        assert isinstance(self.image, Picture)
        return self.image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        return self.truth.width, self.truth.height

    def open(self) -> Image.Image:
        """The upright RGB picture. Raises ImageError where it cannot be opened or has another size than the truth."""
        picture = self.picture.open()
        if picture.size != self.size:
            raise ImageError(
                f"the picture {self.picture.key!r} has {picture.width} x {picture.height} pixels, but its boxes are in "
                f"{self.size[0]} x {self.size[1]}: every box would lie on the wrong pixels; "
                "get the original picture, or say that these are stretched copies (stretched=True, --stretched)"
            )
        return picture
