"""Owns what is asked of the model and what is read out of the tokens it wrote: finer boxes, scores, and no repeats."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL.Image import Image

from grounding.boxes import iou
from grounding.codecs.base import BLANK_OR_COMMA, Decoded
from grounding.codecs.grammar import Grammar
from grounding.images import Canvas
from grounding.model.processing import GroundingProcessor
from grounding.result import Problem, Region

DUPLICATE_IOU = 0.85
"""Two boxes of one label that overlap so much are one thing said twice."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt about one picture. Asks with the very same `image` object share its encoding."""

    image: Image
    prompt: str
    canvas: Canvas
    task: str = "locate"
    grammar: Grammar | None = None
    """What the answer may look like; None leaves it free."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the model wrote, read."""

    text: str
    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    """Of each token; of a coordinate, its window's mass."""
    regions: tuple[Region, ...]
    problems: tuple[Problem, ...]
    presence: float | None
    """P(there is something to find), where the task asks."""


@dataclass
class Row:
    """An answer in the making."""

    place: int
    """Which of the asks it answers."""
    room: int
    """How many tokens it may have."""
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    coordinates: list[float | None] = field(default_factory=list)
    """For each token, the coordinate of 0 to 1 that it stands for, or None for a word."""
    presence: float | None = None
    open: bool = False
    """Whether its first box is in the making, and may be one of several."""
    likelihood: float = 0.0
    """Logarithm of the first box's, as far as it is written."""

    def add(self, token: int, probability: float, coordinate: float | None) -> None:
        """One more token."""
        self.ids.append(token)
        self.probabilities.append(probability)
        self.coordinates.append(coordinate)

    def copy(self) -> Row:
        """The same, to go on in another way."""
        return replace(self, ids=[*self.ids], probabilities=[*self.probabilities], coordinates=[*self.coordinates])


class PlainReader:
    """Reads rows of tokens with any codec.

    A box is what the codec reads; its score is the geometric mean of the probabilities of the tokens that spell its
    numbers, and None where these can't be told.
    """

    def __init__(self, processor: GroundingProcessor) -> None:
        self.processor = processor
        self.per_box = 2 if processor.codec_object.name == "kosmos-2" else 4
        """How many numbers a box has: in Kosmos-2 its two patches."""

    def read(self, ask: Ask, row: Row, decoded: Decoded | None = None) -> ModelAnswer:
        """The row's text, decoded, with finer boxes where there are any, and scores; without boxes said twice."""
        end = self.processor.ids[2]
        text = self.processor.text(row.ids)
        decoded = decoded or self.processor.codec_object.decode(text, ask.canvas, task=ask.task)
        problems = list(decoded.problems)
        if row.ids[-1] != end:
            problems.append(Problem("truncated", f"cut after {len(row.ids)} tokens", (len(text), len(text))))
        regions: list[Region] = []
        for region in self.whole(ask, row, text, decoded):
            if repeats(region, regions):
                span = region.span if decoded.text is None else None  # else it counts the characters of another text
                problems.append(Problem("duplicate", "a box that was written before; kept once", span))
            else:
                regions.append(region)
        return ModelAnswer(
            text, tuple(row.ids), tuple(row.probabilities), tuple(regions), tuple(problems), row.presence
        )

    def whole(self, ask: Ask, row: Row, text: str, decoded: Decoded) -> list[Region]:
        """The regions of the whole answer, with scores: what the codec reads of it when cut before each box."""
        if not decoded.regions:
            return []
        stream = self.processor.codec_object.stream(ask.canvas, task=ask.task)
        places = number_places(text, self.per_box)
        cuts = [*(numbers[0][0] for numbers in places[1:]), len(text)]
        regions: list[Region] = []
        done = 0
        for cut in cuts:
            regions += self.finer(ask, row, text[:cut], stream.feed(text[done:cut]))
            done = cut
        regions += self.finer(ask, row, text, stream.close().regions[len(regions) :])
        return regions

    def finer(self, ask: Ask, row: Row, text: str, regions: Sequence[Region]) -> list[Region]:
        """The regions that were just completed by the end of `text`, with scores: theirs are its last boxes."""
        if not regions or any(region.mask is not None for region in regions):
            return list(regions)
        places = number_places(text, self.per_box)[-len(regions) :]
        if len(places) < len(regions):
            return list(regions)
        ends = self._ends(row.ids)
        return [
            replace(region, score=_spelled(numbers, ends, row.probabilities))
            for region, numbers in zip(regions, places, strict=True)
        ]

    def _ends(self, ids: Sequence[int]) -> list[int]:
        """How many characters of the answer are written after each token."""
        texts = (self.processor.text(ids[: place + 1]) for place in range(len(ids)))
        return [len(text.rstrip("\ufffd")) for text in texts]  # the last bytes of a character may be still to come


