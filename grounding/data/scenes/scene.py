"""Scene and Thing: what a drawn picture holds; SceneOptions: what may be drawn.

Lengths are pixels of the picture, boxes are xyxy, angles are degrees clockwise. Layout and drawing follow below:
`make_scene` decides where everything stands (cheap), `render` paints it, `draw_scene` does both from one seed.
"""

from __future__ import annotations

from dataclasses import dataclass

from grounding.data.scenes.sprites import SpriteSet

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
    """Centre of `full_box`."""
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
