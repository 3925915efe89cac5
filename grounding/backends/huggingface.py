"""Models that transformers carries, behind the verbs: one class for all families; families.py says how they differ."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from grounding.backends import fuyu_places
from grounding.backends.base import Answer, Grounder, Request
from grounding.backends.families import COORDINATES, Family, family_of
from grounding.backends.family_inputs import FamilyInputs
from grounding.backends.hub import (
    check_weights,
    clear_loading,
    pick_device,
    pick_dtype,
    quiet_transformers,
    read_config,
)
from grounding.backends.loading import (
    HuggingFaceOptions,
    check_packages,
    class_of,
    load_model,
    load_processor,
    written_by,
)
from grounding.backends.scores import BoxScores, Recorder
from grounding.codecs import get_codec
from grounding.codecs.base import Codec, Stream
from grounding.errors import BackendError, ConfigError, PromptTooLongError
from grounding.images import Canvas
from grounding.result import Problem, Region


def open_huggingface(directory: str | Path, *, name: str | None = None, **options: Any) -> HuggingFaceGrounder:
    """The model in a directory that `save_pretrained` wrote. Raises CheckpointError, ConfigError, MissingExtraError.

    No code of the checkpoint's is run and no pickle opened. `name`: what answers call it. `options`: those of
    HuggingFaceOptions.
    """
    directory = Path(directory).expanduser()
    known = [field.name for field in fields(HuggingFaceOptions)]
    if strange := sorted(set(options) - set(known)):
        raise ConfigError(f"no option named {strange[0]!r}; known: {', '.join(known)}")
    settings = HuggingFaceOptions(**options)
    config = read_config(directory)
    family = family_of(config, directory)
    check_packages(family)
    check_weights(directory)
    place = pick_device(settings.device)
    kind = pick_dtype(settings.dtype, place)
    opened_with = class_of(family, family.models[config["model_type"]])
    with quiet_transformers(), clear_loading(directory, family.name):
        processor = load_processor(directory, family, settings)
        model = load_model(directory, family, opened_with, settings, place, kind)
    codec = get_codec(settings.codec or written_by(family, processor), settings.rounding)
    return HuggingFaceGrounder(name or str(directory), family, model, processor, codec, settings)


class HuggingFaceGrounder(Grounder):
    """A model of transformers. `model`, `processor` and `family` are there for those who want to look inside.

    It writes its likeliest token at each step, whatever its own settings say of sampling, so that an answer is the same
    alone, in a batch and streamed. `logits_processors`: what else has a say in that choice, as transformers understands
    it, such as a constraint.

    Scores: see BoxScores; None for families that spell coordinates in digits.
    """

    def __init__(
        self, name: str, family: Family, model: Any, processor: Any, codec: Codec, options: HuggingFaceOptions
    ) -> None:
        self.name, self.family, self.codec, self.options = name, family, codec, options
        self.model, self.processor = model, processor
        self.logits_processors: list[LogitsProcessor] = []
        self.max_new_tokens = options.max_new_tokens or family.new_tokens
        self.asking = FamilyInputs(name, family, processor, codec)
        tokenizer = processor.tokenizer
        self._encodes = bool(model.config.is_encoder_decoder)
        tokenizer.padding_side = "right" if self._encodes else "left"
        self._generation = self._greedy()
        places = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.places = int(places) if places else 1 << 20
        ends = self._generation.eos_token_id
        self.ends = frozenset(ends if isinstance(ends, list | tuple) else [ends])
        coordinates = COORDINATES.get(codec.name)
        self._scores = BoxScores(coordinates, tokenizer.get_vocab()) if coordinates else None

    # -- pictures and prompts ------------------------------------------------------------------------------------------

    def _canvas(self, width: int, height: int) -> Canvas:
        return self.asking.canvas(width, height)

    def inputs(self, requests: Sequence[Request]) -> Any:
        """The tensors that the model is given for these requests, on its device.

        Raises ImageError for a picture that the processor refuses, PromptTooLongError where there is no room.
        """
        made = self.asking.tensors(requests)
        length = made["input_ids"].shape[1]
        if length >= self.places:
            raise PromptTooLongError(
                f"picture and prompt take {length} of the {self.places} places of {self.name}, which leaves none for "
                "an answer: ask in fewer words, or shrink the picture"
            )
        return made.to(self.model.device, self.model.dtype)

    # -- answers -------------------------------------------------------------------------------------------------------

    def _greedy(self) -> Any:
        """The checkpoint's own settings, but one beam and no sampling."""
        config = deepcopy(self.model.generation_config)
        config.do_sample, config.num_beams = False, 1
        config.temperature = config.top_p = config.top_k = config.min_p = config.typical_p = None
        config.early_stopping = config.length_penalty = None
        config.max_length, config.max_new_tokens = None, self.max_new_tokens
        tokenizer = self.processor.tokenizer
        if config.eos_token_id is None:
            config.eos_token_id = tokenizer.eos_token_id
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.pad_token_id
        return config

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        size = self.options.batch_size
        answers: dict[int, Answer] = {}
        for places in self._together(requests):
            for start in range(0, len(places), size):
                batch = places[start : start + size]
                answers.update(zip(batch, self._answer([requests[place] for place in batch]), strict=True))
        return [answers[place] for place in range(len(requests))]

    def _together(self, requests: Sequence[Request]) -> list[list[int]]:
        """Places of requests that may share a batch."""
        if self.family.padded:
            return [list(range(len(requests)))]
        groups: dict[int, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(len(self.processor.tokenizer(request.prompt).input_ids), []).append(place)
        return list(groups.values())

    def _answer(self, requests: Sequence[Request]) -> list[Answer]:
        inputs = self.inputs(requests)
        recorder = Recorder() if self._scores else None
        with self._clear_failures():
            written = self._write(inputs, recorder)
        begin = 1 if self._encodes else inputs["input_ids"].shape[1]
        rows = written[:, begin:].tolist()
        logs = recorder.rows() if recorder else [[] for _ in rows]
        return [self._read(request, row, log) for request, row, log in zip(requests, rows, logs, strict=True)]

    @torch.inference_mode()
    def _write(self, inputs: Any, recorder: Recorder | None, **more: Any) -> torch.Tensor:
        last = [recorder] if recorder else []
        config = deepcopy(self._generation)
        taken = 1 if self._encodes else inputs["input_ids"].shape[1]
        config.max_new_tokens = min(config.max_new_tokens, self.places - taken)
        return self.model.generate(
            **inputs,
            generation_config=config,
            logits_processor=LogitsProcessorList([*self.logits_processors, *last]),
            **more,
        )

    def _read(self, request: Request, row: Sequence[int], logs: Sequence[float]) -> Answer:
        length = next((place for place, id_ in enumerate(row) if id_ in self.ends), None)
        ids = list(row[:length])
        text = self._spelled(ids)
        problems: tuple[Problem, ...] = ()
        if length is None:
            problems = (Problem("truncated", f"cut after {len(ids)} tokens", (len(text), len(text))),)
        regions = None
        if self._scores:
            regions = self._scores.read(self.codec, request.canvas, request.question.task, text, ids, logs)
        return Answer(text, regions, problems)

    def _spelled(self, ids: Sequence[int]) -> str:
        """The text of tokens that were written. Special tokens stay: in most families they are the coordinates."""
        if self.family.numbered:
            return fuyu_places.spell(self.processor.tokenizer, ids)
        text: str = self.processor.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    # -- streaming -----------------------------------------------------------------------------------------------------

    def _stream(self, request: Request) -> Iterator[Region | Answer]:
        inputs = self.inputs([request])
        recorder = Recorder() if self._scores else None
        tokens: SimpleQueue[tuple[int, float] | BaseException | None] = SimpleQueue()
        stop = threading.Event()

        def write() -> None:
            try:
                self._write(
                    inputs,
                    recorder,
                    streamer=_Queue(tokens, recorder),
                    stopping_criteria=StoppingCriteriaList([_Stop(stop)]),
                )
                tokens.put(None)
            except BaseException as error:
                tokens.put(error)

        writer = threading.Thread(target=write, name="grounding-stream", daemon=True)
        writer.start()
        try:
            yield from self._follow(request, tokens)
        finally:
            stop.set()
            writer.join()

    def _follow(
        self, request: Request, tokens: SimpleQueue[tuple[int, float] | BaseException | None]
    ) -> Iterator[Region | Answer]:
        task = request.question.task
        reader: Stream = self.codec.stream(request.canvas, task=task)
        ids: list[int] = []
        logs: list[float] = []
        text, given = "", 0
        while (event := tokens.get()) is not None:
            if isinstance(event, BaseException):
                with self._clear_failures():
                    raise event
            ids.append(event[0])
            logs.append(event[1])
            if ids[-1] in self.ends:
                continue
            whole = self._spelled(ids)
            if whole.endswith("\ufffd") or not whole.startswith(text):
                continue  # the last bytes of a character are still to come
            piece, text = whole[len(text) :], whole
            for region in reader.feed(piece):
                given += 1
                yield self._scored(region, text, ids, logs, task)
        answer = self._read(request, ids, logs)
        regions = self._decode(request, answer).regions if answer.regions is None else answer.regions
        yield from regions[given:]
        yield answer

    def _scored(self, region: Region, text: str, ids: Sequence[int], logs: Sequence[float], task: str) -> Region:
        if self._scores is None:
            return region
        return self._scores.scored(region, self._scores.places(text, ids, logs), task)

    @contextmanager
    def _clear_failures(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"{self.name} ran out of memory on {self.model.device}: load it with a smaller batch_size, with "
                'quantization="4bit", or on the cpu'
            ) from error


class _Queue(BaseStreamer):
    """Hands each token on as it is written, with its log-probability where that is kept."""

    def __init__(self, tokens: SimpleQueue[Any], recorder: Recorder | None) -> None:
        self._tokens, self._recorder = tokens, recorder
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        if self._prompt:
            self._prompt = False
            return
        for id_ in value.flatten().tolist():
            self._tokens.put((id_, self._recorder.latest() if self._recorder else 0.0))

    def end(self) -> None:
        """The queue is closed by whoever started the writing, once it is over or has failed."""


class _Stop(StoppingCriteria):
    """Ends the writing when nobody listens any more."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._event.is_set(), dtype=torch.bool, device=input_ids.device)
