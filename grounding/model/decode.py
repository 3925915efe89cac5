"""Owns the writing of answers: one picture and many phrases, coordinates between the bins, and streaming.

A picture's keys and values are computed once and serve every phrase asked of it. Where the box language is that of our
location tokens, a coordinate is the mean of the distribution in a window around its mode, which is finer than a bin and
steadier than its best token; what the window holds is its probability. Any other box language is written token by
token, the likeliest each time, and read by its codec.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL.Image import Image
from torch import Tensor
from transformers.cache_utils import DynamicCache

from grounding.errors import ConfigError, InputError, PromptTooLongError
from grounding.model.answers import Ask, ModelAnswer, PlainReader, Reader, Row, repeats
from grounding.model.automaton import GrammarCompiler
from grounding.model.building import check_fit
from grounding.model.cache import RowCache
from grounding.model.constrain import GrammarLogitsProcessor
from grounding.model.following import Following
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.picture_cache import PictureEncoder, Pictures
from grounding.model.placing import around_mode
from grounding.model.prefill import read_behind, read_whole, words_in_front
from grounding.model.processing import GroundingProcessor
from grounding.model.ways import Chosen, Ways
from grounding.result import Region

__all__ = ["Ask", "DecodeOptions", "Decoder", "ModelAnswer", "Timing"]

LOCATIONS = "location"
"""The box language of our location tokens."""
SEARCHED = "locate"
"""The task whose answers begin with the box that is meant: several ways to write it are followed."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How answers are written."""

    max_new_tokens: int = 192
    """An answer is cut after so many tokens, and says so."""
    expectation: bool = True
    """Coordinates from the window's mean, where locations together outweigh any word; False: the likeliest token."""
    presence_threshold: float = 0.5
    """Boxes are written where the probability that there is something to find is this or more."""
    ways: int = 4
    """Ways to write the first box of an answer about places that are followed side by side, where several coordinates
    may be meant; the box that most of them agree on is kept. 1: always the likeliest coordinate. Of `expectation` only.
    """
    batch_size: int = 64
    """Answers that are written together; each may be followed in several `ways`."""
    picture_batch: int = 32
    """Views of pictures that are encoded together."""

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "ways", "batch_size", "picture_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 <= self.presence_threshold <= 1:
            raise ConfigError(f"presence_threshold is {self.presence_threshold}; it is a probability, 0 to 1")


@dataclass
class Timing:
    """Seconds spent in each part, added up over calls; and how many pictures and tokens that was."""

    vision: float = 0.0
    prefill: float = 0.0
    decode: float = 0.0
    pictures: int = 0
    tokens: int = 0


