"""From a seed to a Picture: a drawn scene and several questions about it, each with its prompt and certain answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from grounding.codecs import get_codec
from grounding.codecs.base import Codec
from grounding.data.scenes import absence, captions, describe, groups, phrases, questions, relations
from grounding.data.scenes.facts import Facts, Vocabulary
from grounding.data.scenes.phrases import Draft, Polygon
from grounding.data.scenes.scene import Scene, SceneOptions, draw_scene
from grounding.data.scenes.things import names_of
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region

Box = tuple[float, float, float, float]
Builder = Callable[[Facts, Random], Draft | None]

_ABSENT: tuple[tuple[Builder, float], ...] = (
    (absence.absent, 0.62),
    (relations.absent_relation, 0.26),
    (absence.absent_place, 0.12),
)


def _absent(facts: Facts, rng: Random) -> Draft | None:
    builder = rng.choices([b for b, _ in _ABSENT], [w for _, w in _ABSENT])[0]
    return builder(facts, rng)


SKILLS: dict[str, Builder] = {
    "attribute": phrases.attribute,
    "place": phrases.place,
    "relation": relations.relation,
    "nearest": relations.nearest,
    "size": phrases.size_order,
    "ordinal": relations.ordinal,
    "all": groups.all_instances,
    "absent": _absent,
    "detect": groups.detect,
    "count": groups.count,
    "describe_box": describe.describe_box,
    "describe_point": describe.describe_point,
    "caption": captions.caption,
    "segment": describe.segment,
    "answer": questions.answer,
}
"""Skill to what asks for it; the names of the accuracy table."""

MIXTURE: dict[str, float] = {
    "attribute": 0.13,
    "relation": 0.09,
    "nearest": 0.15,
    "place": 0.05,
    "size": 0.05,
    "ordinal": 0.12,
    "all": 0.05,
    "absent": 0.13,
    "detect": 0.11,
    "count": 0.11,
    "describe_box": 0.09,
    "describe_point": 0.04,
    "caption": 0.02,
    "segment": 0.02,
    "answer": 0.03,
}
"""How often each skill is tried; those that bind or compare are asked more than their share."""


@dataclass(frozen=True)
class PictureOptions:
    """What is drawn, and what is asked of it."""

    scene: SceneOptions = field(default_factory=SceneOptions)
    """What may be drawn."""
    phrases: int = 8
    """Questions per picture, at most; sparse scenes hold fewer certain ones."""
    mixture: Mapping[str, float] = field(default_factory=lambda: dict(MIXTURE))
    """Skill to weight."""

    def __post_init__(self) -> None:
        if self.phrases < 1:
            raise InputError(f"phrases is {self.phrases}; ask at least 1 of each picture")
        unknown = [skill for skill in self.mixture if skill not in SKILLS]
        if unknown:
            raise InputError(f"no skill named {unknown[0]!r}; known: {', '.join(SKILLS)}")
        if any(weight < 0 for weight in self.mixture.values()) or not sum(self.mixture.values()) > 0:
            raise InputError("the weights of the mixture must not be negative, and one must be above zero")


@dataclass(frozen=True, slots=True)
class SceneSample:
    """One question about a drawn picture, with its answer as text and as values in pixels of the picture."""

    task: str
    """The codec's task: "locate", "detect", "describe", "caption", "count", "segment" or "answer"."""
    skill: str
    """A name of SKILLS: the line of the accuracy table it counts in."""
    detail: str
    """Finer than the skill: "left", "farthest", "no such kind"."""
    phrase: str
    prompt: str
    answer: str
    boxes: tuple[Box, ...]
    """xyxy px, in the order of the answer; for "describe" with a box, the box asked about."""
    labels: tuple[str | None, ...]
    """One a box; None where the answer names none."""
    point: tuple[float, float] | None
    """Where "describe" was asked about a point, px."""
    polygons: tuple[Polygon, ...]
    """Outlines of "segment", px."""
    targets: tuple[int, ...]
    """Numbers of the things meant, in the order of `boxes`."""
    names: tuple[str, ...] = ()
    """What "detect" asked for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture and what was asked of it."""

    image: NDArray[np.uint8]
    """(height, width, 3) RGB."""
    scene: Scene
    samples: tuple[SceneSample, ...]
    seed: int


def draw_picture(seed: int, options: PictureOptions | None = None) -> Picture:
    """The picture of this seed, with up to `options.phrases` questions: the same on every call."""
    options = options or _DEFAULT
    image, scene = draw_scene(seed, options.scene)
    return Picture(image, scene, ask(scene, seed, options), seed)


