"""Owns the making of a header: everything a figure made of the predictions has to state, and a resumed run to share."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import grounding
from grounding.backends import WEIGHTS
from grounding.backends.base import Grounder, Question
from grounding.data.dataset import Dataset, Origin, StreamedDataset
from grounding.data.predictions import Header
from grounding.data.sample import Sample
from grounding.errors import GroundingError
from grounding.predict.options import PredictOptions

PACKAGES = ("torch", "transformers")
SAMPLED_BYTES = 1 << 16
"""Of each piece of a file of weights that goes into its fingerprint."""
LOOKED_AT = 100
"""Samples in which to look for a stretched picture."""
SAMPLED_PIECES = 16
"""Pieces of each file; weights that were trained on differ everywhere."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a header says of the model, as the process that asks it sees it. Plain values: they travel."""

    name: str
    codec: str | None = None
    rounding: str | None = None
    prompt: str | None = None
    """How the first question is put."""
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def facts_of(
    model: Grounder, first: Sample | None, weights: str | None = None, options: Mapping[str, Any] | None = None
) -> ModelFacts:
    """Of a loaded model. `first`: a sample to show the prompt of. `weights`: their fingerprint, where there is one.

    `options`: what `load` was given besides the name, the device and the dtype.
    """
    codec = getattr(model, "codec", None)
    told: dict[str, Any] = dict(options or {})
    inner = getattr(model, "model", None)
    device, dtype = getattr(inner, "device", None), getattr(inner, "dtype", None)
    if device is not None:
        told["device"] = getattr(device, "type", str(device))
    if dtype is not None:
        told["dtype"] = str(dtype).removeprefix("torch.")
    if weights is not None:
        told["weights"] = weights
    return ModelFacts(
        name=model.name,
        codec=None if codec is None else codec.name,
        rounding=None if codec is None else rounding_of(codec),
        prompt=None if first is None else _prompt(model, first),
        options={name: _plain(value) for name, value in told.items()},
        versions=versions(),
    )


def header_of(
    dataset: Dataset | StreamedDataset,
    options: PredictOptions,
    questions: int | None,
    missing_pictures: int,
    root: str | Path | None,
    images: str | Path | None,
    facts: ModelFacts,
) -> Header:
    """The header of a run; what is known only once a model is loaded comes last."""
    origin = dataset.origin
    return Header(
        dataset=dataset.name,
        scoring=dataset.scoring,
        samples=questions,
        model=facts.name,
        expected=dataset.expected,
        fingerprint=dataset.fingerprint,
        source=dataset.source,
        notes=dataset.notes,
        missing_pictures=missing_pictures,
        data_problems={} if questions is None else problems_of(dataset),
        codec=facts.codec,
        rounding=facts.rounding,
        prompt=facts.prompt,
        seed=options.seed,
        options={"batch": options.batch, **_stretched(dataset), **facts.options},
        versions=facts.versions,
        meta=dataset.meta,
        opened=None if origin is None else origin.name,
        reader_options={} if origin is None else origin.options,
        root=_place(root, origin, "root"),
        images=_place(images, origin, "images"),
    )


def _place(given: str | Path | None, origin: Origin | None, name: str) -> str | None:
    """The folder that was given, else the one that the data set was opened with."""
    if given is not None:
        return str(given)
    place: str | None = None if origin is None else getattr(origin, name)
    return place


def problems_of(dataset: Dataset | StreamedDataset) -> dict[str, int]:
    """How many of the data set's entries are wrong, by kind."""
    return dict(Counter(problem.kind for problem in dataset.problems))


def versions() -> dict[str, str]:
    """Of Python, this package, torch and transformers."""
    found = {"python": platform.python_version(), "grounding": grounding.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def rounding_of(codec: Any) -> str | None:
    """The name of the reader that the codec was made with; None where it has only one way."""
    return next((name for name, rule in codec.rules.items() if rule is codec.rule), None)


def weights_fingerprint(named: str | Path | None) -> str | None:
    """Twelve hex digits of the weights in a model's directory; None where there is none.

    Two checkpoints of one name, such as before and after more training, are told apart by it. Of each file its length,
    its beginning and pieces all over it are read, so that it takes no time with large ones.
    """
    directory = WEIGHTS if named is None else Path(named).expanduser()
    digest = hashlib.sha256()
    files = sorted(directory.glob("*.safetensors")) if directory.is_dir() else []
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            for piece in range(SAMPLED_PIECES):
                file.seek(max(0, size - SAMPLED_BYTES) * piece // (SAMPLED_PIECES - 1))
                digest.update(file.read(SAMPLED_BYTES))
    return digest.hexdigest()[:12] if files else None


def question_of(sample: Sample) -> Question:
    """What is asked of the model."""
    return Question(sample.task, sample.phrase, sample.names, sample.box, sample.point)


def _prompt(model: Grounder, sample: Sample) -> str | None:
    try:
        return model.prompt_of(question_of(sample), *sample.size)
    except GroundingError:  # asking it will fail too, and that is told there
        return None


def _plain(value: Any) -> Any:
    """The value as JSON holds it, without a name and password that may stand in an address."""
    if isinstance(value, str):
        return re.sub(r"//[^/@\s]+@", "//", value)
    return json.loads(json.dumps(value, default=str))


def _stretched(dataset: Dataset | StreamedDataset) -> dict[str, bool]:
    """Whether pictures are resized copies, which the answers depend on; the first that are there tell it of all."""
    first = islice(dataset, LOOKED_AT)
    stretched = any(getattr(sample.picture, "stretched_from", None) is not None for sample in first)
    return {"stretched": True} if stretched else {}
