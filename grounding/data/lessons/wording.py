"""Owns worded() and texts_of(): a lesson's turns as the prompts and answers of one box language."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from grounding.codecs.base import BLANK, Codec
from grounding.codecs.chat import ChatCodec
from grounding.codecs.location import LocationCodec, place_tokens
from grounding.data.lessons.lesson import Lesson, Turn, Words
from grounding.data.sample import Sample
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region

PICTURE_MARK = "<image>"
"""Where a picture stands in a prompt."""
IN_LISTS = re.compile(r"\[[\d.,\s]+\]")
"""A box within the JSON of families that write lists of objects."""
OUT_OF_ANSWERS = {
    "paligemma": re.compile(r"(?:<loc\d{4}>){4}"),
    "rex-omni": re.compile(r"<\|box_start\|>.*<\|box_end\|>"),
}
"""Boxes of families that write none without a name: what to take out of such an answer."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worded:
    """A turn as one box language says it."""

    turn: Turn
    prompt: str
    answer: str


def texts_of(
    lesson: Lesson, codec: Codec, canvases: Sequence[Canvas], left_out: Counter[str] | None = None
) -> list[tuple[str, str]]:
    """(prompt, answer) of each turn that the codec can say, in order; see `worded`."""
    return [(one.prompt, one.answer) for one in worded(lesson, codec, canvases, left_out)]


def worded(
    lesson: Lesson, codec: Codec, canvases: Sequence[Canvas], left_out: Counter[str] | None = None
) -> list[Worded]:
    """Each turn that the codec can say, in order; [] where it can say none.

    `canvases`: of each of the lesson's pictures, what the codec's coordinates count along there. Samples are asked and
    answered as the codec does it; Words keep theirs, with boxes written behind their spans. A turn that the codec
    cannot say is left out, and so are those after it in a conversation; `left_out` counts them by reason, and without
    it each reason is logged once. Raises InputError where canvases are missing.
    """
    needed = max(map(_pictures_needed, lesson.turns))
    if needed > len(canvases):
        raise InputError(f"the lesson {lesson.id!r} has boxes in picture {needed}; {len(canvases)} canvases were given")
    said: list[Worded] = []
    for number, turn in enumerate(lesson.turns):
        try:
            if isinstance(turn, Sample):
                said.append(Worded(turn, *_asked(turn, codec, canvases[0])))
            else:
                canvas = canvases[turn.picture] if turn.prompt_regions or turn.answer_regions else None
                said.append(Worded(turn, *_said(turn, codec, canvas)))
        except InputError as error:
            _leave_out(_reason(turn, codec, error), 1, left_out)
            if lesson.sequential and (rest := len(lesson.turns) - number - 1):
                _leave_out(f"{codec.name}: a turn after one that cannot be said", rest, left_out)
                break
    return said


def _pictures_needed(turn: Turn) -> int:
    """Of how many of the lesson's pictures, from the first, the canvas must be known."""
    if isinstance(turn, Sample):
        return 1
    return turn.picture + 1 if turn.prompt_regions or turn.answer_regions else 0


def _asked(sample: Sample, codec: Codec, canvas: Canvas) -> tuple[str, str]:
    truth = sample.truth
    prompt = codec.prompt(
        sample.task, sample.phrase, names=sample.names, box=sample.box, point=sample.point, canvas=canvas
    )
    text = "" if sample.task == "count" else truth.text
    try:
        return prompt, codec.encode(sample.task, regions=truth.regions, text=text, canvas=canvas)
    except InputError:
        if sample.task == "detect" or not sample.phrase or any(region.label for region in truth.regions):
            raise
    # families that name whatever they show: here it is what was asked for
    named = [replace(region, label=sample.phrase) for region in truth.regions]
    return prompt, codec.encode(sample.task, regions=named, text=text, canvas=canvas)


