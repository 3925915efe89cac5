"""Owns rewards: how good an answer is that a model wrote itself, by its boxes, by "nothing there" and by its form.

An answer is read by its codec, as any answer is, and compared with what is true of the sample. Nothing of this needs a
model; `reward_trainer` learns from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from grounding.boxes import iou
from grounding.codecs.base import Codec, Decoded
from grounding.data.sample import Sample
from grounding.errors import ConfigError, InputError
from grounding.images import Canvas
from grounding.result import Region

TASKS = ("locate", "detect", "count")
"""What can be rewarded: tasks that are answered by boxes."""


@dataclass(frozen=True)
class RewardOptions:
    """What is rewarded, and how answers are drawn: `objective_options` of a stage whose objective is rewards."""

    boxes: float = 1.0
    """Weight of the overlap of the boxes written with the true ones, 0 to 1."""
    absent: float = 1.0
    """Weight of "nothing there": 1 where that is so; -1 where it is said falsely, or not said where it should be."""
    form: float = 0.2
    """Weight of the form: 1 for an answer that reads without problems and ends by itself, 0 for others."""
    answers: int = 8
    """Answers drawn to each question; each learns from how much better it is than the others."""
    temperature: float = 1.0
    """Of the drawing; 1 is the model's own distribution."""
    max_new_tokens: int = 128
    """After which an answer is cut."""
    beta: float = 0.0
    """Weight of the distance to the model that the stage began with; over 0, it is kept beside, frozen."""
    iterations: int = 1
    """Times that the same answers are learned from."""
    loss: str = "dapo"
    """trl's name of the loss: dapo, dr_grpo, grpo and others."""

    def __post_init__(self) -> None:
        if self.answers < 2:
            raise ConfigError(f"answers is {self.answers}; each is compared with others to the question: 2 or more")
        for name in ("max_new_tokens", "iterations"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not self.temperature > 0:
            raise ConfigError(f"temperature is {self.temperature}; it must be over 0, or all answers would be the same")
        if self.beta < 0:
            raise ConfigError(f"beta is {self.beta}; it must be 0 or more")
        if not any((self.boxes, self.absent, self.form)):
            raise ConfigError("boxes, absent and form are all 0: give one of them a weight, or there is no reward")


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that is to be rewarded."""

    text: str
    """As it was written, tokens of coordinates included, the end aside."""
    whole: bool
    """Whether it came to its end by itself."""
    sample: Sample
    """What was asked, and what is true."""
    codec: Codec
    canvas: Canvas
    """What the codec's coordinates count along."""

    def read(self) -> Decoded:
        return self.codec.decode(self.text, self.canvas, task=self.sample.task)


def box_reward(written: Written, decoded: Decoded | None = None) -> float:
    """Twice the overlap of matched boxes over the number of boxes, written and true: 0 to 1.

    For one box of each that is their IoU; a box too many or too few lowers it, as in an F1 whose hits are counted by
    how well they hit. Where names are asked for, boxes of different names never match. 0 where nothing is there.
    """
    regions = (decoded or written.read()).regions
    truth = written.sample.truth.regions
    if not regions or not truth:
        return 0.0
    overlaps = iou([region.box for region in regions], [region.box for region in truth])
    if written.sample.task == "detect":
        same = [[label_of(region) == label_of(other) for other in truth] for region in regions]
        overlaps = np.where(same, overlaps, 0.0)
    return float(2 * matched(overlaps) / (len(regions) + len(truth)))


def absent_reward(written: Written, decoded: Decoded | None = None) -> float:
    """1 for "nothing there" where nothing is; -1 for boxes where nothing is, and for "nothing there" where something
    is; 0 for boxes where something is, and for what is no answer at all to something that is there."""
    decoded = decoded or written.read()
    there = bool(written.sample.truth.regions)
    if says_nothing_there(written, decoded):
        return -1.0 if there else 1.0
    return 0.0 if there else -1.0


def form_reward(written: Written, decoded: Decoded | None = None) -> float:
    """1 for an answer in the family's form that ends by itself, else 0."""
    decoded = decoded or written.read()
    sound = not decoded.problems or says_nothing_there(written, decoded)
    return float(written.whole and sound)


REWARDS: Mapping[str, Any] = MappingProxyType({"boxes": box_reward, "absent": absent_reward, "form": form_reward})
"""By the name of their weight in RewardOptions."""


def rewards_of(written: Written) -> dict[str, float]:
    """Every reward of an answer, by name, before any weight."""
    decoded = written.read()
    return {name: reward(written, decoded) for name, reward in REWARDS.items()}


def says_nothing_there(written: Written, decoded: Decoded) -> bool:
    """Whether the answer says, in the family's form, that nothing is there; an answer that was cut says nothing."""
    if decoded.regions or not written.whole:
        return False
    if not decoded.problems:
        return True
    try:
        nothing = written.codec.encode(written.sample.task, regions=(), canvas=written.canvas)
    except InputError:
        return False
    return written.text.strip() == nothing.strip()


def matched(overlaps: np.ndarray) -> float:
    """Sum of overlaps (W, T) of pairs, each row and column in one at most: the largest first, then the next."""
    overlaps = np.array(overlaps, dtype=float)
    total = 0.0
    while overlaps.size and (best := overlaps.max()) > 0:
        total += float(best)
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[row, :] = 0.0
        overlaps[:, column] = 0.0
    return total


def label_of(region: Region) -> str:
    """The region's name, for comparing."""
    return " ".join((region.label or "").casefold().split())


def rewardable(turns: Sequence[object]) -> list[Sample]:
    """The turns of a lesson that are questions with boxes as their answers."""
    return [turn for turn in turns if isinstance(turn, Sample) and turn.task in TASKS]
