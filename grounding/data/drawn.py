"""Owns open_scenes(): drawn scenes as a data set, the same samples that `grounding.training.evaluate` measures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from grounding.boxes import iou
from grounding.codecs import get_codec
from grounding.data.dataset import SCORINGS, Dataset
from grounding.data.pictures import Picture
from grounding.data.sample import Sample
from grounding.data.scenes.generate import SKILLS, PictureOptions, SceneSample, ask
from grounding.data.scenes.scene import (
    Scene,
    SceneOptions,
    draw_scene,
    held_out_pairs_options,
    held_out_style_options,
    make_scene,
    plain_options,
    training_options,
)
from grounding.data.scenes.sprites import SpriteSet
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Grounding, Region

FIRST_SEED = 100_000_000
"""Evaluations draw from here up, a million seeds for each skill; training draws elsewhere."""
ONE_BOX = ("attribute", "place", "relation", "nearest", "size", "ordinal")
"""Skills whose answer is one box."""
SCORING = {
    **dict.fromkeys(ONE_BOX, "rec"),
    "all": "generalized",
    "absent": "absent",
    "detect": "detection",
    "count": "counting",
    "segment": "segmentation",
}
"""Skill to what its answers are measured as. The others' answers are words, which nothing here measures."""
GROUPS = {
    "one-box": (ONE_BOX, "rec"),
    "pointing": (ONE_BOX, "pointing"),
    "all-skills": ((*ONE_BOX, "all", "absent"), "generalized"),
}
"""Several skills under one name, as many samples of each: all-skills is whatever a phrase is asked for with boxes."""
STYLES = ("training", "plain", "held-out style", "held-out pairs", "stickers")
"""What is drawn: as in training, few kinds in plain colours, in styles or colours of things that training leaves out,
or cut-outs alone."""


@dataclass(frozen=True, slots=True)
class DrawnPicture(Picture):
    """A picture that is drawn from its seed when it is opened; small, and equal everywhere it is sent to."""

    seed: int
    style: str = "training"
    sprites: str | None = None
    """The folder of cut-outs."""
    things: tuple[int, int] | None = None
    """Fewest and most things in the picture; None: as the style has it."""

    @property
    def key(self) -> str:  # type: ignore[override]  # a name made of the seed
        return f"scene-{self.seed}" + ("" if self.things is None else "-{}-to-{}".format(*self.things))

    def open(self) -> Image.Image:
        return Image.fromarray(_drawn(self))


def open_scenes(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    n: int = 1000,
    seed: int | None = None,
    style: str = "training",
    sprites: str | Path | None = None,
    things: Sequence[int] | None = None,
    scoring: str | None = None,
) -> Dataset:
    """`n` questions of one skill, a name of `SKILLS`, or of several, a name of `GROUPS`.

    `seed`: the first picture's, the next has the next (default: where `grounding.training.evaluate` begins). `style`:
    one of STYLES. `sprites`: a folder of cut-outs, for "stickers". `things`: fewest and most things in a picture.
    `scoring`: another measure than the skill's own.
    Each sample's kind is its skill; `meta["detail"]` is finer, such as "left" or "farthest". Pictures are drawn when
    they are opened; `root` and `images` mean nothing here. Raises InputError for names there are not.
    """
    skills, usual = GROUPS.get(split, ((split,), SCORING.get(split, "")))
    if not usual:
        known = ", ".join((*SCORING, *GROUPS))
        if split in SKILLS:
            raise InputError(f"{kind}:{split} is answered in words, which no metric here measures; known: {known}")
        raise InputError(f"there is no skill {split!r} to draw scenes for; known: {known}")
    if scoring is not None and scoring not in SCORINGS:
        raise InputError(f"nothing is scored as {scoring!r}; known: {', '.join(SCORINGS)}")
    if style not in STYLES:
        raise InputError(f"no style {style!r} of scenes; known: {', '.join(STYLES)}")
    if (style == "stickers") != (sprites is not None):
        raise InputError("the style 'stickers' and sprites=FOLDER need each other: give both or neither")
    if seed is not None and seed < 0:
        raise InputError(f"seed is {seed}; pictures have seeds from 0 up")
    if n < len(skills):
        raise InputError(f"n is {n}; ask at least {len(skills)} questions, one of each skill")
    folder = None if sprites is None else os.path.expanduser(sprites)
    counts = [n // len(skills) + (place < n % len(skills)) for place in range(len(skills))]
    first = [FIRST_SEED + 1_000_000 * list(SKILLS).index(skill) if seed is None else seed for skill in skills]
    parts = [
        SkillSamples(skill, count, start, style, folder, check_things(things))
        for skill, count, start in zip(skills, counts, first, strict=True)
    ]
    drawn = "" if style == "training" else f", {style}"
    return Dataset(
        f"{kind}:{split}",
        parts[0] if len(parts) == 1 else Joined(parts),
        scoring=scoring or usual,
        source=f"drawn scenes{drawn}, seeds from {min(first):,}",
        meta={"style": style, "seed": first[0], "n": n},
    )


class SkillSamples(Sequence[Sample]):
    """Samples of one skill, made when they are asked for: those of `evaluation_set`, without painting a picture."""

    def __init__(
        self,
        skill: str,
        n: int,
        first_seed: int,
        style: str,
        sprites: str | None,
        things: tuple[int, int] | None = None,
    ) -> None:
        self.skill, self.n, self.first_seed, self.style, self.sprites = skill, n, first_seed, style, sprites
        self.things = things
        self._made: list[Sample] = []
        self._next = first_seed
        self._questions = PictureOptions(style_options(style, sprites, things), 2, {skill: 1.0})

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.n))]
        place = index + self.n if index < 0 else index
        if not 0 <= place < self.n:
            raise IndexError(f"sample {index} of {self.n}")
        barren = 0
        while len(self._made) <= place:
            found = self._of_next_picture()
            self._made += found
            barren = 0 if found else barren + 1
            if barren > 1000:
                raise InputError(f"1,000 scenes in a row hold no question of skill {self.skill!r}: change the style")
        return self._made[place]

    def __iter__(self) -> Iterator[Sample]:
        return (self[place] for place in range(self.n))

    def _of_next_picture(self) -> list[Sample]:
        seed, self._next = self._next, self._next + 1
        scene = make_scene(np.random.default_rng(seed), self._questions.scene)
        picture = DrawnPicture(seed, self.style, self.sprites, self.things)
        asked = ask(scene, seed, self._questions)
        return [sample_of(picture, scene, question, number) for number, question in enumerate(asked)]


