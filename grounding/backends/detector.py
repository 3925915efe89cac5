"""Detectors behind the verbs: GroundingDINO, MM-GroundingDINO, OWLv2 and OmDet-Turbo, with the scores they give.

They are what a model that writes its boxes is compared with. They write no text and have no codec: a Grounding's `text`
lists what the detector itself calls each box, with its score, `star 0.812 ; ring 0.401`, and each region's `span` says
which of those words are its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from grounding.backends.base import Answer, Grounder, Question, Request
from grounding.backends.detector_families import FAMILIES, Family, Found
from grounding.backends.hub import (
    check_weights,
    clear_loading,
    fetch,
    fetch_config,
    is_hub_name,
    pick_device,
    pick_dtype,
    quiet_transformers,
    read_config,
)
from grounding.codecs.base import Decoded
from grounding.errors import (
    BackendError,
    CheckpointError,
    ConfigError,
    ImageError,
    MissingExtraError,
    UnknownModelError,
)
from grounding.images import Canvas
from grounding.result import Problem, Region

NOTHING = "none"
"""The text of an answer without boxes."""


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """How a detector computes and which of its boxes count."""

    device: str | None = None
    """Where it computes, such as cpu or cuda; none: a GPU where there is one."""
    dtype: str | None = None
    """The type it computes in; none: float32, as the shorter ones move a box's edges by pixels."""
    threshold: float | None = None
    """Boxes that score more than this are given; none: what the family's processor takes, 0.1 to 0.3."""
    text_threshold: float | None = None
    """Words that score more than this are what a box is called; none: 0.25, or the threshold where that is less. For
    GroundingDINO and MM-GroundingDINO."""
    nms_threshold: float | None = None
    """Of two boxes of one name that overlap by more than this, the surer is given; none: 0.5. For OmDet-Turbo."""
    batch_size: int = 4
    """Questions that are computed together."""

    def __post_init__(self) -> None:
        for name in ("threshold", "text_threshold", "nms_threshold"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
                raise ConfigError(f"{name} is {value!r}; it is a number from 0 to 1")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}; it must be 1 or more")


