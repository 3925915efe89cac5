"""Owns the texts of CogVLM's grounding models.

    A dog [[086,540,400,760]] beside two cats [[012,034,056,078;100,200,300,400]].

Order x1 y1 x2 y2, three digits from 000 to 999: the share of the original's side times 1000 (CogVLM's README, on
coordinates; the picture is squashed), read as `bin / 1000` (its utils/utils/grounding_parser.py). The right and lower
edge of the picture have no number of their own; 999 is nearest. CogAgent, of the same family, writes points, `[[x,y]]`.
Prompts: README and utils/utils/template.py; locate is the one that other people's evaluations use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from grounding.codecs.bins import COGVLM
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import ChatCodec, Numbers


class CogVLMCodec(ChatCodec):
    """CogVLM's texts; see the head of this file."""

    name = "cogvlm"
    rules = COGVLM
    prompts: ClassVar = {
        "locate": "Where is {words}? answer in [[x0,y0,x1,y1]] format.",
        "detect": "Can you point out {names} in the image and provide the bounding boxes of its location?",
        "describe": "Tell me what you see within the designated area {box} in the picture.",
        "caption": "Can you provide a description of the image and include the coordinates [[x0,y0,x1,y1]] for each "
        "mentioned object?",
        "answer": "{words}",
    }
    tasks = tuple(prompts)
    surface = Surface({}, points=True, fronted=("detect",), whole=r"\[\[@,@,@,@\]\]")

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        return f"[[{';'.join([','.join([f'{number:03d}' for number in numbers]) for numbers in boxes])}]]"