class Joined(Sequence[Sample]):
    """Several sequences, one after the other."""

    def __init__(self, parts: Sequence[SkillSamples]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Sample]:
        return chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        for part in self.parts:
            if 0 <= place < len(part):
                return part[place]
            place -= len(part)
        raise IndexError(f"sample {index} of {len(self)}")


def sample_of(picture: DrawnPicture, scene: Scene, asked: SceneSample, number: int) -> Sample:
    """A drawn question as a Sample; `number` is which of its picture's questions it is."""
    size = (scene.width, scene.height)
    masks = [Mask.from_polygons([np.array(polygon)], *size) for polygon in asked.polygons]
    regions = tuple(
        Region(box, label, mask=masks[place] if masks else None)
        for place, (box, label) in enumerate(zip(asked.boxes, asked.labels, strict=True))
    )
    text = str(len(regions)) if asked.task == "count" else ""
    box = asked.boxes[0] if asked.task == "describe" and asked.point is None else None
    if asked.task in ("describe", "caption", "answer"):  # answers in words: the codec that wrote them knows which
        said = get_codec("location").decode(asked.answer, Canvas.identity(*size), task=asked.task)
        text = said.text or ""
        regions = () if box else _exact(said.regions, scene)
    return Sample(
        picture,
        asked.phrase,
        Grounding(asked.phrase, regions, text, *size, task=asked.task),
        id=f"{asked.skill}-{picture.seed}-{number}",
        task=asked.task,
        names=asked.names,
        point=asked.point,
        box=box,
        kind=asked.skill,
        meta={"seed": picture.seed, "detail": asked.detail},
    )


def _exact(regions: Sequence[Region], scene: Scene) -> tuple[Region, ...]:
    """The regions with the boxes of the things they mean, which a codec had rounded to its bins."""
    things = [thing.box for thing in scene.things]
    nearest = iou([region.box for region in regions], things).argmax(1) if regions else ()
    return tuple(replace(region, box=things[place]) for region, place in zip(regions, nearest, strict=True))


@lru_cache(maxsize=8)
def style_options(style: str, sprites: str | None, things: tuple[int, int] | None = None) -> SceneOptions:
    """What is drawn in a style, as `grounding.training.evaluate` measures it; `things`: another number of them."""
    options = _style_options(style, sprites)
    return options if things is None else replace(options, things=things)


def check_things(things: Sequence[int] | None) -> tuple[int, int] | None:
    """Fewest and most things of a picture. Raises InputError where they are no two such numbers."""
    if things is None:
        return None
    if len(things) != 2 or not all(isinstance(value, int) for value in things) or not 1 <= things[0] <= things[1]:
        raise InputError(
            f"things is {things!r}; it must be the fewest and the most things of a picture, such as [2, 4]"
        )
    return things[0], things[1]


def _style_options(style: str, sprites: str | None) -> SceneOptions:
    if style == "plain":
        return plain_options()
    if style == "held-out style":
        return held_out_style_options()
    if style == "held-out pairs":
        return held_out_pairs_options()
    if sprites is not None:
        return training_options(SceneOptions(sprites=SpriteSet.from_folder(sprites), sprite_share=1.0))
    return training_options()


@lru_cache(maxsize=16)
def _drawn(picture: DrawnPicture) -> np.ndarray:
    """Its pixels; two questions about a picture often follow one another."""
    image, _ = draw_scene(picture.seed, style_options(picture.style, picture.sprites, picture.things))
    return image
