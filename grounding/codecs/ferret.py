"""Owns the texts of Ferret.

    the dog [120, 340, 560, 780] beside the cat [12, 34, 56, 78]

Order x1 y1 x2 y2, from 0 to 999 along the original's sides (the picture is squashed). Its evaluation reads
`int(q * size / 1000)` (ferret/eval/eval_refexp.py, `rounding="official"`, here without the cut to whole pixels); as the
writer floors, the middle of a bin is nearer the truth, and is the default. The words in front of a box name it, as that
evaluation reads them. Points are pairs, `[120, 340]`. Prompts: ferret/eval/model_refcoco.py and model_flickr.py; the
caption's is our own wording. Regions in prompts need Ferret's own features, so describe is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from grounding.codecs.bins import FERRET
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import ChatCodec, Numbers


class FerretCodec(ChatCodec):
    """Ferret's texts. `rounding`: "middle" reads the middle of a bin, "official" its lower edge."""

    name = "ferret"
    rules = FERRET
    between = ", "
    prompts: ClassVar = {
        "locate": "What is the location of {words} in the image?",
        "detect": "What are the locations of {names}?",
        "caption": "Please describe the image with the locations of the objects.",
        "answer": "{words}",
    }
    tasks = tuple(prompts)
    surface = Surface({}, points=True, fronted=("locate", "detect"), whole=r"\[@, @, @, @\]")

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return ", ".join([str(list(numbers)) for numbers in boxes])
