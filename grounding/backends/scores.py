"""What a model's probabilities say of its boxes, where the coordinates are tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from transformers import LogitsProcessor

from grounding.backends.families import Coordinates
from grounding.codecs.base import Codec
from grounding.images import Canvas
from grounding.result import Region

IN_WORDS = ("caption", "answer", "describe")
"""Tasks whose regions point into clean words, so that their spans don't tell which tokens they came from."""


class Recorder(LogitsProcessor):
    """Keeps the log-probability of the likeliest token of each step, which is the one that is written.

    Stands last among the processors, so that the probabilities are those that the choice was made of.
    """

    def __init__(self) -> None:
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores_bv = scores.float()
        self._steps.append(scores_bv.amax(-1) - scores_bv.logsumexp(-1))
        return scores

    def rows(self) -> list[list[float]]:
        """For each row of the batch, a log-probability for each step."""
        return torch.stack(self._steps, 1).tolist() if self._steps else []

    def latest(self) -> float:
        """Of the only row's last step."""
        return float(self._steps[-1][0])


class BoxScores:
    """Scores of regions.

    A score is the geometric mean of the probabilities of the region's coordinate tokens, 0 to 1: of the four of a box,
    the two of a box in Kosmos-2, all of an outline. It says how sure the model was of the place, given what it had
    written before; it is no probability that there is such a thing. Labels and words do not count, as there are many
    names for one thing. A region whose tokens can't be told has no score.
    """

    def __init__(self, coordinates: Coordinates, vocabulary: Mapping[str, int]) -> None:
        self._pattern = re.compile(coordinates.pattern)
        self._per_box = coordinates.per_box
        self._ids = frozenset(id_ for token, id_ in vocabulary.items() if self._pattern.fullmatch(token))

    def places(self, text: str, ids: Sequence[int], logs: Sequence[float]) -> list[tuple[int, int, float]]:
        """Of each coordinate in `text`, in order: start, end, and the log-probability of its token.

        `ids` and `logs`: the tokens that `text` was decoded of. Empty where they don't fit together, as when a model
        spelled a coordinate in pieces.
        """
        known = [log for id_, log in zip(ids, logs, strict=False) if id_ in self._ids]
        spans = [match.span() for match in self._pattern.finditer(text)]
        if len(known) != len(spans):
            return []
        return [(start, end, log) for (start, end), log in zip(spans, known, strict=True)]

    def scored(self, region: Region, places: Sequence[tuple[int, int, float]], task: str) -> Region:
        """The region with its score. Where the task answers in words, the last of `places` is what completed it."""
        if task in IN_WORDS:
            logs = [log for _, _, log in places[-self._per_box :]]
        else:
            first, last = region.span or (0, 0)
            logs = [log for start, end, log in places if first <= start and end <= last]
        if region.mask is None:
            logs = logs[-self._per_box :]
            if len(logs) != self._per_box:
                return region
        return replace(region, score=min(math.exp(sum(logs) / len(logs)), 1.0)) if logs else region

    def read(
        self, codec: Codec, canvas: Canvas, task: str, text: str, ids: Sequence[int], logs: Sequence[float]
    ) -> tuple[Region, ...]:
        """The regions of a whole answer, with scores."""
        places = self.places(text, ids, logs)
        if task not in IN_WORDS:
            return tuple(self.scored(region, places, task) for region in codec.decode(text, canvas, task=task).regions)
        stream = codec.stream(canvas, task=task)
        regions: list[Region] = []
        done = 0
        for number, (_, end, _) in enumerate(places, 1):
            # Cut behind each coordinate, so that a box comes out with its last one.
            regions += [self.scored(region, places[:number], task) for region in stream.feed(text[done:end])]
            done = end
        stream.feed(text[done:])
        return (*regions, *stream.close().regions[len(regions) :])
