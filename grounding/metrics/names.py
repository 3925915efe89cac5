"""Owns what a figure's name says of it: whether it is a share, and whether more of it is better."""

from __future__ import annotations

NO_SHARES = ("mean absolute error",)
"""Figures that are no share of anything, and so no per cent."""
LESS_IS_BETTER = ("mean absolute error", "false-positive rate")
NEITHER_IS_BETTER = ("several boxes",)
"""Figures that tell how a model answers, not how well."""