def _said(words: Words, codec: Codec, canvas: Canvas | None) -> tuple[str, str]:
    prompt, answer = words.prompt, words.answer
    if canvas is not None and words.prompt_regions:
        prompt = interleaved(prompt, words.prompt_regions, codec, canvas)
    if canvas is None or not words.answer_regions:
        return prompt, answer
    points = any(region.point is not None for region in words.answer_regions)
    if points or not _answers_with_boxes(codec, bool(answer.strip())):
        return prompt, interleaved(answer, words.answer_regions, codec, canvas)
    if answer.strip():
        return prompt, codec.encode("answer", regions=words.answer_regions, text=answer, canvas=canvas)
    bare = [Region(region.box) for region in words.answer_regions]  # a box alone is what they answer where things are
    return prompt, codec.encode("locate", regions=bare, canvas=canvas)


@lru_cache(maxsize=64)
def _answers_with_boxes(codec: Codec, words: bool) -> bool:
    """Whether the codec has a form of its own for boxes among words, or for boxes alone; some leave them out."""
    task = "answer" if words else "locate"
    if task not in codec.tasks:
        return False
    canvas = Canvas.identity(100, 100)
    box = Region((10, 20, 30, 40), span=(0, 3) if words else None)
    try:
        written = codec.encode(task, regions=[box], text="cat" if words else "", canvas=canvas)
    except InputError:
        return False
    return bool(codec.decode(written, canvas, task=task).regions)


def interleaved(text: str, regions: Sequence[Region], codec: Codec, canvas: Canvas) -> str:
    """The text with each region's box, as the family writes a box alone, behind its span; at the end without one.

    Boxes in brackets have a blank between themselves and words before them, or behind them at the very start; tags
    stand close. Raises InputError where the family writes no boxes, or a span lies outside the text.
    """
    places: dict[int, list[str]] = {}
    for region in regions:
        end = len(text) if region.span is None else region.span[1]
        if end > len(text):
            raise InputError(f"a region's span lies within the {len(text)} characters of the text; seen {region.span}")
        places.setdefault(end, []).append(box_text(region, codec, canvas))
    pieces, done = [], 0
    for end, boxes in sorted(places.items()):
        before = text[done:end]
        bracketed = boxes[0][0] in "[{("
        blank = " " if bracketed and end and text[end - 1] not in BLANK else ""
        behind = " " if bracketed and not end and text[:1].isalnum() else ""
        pieces += [before, blank, ("" if boxes[0][0] == "<" else " ").join(boxes), behind]
        done = end
    return "".join([*pieces, text[done:]])


def box_text(region: Region, codec: Codec, canvas: Canvas) -> str:
    """One box as the family writes it, without a name; one that is a point (no area, `point` set) as a point.

    Raises InputError where the family writes only points, or no points among words.
    """
    if region.point is not None:
        return _point_text(region.point, codec, canvas)
    pattern = OUT_OF_ANSWERS.get(codec.name)
    bare = Region(region.box, label="x" if pattern else None)
    try:
        written = codec.encode("locate", regions=[bare], canvas=canvas)
    except InputError as error:
        raise InputError(f"{codec.name} writes no box without a name: {error}") from None
    if pattern is None and ("[\n" in written or "[{" in written):
        pattern = IN_LISTS
    found = pattern.search(written) if pattern else None
    return found[0] if found else written


def _point_text(point: tuple[float, float], codec: Codec, canvas: Canvas) -> str:
    x, y = point
    if isinstance(codec, LocationCodec):
        return place_tokens(codec.rule, None, point, canvas)
    if isinstance(codec, ChatCodec) and codec.surface.points:
        return codec.write_boxes([codec.bins((x, y, x, y), canvas)[:2]])
    raise InputError(f"{codec.name} writes no points among words")


def _reason(turn: Turn, codec: Codec, error: InputError) -> str:
    if isinstance(turn, Sample) and turn.task not in codec.tasks:
        return f"{codec.name}: it has no task {turn.task!r}"
    task = turn.task if isinstance(turn, Sample) else "words"
    if isinstance(error, PromptError):
        return f"{codec.name}: {task} that it cannot ask"
    return f"{codec.name}: {task} that it cannot write"


def _leave_out(reason: str, count: int, left_out: Counter[str] | None) -> None:
    if left_out is not None:
        left_out[reason] += count
    else:
        _log_once(reason)


@lru_cache(maxsize=1024)
def _log_once(reason: str) -> None:
    _LOG.warning("turns are left out, as the box language cannot say them: %s", reason)
