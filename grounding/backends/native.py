"""Our own model behind the verbs: a checkpoint's directory checked, loaded and asked through its decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from grounding.backends.base import Answer, Grounder, Question, Request
from grounding.backends.hub import pick_device, pick_dtype, quiet_transformers
from grounding.codecs.grammar import Grammar
from grounding.codecs.location import NOTHING, SEPARATOR
from grounding.errors import BackendError, CheckpointError, ConfigError, InputError
from grounding.images import Canvas, open_image
from grounding.model import GroundingForConditionalGeneration, GroundingProcessor
from grounding.model.decode import Ask, DecodeOptions, Decoder, ModelAnswer
from grounding.model.looking import attention_over_patches, coordinate_places
from grounding.model.processing import CROSS_ATTENTION
from grounding.model.ways import Chosen
from grounding.result import Grounding, Problem, Region

FILES = ("config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
DTYPES = ("float32", "bfloat16")
NAMES_AT_ONCE = 1
"""So many names our model is asked for at once; a longer list is asked in parts, which share the picture. It learned of
lists too, but misses more of what is there when it is asked for several things."""
REMEDY = "copy the whole directory that training wrote"


def open_native(
    directory: str | Path,
    *,
    device: str | None = None,
    dtype: Any = None,
    name: str | None = None,
    constrained: bool = True,
    **options: Any,
) -> Native:
    """The model in a directory that training or `save_pretrained` wrote. Raises CheckpointError, ConfigError.

    On a GPU it computes in bfloat16, on a CPU in float32, unless `dtype` says otherwise. `name`: what answers call it,
    the directory if it is left out. `constrained`: whether a grammar keeps answers well-formed. `options`: those of
    DecodeOptions.
    """
    directory = Path(directory).expanduser()
    known = [field.name for field in fields(DecodeOptions)]
    if strange := sorted(set(options) - set(known)):
        raise ConfigError(f"no option named {strange[0]!r}; known: constrained, {', '.join(known)}")
    _check_files(directory)
    place = pick_device(device)
    kind = pick_dtype(dtype, place, DTYPES)
    try:
        with quiet_transformers():
            model, report = GroundingForConditionalGeneration.from_pretrained(
                directory, local_files_only=True, dtype=kind, output_loading_info=True
            )
            processor = GroundingProcessor.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:160]
        raise CheckpointError(f"{directory} can't be loaded ({type(error).__name__}: {reason}): {REMEDY}") from error
    _check_weights(directory, report)
    return Native(name or str(directory), model.to(place), processor, DecodeOptions(**options), constrained=constrained)


def _check_files(directory: Path) -> None:
    missing = [name for name in FILES if not (directory / name).is_file()]
    if not any((directory / name).is_file() for name in WEIGHT_FILES):
        missing.append(WEIGHT_FILES[0])
    if missing:
        raise CheckpointError(f"{directory} is no whole model: it has no {', '.join(missing)}; {REMEDY}")


def _check_weights(directory: Path, report: dict[str, Any]) -> None:
    """Weights that are missing would be random, and weights without a place are another model's: both are refused."""
    for names, what in (
        (report.get("missing_keys"), "lacks"),
        (report.get("unexpected_keys"), "has, without a place for it,"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(
                f"the weights in {directory} are of another model than its config.json: "
                f"the file {what} {sorted(names)[0]}{more}; {REMEDY}"
            )


class Native(Grounder):
    """A checkpoint of ours. `model`, `processor` and `decoder` are there for those who want to look inside."""

    def __init__(
        self, name: str, model: Any, processor: GroundingProcessor, options: DecodeOptions, *, constrained: bool = True
    ) -> None:
        """`constrained`: whether the codec's grammar keeps answers well-formed; without it the model writes freely, as
        does one whose boxes are not our location tokens."""
        self.name = name
        self.codec = processor.codec_object
        self.model = model
        self.processor = processor
        self.decoder = _Watched(model, processor, options)
        self.constrained = constrained

    def twin(self) -> Native:
        """Another one over the same weights, which may be asked at the same time by another thread."""
        return Native(self.name, self.model, self.processor, self.decoder.options, constrained=self.constrained)

    def watch(self, each_token: Callable[[], None] | None) -> None:
        """From now on `each_token` is called at every token that is written; what it raises ends the answer."""
        self.decoder.each_token = each_token

    @property
    def tokens_written(self) -> int:
        """How many tokens of answers it has written since it was opened."""
        return self.decoder.timing.tokens

    @property
    def patch_grid(self) -> tuple[int, int]:
        """Patches along one side of the square that the model sees, and the side of a patch in its pixels.

        Raises ConfigError where it sees something else, or nothing that stands for a place.
        """
        pictures, tokens = self.processor.image_processor, self.processor.image_tokens
        side = round(tokens**0.5)
        if pictures.resize != "squash" or pictures.grid != [side, side] or self.processor.fusion == CROSS_ATTENTION:
            raise ConfigError(
                f"{self.name} shows pictures as {pictures.resize!r} with features {pictures.grid}, by "
                f"{self.processor.fusion}: where it looked is read of one square, a token for each patch"
            )
        return side, self.model.config.image_size // side

    def look(self, image: Any, question: Question, answer: Grounding, region: int) -> NDArray[np.float64]:
        """(side, side) where the model looked while it wrote the box of `answer.regions[region]`, 0 to 1.

        `question`: what was asked of `image`. Rows from top to bottom of what the model sees, which is the whole
        picture squashed to a square. Raises InputError where the answer has no coordinates for that region, ConfigError
        for a model that looks in another way.
        """
        if self.decoder.compiler is None:
            raise ConfigError(f"{self.name} writes boxes in {self.codec.name!r}: this is read of location tokens alone")
        _ = self.patch_grid
        picture = open_image(image)
        text = answer.text if answer.raw is None else answer.raw
        if not 0 <= region < len(answer.regions):
            raise InputError(f"the answer has {len(answer.regions)} regions, and none numbered {region}")
        parts = self._parts(question)
        if len(parts) > 1:  # only that part was before the model while it wrote the box
            label = answer.regions[region].label
            asked = [part for part in parts if label in part.names]
            if not asked:
                raise InputError(f"region {region} is called {label!r}, which is none of the names asked for")
            question = asked[0]
            mine = [n for n, other in enumerate(answer.regions) if other.label in question.names]
            spans = [answer.regions[n].span for n in mine]
            text = SEPARATOR.join(text[slice(*span)] for span in spans if span is not None)
            answer, region = replace(answer, regions=tuple(answer.regions[n] for n in mine)), mine.index(region)
        boxes = coordinate_places(self.processor.encode_answers([text])[0], self.decoder.first, self.decoder.bins)
        if answer.task == "segment" or len(boxes) < len(answer.regions):
            raise InputError("this answer does not write one box of four coordinates for each region")
        prompt = self.prompt_of(question, *picture.size)
        return attention_over_patches(self.model, self.processor, picture, prompt, text, boxes[region])

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        asked = [self._requests_of(request) for request in requests]
        with self._telling_of_memory():
            written = iter(self.decoder.answer_many([self._ask(part) for parts in asked for part in parts]))
        return [_joined([_answer(next(written)) for _ in parts]) for parts in asked]

    def _stream(self, request: Request) -> Iterator[Region | Answer]:
        answers: list[Answer] = []
        with self._telling_of_memory():
            for part in self._requests_of(request):
                before = _joined(answers).text if answers else NOTHING
                start = 0 if before == NOTHING else len(before + SEPARATOR)
                for event in self.decoder.stream(self._ask(part)):
                    if isinstance(event, ModelAnswer):
                        answers.append(_answer(event))
                    else:
                        yield replace(event, span=_moved(event.span, start))
        yield _joined(answers)

    def _parts(self, question: Question) -> tuple[Question, ...]:
        names = question.names
        if question.task != "detect" or self.codec.name != "location" or len(names) <= NAMES_AT_ONCE:
            return (question,)
        count = -(-len(names) // NAMES_AT_ONCE)
        size = -(-len(names) // count)  # parts of one length, as far as may be
        return tuple(replace(question, names=names[at : at + size]) for at in range(0, len(names), size))

    def _requests_of(self, request: Request) -> list[Request]:
        parts = self._parts(request.question)
        if len(parts) == 1:
            return [request]
        return [replace(request, question=part, prompt=self._prompt(part, request.canvas)) for part in parts]

    def _canvas(self, width: int, height: int) -> Canvas:
        return self.processor.canvas(width, height)

    def _check_prompt(self, prompt: str) -> None:
        self.processor.encode_prompts([prompt])

    def _ask(self, request: Request) -> Ask:
        limited = self.constrained and self.decoder.compiler is not None
        grammar = self._grammar(request) if limited else None
        return Ask(request.image, request.prompt, request.canvas, request.question.task, grammar)

    def _grammar(self, request: Request) -> Grammar:
        question = request.question
        more: dict[str, Any] = {} if question.point is None else {"point": True}
        return self.codec.grammar(question.task, names=question.names, **more)

    @contextmanager
    def _telling_of_memory(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"{self.name} ran out of memory on {self.model.device}: load it with a smaller batch_size or on the cpu"
            ) from error


class _Watched(Decoder):
    """A decoder that can be stopped between two tokens."""

    each_token: Callable[[], None] | None = None

    def _choose(self, scores: Tensor) -> Chosen:
        if self.each_token is not None:
            self.each_token()
        return super()._choose(scores)


def _answer(written: ModelAnswer) -> Answer:
    return Answer(written.text, written.regions, written.problems)


def _joined(answers: Sequence[Answer]) -> Answer:
    """The answers to the parts of a question as one, as if the model had written them in one go."""
    if len(answers) == 1:
        return answers[0]
    text = ""
    regions: list[Region] = []
    problems: list[Problem] = []
    for answer in answers:
        if answer.text == NOTHING:
            continue
        text += SEPARATOR if text else ""
        regions += [replace(region, span=_moved(region.span, len(text))) for region in answer.regions or ()]
        problems += [replace(problem, span=_moved(problem.span, len(text))) for problem in answer.problems]
        text += answer.text
    return Answer(text or NOTHING, tuple(regions), tuple(problems))


def _moved(span: tuple[int, int] | None, by: int) -> tuple[int, int] | None:
    return None if span is None else (span[0] + by, span[1] + by)