_NUMBER = r"(?:<[a-z_]*\d+>|\d+(?:\.\d+)?)"
_RUN = re.compile(rf"{_NUMBER}(?:[\s,()]*{_NUMBER})*", re.IGNORECASE)


def number_places(text: str, per_box: int) -> list[list[tuple[int, int]]]:
    """(start, end) of the numbers of each box in `text`, in order: numbers with nothing but commas, blanks or round
    brackets between them, `per_box` for a box; what is not a multiple of that is none."""
    boxes = []
    for run in _RUN.finditer(text):
        spans = [match.span() for match in re.compile(_NUMBER, re.IGNORECASE).finditer(text, *run.span())]
        if len(spans) % per_box == 0:
            boxes += [spans[at : at + per_box] for at in range(0, len(spans), per_box)]
    return boxes


def _spelled(numbers: Sequence[tuple[int, int]], ends: Sequence[int], probabilities: Sequence[float]) -> float:
    """The geometric mean of the probabilities of the tokens that write these characters; each token writes those from
    the end of the one before it to its own."""
    starts = [0, *ends[:-1]]
    held = [
        probability
        for start, end, probability in zip(starts, ends, probabilities, strict=True)
        if any(start < last and end > first for first, last in numbers)
    ]
    return geometric_mean(held)


class Reader(PlainReader):
    """Reads rows of location tokens.

    A box takes the coordinates that its tokens stand for, which lie between the bins; its score is the geometric mean
    of the four tokens' probabilities, times the probability that there is anything to find.
    """

    def __init__(self, processor: GroundingProcessor, first: int, bins: int) -> None:
        """`first`: the id of the location token of bin 0."""
        super().__init__(processor)
        self.first, self.bins = first, bins

    def whole(self, ask: Ask, row: Row, text: str, decoded: Decoded) -> list[Region]:
        return self.finer(ask, row, text, decoded.regions)

    def finer(self, ask: Ask, row: Row, text: str, regions: Sequence[Region]) -> list[Region]:
        """The regions of `text` with coordinates between the bins, and scores. Boxes are known again by their bins."""
        if not regions:
            return []
        if ask.task == "segment":
            return [replace(region, score=self._outline_score(row, text, region)) for region in regions]
        known = self._boxes(row)
        width, height, top = ask.canvas.width, ask.canvas.height, self.bins - 1
        finer = []
        for region in regions:
            x1, y1, x2, y2 = region.box
            key = (round(y1 / height * top), round(x1 / width * top), round(y2 / height * top), round(x2 / width * top))
            if key in known:
                (y1, x1, y2, x2), score = known[key]
                region = replace(region, box=(x1 * width, y1 * height, x2 * width, y2 * height), score=score)
            finer.append(region)
        return finer

    def _boxes(self, row: Row) -> dict[tuple[int, ...], tuple[tuple[float, ...], float]]:
        """Bins of each box that was written, to its coordinates of 0 to 1 and its score; both y1 x1 y2 x2, in order."""
        known: dict[tuple[int, ...], tuple[tuple[float, ...], float]] = {}
        run: list[int] = []
        for place, coordinate in enumerate(row.coordinates):
            if coordinate is None:
                if run and self.processor.text(row.ids[place : place + 1]).strip(BLANK_OR_COMMA):
                    run = []  # as the codec reads it, blanks and commas do not break a box
                continue
            run.append(place)
            if len(run) == 4:
                values = ordered([row.coordinates[at] or 0.0 for at in run])
                bins = ordered([row.ids[at] - self.first for at in run])
                known.setdefault(bins, (values, self._score(row, [row.probabilities[at] for at in run])))
                run = []
        return known

    def _outline_score(self, row: Row, text: str, region: Region) -> float:
        """The score of an outline, by its place among the coordinates of the answer."""
        held = [p for p, c in zip(row.probabilities, row.coordinates, strict=True) if c is not None]
        start, end = region.span or (0, len(text))
        before, inside = text.count("<loc", 0, start), text.count("<loc", start, end)
        return self._score(row, held[before : before + inside])

    def _score(self, row: Row, held: Sequence[float]) -> float:
        """The geometric mean of what the coordinates' windows hold, times the probability of presence."""
        return min(max(geometric_mean(held) * (1.0 if row.presence is None else row.presence), 0.0), 1.0)


def geometric_mean(probabilities: Sequence[float]) -> float:
    """At most 1, which is also that of none."""
    return min(math.prod(probabilities) ** (1 / max(1, len(probabilities))), 1.0)


def ordered(box: Sequence[Any]) -> tuple[Any, ...]:
    """y1 x1 y2 x2 of any two corners."""
    y1, x1, y2, x2 = box
    return min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2)


def repeats(region: Region, others: Sequence[Region]) -> bool:
    """Whether one of `others` is the same thing: the same label, nearly the same box."""
    same = [other.box for other in others if other.label == region.label]
    return bool(same) and float(iou([region.box], same).max()) > DUPLICATE_IOU
