"""Owns reading an answer that some model wrote elsewhere: its text and the picture's size in, a Grounding out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grounding.codecs import get_codec
from grounding.errors import InputError
from grounding.result import Grounding

if TYPE_CHECKING:
    from grounding.codecs.base import Codec


def read(
    text: str,
    family: str | Codec,
    size: tuple[int, int],
    *,
    input_size: tuple[int, int] | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    task: str | None = None,
    phrase: str = "",
    rounding: str | None = None,
) -> Grounding:
    """What `text` says, in pixels of a picture of `size` (width, height).

    `family` is a name of CODECS or a codec; `input_size` the width and height of the picture as the model was given it,
    for families that count in those pixels, or the limits it was resized by (`min_pixels`, `max_pixels`); `task` what
    was asked ("detect" where the family has it, else its first). What could not be read stands in `problems`. Raises
    UnknownCodecError, ConfigError, and InputError for a size that is missing or a task that the family doesn't know.
    """
    codec = get_codec(family, rounding) if isinstance(family, str) else family
    if task is None:
        task = "detect" if "detect" in codec.tasks else codec.tasks[0]
    for name, sides in (("size", size), ("input size", input_size)):
        if sides is not None and min(sides) < 1:
            raise InputError(f"the {name} {sides[0]}x{sides[1]} has a side below 1: give width and height in pixels")
    canvas = codec.canvas(*size, input_size=input_size, min_pixels=min_pixels, max_pixels=max_pixels)
    decoded = codec.decode(text, canvas, task=task)
    words = text if decoded.text is None else decoded.text
    return Grounding(
        phrase,
        decoded.regions,
        words,
        canvas.width,
        canvas.height,
        decoded.problems,
        task=task,
        raw=None if decoded.text is None else text,
    )
