"""load(): the one door to every model. A name becomes a backend, and the backend's module is imported only then."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding.backends.families import BY_TYPE, FAMILIES, family_of
from grounding.backends.hub import fetch, fetch_config, is_hub_name, read_config
from grounding.errors import CheckpointError, ConfigError, UnknownModelError

if TYPE_CHECKING:
    from grounding.backends.base import Grounder

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
"""Where the model lies that this package ships."""
SHIPPED = "grounding-photos"
"""What its answers call it."""


@dataclass(frozen=True, slots=True)
class Backend:
    """How one kind of name is written, which function opens it, and what it is."""

    form: str
    opener: str
    what: str


DEFAULT = Backend("(no name)", "grounding.backends.native:open_native", "the model this package ships")

PREFIXES = {
    "openai": Backend("openai:MODEL", "grounding.backends.endpoint:open_openai", "a model of OpenAI's, such as gpt-4o"),
    "gemini": Backend("gemini:MODEL", "grounding.backends.endpoint:open_gemini", "a model of Google's Gemini API"),
    "claude": Backend("claude:MODEL", "grounding.backends.endpoint:open_claude", "a model of Anthropic's Claude API"),
    "endpoint": Backend(
        "endpoint:MODEL",
        "grounding.backends.endpoint:open_endpoint",
        "a model on any OpenAI-compatible server (vLLM, SGLang, llama.cpp, Ollama ...): give base_url=",
    ),
    "detector": Backend(
        "detector:DIRECTORY or ORG/NAME",
        "grounding.backends.detector:open_detector",
        "a detector, to compare with: GroundingDINO, MM-GroundingDINO, OWLv2, OmDet-Turbo",
    ),
    "baseline": Backend(
        "baseline:whole | baseline:center | baseline:nouns",
        "grounding.backends.baseline:open_baseline",
        "to compare with: the whole picture, its middle, or a detector's boxes chosen by noun and place: detections=",
    ),
    "scripted": Backend(
        "scripted:FILE.jsonl",
        "grounding.backends.scripted:open_script",
        "answers read from a file, for tests and teaching",
    ),
}
"""Names with a prefix: `prefix:rest` hands `rest` to the opener."""

HUGGINGFACE = Backend(
    "DIRECTORY or ORG/NAME",
    "grounding.backends.huggingface:open_huggingface",
    f"a model that transformers carries, on disk or on the hub: {', '.join(family.name for family in FAMILIES)}",
)

MODEL_TYPES = {
    "grounding": Backend(
        "DIRECTORY", "grounding.backends.native:open_native", "a model trained with `grounding train`"
    ),
    **dict.fromkeys(BY_TYPE, HUGGINGFACE),
    **dict.fromkeys(("grounding-dino", "mm-grounding-dino", "owlv2", "omdet-turbo"), PREFIXES["detector"]),
}
"""Directories: the `model_type` in their config.json decides."""


def load(name: str | Path | None = None, *, device: str | None = None, dtype: Any = None, **options: Any) -> Grounder:
    """The model called `name`, ready to be asked.

    `name`: None for the shipped one, a directory with a config.json, a name with a prefix (`backends()` lists them), or
    ORG/NAME, which is fetched from the hub.
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
    if isinstance(name, str) and is_hub_name(name):
        backend = _backend_of(fetch_config(name), name)  # before gigabytes are fetched for nothing
        return _open(backend, fetch(name), device=device, dtype=dtype, name=name, **options)
    raise UnknownModelError(
        f"no model named {text!r}, and no directory of that name; known: {', '.join(known_names())}"
    )


def backends() -> list[Backend]:
    """Every kind of name that load() takes."""
    return list(dict.fromkeys((DEFAULT, *MODEL_TYPES.values(), *PREFIXES.values())))


def known_names() -> list[str]:
    """The forms a name may have, for messages and `grounding models`."""
    return [
        "no name (the shipped model)",
        "a model's directory",
        "ORG/NAME (on the hub)",
        *(backend.form for backend in PREFIXES.values()),
    ]


def _open(backend: Backend, where: str | Path, **options: Any) -> Grounder:
    module, _, function = backend.opener.partition(":")
    opener = getattr(import_module(module), function)
    parameters = signature(opener).parameters
    if not any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values()):
        known = [name for name, entry in parameters.items() if entry.kind is entry.KEYWORD_ONLY]
        if strange := sorted(set(options) - set(known)):
            raise ConfigError(f"{backend.form} has no option {strange[0]!r}; its options are {', '.join(known)}")
    opened: Grounder = opener(where, **options)
    return opened


def _backend_of(directory: Path, name: str | None = None) -> Backend:
    config = read_config(directory)
    backend = MODEL_TYPES.get(str(config.get("model_type")))
    if backend is None:
        family_of(config, name or directory)  # raises, and says what is known
        raise AssertionError
    return backend
