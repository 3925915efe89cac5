"""Owns Source, what lessons are drawn from, and the two plainest: a data set of ours, and drawn scenes without end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby

import numpy as np

from grounding.data.dataset import DataProblem, Dataset
from grounding.data.drawn import DrawnPicture, check_things, sample_of, style_options
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.scenes.generate import PictureOptions, ask
from grounding.data.scenes.scene import make_scene
from grounding.errors import InputError

IN_WORDS = ("caption", "answer")
"""Skills of drawn scenes whose answers are words."""


class Source(ABC):
    """Lessons under ordinals 0, 1, 2 ...: the same lesson for the same ordinal on every machine and at every start."""

    name: str
    problems: tuple[DataProblem, ...] = ()
    """What was wrong with its files."""

    @abstractmethod
    def lesson(self, ordinal: int) -> Lesson:
        """The lesson of an ordinal; those of a finite source begin again, in a new order, after `size` of them."""

    @property
    def size(self) -> int | None:
        """How many different lessons there are; None where nobody knows or there is no end."""
        return None

    def lessons(self, start: int = 0, step: int = 1) -> Iterator[Lesson]:
        """Lessons of ordinals start, start + step ...: without end. Sources that are read in order do better here."""
        ordinal = start
        while True:
            yield self.lesson(ordinal)
            ordinal += step


class Order:
    """Places 0 to `count` - 1, each once in an epoch, each epoch in an order that the seed and the epoch decide."""

    def __init__(self, count: int, seed: int = 0, shuffle: bool = True) -> None:
        """Without `shuffle` every epoch is in order. Raises InputError where there is no place."""
        if count < 1:
            raise InputError("there is no lesson to put in order: the source is empty")
        self.count, self.seed, self.shuffle = count, seed, shuffle
        self._order: tuple[int, np.ndarray] | None = None

    def place(self, ordinal: int) -> int:
        """The place of an ordinal."""
        epoch, at = divmod(ordinal, self.count)
        if not self.shuffle:
            return at
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count))
        return int(self._order[1][at])


class ListedSource(Source):
    """Lessons of a list, each epoch in another order that the seed and the epoch decide."""

    def __init__(self, name: str, lessons: Sequence[Lesson], seed: int = 0, shuffle: bool = True) -> None:
        """`lessons` may make them when they are asked for."""
        self.name, self.listed = name, lessons
        self._order = Order(len(lessons), seed, shuffle)

    @property
    def size(self) -> int:
        return len(self.listed)

    def lesson(self, ordinal: int) -> Lesson:
        return self.listed[self._order.place(ordinal)]


class PictureLessons(Sequence[Lesson]):
    """A data set's samples as lessons: the samples of one picture that stand beside each other are taught together."""

    def __init__(self, dataset: Dataset, most: int = 8) -> None:
        """`most`: turns of a lesson; a picture with more has several lessons."""
        self.dataset, self.most = dataset, most

    @cached_property
    def _starts(self) -> list[tuple[int, int]]:
        """First sample and number of samples of each lesson."""
        spans, at = [], 0
        for _, group in groupby(self.dataset, key=lambda sample: (sample.picture.key, sample.size)):
            count = sum(1 for _ in group)
            spans += [(at + start, min(self.most, count - start)) for start in range(0, count, self.most)]
            at += count
        return spans

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Lesson:  # type: ignore[override]  # no slices
        start, count = self._starts[index]
        turns = tuple(self.dataset[place] for place in range(start, start + count))
        return Lesson(turns[0].id or f"{self.dataset.name}-{start}", (turns[0].picture,), turns)


class SceneSource(Source):
    """Drawn scenes: a new picture for every ordinal."""

    def __init__(
        self,
        name: str = "scenes",
        seed: int = 0,
        phrases: int = 8,
        skills: dict[str, float] | None = None,
        style: str = "training",
        sprites: str | None = None,
        things: Sequence[int] | None = None,
        words: bool = False,
        first_seed: int = 2_000_000_000,
    ) -> None:
        """`skills`: shares of kinds of question (default: the generator's own). `things`: fewest and most things of a
        picture. `words`: the answers' words alone, without boxes, as pairs of pictures and captions have them; then of
        the skills caption and answer. `first_seed`: where training begins. Raises InputError."""
        self.name, self.style, self.sprites, self.things, self.words = name, style, sprites, check_things(things), words
        self.first = first_seed + seed * 100_000_000
        scene = style_options(style, sprites, self.things)
        skills = skills or (dict.fromkeys(IN_WORDS, 1.0) if words else None)
        if words and (boxed := sorted(set(skills or ()) - set(IN_WORDS))):
            raise InputError(
                f"words=True takes skills that are answered in words: {', '.join(IN_WORDS)}; seen {boxed[0]}"
            )
        self.options = PictureOptions(scene, phrases, skills) if skills else PictureOptions(scene, phrases)

    def lesson(self, ordinal: int) -> Lesson:
        seed = self.first + ordinal
        while True:
            scene = make_scene(np.random.default_rng(seed), self.options.scene)
            picture = DrawnPicture(seed, self.style, self.sprites, self.things)
            asked = ask(scene, seed, self.options)
            if asked:
                break
            seed += 50_000_000  # a scene with nothing to ask about: another, always the same
        samples = [sample_of(picture, scene, question, number) for number, question in enumerate(asked)]
        turns = [Words(s.phrase or "describe the picture", s.truth.text) for s in samples] if self.words else samples
        return Lesson(picture.key, (picture,), tuple(turns))