class Decoder:
    """Writes answers with a model and its processor. Keep one: it remembers compiled grammars and the last picture.

    Make a new one when the model's weights have changed: what it remembers of the picture is of the old ones.
    """

    def __init__(
        self,
        model: GroundingForConditionalGeneration,
        processor: GroundingProcessor,
        options: DecodeOptions | None = None,
    ) -> None:
        self.model, self.processor, self.options = model.eval(), processor, options or DecodeOptions()
        check_fit(model, processor)
        self.bins = model.config.num_locations
        self.first = int(model.config.location_token_id or 0)
        self.compiler: GrammarCompiler | None = None
        self.reader: Reader | PlainReader = PlainReader(processor)
        if processor.codec == LOCATIONS:
            self.compiler = GrammarCompiler(processor.tokenizer, size=int(model.config.text_config.vocab_size))
            if self.first != self.compiler.first:
                raise ConfigError(
                    f"location_token_id is {self.first} for the model and {self.compiler.first} for its processor: "
                    "load both from one directory"
                )
            self.reader = Reader(processor, self.first, self.bins)
        self.pictures = PictureEncoder(model, processor, self.options.picture_batch)
        self.timing = Timing()

    # ---- pictures

    def forget(self) -> None:
        """Let go of the last picture: the next question encodes it anew. For timing, and after a change of weights."""
        self.pictures.forget()

    @torch.inference_mode()
    def encode(self, images: Sequence[Image], front: Sequence[int] = ()) -> Pictures:
        """Keys and values of pictures, at most `picture_batch` views at a time in memory of the encoder. `front`: ids
        of words that stand before each."""
        start = time.perf_counter()
        pictures, fresh = self.pictures.encode(images, front)
        if fresh:
            self._note("vision", start)
            self.timing.pictures += len(images)
        return pictures

    # ---- answers

    def answer(self, ask: Ask) -> ModelAnswer:
        """One answer."""
        return self.answer_many([ask])[0]

    @torch.inference_mode()
    def answer_many(self, asks: Sequence[Ask]) -> list[ModelAnswer]:
        """An answer to each ask, in order: the same as one by one, whatever is asked beside it."""
        answers: dict[int, ModelAnswer] = {}
        for chunk in self._chunks(asks):
            for row in self._write([asks[place] for place in chunk]):
                place = chunk[row.place]
                answers[place] = self.reader.read(asks[place], row)
        return [answers[place] for place in range(len(asks))]

    @torch.inference_mode()
    def stream(self, ask: Ask) -> Iterator[Region | ModelAnswer]:
        """Each region as soon as its last coordinate is written, then the whole answer."""
        reader = self.processor.codec_object.stream(ask.canvas, task=ask.task)
        text, kept = "", list[Region]()
        row = Row(0, 0)
        for row in self._steps([ask]):
            whole = self.processor.text(row.ids)
            if whole.endswith("\ufffd"):
                continue  # the last bytes of a character are still to come
            pieces, text = whole[len(text) :], whole
            yield from self._news(self.reader.finer(ask, row, text, reader.feed(pieces)), kept)
        whole = self.processor.text(row.ids)
        last = reader.feed(whole[len(text) :])
        seen = reader.yielded
        decoded = reader.close()
        yield from self._news(self.reader.finer(ask, row, whole, (*last, *decoded.regions[seen:])), kept)
        yield self.reader.read(ask, row, decoded)

    def _news(self, regions: Sequence[Region], kept: list[Region]) -> Iterator[Region]:
        """Those of the regions that repeat none of `kept`, to which they are added."""
        for region in regions:
            if not repeats(region, kept):
                kept.append(region)
                yield region

    # ---- inside

    def _chunks(self, asks: Sequence[Ask]) -> Iterator[list[int]]:
        """Places of asks that are written together: those of one picture stay together, up to the batch size."""
        by_picture: dict[int, list[int]] = {}
        for place, ask in enumerate(asks):
            by_picture.setdefault(id(ask.image), []).append(place)
        chunk: list[int] = []
        for places in by_picture.values():
            if chunk and len(chunk) + len(places) > self.options.batch_size:
                yield chunk
                chunk = []
            while len(places) > self.options.batch_size:
                yield places[: self.options.batch_size]
                places = places[self.options.batch_size :]
            chunk = [*chunk, *places]
        if chunk:
            yield chunk

    def _write(self, asks: Sequence[Ask]) -> list[Row]:
        """The finished rows of one batch."""
        finished: dict[int, Row] = {}
        for row in self._steps(asks):
            finished[row.place] = row
        return list(finished.values())

    def _steps(self, asks: Sequence[Ask]) -> Iterator[Row]:
        """Every row after every token it has written; the last time it comes out it is whole."""
        if self.compiler is None and any(ask.grammar is not None for ask in asks):
            raise InputError(f"answers in {self.processor.codec!r} follow no grammar here: leave Ask.grammar out")
        images = list({id(ask.image): ask.image for ask in asks}.values())
        numbers = {id(image): number for number, image in enumerate(images)}
        which = [numbers[id(ask.image)] for ask in asks]
        prompts = self.processor.encode_prompts([ask.prompt for ask in asks])
        sizes = self.pictures.counts(images)
        counts = [sizes[number] for number in which]
        rows = [
            Row(place, self._room(count, prompt, ask))
            for place, (prompt, ask, count) in enumerate(zip(prompts, asks, counts, strict=True))
        ]
        model, image = self.model, self.processor.ids[3]
        front = words_in_front(model, self.processor, prompts)
        if front is None:
            start = time.perf_counter()
            shown = self.pictures.shown(images, which)
            start = self._note("vision", start)
            self.timing.pictures += len(images)
            started = read_whole(model, self.processor, prompts, shown)
        else:
            behind = [prompt[len(front) + 1 :] if image in prompt else prompt for prompt in prompts]
            pictures = self.encode(images, front)
            start = time.perf_counter()
            started = read_behind(model, self.processor, behind, pictures, which, max(row.room for row in rows))
        self._note("prefill", start)
        yield from self._follow(asks, rows, *started)

    def _follow(
        self,
        asks: Sequence[Ask],
        rows: list[Row],
        logits: Tensor,
        cache: RowCache | DynamicCache,
        mask: Tensor | None,
        positions: Tensor,
    ) -> Iterator[Row]:
        """Token by token, dropping rows that have ended. A row whose first box may be meant in several ways comes out
        when that box is whole."""
        end, limits = self.processor.ids[2], None
        if self.compiler is not None:
            limits = GrammarLogitsProcessor(
                [ask.grammar for ask in asks], self.compiler, presence_threshold=self.options.presence_threshold
            )
        start = time.perf_counter()
        state = Following(cache, mask, positions, limits)
        allowed = limits.apply(logits) if limits else logits
        ways = Ways(self.first, self.bins, self.options.ways if self.compiler and self.options.expectation else 1)
        for row, ask in zip(rows, asks, strict=True):
            row.open = ways.most > 1 and ask.task == SEARCHED
        chosen = self._choose(allowed)
        if limits is not None and limits.present is not None:
            for row, present in zip(rows, limits.present.tolist(), strict=True):
                row.presence = None if present != present else present
        while True:
            rows, chosen = ways.branch(rows, allowed, chosen, state)
            for row, token, probability, coordinate in zip(rows, *chosen, strict=True):
                row.add(token, probability, coordinate)
            self.timing.tokens += len({row.place for row in rows})
            self._note("decode", start)
            kept = ways.settled(rows)
            yield from (rows[number] for number in kept if not rows[number].open)
            going = [n for n in kept if rows[n].ids[-1] != end and len(rows[n].ids) < rows[n].room]
            if not going:
                return
            start = time.perf_counter()
            if limits is not None:
                limits.advance(chosen[0])
            if len(going) < len(rows):
                going = gaps_filled(going)
                state.select(going)
                rows = [rows[number] for number in going]
            allowed = state.step(self.model, [row.ids[-1] for row in rows])
            chosen = self._choose(allowed)

    def _choose(self, scores: Tensor) -> Chosen:
        """Of allowed scores (B, V): each row's token, its probability, and the coordinate it stands for, if any."""
        first, bins = self.first, self.bins
        probabilities = scores.softmax(1)
        if self.compiler is None:
            best, token = probabilities.max(1)
            return token.tolist(), best.tolist(), [None] * len(scores)
        spread = probabilities[:, first : first + bins]
        mass = spread.sum(1)
        if self.options.expectation:
            words = probabilities.clone()
            words[:, first : first + bins] = -1
            best, token = words.max(1)
            placed = mass > best
        else:
            best, token = probabilities.max(1)
            placed = (token >= first) & (token < first + bins)
        if not bool(placed.any()):
            return token.tolist(), best.tolist(), [None] * len(scores)
        mean, inside = around_mode(spread) if self.options.expectation else ((token - first).float(), best)
        bin_ = mean.round().long().clamp(0, bins - 1)
        tokens = torch.where(placed, first + bin_, token).tolist()
        probability = torch.where(placed, inside / mass.clamp_min(1e-12), best).clamp_max(1.0).tolist()
        coordinates = (mean / (bins - 1)).tolist()
        return tokens, probability, [c if p else None for c, p in zip(coordinates, placed.tolist(), strict=True)]

    def _room(self, image_tokens: int, prompt: Sequence[int], ask: Ask) -> int:
        """How many tokens an answer may have behind this picture and prompt. Raises PromptTooLongError."""
        places = getattr(self.model.config.text_config, "max_position_embeddings", None) or 1 << 20
        left = places - image_tokens - len(prompt)
        if left < 1:
            raise PromptTooLongError(
                f"the picture takes {image_tokens} and the prompt {ask.prompt[:40]!r} {len(prompt)} of the model's "
                f"{places} places, which leaves none for an answer: ask in fewer words"
            )
        return min(self.options.max_new_tokens, left)

    def _note(self, part: str, start: float) -> float:
        """Adds the time since `start` to a part's; the time now."""
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        setattr(self.timing, part, getattr(self.timing, part) + now - start)
        return now


def gaps_filled(rows: Sequence[int]) -> list[int]:
    """The same rows, as many as possible at their own places: those from behind move into the gaps."""
    behind = [row for row in rows if row >= len(rows)]
    staying = set(rows)
    return [place if place in staying else behind.pop() for place in range(len(rows))]
