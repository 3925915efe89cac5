"""Owns the writing of answers: one picture and many phrases, coordinates between the bins, scores, and streaming.

A picture's keys and values are computed once and serve every phrase asked of it. A coordinate is the mean of the
distribution in a window around its mode, which is finer than a bin and steadier than its best token; a region's score
is the geometric mean of what its four windows hold, times the probability that there is anything to find.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers.cache_utils import Cache

from grounding.boxes import iou
from grounding.codecs.grammar import Grammar
from grounding.images import Canvas
from grounding.model.cache import RowCache, rows_of
from grounding.model.constrain import GrammarCompiler, GrammarLogitsProcessor
from grounding.model.fusion import PAD, PROMPT
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor
from grounding.result import Problem, Region

SMOOTHING = 9
"""Bins over which mass is summed to find a coordinate's mode: what training spreads over neighbours counts together."""
WINDOW = 12
"""Bins on either side of the mode whose mean is the coordinate, and whose mass is its probability."""
DUPLICATE_IOU = 0.85
"""Two boxes of one label that overlap so much are one thing said twice."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt about one picture. Asks with the very same `image` object share its encoding."""

    image: Image
    prompt: str
    canvas: Canvas
    task: str = "locate"
    grammar: Grammar | None = None
    """What the answer may look like; None leaves it free."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How answers are written."""

    max_new_tokens: int = 192
    """An answer is cut after so many tokens, and says so."""
    expectation: bool = True
    """Coordinates from the window's mean; False takes the most probable token's bin."""
    presence_threshold: float = 0.5
    """Boxes are written where the probability that there is something to find is this or more."""
    batch_size: int = 64
    """Rows that are written together."""
    picture_batch: int = 32
    """Pictures that are encoded together."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the model wrote, read."""

    text: str
    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    """Of each token; of a coordinate, its window's mass."""
    regions: tuple[Region, ...]
    problems: tuple[Problem, ...]
    presence: float | None
    """P(there is something to find), where the task asks."""


@dataclass
class Timing:
    """Seconds spent in each part, added up over calls; and how many pictures and tokens that was."""

    vision: float = 0.0
    prefill: float = 0.0
    decode: float = 0.0
    pictures: int = 0
    tokens: int = 0


@dataclass
class _Row:
    """An answer in the making."""

    place: int
    """Which of the asks it answers."""
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    coordinates: list[float | None] = field(default_factory=list)
    """For each token, the coordinate of 0 to 1 that it stands for, or None for a word."""
    presence: float | None = None