def open_detector(
    where: str | Path, *, device: str | None = None, dtype: Any = None, name: str | None = None, **options: Any
) -> Detector:
    """The detector in a directory, or the one called ORG/NAME on the hub; its config.json says of which family it is.

    `options`: those of DetectorOptions. `name`: what answers call it, `detector:` and `where` if it is left out. Only
    safetensors are opened, and no code from a checkpoint runs. Raises UnknownModelError, CheckpointError, ConfigError,
    MissingExtraError.
    """
    known = [field.name for field in fields(DetectorOptions)]
    if strange := sorted(set(options) - set(known)):
        raise ConfigError(f"no option named {strange[0]!r}; known: {', '.join(known)}")
    settings = DetectorOptions(device=device, dtype=dtype, **options)
    directory = Path(where).expanduser()
    on_hub = not str(where) or not directory.is_dir()  # no name at all would be the working directory
    if on_hub and not is_hub_name(str(where)):
        raise UnknownModelError(f"{str(where)!r} is no directory, and no model's name on the hub, which is ORG/NAME")
    kind = read_config(fetch_config(str(where)) if on_hub else directory).get("model_type")
    family = FAMILIES.get(kind) if isinstance(kind, str) else None
    if family is None:
        raise UnknownModelError(
            f"{where} holds a model of type {kind!r}, which is no detector known here; known: {', '.join(FAMILIES)}"
        )
    thresholds = _thresholds(family, settings)
    if family.package is not None and find_spec(family.package) is None:
        raise MissingExtraError(f"{family.title} needs {family.package}: pip install {family.package}")
    place = pick_device(device)
    kind_of_number = pick_dtype(dtype or "float32", place)
    if on_hub:
        directory = fetch(str(where))
    check_weights(directory)
    with clear_loading(where, family.title), quiet_transformers():
        import transformers

        model, report = getattr(transformers, family.model).from_pretrained(
            directory, dtype=kind_of_number, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        processor = getattr(transformers, family.processor).from_pretrained(directory, local_files_only=True)
    if missing := sorted(report["missing_keys"]):
        raise CheckpointError(
            f"the weights in {where} are not all there: {missing[0]} and {len(missing) - 1} more would be random; "
            "copy the whole directory"
        )
    asked = family(processor, model.config)
    return Detector(name or f"detector:{where}", model.to(place).eval(), asked, thresholds, settings.batch_size)


def _thresholds(family: type[Family], settings: DetectorOptions) -> dict[str, float]:
    """The family's thresholds, those given in place of its own. ConfigError where one is given that it has not."""
    given = {name: getattr(settings, name) for name in ("threshold", "text_threshold", "nms_threshold")}
    given = {name: float(value) for name, value in given.items() if value is not None}
    if strange := [name for name in given if name not in family.thresholds]:
        raise ConfigError(f"{family.title} has no {strange[0]}; it has: {', '.join(family.thresholds)}")
    thresholds = {**family.thresholds, **given}
    if "text_threshold" in thresholds and "text_threshold" not in given:
        thresholds["text_threshold"] = min(thresholds["text_threshold"], thresholds["threshold"])
    return thresholds


class Detector(Grounder):
    """A detector. `model`, `family` and `thresholds` are there for those who want to look inside."""

    def __init__(
        self, name: str, model: Any, family: Family, thresholds: dict[str, float], batch_size: int = 4
    ) -> None:
        self.name = name
        self.model = model
        self.family = family
        self.thresholds = thresholds
        self._batch_size = batch_size

    @property
    def tasks(self) -> tuple[str, ...]:
        """What follows from boxes of names; a count is the number of them."""
        return ("locate", "detect", "count")

    def _prompt(self, question: Question, canvas: Canvas) -> str:
        return self.family.prompt(_names(question))

    def _decode(self, request: Request, answer: Answer) -> Decoded:
        return Decoded()  # the text is made of the boxes here, not the boxes of a text

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        mates: dict[Hashable, list[int]] = {}
        for place, request in enumerate(requests):
            mates.setdefault(self.family.mates(request.image, _names(request.question)), []).append(place)
        answers: dict[int, Answer] = {}
        for places in mates.values():
            for start in range(0, len(places), self._batch_size):
                batch = places[start : start + self._batch_size]
                answers |= zip(batch, self._detect([requests[place] for place in batch]), strict=True)
        return [answers[place] for place in range(len(requests))]

    def _detect(self, requests: Sequence[Request]) -> list[Answer]:
        names = [_names(request.question) for request in requests]
        sizes = [(request.image.height, request.image.width) for request in requests]
        try:
            inputs = self.family.inputs([request.image for request in requests], names)
        except ValueError as error:
            shapes = ", ".join(dict.fromkeys(f"{width} x {height}" for height, width in sizes))
            reason = " ".join(str(error).split())[:120]
            raise ImageError(
                f"{self.family.title} can't take a picture of {shapes} px ({reason}): cut it nearer to a square"
            ) from error
        try:
            inputs = inputs.to(self.model.device, dtype=self.model.dtype)
            with torch.inference_mode():
                outputs = self.model(**inputs)
                for key in self.family.outputs:
                    outputs[key] = outputs[key].float()
                rows = self.family.read(outputs, inputs, names, sizes, self.thresholds)
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"{self.name} ran out of memory on {self.model.device}: load it with a smaller batch_size or on the cpu"
            ) from error
        return [_answer(request, found) for request, found in zip(requests, rows, strict=True)]


def _names(question: Question) -> tuple[str, ...]:
    return tuple(question.names) if question.task == "detect" else (question.phrase,)


def _answer(request: Request, found: Sequence[Found]) -> Answer:
    """The boxes in the picture, surest first, cut at its edges; and the list of them in words."""
    width, height = request.image.size
    regions: list[Region] = []
    text = ""
    outside = 0
    for one in sorted(found, key=lambda one: -one.score):
        x1, y1, x2, y2 = one.box
        if not (x1 < width and y1 < height and x2 > 0 and y2 > 0):
            outside += 1
            continue
        text += " ; " if text else ""
        start = len(text)
        span = None if one.words is None else (start, start + len(one.words))
        text += f"{one.words or ''} {one.score:.3f}".lstrip()
        box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        label = one.name if request.question.task == "detect" else one.words
        regions.append(Region(box, label=label, score=one.score, span=span))
    message = f"{outside} of {len(found)} boxes lie outside the picture, in what it was padded with, and are left out"
    problems = (Problem("out_of_range", message),) if outside else ()
    return Answer(text or NOTHING, tuple(regions), problems)
