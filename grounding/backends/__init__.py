"""load(): the one door to every model. A name becomes a backend, and the backend's module is imported only then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding.errors import CheckpointError, UnknownModelError

if TYPE_CHECKING:
    from grounding.backends.base import Grounder

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
"""Where the model lies that this package ships."""
SHIPPED = "grounding-scenes"
"""What its answers call it."""


@dataclass(frozen=True, slots=True)
class Backend:
    """How one kind of name is written, which function opens it, and what it is."""

    form: str
    opener: str
    what: str


DEFAULT = Backend("(no name)", "grounding.backends.native:open_native", "the model this package ships")

PREFIXES = {
    "scripted": Backend(
        "scripted:FILE.jsonl",
        "grounding.backends.scripted:open_script",
        "answers read from a file, for tests and teaching",
    ),
}
"""Names with a prefix: `prefix:rest` hands `rest` to the opener."""

MODEL_TYPES = {
    "grounding": Backend(
        "DIRECTORY", "grounding.backends.native:open_native", "a model trained with `grounding train`"
    ),
}
"""Directories: the `model_type` in their config.json decides."""


def load(name: str | Path | None = None, *, device: str | None = None, dtype: Any = None, **options: Any) -> Grounder:
    """The model called `name`, ready to be asked.

    `name`: None for the shipped one, a directory with a config.json, or a name with a prefix (`backends()` lists them).
    `device`: such as "cpu" or "cuda"; None takes a GPU where there is one. `dtype`: such as "float32" or "bfloat16".
    `options` go to the backend. Raises UnknownModelError, or CheckpointError where a directory is no usable checkpoint.
    """
    if name is None:
        if not (WEIGHTS / "config.json").is_file():
            raise CheckpointError(
                f"this copy of the package has no model in {WEIGHTS}: give the directory of one, or a copy that has it"
            )
        return _open(DEFAULT, WEIGHTS, device=device, dtype=dtype, name=SHIPPED, **options)
    text = str(name)
    prefix, colon, rest = text.partition(":")
    if colon and prefix in PREFIXES:
        return _open(PREFIXES[prefix], rest, device=device, dtype=dtype, **options)
    directory = Path(name).expanduser()
    if directory.is_dir():
        return _open(_backend_of(directory), directory, device=device, dtype=dtype, **options)
    raise UnknownModelError(
        f"no model named {text!r}, and no directory of that name; known: {', '.join(known_names())}"
    )


def backends() -> list[Backend]:
    """Every kind of name that load() takes."""
    return [DEFAULT, *MODEL_TYPES.values(), *PREFIXES.values()]


def known_names() -> list[str]:
    """The forms a name may have, for messages and `grounding models`."""
    return ["no name (the shipped model)", "a model's directory", *(backend.form for backend in PREFIXES.values())]


def _open(backend: Backend, where: str | Path, **options: Any) -> Grounder:
    module, _, function = backend.opener.partition(":")
    opened: Grounder = getattr(import_module(module), function)(where, **options)
    return opened


def _backend_of(directory: Path) -> Backend:
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{directory} is no model's directory: it has no config.json (give the one that training wrote)"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} can't be read as JSON ({error}): copy it anew from where the model was saved"
        ) from None
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if model_type not in MODEL_TYPES:
        raise UnknownModelError(
            f"{directory} holds a model of type {model_type!r}, which unknown here; known: {', '.join(MODEL_TYPES)}"
        )
    return MODEL_TYPES[model_type]
