"""From a photograph, its labels and a seed to a PhotoPicture: a view of it, and questions whose answers are certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from grounding.data.photos.augment import View, ViewOptions, random_view
from grounding.data.photos.cleaning import CleanLabels, CleanOptions, clean
from grounding.data.photos.colors import ColorOptions, PhotoColors
from grounding.data.photos.labels import PhotoLabels
from grounding.data.photos.questions import MIXTURE, SKILLS, ask
from grounding.data.photos.things import PhotoScene, PhotoThing
from grounding.data.scenes.generate import SceneSample
from grounding.errors import InputError

_VIEW, _ASK = 0x51ED270B, 0x2545F491
"""What makes two generators of one seed different ones."""


@dataclass(frozen=True)
class PhotoOptions:
    """How photographs are shown, and what is asked of them."""

    size: int = 256
    """Side of the squashed picture, px."""
    phrases: int = 16
    """Questions per picture, at most; pictures with little in them hold fewer certain ones. 0 asks none."""
    mixture: Mapping[str, float] = field(default_factory=lambda: dict(MIXTURE))
    """Skill to weight."""
    view: ViewOptions | None = field(default_factory=ViewOptions)
    """How much a view may differ from the photograph; None shows it as it is."""
    clean: CleanOptions = field(default_factory=CleanOptions)
    """Which of the boxes are believed."""
    colors: ColorOptions = field(default_factory=ColorOptions)
    """How sure a colour must be before it is said."""

    def __post_init__(self) -> None:
        if self.size < 16:
            raise InputError(f"size is {self.size}; pictures are 16 px or more to a side")
        if self.phrases < 0:
            raise InputError(f"phrases is {self.phrases}; it is a number of questions, 0 or more")
        unknown = [skill for skill in self.mixture if skill not in SKILLS]
        if unknown:
            raise InputError(f"no skill named {unknown[0]!r}; known: {', '.join(SKILLS)}")


@dataclass(frozen=True, slots=True)
class PhotoPicture:
    """A view of a photograph and what was asked of it."""

    image: NDArray[np.uint8]
    """(size, size, 3) RGB."""
    scene: PhotoScene
    samples: tuple[SceneSample, ...]
    """() where nothing certain can be asked."""
    seed: int


def photo_picture(
    image: NDArray[np.uint8], labels: PhotoLabels | CleanLabels, seed: int, options: PhotoOptions | None = None
) -> PhotoPicture:
    """A view of the photograph, (height, width, 3) RGB, with up to `options.phrases` questions.

    The same arguments give the same bytes on every call. Colours are those of the photograph before its light is
    changed. Raises InputError where the image is of another shape or type.
    """
    options = options or _DEFAULT
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(f"a photograph is (height, width, 3) uint8; seen {image.shape} {image.dtype}")
    cleaned = labels if isinstance(labels, CleanLabels) else clean(labels, options.clean)
    view = View() if options.view is None else random_view(cleaned, Random((seed << 12) ^ _VIEW), options.view)
    scene = _scene(image, cleaned, view, options)
    samples = ask(scene, Random((seed << 12) ^ _ASK), options.phrases, options.mixture) if options.phrases else ()
    return PhotoPicture(view.lit(view.picture(image, options.size)), scene, samples, seed)


def _scene(image: NDArray[np.uint8], cleaned: CleanLabels, view: View, options: PhotoOptions) -> PhotoScene:
    """What of the photograph's things is in the view, those that may be answers first."""
    colors = PhotoColors(image, options.colors)
    height, width = image.shape[:2]
    things: list[PhotoThing] = []
    gone: set[str] = set()
    for weak, believed in [*((weak, True) for weak in cleaned.sure), *((weak, False) for weak in cleaned.unsure)]:
        seen = view.seen(weak, options.view or ViewOptions())
        if seen is None:
            gone.add(weak.name)
            continue
        x1, y1, x2, y2 = weak.box
        color, upper, lower, without = colors.of((x1 * width, y1 * height, x2 * width, y2 * height), weak.name)
        a, b, c, d = (edge * options.size for edge in seen[0].box)
        sure = believed and seen[1]
        things.append(
            PhotoThing(len(things), weak.name, (a, b, c, d), color, upper, lower, sure, weak.score, without=without)
        )
    things.sort(key=lambda thing: not thing.sure)
    things = [replace(thing, index=index) for index, thing in enumerate(things)]
    faint = tuple(sorted({*cleaned.faint} | (gone - {thing.name for thing in things})))
    return PhotoScene(options.size, options.size, tuple(things), faint)


_DEFAULT = PhotoOptions()
