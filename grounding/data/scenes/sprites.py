"""SpriteSet: a folder of named cut-outs (PNG or WebP with alpha) to make scenes of."""

from __future__ import annotations


class SpriteSet:
    """Named cut-outs."""
