"""Owns the opening of what a recipe learns from and of what it is watched on, by the names that the recipe gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.opening import open_source, takes_option
from grounding.data.lessons.sources import Source
from grounding.errors import ConfigError, GroundingError, InputError
from grounding.training.lesson_rows import pictures_shown
from grounding.training.recipe import DataRecipe, Recipe

HELD_OUT_SEED = 900_000_000
"""The first of the scenes that a run is watched on; training draws others."""


class Shortened(Source):
    """A source's lessons, each of so many turns at most."""

    def __init__(self, source: Source, most: int) -> None:
        self.source, self.most, self.name, self.problems = source, most, source.name, source.problems

    @property
    def size(self) -> int | None:
        return self.source.size

    def lesson(self, ordinal: int) -> Lesson:
        return self._short(self.source.lesson(ordinal))

    def lessons(self, start: int = 0, step: int = 1) -> Iterator[Lesson]:
        yield from map(self._short, self.source.lessons(start, step))

    def _short(self, lesson: Lesson) -> Lesson:
        if len(lesson.turns) <= self.most:
            return lesson
        shown = pictures_shown(lesson, self.most) if lesson.sequential else len(lesson.pictures)
        return replace(lesson, pictures=lesson.pictures[:shown], turns=lesson.turns[: self.most])


def open_data(part: DataRecipe, recipe: Recipe) -> Source:
    """One source of a recipe. Raises ConfigError where its name or options are wrong, and what else opening raises."""
    options = dict(part.options)
    turns = "phrases" if part.source.partition(":")[0] == "scenes" else "most"
    try:
        if takes_option(part.source, turns, part.root):  # what is over it has lessons of its own
            options.setdefault(turns, recipe.most_turns)
        source = open_source(
            part.source, root=part.root, images=part.images, seed=recipe.seed, augment=part.augment, **options
        )
    except InputError as error:
        raise ConfigError(f"the data {part.source!r} can't be opened: {error}") from error
    return Shortened(source, recipe.most_turns)


def open_mixture(data: Sequence[DataRecipe], recipe: Recipe) -> Mixture:
    """The sources of a recipe, by weight."""
    return Mixture([(part.weight, open_data(part, recipe)) for part in data], recipe.seed)


def everything(recipe: Recipe) -> tuple[DataRecipe, ...]:
    """What all stages learn from, each source once, with its highest weight."""
    parts: dict[str, DataRecipe] = {}
    for part in (*recipe.data, *(part for stage in recipe.stages for part in stage.data)):
        key = json.dumps([part.source, part.root, part.images, part.augment, part.options], sort_keys=True, default=str)
        known = parts.get(key)
        if known is None or part.weight > known.weight:
            parts[key] = part
    return tuple(parts.values())


def held_out_data(recipe: Recipe) -> tuple[DataRecipe, ...]:
    """What a recipe is watched on: what it says; else scenes that are never trained on, where it learns from scenes;
    else nothing."""
    if recipe.held_out:
        return recipe.held_out
    return tuple(
        DataRecipe(part.source, part.weight, options={**part.options, "first_seed": HELD_OUT_SEED})
        for part in everything(recipe)
        if part.source.partition(":")[0] == "scenes"
    )


def watched_lessons(recipe: Recipe) -> tuple[str, list[Lesson]]:
    """What the lessons are called in figures, and the first `eval_lessons` of them that can be read.

    Without anything held out they are lessons that are trained on, and are called so.
    """
    held_out = held_out_data(recipe)
    mixture = open_mixture(held_out or everything(recipe), recipe)
    lessons: list[Lesson] = []
    for position in range(2 * recipe.eval_lessons):
        if len(lessons) == recipe.eval_lessons:
            break
        try:
            lessons.append(mixture.lesson(position))
        except GroundingError:
            continue  # a lesson that can't be read is counted where it is learned from
    return "held_out" if held_out else "trained_on", lessons
