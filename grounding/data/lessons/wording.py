"""Owns the wording of lessons: turns into pairs of prompt and answer, in the language of a codec."""

from __future__ import annotations

from collections.abc import Sequence

from grounding.codecs.base import Codec
from grounding.data.lessons.lesson import Lesson, Turn
from grounding.data.sample import Sample
from grounding.images import Canvas


def texts_of(lesson: Lesson, codec: Codec, canvases: Sequence[Canvas]) -> list[tuple[str, str]]:
    """Prompt and answer of each turn. `canvases`: how each picture of the lesson lies in what the model sees."""
    return [_texts(turn, codec, canvases) for turn in lesson.turns]


def _texts(turn: Turn, codec: Codec, canvases: Sequence[Canvas]) -> tuple[str, str]:
    if isinstance(turn, Sample):
        canvas = canvases[0]
        prompt = codec.prompt(turn.task, turn.phrase, names=turn.names, box=turn.box, point=turn.point, canvas=canvas)
        return prompt, codec.encode(turn.task, regions=turn.truth.regions, text=turn.truth.text, canvas=canvas)
    if not turn.prompt_regions and not turn.answer_regions:
        return turn.prompt, turn.answer
    canvas = canvases[turn.picture]
    prompt, answer = (
        codec.encode("answer", regions=regions, text=text, canvas=canvas) if regions else text
        for regions, text in ((turn.prompt_regions, turn.prompt), (turn.answer_regions, turn.answer))
    )
    return prompt, answer
