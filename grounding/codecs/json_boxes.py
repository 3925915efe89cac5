"""Owns what families that write JSON share when they are asked and when they write, and the texts for GPT and Claude.

    [{"label": "a red cup", "box": [120, 88, 240, 311]}]        nothing there: []

Our own prompt asks chat models for this: x1 y1 x2 y2 in whole numbers from 0 to 1000 along the picture's own sides.
`JSONCodec.schema` says the same as a JSON schema, for servers that hold a model to one; both are made from `_FIELDS`.
What is read is more than what is asked for (json_stream.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from grounding.codecs.base import BLANK, Codec, Stream, clean_names, clean_words
from grounding.codecs.bins import JSON_BOXES, BinRule
from grounding.codecs.collect import Box, Collector, Frame
from grounding.codecs.json_stream import IN_WORDS, SPECIAL, JSONStream
from grounding.errors import InputError, PromptError
from grounding.result import Region

if TYPE_CHECKING:
    from grounding.images import Canvas


class JSONFamily(Codec):
    """What families that write JSON have in common. They differ in their keys, their numbers and their prompts."""

    box_key, point_key, text_key = "bbox_2d", "point_2d", "label"
    label_first = False
    head, joint, tail = "```json\n[\n\t", ",\n\t", "\n]\n```"
    """What stands around the objects of an answer, and between them."""
    prompts: Mapping[str, str]
    """Task to prompt, with {words} for the phrase, the question or the names."""
    rule: BinRule

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
        self.check_task(task)
        template = self.prompts[task]
        if "{words}" not in template:
            return template
        if task == "detect":
            words = ", ".join(clean_names(names, SPECIAL, separators=",，"))
        else:
            words = clean_words(phrase, "question" if task == "answer" else "phrase", SPECIAL)
        return template.replace("{words}", words)

    def encode(self, task: str, *, regions: Sequence[Region] = (), text: str = "", canvas: Canvas) -> str:
        """The answer as the family writes it; behind words, their boxes as JSON."""
        self.check_task(task)
        if task in IN_WORDS:
            return self._in_words(task, regions, text, canvas)
        numbers = self.point_numbers if task == "point" else self.box_numbers
        frame = Frame(canvas)
        items = [self._item(task, region, numbers(region, canvas, frame)) for region in regions]
        return f"{self.head}{self.joint.join(items)}{self.tail}" if items else self.head.rstrip() + self.tail.lstrip()

    def stream(self, canvas: Canvas, *, task: str = "locate") -> Stream:
        self.check_task(task)
        return JSONStream(self.collector(canvas), task)

    # -- what families change

    def collector(self, canvas: Canvas) -> Collector:
        """What makes regions of this family's numbers."""
        return Collector(canvas, self.rule.read, self.rule.top)

    def box_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        """The numbers of a region's box, as they are written."""
        write = self.rule.write
        x1, y1, x2, y2 = frame.fractions(region.box)
        return f"{write(x1)}, {write(y1)}, {write(x2)}, {write(y2)}"

    def point_numbers(self, region: Region, canvas: Canvas, frame: Frame) -> str:
        """The numbers of a region's point, or of its box's middle, as they are written."""
        write = self.rule.write
        x, y, _, _ = frame.fractions((region.point or region.center) * 2)
        return f"{write(x)}, {write(y)}"

    # -- writing

    def _item(self, task: str, region: Region, numbers: str) -> str:
        place = f'"{self.point_key if task == "point" else self.box_key}": [{numbers}]'
        label = None if region.label is None else check_label(region.label)
        if label is None:
            if task in ("detect", "ocr"):
                raise InputError(f"a region to {task} needs a label; this one has none")
            return f"{{{place}}}"
        name = f'"{self.text_key if task == "ocr" else "label"}": {json.dumps(label, ensure_ascii=False)}'
        return f"{{{name}, {place}}}" if self.label_first else f"{{{place}, {name}}}"

    def _in_words(self, task: str, regions: Sequence[Region], text: str, canvas: Canvas) -> str:
        words = text.strip(BLANK)
        if not words and task == "describe" and regions:
            words = (regions[0].label or "").strip(BLANK)
        if not words:
            raise InputError(f"{task} answers in words: give text")
        decoded = self.decode(words, canvas, task=task)
        if decoded.regions or decoded.text != words:
            raise InputError(f"the words {words!r:.60} would be read as JSON or as markup: write them without it")
        if task == "describe" or not regions:
            return words
        shown = []
        for region in regions:
            label = words[slice(*region.span)] if region.span and not region.label else region.label
            shown.append(Region(region.box, label=(label or "").strip(BLANK) or None))
        return f"{words}\n{self.encode('locate', regions=shown, canvas=canvas)}"


