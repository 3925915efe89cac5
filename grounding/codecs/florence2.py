"""Owns the texts of Florence-2: its prompts and what it should answer. florence2_stream.py reads.

    red car<loc_53><loc_334><loc_933><loc_775><loc_711><loc_203><loc_906><loc_546>sky<loc_0><loc_0><loc_999><loc_300>

A label, then its boxes, x1 y1 x2 y2 in thousandths (0 to 999, no padding zeros) of the original picture's sides, as the
picture is squashed to a square of 768. Region proposals have no labels. Text in the picture (OCR) stands in front of
the eight coordinates of its four corners. Outlines are runs of x y x y ..., parted by <sep>, one thing's outlines
between <poly> and </poly> where there are several things. Nothing there: no answer, or "No object detected."

Source: transformers, models/florence2/processing_florence2.py: the prompts (it puts them in place of task names such as
<OD>, which are no words of the model's), `floor(v * 1000)` up to 999, read as `(bin + 0.5) / 1000`; it then cuts to
whole pixels, which `rounding="transformers"` does too. "supervision" reads `bin / 1000`, as that library does for
regions and maestro for boxes, whose fine-tunes write <loc_1000>; all read that one as the far edge, and report it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grounding.codecs.base import BLANK, Codec, Stream, clean_names, clean_words
from grounding.codecs.bins import FLORENCE_2
from grounding.codecs.collect import Frame
from grounding.codecs.fast import read_numbered
from grounding.codecs.florence2_stream import ItemStream, LocWordsStream
from grounding.codecs.location import check_words
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas

FORMS: dict[str, dict[str, str]] = {
    "locate": {
        "<OPEN_VOCABULARY_DETECTION>": "Locate {words} in the image.",
        "<CAPTION_TO_PHRASE_GROUNDING>": "Locate the phrases in the caption: {words}",
    },
    "detect": {
        "<OD>": "Locate the objects with category name in the image.",
        "<OPEN_VOCABULARY_DETECTION>": "Locate {words} in the image.",
        "<CAPTION_TO_PHRASE_GROUNDING>": "Locate the phrases in the caption: {words}",
        "<DENSE_REGION_CAPTION>": "Locate the objects in the image, with their descriptions.",
        "<REGION_PROPOSAL>": "Locate the region proposals in the image.",
    },
    "segment": {
        "<REFERRING_EXPRESSION_SEGMENTATION>": "Locate {words} in the image with mask",
        "<REGION_TO_SEGMENTATION>": "What is the polygon mask of region {region}",
    },
    "describe": {
        "<REGION_TO_DESCRIPTION>": "What does the region {region} describe?",
        "<REGION_TO_CATEGORY>": "What is the region {region}?",
        "<REGION_TO_OCR>": "What text is in the region {region}?",
    },
    "caption": {
        "<CAPTION>": "What does the image describe?",
        "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
        "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
    },
    "ocr": {
        "<OCR_WITH_REGION>": "What is the text in the image, with regions?",
        "<OCR>": "What is the text in the image?",
    },
}
"""Task to its forms: the family's name for it, and the question that the model was trained on. The first is asked."""

_MARKUP = re.compile(
    r"<loc_|</?(?:s|pad|sep|poly|and|od|ocr|cap|ncap|dcap|grounding|region_\w+|proposal)>|<[A-Z]+(?:_[A-Z]+)*>",
    re.IGNORECASE,
)