def ask(scene: Scene, seed: int, options: PictureOptions | None = None) -> tuple[SceneSample, ...]:
    """Questions about a scene, no prompt twice; () only where nothing certain can be asked."""
    options = options or _DEFAULT
    rng = Random((seed << 12) ^ 0x9E3779B9)
    pairs = options.scene.only_pairs
    facts = Facts(scene, vocabulary(options.scene), pairs)
    skills = list(options.mixture)
    bounds = list(accumulate(options.mixture.values()))
    codec = get_codec("location")
    canvas = Canvas.identity(scene.width, scene.height)
    asked: dict[tuple[str, ...], SceneSample] = {}
    if not facts.count:
        return ()
    for skill in rng.choices(skills, cum_weights=bounds, k=options.phrases * 3):
        if len(asked) == options.phrases:
            break
        build = SKILLS[skill]
        draft = build(facts, rng) or build(facts, rng) or build(facts, rng)
        if draft is None:
            continue
        # "the red star" and "red star" are one question; a thing is described once, a picture captioned once.
        about = f"{draft.detail} {draft.targets}" if draft.task == "describe" else draft.phrase.removeprefix("the ")
        key = (draft.task, about)
        if key not in asked:
            asked[key] = written(draft, skill, scene, codec, canvas)
    return tuple(asked.values())


class Shown(Protocol):
    """A scene or a photograph: its things in the order that drafts number them, and its size, px."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def things(self) -> Sequence[Any]: ...


def written(draft: Draft, skill: str, scene: Shown, codec: Codec, canvas: Canvas) -> SceneSample:
    """A draft as the codec writes it."""
    boxes = tuple(scene.things[i].box for i in draft.targets)
    labels = draft.labels or (None,) * len(boxes)
    text = draft.text
    if draft.task == "caption":
        spots = [(start, stop, i) for start, stop, members in draft.spans for i in members]
        regions = [Region(scene.things[i].box, text[a:b], None, (a, b)) for a, b, i in spots]
        labels = tuple(text[a:b] for a, b, _ in spots)
    elif draft.task == "segment":
        size = (scene.width, scene.height)
        regions = [
            Region(box, None, None, None, Mask.from_polygons([np.array(polygon)], *size))
            for box, polygon in zip(boxes, draft.polygons, strict=True)
        ]
    elif draft.box is not None:
        regions = []
    else:
        regions = [Region(box, label) for box, label in zip(boxes, labels, strict=True)]
    answer = codec.encode(draft.task, regions=regions, text=text, canvas=canvas)
    prompt = codec.prompt(draft.task, draft.phrase, names=draft.names, box=draft.box, point=draft.point, canvas=canvas)
    return SceneSample(
        draft.task,
        skill,
        draft.detail,
        draft.phrase,
        prompt,
        answer,
        boxes,
        labels,
        draft.point,
        draft.polygons,
        draft.targets,
        draft.names,
    )


@lru_cache(maxsize=64)
def vocabulary(options: SceneOptions) -> Vocabulary:
    """The words that may be said to be missing from scenes drawn with these options."""
    heads = tuple(name.lower() for kind in options.kinds for name in names_of(kind))
    sprites: Any = options.sprites
    names = tuple(sorted({name.lower() for name in sprites.names})) if sprites is not None else ()
    fills = tuple(fill for fill in options.fills if fill not in ("solid", "gradient")) or ("striped",)
    unspoken = options.forbidden_pairs | options.only_pairs
    return Vocabulary(options.colors, heads, names, fills, frozenset(unspoken))


def evaluation_set(
    skill: str, n: int, first_seed: int, options: PictureOptions | None = None
) -> Iterator[tuple[Picture, SceneSample]]:
    """Exactly `n` samples of one skill from fresh pictures, at most two a picture, each with the picture it is about.

    Seeds count up from `first_seed`. With `only_pairs` in the options, every target asked for is such a pair.
    """
    if skill not in SKILLS:
        raise InputError(f"no skill named {skill!r}; known: {', '.join(SKILLS)}")
    options = options or _DEFAULT
    options = PictureOptions(options.scene, 2, {skill: 1.0})
    found, seed, barren = 0, first_seed, 0
    while found < n:
        picture = draw_picture(seed, options)
        seed += 1
        barren = 0 if picture.samples else barren + 1
        if barren > 1000:
            raise InputError(f"1,000 scenes in a row hold no question of skill {skill!r}; widen the scene options")
        for sample in picture.samples[: n - found]:
            found += 1
            yield picture, sample


_DEFAULT = PictureOptions()
