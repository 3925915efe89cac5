"""The public names of `grounding`, each loaded on first use: the import itself costs a few milliseconds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # `as` hands a name on to those who check their types strictly
    from grounding.backends import load as load
    from grounding.backends.base import Grounder as Grounder, Question as Question
    from grounding.backends.scripted import Scripted as Scripted
    from grounding.codecs import get_codec as get_codec
    from grounding.data.dataset import Dataset as Dataset
    from grounding.data.opening import open_dataset as open_dataset
    from grounding.data.sample import Sample as Sample
    from grounding.errors import (
        BackendError as BackendError,
        BoxError as BoxError,
        CheckpointError as CheckpointError,
        ConfigError as ConfigError,
        FetchError as FetchError,
        GroundingError as GroundingError,
        ImageError as ImageError,
        ImageTooLargeError as ImageTooLargeError,
        InputError as InputError,
        MissingExtraError as MissingExtraError,
        OutputError as OutputError,
        PromptError as PromptError,
        PromptTooLongError as PromptTooLongError,
        TrainingError as TrainingError,
        UnknownCodecError as UnknownCodecError,
        UnknownModelError as UnknownModelError,
        UnreadableImageError as UnreadableImageError,
    )
    from grounding.images import (
        Canvas as Canvas,
        ImageLimits as ImageLimits,
        open_image as open_image,
        open_url as open_url,
    )
    from grounding.masks import Mask as Mask
    from grounding.model.location_tokens import add_location_tokens as add_location_tokens
    from grounding.result import Grounding as Grounding, Problem as Problem, Region as Region

_HOME = {
    "grounding.backends": ("load",),
    "grounding.backends.base": ("Grounder", "Question"),
    "grounding.backends.scripted": ("Scripted",),
    "grounding.codecs": ("get_codec",),
    "grounding.data.dataset": ("Dataset",),
    "grounding.data.opening": ("open_dataset",),
    "grounding.data.sample": ("Sample",),
    "grounding.errors": (
        "BackendError",
        "BoxError",
        "CheckpointError",
        "ConfigError",
        "FetchError",
        "GroundingError",
        "ImageError",
        "ImageTooLargeError",
        "InputError",
        "MissingExtraError",
        "OutputError",
        "PromptError",
        "PromptTooLongError",
        "TrainingError",
        "UnknownCodecError",
        "UnknownModelError",
        "UnreadableImageError",
    ),
    "grounding.images": ("Canvas", "ImageLimits", "open_image", "open_url"),
    "grounding.masks": ("Mask",),
    "grounding.model.location_tokens": ("add_location_tokens",),
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
