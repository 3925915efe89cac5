"""The public names of `grounding`, each loaded on first use: the import itself costs a few milliseconds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from grounding.backends import load
    from grounding.backends.base import Grounder, Question
    from grounding.backends.scripted import Scripted
    from grounding.codecs import get_codec
    from grounding.errors import (
        BackendError,
        BoxError,
        CheckpointError,
        ConfigError,
        GroundingError,
        ImageError,
        ImageTooLargeError,
        InputError,
        MissingExtraError,
        OutputError,
        PromptError,
        PromptTooLongError,
        UnknownCodecError,
        UnknownModelError,
        UnreadableImageError,
    )
    from grounding.images import Canvas, ImageLimits, open_image, open_url
    from grounding.masks import Mask
    from grounding.result import Grounding, Problem, Region

_HOME = {
    "grounding.backends": ("load",),
    "grounding.backends.base": ("Grounder", "Question"),
    "grounding.backends.scripted": ("Scripted",),
    "grounding.codecs": ("get_codec",),
    "grounding.errors": (
        "BackendError",
        "BoxError",
        "CheckpointError",
        "ConfigError",
        "GroundingError",
        "ImageError",
        "ImageTooLargeError",
        "InputError",
        "MissingExtraError",
        "OutputError",
        "PromptError",
        "PromptTooLongError",
        "UnknownCodecError",
        "UnknownModelError",
        "UnreadableImageError",
    ),
    "grounding.images": ("Canvas", "ImageLimits", "open_image", "open_url"),
    "grounding.masks": ("Mask",),
    "grounding.result": ("Grounding", "Problem", "Region"),
}
_HOME_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # a test holds it equal to the imports above


def __getattr__(name: str) -> Any:
    """The public name `name`, imported from its room and kept here for the next time."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'grounding' has no attribute {name!r}; public names: {', '.join(__all__)}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
