"""Owns moved(): a lesson whose picture has taken a step, with everything in it that has a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from grounding.data.augment.pictures import AugmentedPicture, Step, stepped
from grounding.data.lessons.lesson import Lesson, Turn, Words
from grounding.data.lessons.row_pictures import picture_size
from grounding.data.pictures import Picture
from grounding.data.sample import Sample
from grounding.result import Region

Reword = Callable[[str], tuple[str, Callable[[int], int]]]
"""A text in other words, and where each of its characters has gone."""


def moved(lesson: Lesson, step: Step, reword: Reword | None = None, turns: tuple[Turn, ...] | None = None) -> Lesson:
    """The lesson after a step of its one picture. `reword`: what becomes of every text; `turns`: those to be moved
    (default: the lesson's). Raises ImageError where the picture's size is needed and can't be told."""
    (picture,) = lesson.pictures
    after = stepped(picture, step)
    told = tuple(_moved_turn(turn, picture, after, step, reword or _as_it_is) for turn in turns or lesson.turns)
    return replace(lesson, pictures=(after,), turns=told)


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height, px, of a picture that may have steps. Raises ImageError."""
    if not isinstance(picture, AugmentedPicture):
        return picture_size(picture)
    size = picture_size(picture.base)
    for step in picture.steps:
        size = step.size(size)
    return size


def texts_in(lesson: Lesson) -> Iterator[tuple[str, bool]]:
    """Every text of a lesson, and whether it is short: a phrase or a name."""
    for turn in lesson.turns:
        if isinstance(turn, Words):
            yield turn.prompt, False
            yield turn.answer, False
            continue
        yield turn.phrase, turn.task != "answer"
        yield turn.truth.text, False
        yield from ((name, True) for name in turn.names)
        yield from ((region.label, True) for region in turn.truth.regions if region.label)


def _as_it_is(text: str) -> tuple[str, Callable[[int], int]]:
    return text, lambda place: place


def _moved_turn(turn: Turn, before: Picture, after: Picture, step: Step, reword: Reword) -> Turn:
    if isinstance(turn, Words):
        if not turn.prompt_regions and not turn.answer_regions:
            return replace(turn, prompt=reword(turn.prompt)[0], answer=reword(turn.answer)[0])
        size = size_of(before)
        prompt, asked = reword(turn.prompt)
        answer, answered = reword(turn.answer)
        return replace(
            turn,
            prompt=prompt,
            answer=answer,
            prompt_regions=tuple(_region(region, step, size, reword, asked) for region in turn.prompt_regions),
            answer_regions=tuple(_region(region, step, size, reword, answered) for region in turn.answer_regions),
        )
    return _moved_sample(turn, after, step, reword)


def _moved_sample(sample: Sample, after: Picture, step: Step, reword: Reword) -> Sample:
    size = sample.size
    width, height = step.size(size)
    phrase, text = reword(sample.phrase)[0], reword(sample.truth.text)
    truth = sample.truth.replace(
        phrase=reword(sample.truth.phrase)[0],
        regions=tuple(_region(region, step, size, reword, text[1]) for region in sample.truth.regions),
        text=text[0],
        width=width,
        height=height,
    )
    meta: dict[str, Any] = dict(sample.meta)
    if isinstance(meta.get("detail"), str):
        meta["detail"] = reword(meta["detail"])[0]
    return replace(
        sample,
        image=after,
        phrase=phrase,
        truth=truth,
        names=tuple(reword(name)[0] for name in sample.names),
        point=None if sample.point is None else step.point(*sample.point, size),
        box=None if sample.box is None else step.box(sample.box, size),
        crowd=tuple(_region(region, step, size, reword, lambda place: place) for region in sample.crowd),
        meta=meta,
    )


def _region(region: Region, step: Step, size: tuple[int, int], reword: Reword, place: Callable[[int], int]) -> Region:
    return replace(
        region,
        box=step.box(region.box, size),
        label=None if region.label is None else reword(region.label)[0],
        span=None if region.span is None else (place(region.span[0]), place(region.span[1])),
        mask=None if region.mask is None else step.mask(region.mask, size),
        point=None if region.point is None else step.point(*region.point, size),
    )
