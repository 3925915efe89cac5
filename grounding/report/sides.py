"""Owns Side: one of the models in a page, with what it was asked and what that measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grounding.data.predictions import Header, Predictions
from grounding.metrics.base import Scores
from grounding.metrics.protocols import PROTOCOLS, Protocol
from grounding.report.charts import LETTERS
from grounding.report.wording import esc

COMPARING_BOXES = ("rec", "generalized", "detection", "phrases")
"""Scorings in which the protocol says what counts as right."""


@dataclass(frozen=True)
class Side:
    """One model in the page."""

    letter: str
    """One of `LETTERS`: its colour everywhere."""
    name: str
    predictions: Predictions
    scores: Scores

    @property
    def header(self) -> Header:
        """What the model was asked."""
        return self.predictions.header

    @property
    def protocol(self) -> Protocol | None:
        """The rule it was judged by; None for one that this package does not know."""
        return PROTOCOLS.get(self.scores.protocol)

    @property
    def rule(self) -> str:
        """What the protocol says of this way of scoring, in one sentence."""
        if self.scores.scoring not in COMPARING_BOXES:
            return "no boxes are compared here, so that every protocol gives the same."
        return self.protocol.rule if self.protocol else ""

    @property
    def measure(self) -> str:
        """What the overlap of an answer with the truth is called."""
        if self.scores.scoring == "segmentation":
            return "mask IoU"
        return self.protocol.measure if self.protocol else "IoU"


def sides_of(given: Iterable[tuple[Predictions, Scores]]) -> list[Side]:
    """The models, under names that differ."""
    given = list(given)
    names = [predictions.header.model for predictions, _ in given]
    if len(set(names)) < len(names):
        names = [f"{name} ({letter.upper()})" for name, letter in zip(names, LETTERS, strict=False)]
    return [Side(letter, name, *pair) for letter, name, pair in zip(LETTERS, names, given, strict=False)]


def key_of(side: Side) -> str:
    """A patch of the model's colour, and its name."""
    return f'<span class="named"><span class="key {side.letter}"></span>{esc(side.name)}</span>'


def keys_of(sides: Sequence[Side]) -> str:
    """What the colours of charts mean; "" where there is one model."""
    return "" if len(sides) == 1 else f'<p class="keys">{" ".join(map(key_of, sides))}</p>'


def class_of(words: str) -> str:
    """Words as the name of a class in report.css: `wrong object` is `wrong-object`."""
    return "".join(letter if letter.isalnum() else "-" for letter in words.lower())
