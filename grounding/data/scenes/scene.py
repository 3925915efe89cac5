"""Scene and Thing: what a drawn picture holds; SceneOptions: what may be drawn.

Lengths are pixels of the picture, boxes are xyxy, angles are degrees clockwise. Layout and drawing follow below:
`make_scene` decides where everything stands (cheap), `render` paints it, `draw_scene` does both from one seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grounding.data.scenes.backgrounds import BACKGROUNDS
from grounding.data.scenes.palette import COLORS
from grounding.data.scenes.sprites import SpriteSet
from grounding.data.scenes.things import FILLS, KINDS

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Thing:
    """One drawn thing and everything that may be said about it."""

    index: int
    """Its place in `Scene.things`; later things are drawn over earlier ones."""
    kind: str
    """"star", "house"...; "letter" and "digit" for glyphs; "sprite" for cut-outs."""
    name: str
    """The noun as said: "star", "letter A", "digit 7", a sprite's "pizza"."""
    color: str | None
    """A name of `palette.COLORS`; None for sprites."""
    fill: str
    """"solid", "outlined", "striped", "dotted", "checked" or "gradient"; "solid" for sprites."""
    size: str
    """"small", "medium" or "large", by extent against the picture, with clear gaps between the classes."""
    box: Box
    """The exact extent of what is visible."""
    full_box: Box
    """The extent as drawn, before anything covered it."""
    visibility: float
    """Visible share of its area, 0 to 1."""
    polygon: tuple[Point, ...]
    """Outline of the full shape; a hole is joined to the outline by a seam."""
    center: Point
    """Middle of its full extent (`full_box` is the same rounded to half pixels)."""
    row: int | None
    """Row from the top in a "rows" layout, from 0; None in the others."""
    is_sprite: bool
    """Whether it comes from a SpriteSet."""
    rotation: float
    """How far it is turned from upright."""
    drawn_size: Point = (0.0, 0.0)
    """Width and height before rotation."""
    flipped: bool = False
    """Whether it is mirrored left to right (before rotation)."""
    sprite: int | None = None
    """Its number in the SpriteSet."""


@dataclass(frozen=True)
class Scene:
    """A whole picture: its size, its things in drawing order, and how they are laid out."""

    width: int
    height: int
    things: tuple[Thing, ...]
    background: str
    """A name of `backgrounds.BACKGROUNDS`."""
    layout: str
    """"scatter", "rows", "line" or "cluster"."""
    seed: int | None = None
    """The seed given to `draw_scene`; None from `make_scene`."""


@dataclass(frozen=True)
class SceneOptions:
    """What may be drawn, and how often."""

    size: int | None = None
    """Side of square pictures; None draws from `sides`."""
    sides: tuple[int, int] = (160, 360)
    """Shortest and longest side of pictures of varied shape, px."""
    max_aspect: float = 1.6
    """Longer side over shorter side, at most."""
    things: tuple[int, int] = (1, 12)
    """Fewest and most things; fewer where there is no room."""
    overlap: float = 0.3
    """Share of scenes in which things may cover each other."""
    min_visibility: float = 0.55
    """Visible share every thing keeps."""
    distractors: float = 0.5
    """Share of scenes made of look-alikes: things that differ from one another in one attribute."""
    kinds: tuple[str, ...] = KINDS
    """Which of `things.KINDS`."""
    colors: tuple[str, ...] = tuple(COLORS)
    """Which of `palette.COLORS`."""
    fills: tuple[str, ...] = FILLS
    """Which of `things.FILLS`; should hold "solid", which every kind may have."""
    backgrounds: tuple[str, ...] = BACKGROUNDS
    """Which of `backgrounds.BACKGROUNDS`."""
    layouts: tuple[tuple[str, float], ...] = (("scatter", 0.55), ("rows", 0.17), ("line", 0.14), ("cluster", 0.14))
    """Layouts and their weights."""
    forbidden_pairs: frozenset[tuple[str, str]] = frozenset()
    """(colour, kind) pairs never drawn."""
    only_pairs: frozenset[tuple[str, str]] = frozenset()
    """When not empty, every scene holds one or more of these (colour, kind) pairs, whatever is forbidden."""
    sprites: SpriteSet | None = None
    """Cut-outs to draw besides shapes."""
    sprite_share: float = 0.0
    """About this share of all things are sprites; 1.0: nothing but sprites."""
    noise: float = 0.25
    """Share of pictures with grain over them."""
    blur: float = 0.2
    """Share of pictures lightly blurred."""
    jpeg: float = 0.15
    """Share of pictures that went through JPEG."""