def check_label(label: str) -> str:
    """A label that reading gives back unchanged. Raises InputError."""
    tidy = label.strip(BLANK)
    if not tidy:
        raise InputError("a region's label is blank: give words, or None for a region without a label")
    if found := SPECIAL.search(tidy):
        raise InputError(f"the label {tidy!r:.60} holds {found[0]!r}, which is markup to the model: leave it out")
    return tidy


# ---- our own prompt


_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "label": ('"what it is"', {"type": "string"}),
    "box": ("[x1, y1, x2, y2]", {"minItems": 4, "maxItems": 4}),
    "point": ("[x, y]", {"minItems": 2, "maxItems": 2}),
}
"""Field -> its example in the prompt, and what is special about it in the schema."""
_TOP = 1000
_SHAPES = {
    "locate": ("label", "box"),
    "detect": ("label", "box"),
    "count": ("label", "box"),
    "point": ("label", "point"),
}
_EXAMPLES = {task: ", ".join(f'"{key}": {_FIELDS[key][0]}' for key in keys) for task, keys in _SHAPES.items()}
_HOW = {
    "box": "x1, y1 is the upper left corner of its box and x2, y2 the lower right one",
    "point": "x, y is a point in its middle",
}


def _ask(task: str, what: str) -> str:
    *_, place = _SHAPES[task]
    return (
        f"{what} Answer with a JSON list and nothing else: [{{{_EXAMPLES[task]}}}]. {_HOW[place]}, in whole numbers "
        f"from 0 to {_TOP} along the picture's width (x, from its left edge) and height (y, from its top edge). "
        "One entry for each of them; if there is none, answer []."
    )


class JSONCodec(JSONFamily):
    """Texts for chat models without a trained form of their own: GPT, Claude and others behind an endpoint."""

    name = "json"
    rules = JSON_BOXES
    tasks = ("locate", "detect", "count", "point", "describe", "caption", "answer")
    box_key, point_key, label_first = "box", "point", True
    head, joint, tail = "[", ", ", "]"
    prompts = MappingProxyType(
        {
            "locate": _ask("locate", "Find in the picture everything that matches this description: {words}."),
            "detect": _ask("detect", "Find in the picture every instance of: {words}. Use these words as labels."),
            "count": _ask("count", "Find in the picture, one by one, all that matches this description: {words}."),
            "point": _ask("point", "Point to everything in the picture that matches this description: {words}."),
            "caption": "Describe the picture in a sentence or two.",
            "answer": "{words} Answer in a few words, by what the picture shows.",
        }
    )

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
        if task != "describe":
            return super().prompt(task, phrase, names=names)
        if (box is None) == (point is None):
            raise PromptError("describe asks about one place: give box=(x1, y1, x2, y2) or point=(x, y)")
        if canvas is None:
            raise PromptError(
                "a place in a prompt needs the picture's size: give canvas=Canvas.identity(width, height)"
            )
        frame = Frame(canvas)
        if box is not None:
            place = f"inside the box [{self.box_numbers(Region(_ordered(box)), canvas, frame)}] ({_HOW['box']}"
        else:
            x, y = point or (0.0, 0.0)
            spot = Region((x, y, x, y), point=(x, y))
            place = f"at the point [{self.point_numbers(spot, canvas, frame)}] (x, y"
        return f"Describe in a few words what the picture shows {place}, from 0 to {_TOP} along its width and height)."

    def schema(self, task: str, names: Sequence[str] = (), *, wrapped: bool = False) -> dict[str, Any]:
        """The JSON schema of an answer: a list of objects, as the prompt asks for it.

        `names`: the labels that may occur. `wrapped`: an object {"objects": [...]} around the list, for servers that
        take nothing but an object; it is read as well. Raises InputError for tasks that are answered in words.
        """
        self.check_task(task)
        if task not in _SHAPES:
            raise InputError(f"{task} is answered in words, which has no schema: ask without one")
        whole = {"type": "integer", "minimum": 0, "maximum": _TOP}
        fields = {
            key: {"type": "array", "items": whole, **_FIELDS[key][1]} if key != "label" else dict(_FIELDS[key][1])
            for key in _SHAPES[task]
        }
        if names:
            fields["label"]["enum"] = list(clean_names(names, SPECIAL, separators=",，"))
        thing = {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}
        things: dict[str, Any] = {"type": "array", "items": thing}
        if not wrapped:
            return things
        return {
            "type": "object",
            "properties": {"objects": things},
            "required": ["objects"],
            "additionalProperties": False,
        }


def _ordered(box: Sequence[float]) -> Box:
    x1, y1, x2, y2 = box
    return x1, y1, x2, y2
