"""Owns the texts of LocateAnything: prompts and answers. They are read by references.py.

    Locate all the instances that matches the following description: car</c>person.
    <ref>car</ref><box><120><200><450><500></box><ref>person</ref><box><50><100><200><600></box>
    Point to: the settings icon.       ->  <box><950><30></box>
    nothing there                      ->  <box>none</box>

Order x1 y1 x2 y2, tokens <0> to <1000>, thousandths of the original picture's sides (prompts, slips included, and the
reading: NVlabs/Eagle, Embodied/locateanything_worker.py; answers: Embodied/document/DATA_PREPARATION.md). The name of a
category is written anew before each of its boxes, a phrase once before all; `None` is read like `none`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from grounding.codecs.base import Codec, Stream, clean_names, clean_words
from grounding.codecs.bins import LOCATE_ANYTHING
from grounding.codecs.collect import Frame
from grounding.codecs.references import STOPS, ReferenceStream, check_label, shape_tags
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

NOTHING = "<box>none</box>"

_MARKS = ("<ref>", "</ref>", "<box>", "</box>")
_STOPS = frozenset((*STOPS, "<null>", "<switch>", "<text_mask>"))
_MARKUP = re.compile(
    r"</?(?:ref|box|c|s|eos|bos|pad|null|switch|text_mask|img|IMG_CONTEXT)>|<image-\d+>|<\d{1,4}>|<\|\w+\|>"
)


class LocateAnythingCodec(Codec):
    """LocateAnything's texts; see the head of this file."""

    name = "locateanything"
    rules = LOCATE_ANYTHING
    tasks = ("locate", "detect", "point", "ocr")

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
        """ocr asks for all the text there is, or with a phrase for the place where that is written."""
        self.check_task(task)
        if task == "detect":
            asked = "</c>".join(clean_names(names, _MARKUP, ""))
            return f"Locate all the instances that matches the following description: {asked}."
        if task == "ocr" and not phrase:
            return "Detect all the text in box format."
        asked = clean_words(phrase, "phrase", _MARKUP)
        if task == "ocr":
            return f"Please locate the text referred as {asked}."
        if task == "point":
            return f"Point to: {asked}."
        return f"Locate all the instances that match the following description: {asked}."

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer LocateAnything should write; regions in the order given.

        `text`: the name that was asked for, for regions without a label; locate and point can do without names.
        """
        self.check_task(task)
        if not regions:
            return NOTHING
        frame = Frame(canvas)
        nameless = task in ("locate", "point") and not (text or any(region.label for region in regions))

        def label_of(region: Region) -> str:
            return "" if nameless else check_label(region.label or text, _MARKUP)

        answers = []
        for label, group in groupby(regions, key=label_of):
            name = f"<ref>{label}</ref>" if label else ""
            boxes = [f"<box>{shape_tags(task, region, frame, self.rule)[0]}</box>" for region in group]
            answers.append(name + (name if task in ("detect", "ocr") else "").join(boxes))
        return "".join(answers)

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return ReferenceStream(canvas, self.rule, task, _MARKS, _STOPS)
