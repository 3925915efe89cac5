"""Owns the texts of Rex-Omni: prompts and answers. They are read by references.py.

    Detect person, dog. Output the bounding box coordinates in [x0, y0, x1, y1] format.
    <|object_ref_start|>person<|object_ref_end|><|box_start|><0><35><980><987>, <646><0><999><940><|box_end|>, ...
    <|object_ref_start|>cat<|object_ref_end|><|box_start|>None<|box_end|>

Order x1 y1 x2 y2, tokens <0> to <999>, along the original picture's sides: `int(v * 999)`. Two tokens are a point, four
a box, an even run of more a polygon; commas part them. What is asked for and not there gets `None` (prompts, parser:
Rex-Omni, rex_omni/tasks.py and rex_omni/parser.py; answers: finetuning/dataset/task_fns/grounding_task.py). Its readers
take `bin / 999`, the lower end of what the writer floors; the middle is half a bin nearer to the truth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Stream, clean_names, clean_words
from grounding.codecs.bins import REX_OMNI
from grounding.codecs.collect import Frame
from grounding.codecs.references import NOTHING, STOPS, ReferenceStream, check_label, shape_tags
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

_MARKS = ("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>")
_MARKUP = re.compile(r"<\|\w+\|>|<\d{1,4}>|</?s>|<(?:eos|bos|pad)>")
_COMMA = re.compile("[,，]")


class RexOmniCodec(Codec):
    """Rex-Omni's texts. `rounding`: "middle" reads the middle of a bin, "official" `bin / 999` like its parser."""

    name = "rex-omni"
    rules = REX_OMNI
    tasks = ("locate", "detect", "point", "segment", "ocr")

    def prompt(
        self,
        task: str,
        phrase: str = "",
        *,
        names: Sequence[str] = (),
        box: Sequence[float] | None = None,
        point: Sequence[float] | None = None,
        canvas: Canvas | None = None,
    ) -> str:
        """Commas separate names, so a phrase loses its own, as in training. Outlines were trained on text alone.

        ocr without a phrase asks for words; it was trained with "word" and "text line".
        """
        self.check_task(task)
        if names:
            asked = ", ".join(clean_names(names, _MARKUP, ",，"))
        elif task == "detect":
            asked = ", ".join(clean_names((), _MARKUP))
        else:
            phrase = "word" if task == "ocr" and not phrase else phrase
            asked = clean_words(_COMMA.sub("", phrase) if isinstance(phrase, str) else phrase, "phrase", _MARKUP)
        if task == "point":
            return f"Point to {asked}."
        if task == "ocr":
            return f"Detect all {asked} and recognize them."
        if task == "segment":
            return (
                f"Can you detect all {asked} in this image in polygon format like [x0, y0, x1, y1, x2, y2 ...] "
                "and then recognize them?"
            )
        return f"Detect {asked}. Output the bounding box coordinates in [x0, y0, x1, y1] format."

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer Rex-Omni should write; regions in the order given, neighbours with the same label in one box.

        `text`: the name that was asked for, for regions without a label and where there is nothing. A region's point is
        its own or its middle; segment needs masks.
        """
        self.check_task(task)
        frame, answers = Frame(canvas), []
        for label, group in groupby(regions, key=lambda region: check_label(region.label or text, _MARKUP)):
            shapes = [shape for region in group for shape in shape_tags(task, region, frame, self.rule)]
            answers.append(self._answer(label, ",".join(shapes)))
        if answers:
            return ", ".join(answers)
        return self._answer(check_label(text, _MARKUP), NOTHING) if text.strip(BLANK) else NOTHING

    @staticmethod
    def _answer(label: str, shapes: str) -> str:
        name, name_end, box, box_end = _MARKS
        return f"{name}{label}{name_end}{box}{shapes}{box_end}"

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return ReferenceStream(canvas, self.rule, task, _MARKS, STOPS, polygons=True)