HELD_OUT_BACKGROUNDS = ("checker", "blobs")
HELD_OUT_FILLS = ("gradient",)
HELD_OUT_PAIRS = frozenset(
    {
        ("red", "heart"), ("blue", "star"), ("green", "car"), ("yellow", "house"), ("purple", "fish"),
        ("orange", "circle"), ("pink", "square"), ("black", "triangle"), ("white", "ring"), ("brown", "cup"),
        ("gray", "cross"), ("cyan", "flower"),
    }
)  # fmt: skip


PLAIN_KINDS = ("circle", "square", "triangle", "star", "heart", "cross")
PLAIN_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")


def plain_options() -> SceneOptions:
    """Few kinds in plain colours on plain grounds, nothing in front of anything: what small trainings begin with."""
    return SceneOptions(
        things=(1, 3),
        overlap=0.0,
        distractors=0.0,
        kinds=PLAIN_KINDS,
        colors=PLAIN_COLORS,
        fills=("solid",),
        backgrounds=("plain",),
        layouts=(("scatter", 1.0),),
        noise=0.0,
        blur=0.0,
        jpeg=0.0,
    )


def training_options(options: SceneOptions | None = None) -> SceneOptions:
    """`options` without the backgrounds, fills and pairs kept for held-out tests."""
    options = options or SceneOptions()
    return replace(
        options,
        backgrounds=tuple(b for b in options.backgrounds if b not in HELD_OUT_BACKGROUNDS),
        fills=tuple(f for f in options.fills if f not in HELD_OUT_FILLS),
        forbidden_pairs=options.forbidden_pairs | HELD_OUT_PAIRS,
    )


def held_out_style_options(options: SceneOptions | None = None) -> SceneOptions:
    """Only backgrounds that training never sees, and its unseen fill beside solid; the pairs stay out."""
    options = options or SceneOptions()
    return replace(
        options,
        backgrounds=HELD_OUT_BACKGROUNDS,
        fills=("solid", *HELD_OUT_FILLS),
        forbidden_pairs=options.forbidden_pairs | HELD_OUT_PAIRS,
    )


def held_out_pairs_options(options: SceneOptions | None = None) -> SceneOptions:
    """The styles of training, and in every scene a (colour, kind) pair that training never sees."""
    return replace(training_options(options), forbidden_pairs=frozenset(), only_pairs=HELD_OUT_PAIRS)


def make_scene(rng: np.random.Generator, options: SceneOptions | None = None) -> Scene:
    """A scene laid out and measured, not yet painted (about ten times cheaper than a picture)."""
    from grounding.data.scenes import layout

    return layout.make_scene(rng, options or SceneOptions())


def render(scene: Scene, rng: np.random.Generator, options: SceneOptions | None = None) -> NDArray[np.uint8]:
    """The picture of a scene, (height, width, 3) uint8 RGB; `options` as the scene was made with."""
    from grounding.data.scenes import drawing

    return drawing.render(scene, rng, options or SceneOptions())


def draw_scene(seed: int, options: SceneOptions | None = None) -> tuple[NDArray[np.uint8], Scene]:
    """A picture and what it holds. The same seed and options give the same bytes."""
    rng = np.random.default_rng(seed)
    scene = make_scene(rng, options)
    return render(scene, rng, options), replace(scene, seed=seed)