class Florence2Codec(Codec):
    """Florence-2's texts. `rounding`: "official", "supervision" (`bin / 1000`), or "transformers" (whole pixels)."""

    name = "florence-2"
    rules = FLORENCE_2
    tasks = ("locate", "detect", "segment", "describe", "caption", "ocr")

    def __init__(self, rounding: str | None = None) -> None:
        super().__init__(rounding)
        self._whole = self.rule is FLORENCE_2["transformers"]
        self.at_once = None if self._whole else read_numbered(self.rule.read, self.rule.top)

    def prompt(
        self,
        task: str,
        phrase: str = "",
        *,
        names: Sequence[str] = (),
        box: Sequence[float] | None = None,
        point: Sequence[float] | None = None,
        canvas: Canvas | None = None,
        form: str | None = None,
    ) -> str:
        """The question in words. `form`: the family's own name for it, one of FORMS[task], as in "<DETAILED_CAPTION>".

        Without one: detect with names asks for those, without names for whatever there is; segment with a box asks for
        that region. Several names are joined by <and>, a token of the family's.
        """
        self.check_task(task)
        forms = FORMS[task]
        if form is None:
            form = next(iter(forms))
            if task == "detect" and names:
                form = "<OPEN_VOCABULARY_DETECTION>"
            elif task == "segment" and box is not None:
                form = "<REGION_TO_SEGMENTATION>"
        if form not in forms:
            raise PromptError(f"florence-2 has no {form!r} for {task}; known: {', '.join(forms)}")
        question = forms[form]
        if "{region}" in question:
            if box is None or canvas is None:
                raise PromptError(
                    f"{form} asks about a box: give box=(x1, y1, x2, y2) and canvas=Canvas.identity(w, h)"
                )
            return question.format(region=self._locations(Frame(canvas).fractions(box)))
        if "{words}" in question:
            asked = [clean_words(phrase, "phrase", _MARKUP)] if task != "detect" or not names else []
            return question.format(words="<and>".join(asked or clean_names(names, _MARKUP, separators="")))
        return question

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer Florence-2 should write. Segment writes the outlines of masks; ocr the corners of a mask's one
        outline, if it has four, or else of the box."""
        self.check_task(task)
        frame = Frame(canvas)
        if task in ("describe", "caption") or (task == "ocr" and not regions):
            words = check_words(text.strip(BLANK) or (regions[0].label or "" if regions else ""))
            if not words and task != "ocr":
                raise InputError(f"{task} answers in words: give text")
            return words
        pieces: list[str] = []
        last = ""
        for region in regions:
            label = self._label(region, last)
            pieces.append("" if label == last and task != "ocr" else label)
            last = label
            if task == "segment":
                pieces.append(self._outlines(region, frame, alone=len(regions) == 1))
            elif task == "ocr":
                pieces.append(self._corners(region, frame))
            else:
                pieces.append(self._locations(frame.fractions(region.box)))
        return "".join(pieces)

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        if task in ("describe", "caption"):
            return LocWordsStream(canvas, self.rule, whole=self._whole, labelled=task == "describe")
        corners = 4 if task == "ocr" else 2
        return ItemStream(canvas, self.rule, whole=self._whole, corners=corners, outlines=task == "segment")

    # ---- writing

    def _locations(self, fractions: Sequence[float]) -> str:
        write = self.rule.write
        return "".join([f"<loc_{write(value)}>" for value in fractions])

    @staticmethod
    def _label(region: Region, before: str) -> str:
        label = (region.label or "").strip(BLANK)
        if region.label and not label.strip(",，"):
            raise InputError(f"the label {region.label!r:.60} has no words: name what is there")
        if before and not label:
            raise InputError(
                "a region without a label follows one that has one, and would be read as its box: label it"
            )
        return check_words(label)

    def _outlines(self, region: Region, frame: Frame, *, alone: bool) -> str:
        if region.mask is None:
            raise InputError("a region to segment needs a mask; this one has none")
        runs = []
        for polygon in region.mask.polygons:
            corners = [self._locations(frame.fractions((x, y, x, y))[:2]) for x, y in polygon.tolist()]
            before = corners[-1:] + corners[:-1]
            distinct = [corner for corner, other in zip(corners, before, strict=True) if corner != other]
            runs.append("".join(distinct if len(distinct) >= 3 else corners))
        outlines = "<sep>".join(runs)
        return outlines if alone else f"<poly>{outlines}</poly>"

    def _corners(self, region: Region, frame: Frame) -> str:
        polygons = region.mask.polygons if region.mask is not None else []
        x1, y1, x2, y2 = region.box
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        if len(polygons) == 1 and len(polygons[0]) == 4:
            corners = polygons[0].tolist()
        return "".join([self._locations(frame.fractions((x, y, x, y))[:2]) for x, y in corners])