class Decoder:
    """Writes answers with a model and its processor. Keep one: it remembers compiled grammars and the last picture."""

    def __init__(
        self,
        model: GroundingForConditionalGeneration,
        processor: GroundingProcessor,
        options: DecodeOptions | None = None,
    ) -> None:
        self.model, self.processor, self.options = model.eval(), processor, options or DecodeOptions()
        self.bins = model.config.num_locations
        self.first = int(model.config.location_token_id or 0)
        self.compiler = GrammarCompiler(processor.tokenizer, size=int(model.config.text_config.vocab_size))
        self.timing = Timing()
        self._last: tuple[Image, Cache] | None = None

    # ---- pictures

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> Cache:
        """Keys and values of pictures, at most `picture_batch` of them at a time in memory of the encoder."""
        if len(images) == 1 and self._last is not None and self._last[0] is images[0]:
            return self._last[1]
        start = time.perf_counter()
        model = self.model
        pixels = self.processor.image_processor(list(images))["pixel_values"].to(model.device, model.dtype)
        size = self.options.picture_batch
        caches = [model.image_cache(pixels[at : at + size]) for at in range(0, len(pixels), size)]
        cache = caches[0]
        for number, layer in enumerate(cache.layers):
            if len(caches) > 1:
                layer.keys = torch.cat([c.layers[number].keys for c in caches])
                layer.values = torch.cat([c.layers[number].values for c in caches])
        if len(images) == 1:
            self._last = (images[0], cache)
        self._note("vision", start)
        self.timing.pictures += len(images)
        return cache

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
                answers[place] = self._read(asks[place], row)
        return [answers[place] for place in range(len(asks))]

    @torch.inference_mode()
    def stream(self, ask: Ask) -> Iterator[Region | ModelAnswer]:
        """Each region as soon as its last coordinate is written, then the whole answer."""
        reader = self.processor.codec_object.stream(ask.canvas, task=ask.task)
        row = _Row(0)
        shown = 0
        kept: list[Region] = []
        for row in self._steps([ask]):
            text = self.processor.text(row.ids)
            for region in reader.feed(text[shown:]):
                (finer,) = self._finer(ask, row, [region])
                if not _repeats(finer, kept):
                    kept.append(finer)
                    yield finer
            shown = len(text)
        answer = self._read(ask, row)
        for region in reader.close().regions[reader.yielded :]:
            (finer,) = self._finer(ask, row, [region])
            if not _repeats(finer, kept):
                kept.append(finer)
                yield finer
        yield answer

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

    def _write(self, asks: Sequence[Ask]) -> list[_Row]:
        """The finished rows of one batch."""
        finished: dict[int, _Row] = {}
        for row in self._steps(asks):
            finished[row.place] = row
        return list(finished.values())

    def _steps(self, asks: Sequence[Ask]) -> Iterator[_Row]:
        """Every row after every token it has written; the last time it comes out it is whole."""
        images = list({id(ask.image): ask.image for ask in asks}.values())
        pictures = self.encode(images)
        start = time.perf_counter()
        model, device = self.model, self.model.device
        numbers = {id(image): number for number, image in enumerate(images)}
        which = torch.tensor([numbers[id(ask.image)] for ask in asks], device=device)
        prompts = self.processor.encode_prompts([ask.prompt for ask in asks])
        longest = max(map(len, prompts))
        most = self._room(longest)
        pad = self.processor.ids[0]
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=device)
        roles = torch.tensor([[PAD] * (longest - len(p)) + [PROMPT] * len(p) for p in prompts], device=device)
        count = pictures.get_seq_length()
        padded = any(len(p) < longest for p in prompts)
        mask = torch.cat([roles.new_ones(len(asks), count), (roles != PAD).long()], 1) if padded else None
        lengths = torch.tensor([len(p) for p in prompts], device=device)
        positions = (torch.arange(longest, device=device) - (longest - lengths[:, None])).clamp_min(0) + count
        cache = RowCache(pictures, which, longest + most) if model.own_language else rows_of(pictures, which)
        logits = model(
            input_ids=ids,
            past_key_values=cache,
            attention_mask=mask,
            token_roles=roles,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        self._note("prefill", start)
        yield from self._follow(asks, logits.float(), cache, mask, lengths + count, most)

    def _follow(
        self, asks: Sequence[Ask], logits: Tensor, cache: object, mask: Tensor | None, positions: Tensor, most: int
    ) -> Iterator[_Row]:
        """Token by token, dropping rows that have ended."""
        options, end = self.options, self.processor.ids[2]
        rows = [_Row(place) for place in range(len(asks))]
        limits = GrammarLogitsProcessor(
            [ask.grammar for ask in asks], self.compiler, presence_threshold=options.presence_threshold
        )
        for step in range(most):
            start = time.perf_counter()
            tokens, probabilities, coordinates = self._choose(limits.apply(logits))
            if step == 0 and limits.present is not None:
                for row, present in zip(rows, limits.present.tolist(), strict=True):
                    row.presence = None if present != present else present
            limits.advance(tokens)
            going = []
            for number, (row, token) in enumerate(zip(rows, tokens, strict=True)):
                row.ids.append(token)
                row.probabilities.append(probabilities[number])
                row.coordinates.append(coordinates[number])
                if token != end:
                    going.append(number)
            self.timing.tokens += len(rows)
            written = rows
            if step + 1 < most and going:
                if len(going) < len(rows):
                    kept = torch.tensor(going, device=positions.device)
                    if isinstance(cache, RowCache):
                        cache.select(kept)
                    else:
                        cache.batch_select_indices(kept)  # type: ignore[attr-defined]
                    mask = None if mask is None else mask[kept]
                    positions = positions[kept]
                    limits.select(going)
                    rows = [rows[number] for number in going]
                if mask is not None:
                    mask = F.pad(mask, (0, 1), value=1)
                logits = (
                    self.model(
                        input_ids=torch.tensor([[row.ids[-1]] for row in rows], device=positions.device),
                        past_key_values=cache,
                        attention_mask=mask,
                        position_ids=positions[:, None],
                        use_cache=True,
                        logits_to_keep=1,
                    )
                    .logits[:, -1]
                    .float()
                )
                positions = positions + 1
            self._note("decode", start)
            yield from written
            if not going:
                return

    def _choose(self, scores: Tensor) -> tuple[list[int], list[float], list[float | None]]:
        """Of allowed scores (B, V): each row's token, its probability, and the coordinate it stands for, if it is one."""
        first, bins = self.first, self.bins
        probabilities = scores.softmax(1)
        spread = probabilities[:, first : first + bins]
        mass = spread.sum(1)
        words = probabilities.clone()
        words[:, first : first + bins] = -1
        best, token = words.max(1)
        placed = mass > best
        if not bool(placed.any()):
            return token.tolist(), best.tolist(), [None] * len(scores)
        if self.options.expectation:
            summed = F.avg_pool1d(spread[:, None], SMOOTHING, 1, SMOOTHING // 2)[:, 0]
            mode = summed.masked_fill(spread <= 0, -1).argmax(1)
            offsets = torch.arange(-WINDOW, WINDOW + 1, device=scores.device)
            near = mode[:, None] + offsets
            window = spread.gather(1, near.clamp(0, bins - 1)) * ((near >= 0) & (near < bins))
            inside = window.sum(1).clamp_min(1e-12)
            mean = (window * near).sum(1) / inside
            allowed = spread.gather(1, mean.round().long().clamp(0, bins - 1)[:, None])[:, 0] > 0
            mean = torch.where(allowed, mean, mode.float())
        else:
            inside, mode = spread.max(1)
            mean = mode.float()
        bin_ = mean.round().long().clamp(0, bins - 1)
        token = torch.where(placed, first + bin_, token)
        probability = torch.where(placed, inside / mass.clamp_min(1e-12), best)
        coordinates = (mean / (bins - 1)).tolist()
        is_place = placed.tolist()
        return (
            token.tolist(),
            probability.tolist(),
            [c if p else None for c, p in zip(coordinates, is_place, strict=True)],
        )

    def _read(self, ask: Ask, row: _Row) -> ModelAnswer:
        """The row's text, decoded, with finer boxes and scores, without boxes said twice."""
        end = self.processor.ids[2]
        text = self.processor.text(row.ids)
        decoded = self.processor.codec_object.decode(text, ask.canvas, task=ask.task)
        problems = list(decoded.problems)
        if not row.ids or row.ids[-1] != end:
            problems.append(Problem("truncated", f"cut after {len(row.ids)} tokens", (len(text), len(text))))
        regions: list[Region] = []
        for region in self._finer(ask, row, decoded.regions):
            if _repeats(region, regions):
                problems.append(Problem("duplicate", "a box that was written before; kept once", region.span))
            else:
                regions.append(region)
        return ModelAnswer(
            text, tuple(row.ids), tuple(row.probabilities), tuple(regions), tuple(problems), row.presence
        )

    def _finer(self, ask: Ask, row: _Row, regions: Sequence[Region]) -> list[Region]:
        """The regions with coordinates between the bins, and scores. Boxes are known again by their bins."""
        known: dict[tuple[int, ...], tuple[list[float], float]] = {}
        run: list[int] = []
        for place, coordinate in enumerate(row.coordinates):
            if coordinate is None:
                run = []
                continue
            run.append(place)
            if len(run) == 4 and ask.task != "segment":
                values = [row.coordinates[at] or 0.0 for at in run]
                bins = tuple(row.ids[at] - self.first for at in run)
                score = _product([row.probabilities[at] for at in run]) ** 0.25
                if row.presence is not None:
                    score *= row.presence
                known.setdefault(bins, (values, min(max(score, 0.0), 1.0)))
                run = []
        finer = []
        for region in regions:
            x1, y1, x2, y2 = region.box
            width, height, top = ask.canvas.width, ask.canvas.height, self.bins - 1
            key = (round(y1 / height * top), round(x1 / width * top), round(y2 / height * top), round(x2 / width * top))
            if ask.task == "segment":
                finer.append(replace(region, score=self._outline_score(row)))
                continue
            if key not in known:
                finer.append(region)
                continue
            (top_y, left, bottom, right), score = known[key]
            box = (left * width, top_y * height, max(left, right) * width, max(top_y, bottom) * height)
            finer.append(replace(region, box=box, score=score))
        return finer

    def _outline_score(self, row: _Row) -> float:
        """One score for the outlines of an answer: what their windows hold, times the probability of presence."""
        held = [p for p, c in zip(row.probabilities, row.coordinates, strict=True) if c is not None]
        score = _product(held) ** (1 / max(1, len(held))) * (1.0 if row.presence is None else row.presence)
        return min(max(score, 0.0), 1.0)

    def _room(self, longest: int) -> int:
        """How many tokens an answer may have behind a prompt of this length."""
        places = getattr(self.model.config.text_config, "max_position_embeddings", 1 << 20)
        return max(1, min(self.options.max_new_tokens, places - self.processor.image_tokens - longest))

    def _note(self, part: str, start: float) -> None:
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        setattr(self.timing, part, getattr(self.timing, part) + time.perf_counter() - start)


def _product(values: Sequence[float]) -> float:
    product = 1.0
    for value in values:
        product *= value
    return product


def _repeats(region: Region, others: Sequence[Region]) -> bool:
    """Whether one of `others` is the same thing: the same label, nearly the same box."""
    same = [other.box for other in others if other.label == region.label]
    return bool(same) and float(iou([region.box], same).max()) > DUPLICATE_IOU
