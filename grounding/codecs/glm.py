"""Owns the texts of GLM-4.5V and its relatives (GLM-4.1V-Thinking, GLM-4.6V).

    <think>The dog is on the left.</think>The dog is at <|begin_of_box|>[[120, 340, 560, 780]]<|end_of_box|>.

Order x1 y1 x2 y2, from 0 to 1000 along the original's sides. The brackets vary: [], [[]], () or <>, says the
section on grounding of the README (zai-org/GLM-V), where the prompts are from too; all of those are read. The tags
stand around any final answer, not only around boxes, so they say nothing by themselves; thoughts are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from grounding.codecs.bins import GLM_45V
from grounding.codecs.brackets import Surface
from grounding.codecs.chat import ChatCodec, Numbers


class GLM45VCodec(ChatCodec):
    """GLM-4.5V's texts; see the head of this file."""

    name = "glm-4.5v"
    rules = GLM_45V
    prompts: ClassVar = {
        "locate": "Help me to locate {words} in the image and give me its bounding boxes.",
        "detect": "Please pinpoint the bounding boxes [[x1,y1,x2,y2], …] in the image of each of these, after its "
        "name: {names}",
        "answer": "{words}",
    }
    tasks = tuple(prompts)
    surface = Surface(
        dict.fromkeys(("<|begin_of_box|>", "<|end_of_box|>", "<|user|>", "<|observation|>", "<|assistant|>"), "skip"),
        brackets="[(<",
        points=True,
        fronted=("detect",),
        whole=r"\[@, ?@, ?@, ?@\]",
    )

    def write_boxes(self, boxes: Sequence[Numbers]) -> str:
        written = [f"[{','.join(map(str, numbers))}]" for numbers in boxes]
        inner = written[0] if len(written) == 1 else f"[{','.join(written)}]"
        return f"<|begin_of_box|>{inner}<|end_of_box|>"
